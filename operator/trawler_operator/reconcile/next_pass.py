"""When a Subscription is looked at again, if nothing wakes it before."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

from trawler_operator.api.status import SubscriptionStatus
from trawler_operator.api.subscription import Key
from trawler_operator.domain.checks.schedule import CheckHistory, PollDecision, poll_decision
from trawler_operator.domain.pauses import backoff
from trawler_operator.domain.requests.grammar import asked_check
from trawler_operator.reconcile.findings import Findings
from trawler_operator.reconcile.stores.gatekeeper import CLAIM_GRACE, Gatekeeper
from trawler_operator.reconcile.subject import Subject

LOOK_AT_RUNNING = timedelta(minutes=3)
"""Work in flight is looked at this often, whatever the watch says."""
LOOK_AT_ALL = timedelta(hours=1)
"""Every Subscription, whatever its schedule: a mended ledger or a lost event is noticed by then."""
FIRST_BLOCKED_PAUSE = timedelta(seconds=5)
LONGEST_BLOCKED_PAUSE = timedelta(minutes=5)


def decide_check(subject: Subject, status: SubscriptionStatus, open_since: datetime) -> PollDecision:
    """Whether the source is to be listed, and when next.

    Args:
        subject: the Subscription.
        status: what is known of the checks so far.
        open_since: when nothing kept the source from being listed any more: neither a gate nor the operator's absence.
    """
    subscription = subject.subscription
    return poll_decision(
        subscription.spec.schedule,
        CheckHistory(
            last_check=status.last_check_time,
            digest=status.last_check_digest,
            failures=status.failed_checks,
            outcome=status.last_check_outcome,
            gone=status.gone_checks,
        ),
        uid=subscription.uid,
        digest=subject.listing_digest,
        suspended=subscription.spec.suspend,
        requested=asked_check(subscription.annotations, status.last_handled.check) is not None,
        open_since=open_since,
        now=subject.now,
    )


class NextPasses:
    """Says when the next pass is due, and remembers how often a Subscription was found blocked.

    Args:
        gatekeeper: knows when gates open.
    """

    def __init__(self, gatekeeper: Gatekeeper) -> None:
        self._gatekeeper = gatekeeper
        self._blocked: dict[Key, int] = {}

    def after(self, found: Findings, upcoming: PollDecision | None, over_at: Iterable[datetime]) -> timedelta:
        """The earliest of the times at which there is something to do, from the pass's own time on.

        Args:
            found: what the pass found out.
            upcoming: the next check; None: nothing can be checked.
            over_at: times at which what the status shows is over by itself.
        """
        subject, ledger = found.subject, found.ledger
        key, now, subscription = subject.key, subject.now, subject.subscription
        suspended = subscription.spec.suspend
        times = [now + LOOK_AT_ALL, *found.look_at, *over_at]
        if found.busy or (ledger is not None and ledger.running()):
            times.append(now + LOOK_AT_RUNNING)
        if found.blocker is None or suspended:
            self._blocked.pop(key, None)
        else:
            step = self._blocked[key] = self._blocked.get(key, 0) + 1
            times.append(now + backoff(FIRST_BLOCKED_PAUSE, LONGEST_BLOCKED_PAUSE, step))
        if found.probe_in_doubt or (found.missing and found.asked_for_slots):
            times.append(now + CLAIM_GRACE)
        if not suspended:
            if upcoming is not None and upcoming.at is not None and not upcoming.due:
                # A check that is due but was not made waits for a free listing place, which wakes it.
                times.append(upcoming.at)
            if found.waits_for_gate:
                # The gate's opening wakes it; if nothing else can probe, it is this check that does.
                opens = self._gatekeeper.book.passable_at(subject.listing_route, now)
                times.append(max(opens, now + LOOK_AT_RUNNING))
            retry = ledger.backlog.next_retry(subject.download_digest, now) if ledger is not None else None
            if retry is not None:
                times.append(retry)
        # The clock shows whole seconds. What falls due within the present one is not due yet: without rounding up, pass
        # after pass would find so.
        return timedelta(seconds=max(0, math.ceil((min(times) - now).total_seconds())))

    def forget(self, key: Key) -> None:
        """The Subscription is gone."""
        self._blocked.pop(key, None)
