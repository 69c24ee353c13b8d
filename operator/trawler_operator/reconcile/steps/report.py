"""What a pass tells: the status, in one write, then Events and measurements."""

from __future__ import annotations

import logging
from datetime import datetime

from trawler_operator.api.conditions import ConditionType
from trawler_operator.api.reasons import ConditionReason, EventReason, message
from trawler_operator.api.status import SubscriptionStatus
from trawler_operator.api.subscription import InvalidSpecError, Key, Subscription, parse_identity
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.checks.schedule import PollDecision
from trawler_operator.domain.history.inventory import keep_recent, remembered_facts
from trawler_operator.domain.jobs.naming import ledger_name
from trawler_operator.domain.jobs.settings import claim_name, place
from trawler_operator.domain.ledger.ledger import Ledger
from trawler_operator.domain.requests.grammar import last_handled
from trawler_operator.domain.status.build import LedgerFacts, build_blocked_status, build_invalid_status, build_status
from trawler_operator.domain.status.patch import status_patch
from trawler_operator.reconcile.next_pass import decide_check
from trawler_operator.reconcile.observation import Pass, Policy
from trawler_operator.reconcile.ports import (
    ApiError,
    Clock,
    ConflictError,
    Event,
    EventRecorder,
    KubernetesApi,
    Manifest,
    Measurements,
    NotFoundError,
)
from trawler_operator.reconcile.stores.gate_store import GatesUnavailableError
from trawler_operator.reconcile.stores.gatekeeper import Gatekeeper
from trawler_operator.reconcile.stores.ledger_store import LedgerBusyError, LedgerNotWritableError

logger = logging.getLogger(__name__)

MAX_STATUS_CONFLICTS = 5


class Reporter:
    """Writes statuses and posts Events.

    Args:
        api: the cluster.
        recorder: posts Events.
        clock: the time.
        gatekeeper: what closed gates hold back.
        policy: chart values.
        measurements: counters.
    """

    def __init__(
        self,
        api: KubernetesApi,
        recorder: EventRecorder,
        clock: Clock,
        gatekeeper: Gatekeeper,
        policy: Policy,
        measurements: Measurements,
    ) -> None:
        self._api = api
        self._recorder = recorder
        self._clock = clock
        self._gatekeeper = gatekeeper
        self._policy = policy
        self._measurements = measurements

    async def report(self, body: Manifest, current: Pass) -> PollDecision:
        """Write the status if it differs, then post Events.

        Args:
            body: the Subscription, as read at the pass's start.
            current: the pass.

        Returns:
            The next check, as the status tells it.

        Raises:
            ApiError: the status could not be written; no Event was posted.
        """
        subscription, ledger = current.subscription, current.ledger
        defaults = self._policy.defaults
        self._gatekeeper.note_gates(current.key, current.gates())
        status = build_status(
            subscription,
            _facts(current),
            library=place(subscription.spec, defaults) if claim_name(subscription.spec, defaults) else None,
            check=current.check,
            blocker=current.shown_blocker(self._gatekeeper.held_back(current)),
            backoff=current.backoff,
            next_check=None,
            now=current.now,
            cookies=current.cookies,
        )
        upcoming = decide_check(subscription, status, self._gatekeeper.open_since(current), current.now)
        update = {
            "next_check_time": _shown_next_check(subscription, upcoming, current.now),
            "last_handled": last_handled(status.last_handled, current.handled),
        }
        status = status.model_copy(update=update)
        if current.history_missing:
            status = keep_recent(subscription.status, status)
        await self._write_status(current.key, body, status)
        current.reported = True
        current.events.extend(_ledger_events(subscription, ledger, status))
        await self._recorder.record(body, current.events)
        await self._tell_of_gates(body, current)
        videos = {state.value: count for state, count in ledger.counts.items()}
        self._measurements.subscription_seen(current.key, videos, status.last_successful_check_time)
        self._measurements.dead_letters_seen(current.key, ledger.dead_letters())
        return upcoming

    async def report_unusable(
        self, body: Manifest, subscription: Subscription, error: LedgerBusyError | GatesUnavailableError
    ) -> None:
        """The ledger or the gates cannot be kept: said where that can be written; a full storage takes no status."""
        match error:
            case GatesUnavailableError():
                reason = ConditionReason.GATES_UNAVAILABLE
            case LedgerNotWritableError():
                reason = ConditionReason.LEDGER_NOT_WRITABLE
            case _:
                reason = ConditionReason.LEDGER_BUSY
        blocker = Blocker(reason, message(reason, detail=error))
        status = build_blocked_status(subscription, blocker, self._clock.now())
        try:
            await self._write_status((subscription.namespace, subscription.name), body, status)
        except ApiError as also:
            logger.warning("the status of %s/%s: %s", subscription.namespace, subscription.name, also)
        if reason is ConditionReason.LEDGER_NOT_WRITABLE:  # the gates' trouble would be said once for each Subscription
            text = message(EventReason.LEDGER_NOT_WRITABLE, detail=error)
            await self._recorder.record(body, [Event(EventReason.LEDGER_NOT_WRITABLE, text, warning=True)])

    async def report_invalid(self, key: Key, body: Manifest, error: InvalidSpecError) -> None:
        """A spec that breaks a rule: said once, then nothing until it changes."""
        status = build_invalid_status(parse_identity(body), error, self._clock.now())
        if await self._write_status(key, body, status):
            text = message(EventReason.INVALID_SPEC, field=error.field, detail=error.message)
            await self._recorder.record(body, [Event(EventReason.INVALID_SPEC, text, warning=True)])

    async def _tell_of_gates(self, body: Manifest, current: Pass) -> None:
        """Post of each gate that moved, about the Subscription whose ending closed it; if that is gone, about this."""
        for key, event in current.gate_events:
            about = body if key == current.key else await self._find(key) or body
            await self._recorder.record(about, [event])

    async def _find(self, key: Key) -> Manifest | None:
        """A Subscription to post an Event about; None: it is gone, or its namespace out of reach by now."""
        try:
            return await self._api.get_subscription(key)
        except ApiError as error:
            logger.info("%s/%s cannot be told of its gate: %s", *key, error)
            return None

    async def _write_status(self, key: Key, body: Manifest, status: SubscriptionStatus) -> bool:
        """One merge patch of the status subresource, if anything differs. Returns whether it did.

        It carries the resourceVersion, so that a Subscription of the same name that was created meanwhile does not
        inherit the status of the one that was looked at.
        """
        uid = body["metadata"]["uid"]
        for _ in range(MAX_STATUS_CONFLICTS):
            patch = status_patch(body.get("status"), status)
            if patch is None:
                return False
            try:
                await self._api.patch_subscription_status(key, body["metadata"]["resourceVersion"], patch)
            except NotFoundError:
                return False
            except ConflictError:
                present = await self._api.get_subscription(key)
                if present is None or present["metadata"]["uid"] != uid:
                    return False
                body = present
            else:
                return True
        raise ConflictError(f"the status of {key[0]}/{key[1]} is being changed by somebody else over and over")


def _shown_next_check(subscription: Subscription, upcoming: PollDecision, now: datetime) -> datetime | None:
    """What is due and cannot be made stays due since when it was: "now" would be another status in every pass."""
    shown = subscription.status.next_check_time
    return shown if upcoming.due and shown is not None and shown <= now else upcoming.at


def _facts(current: Pass) -> LedgerFacts:
    name, ledger = current.subscription.name, current.ledger
    facts = LedgerFacts(
        counts=ledger.counts,
        total_bytes=ledger.total_bytes,
        shards=ledger.shard_count,
        recent_successes=ledger.recent_successes(),
        recent_failures=ledger.recent_failures(),
        broken=[f"{ledger_name(name, problem.shard)}/{problem.key}" for problem in ledger.problems.values()],
    )
    return remembered_facts(current.subscription.status, facts) if current.history_missing else facts


def _ledger_events(subscription: Subscription, ledger: Ledger, status: SubscriptionStatus) -> list[Event]:
    """Broken values, said when they are found and not in every pass."""
    before, after = (
        next((c.message for c in conditions if c.type == ConditionType.LEDGER_INTACT), None)
        for conditions in (subscription.status.conditions, status.conditions)
    )
    if before == after:
        return []
    reason = EventReason.LEDGER_ENTRY_BROKEN
    return [
        Event(
            reason,
            message(
                reason,
                key=problem.key,
                config_map=ledger_name(subscription.name, problem.shard),
                detail=problem.message,
            ),
            warning=True,
        )
        for problem in ledger.problems.values()
    ]
