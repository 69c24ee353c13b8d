"""When the next pass over a Subscription is due, if nothing wakes the Subscription earlier."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

from trawler_operator.api.status import SubscriptionStatus
from trawler_operator.api.subscription import Key
from trawler_operator.domain.checks.schedule import CheckHistory, PollDecision, poll_decision
from trawler_operator.domain.pauses import backoff
from trawler_operator.domain.requests.grammar import asked_check
from trawler_operator.domain.status.punctuality import LATE_AFTER
from trawler_operator.reconcile.findings import Findings
from trawler_operator.reconcile.stores.gatekeeper import CLAIM_GRACE, Gatekeeper
from trawler_operator.reconcile.subject import Subject

LOOK_AT_RUNNING = timedelta(minutes=3)
"""Longest time between looks at work in flight, whatever the watch says."""
LOOK_AT_ALL = timedelta(hours=1)
"""Longest time between passes over any Subscription, whatever its schedule: by then a mended ledger or a lost event is
noticed.
"""
FIRST_BLOCKED_PAUSE = timedelta(seconds=5)
LONGEST_BLOCKED_PAUSE = timedelta(minutes=5)


def decide_check(subject: Subject, status: SubscriptionStatus, open_since: datetime) -> PollDecision:
    """Whether to list the source now, and when next.

    Args:
        subject: the Subscription.
        status: what is known of the checks so far.
        open_since: since when neither a gate nor the operator's absence has kept the source from being listed.
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
    """Sets the time of the next pass, and remembers how often in a row a Subscription was blocked.

    Args:
        gatekeeper: knows when gates open.
    """

    def __init__(self, gatekeeper: Gatekeeper) -> None:
        self._gatekeeper = gatekeeper
        self._blocked: dict[Key, int] = {}

    def after(
        self, found: Findings, upcoming: PollDecision | None, over_at: Iterable[datetime], *, shown_late: bool
    ) -> timedelta:
        """Time from this pass to the next: to the earliest time at which there is something to do.

        Args:
            found: what the pass found out.
            upcoming: the next check; None: nothing can be checked.
            over_at: times at which something that the status shows is over by itself.
            shown_late: whether the status says that checks are late.
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
            if found.can_check and upcoming is not None:
                # The line before the listings wakes it for its check. If that comes too late, the status says so.
                times += [] if shown_late else [_late_at(found, upcoming)]
            elif upcoming is not None and upcoming.at is not None and not upcoming.due:
                times.append(upcoming.at)
            if found.waits_for_gate:
                # The gate's opening wakes it. If nothing else can probe the gate, this check must.
                opens = self._gatekeeper.book.passable_at(subject.listing_route, now)
                times.append(max(opens, now + LOOK_AT_RUNNING))
            retry = ledger.backlog.next_retry(subject.download_digest, now) if ledger is not None else None
            if retry is not None:
                times.append(retry)
        # The clock shows whole seconds, so what falls due later in this second is not due by it. Without rounding up,
        # one pass after the other would find nothing due.
        return timedelta(seconds=max(0, math.ceil((min(times) - now).total_seconds())))

    def forget(self, key: Key) -> None:
        """Forget a Subscription that is gone."""
        self._blocked.pop(key, None)


def _late_at(found: Findings, upcoming: PollDecision) -> datetime:
    """When the next check counts as late, if it is not made earlier."""
    now, turn = found.subject.now, found.turn
    waited = turn.waited if turn is not None and not turn.has_come else timedelta(0)
    return max(now, upcoming.at or now) - waited + LATE_AFTER + timedelta(seconds=1)
