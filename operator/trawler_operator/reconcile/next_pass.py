"""When a Subscription is looked at again, if nothing wakes it before."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from trawler_operator.api.status import SubscriptionStatus
from trawler_operator.api.subscription import Key, Subscription
from trawler_operator.domain.checks.schedule import CheckHistory, PollDecision, poll_decision
from trawler_operator.domain.launches.subscription_pause import paused_until
from trawler_operator.domain.pauses import backoff
from trawler_operator.domain.requests.grammar import asked_check
from trawler_operator.reconcile.observation import Pass
from trawler_operator.reconcile.stores.gatekeeper import CLAIM_GRACE, Gatekeeper

LOOK_AT_RUNNING = timedelta(minutes=3)
"""Work in flight is looked at this often, whatever the watch says."""
LOOK_AT_ALL = timedelta(hours=1)
"""Every Subscription, whatever its schedule: a mended ledger or a lost event is noticed by then."""
FIRST_BLOCKED_PAUSE = timedelta(seconds=5)
LONGEST_BLOCKED_PAUSE = timedelta(minutes=5)


def decide_check(
    subscription: Subscription, status: SubscriptionStatus, open_since: datetime, now: datetime
) -> PollDecision:
    """Whether the source is to be listed, and when next.

    Args:
        subscription: as read at the pass's start.
        status: what is known of the checks so far.
        open_since: when nothing kept the source from being listed any more: neither a gate nor the operator's absence.
        now: the pass's time.
    """
    return poll_decision(
        subscription.spec.schedule,
        CheckHistory(
            last_check=status.last_check_time,
            generation=status.last_check_generation,
            failures=status.failed_checks,
            outcome=status.last_check_outcome,
            gone=status.gone_checks,
        ),
        uid=subscription.uid,
        generation=subscription.generation,
        suspended=subscription.spec.suspend,
        requested=asked_check(subscription.annotations, status.last_handled.check) is not None,
        open_since=open_since,
        now=now,
    )


class NextPasses:
    """Says when the next pass is due, and remembers how often a Subscription was found blocked.

    Args:
        gatekeeper: knows when gates open.
    """

    def __init__(self, gatekeeper: Gatekeeper) -> None:
        self._gatekeeper = gatekeeper
        self._blocked: dict[Key, int] = {}

    def after(self, current: Pass, upcoming: PollDecision) -> timedelta:
        """The earliest of the times at which there is something to do, from the pass's own time on.

        Args:
            current: a pass that was reported.
            upcoming: the next check.
        """
        now, spec = current.now, current.subscription.spec
        times = [now + LOOK_AT_ALL]
        if current.ledger.running() or current.busy:
            times.append(now + LOOK_AT_RUNNING)
        times.extend(current.look_at)
        if current.blocker is None or spec.suspend:
            self._blocked.pop(current.key, None)
        else:
            step = self._blocked[current.key] = self._blocked.get(current.key, 0) + 1
            times.append(now + backoff(FIRST_BLOCKED_PAUSE, LONGEST_BLOCKED_PAUSE, step))
        if current.probe_in_doubt or (current.missing and current.asked_for_slots):
            times.append(now + CLAIM_GRACE)
        if not spec.suspend:
            if upcoming.at is not None and not upcoming.due:
                # A check that is due but was not made waits for a free listing place, which wakes it.
                times.append(upcoming.at)
            if current.waits_for_gate:
                # The gate's opening wakes it; if nothing else can probe, it is this check that does.
                times.append(max(self._gatekeeper.book.passable_at(current.listing_route, now), now + LOOK_AT_RUNNING))
            retry = current.ledger.backlog.next_retry(current.subscription.generation, now)
            resume = paused_until(current.backoff, now)
            if resume is not None:
                times.append(resume)
            elif retry is not None:
                times.append(retry)
        # The clock shows whole seconds. Within one, what falls due in it is not due yet: pass after pass would find so.
        return timedelta(seconds=max(0, math.ceil((min(times) - now).total_seconds())))

    def forget(self, key: Key) -> None:
        """The Subscription is gone."""
        self._blocked.pop(key, None)
