"""The report of a pass: the status, in one write, then Events and measurements."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from trawler_operator.api.conditions import ConditionType
from trawler_operator.api.reasons import ConditionReason, EventReason, message
from trawler_operator.api.status import SubscriptionStatus
from trawler_operator.api.subscription import Identity, InvalidSpecError, Key, Subscription
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.checks.schedule import PollDecision
from trawler_operator.domain.gates.own import show_own_gate
from trawler_operator.domain.history.inventory import keep_recent, remembered_facts
from trawler_operator.domain.jobs.naming import ledger_name
from trawler_operator.domain.jobs.settings import place
from trawler_operator.domain.ledger.ledger import Ledger
from trawler_operator.domain.requests.grammar import last_handled
from trawler_operator.domain.status.build import (
    Digests,
    LedgerFacts,
    build_blocked_status,
    build_invalid_status,
    build_status,
)
from trawler_operator.domain.status.patch import can_wait, status_patch, stored_check_time
from trawler_operator.reconcile.findings import Findings
from trawler_operator.reconcile.known_statuses import Storing
from trawler_operator.reconcile.next_pass import decide_check
from trawler_operator.reconcile.ports import (
    ApiError,
    ConflictError,
    Event,
    EventRecorder,
    KubernetesApi,
    Manifest,
    Measurements,
    NotFoundError,
    NotLeadingError,
)
from trawler_operator.reconcile.stores.gatekeeper import AboutGate, Gatekeeper

logger = logging.getLogger(__name__)

MAX_STATUS_CONFLICTS = 5


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of a report.

    Args:
        upcoming: the next check; None: the ledger could not be opened, and without it nothing is checked.
        status: what the status should say.
        error: why the status could not be stored, or only in part; None: it is stored, or can wait.
        storing: what became of the status.
        stored_check: the last check by the stored status.
    """

    upcoming: PollDecision | None
    status: SubscriptionStatus
    error: ApiError | None = None
    storing: Storing = Storing.STORED
    stored_check: datetime | None = None


class Reporter:
    """Writes statuses and posts Events.

    Args:
        api: the cluster.
        recorder: posts Events.
        gatekeeper: knows what closed gates hold back.
        measurements: counters.
    """

    def __init__(
        self,
        api: KubernetesApi,
        recorder: EventRecorder,
        gatekeeper: Gatekeeper,
        measurements: Measurements,
    ) -> None:
        self._api = api
        self._recorder = recorder
        self._gatekeeper = gatekeeper
        self._measurements = measurements

    async def report(self, body: Manifest, found: Findings) -> tuple[Reported, tuple[datetime, ...]]:
        """Write the status if it differs, then post Events.

        Events are posted even if the status could not be stored: what happened is in the ledger by now, and no later
        pass would report it.

        Args:
            body: the Subscription, as read at the pass's start.
            found: what the pass found out.

        Returns:
            What became of the report, and times at which something that it shows is over by itself.
        """
        subject, ledger = found.subject, found.ledger
        if ledger is None:
            return await self._report_failure(body, found), ()
        self._gatekeeper.note_gates(subject.key, found.gates)
        gate, over_at = self._gatekeeper.held_back(subject.key, found.gates, found.wanted_gates, subject.now)
        blocker = found.shown_blocker(gate)
        own = self._gatekeeper.own_gate(subject.key)
        status = build_status(
            subject.subscription,
            _facts(subject.subscription, ledger, complete=found.history_complete),
            library=place(subject.subscription.spec, subject.policy.defaults) if subject.claim else None,
            check=found.check,
            blocker=blocker,
            gate=show_own_gate(own),
            next_check=None,
            now=subject.now,
            digests=Digests(subject.listing_digest, subject.download_digest),
            cookies=found.cookies,
            turn=found.turn,
            gate_is_wanted=own.id in found.wanted_gates,
        )
        upcoming = decide_check(subject, status, self._gatekeeper.open_since(subject))
        update = {
            "next_check_time": _shown_next_check(subject.subscription, upcoming, subject.now),
            "last_handled": last_handled(status.last_handled, found.handled),
        }
        status = status.model_copy(update=update)
        if not found.history_complete:
            status = keep_recent(subject.subscription.status, status)
        error, storing = await self._store(subject.key, body, status)
        events = [*found.events, *_ledger_events(subject.subscription, ledger, status)]
        await self._recorder.record(body, [*events, *_failure_events(found, error)])
        await self._tell_of_gates(body, subject.key, found.gate_events)
        videos = {state.value: count for state, count in ledger.counts.items()}
        self._measurements.subscription_seen(subject.key, videos, status.last_successful_check_time)
        self._measurements.dead_letters_seen(subject.key, ledger.dead_letters())
        reported = Reported(upcoming, status, error, storing, stored_check_time(body.get("status")))
        return reported, (over_at,) if over_at is not None else ()

    async def _report_failure(self, body: Manifest, found: Findings) -> Reported:
        """Report a pass of which only the failure is known. Everything else in the status stays as it was."""
        subscription = found.subject.subscription
        status = build_blocked_status(subscription, found.failures[0].blocker, found.subject.now)
        error, storing = await self._store(found.subject.key, body, status)
        await self._recorder.record(body, [*found.events, *_failure_events(found, error)])
        await self._tell_of_gates(body, found.subject.key, found.gate_events)
        return Reported(None, status, error, storing, stored_check_time(body.get("status")))

    async def report_invalid(self, identity: Identity, body: Manifest, error: InvalidSpecError, now: datetime) -> None:
        """Report a spec that breaks a rule. It is reported once, then not again until it changes.

        Raises:
            ApiError: the status could not be written.
        """
        status = build_invalid_status(identity, error, now)
        text = message(EventReason.INVALID_SPEC, field=error.field, detail=error.message)
        invalid = Event(EventReason.INVALID_SPEC, text, warning=True)
        try:
            written = await self._write_status((identity.namespace, identity.name), body, status)
        except NotLeadingError:
            raise
        except ApiError as unstored:
            await self._recorder.record(body, [invalid, _not_writable(unstored)])
            raise
        if written is not None:
            await self._recorder.record(body, [invalid])

    async def _tell_of_gates(self, body: Manifest, key: Key, events: tuple[AboutGate, ...]) -> None:
        """Post an Event for each gate that moved, about the Subscription whose ending closed it.

        If that Subscription is gone, the Event is about the present one.
        """
        for closed_by, event in events:
            about = body if closed_by == key else await self._find(closed_by) or body
            await self._recorder.record(about, [event])

    async def _find(self, key: Key) -> Manifest | None:
        """A Subscription to post an Event about; None if it is gone, or its namespace is out of reach by now."""
        try:
            return await self._api.get_subscription(key)
        except ApiError as error:
            logger.info("%s/%s cannot be told of its gate: %s", *key, error)
            return None

    async def _store(self, key: Key, body: Manifest, status: SubscriptionStatus) -> tuple[ApiError | None, Storing]:
        """Write the status, unless that can wait.

        Returns:
            Why it is not stored as a whole (the schema of an older CRD may drop fields), and what became of it.

        Raises:
            NotLeadingError: nothing may be written any more.
        """
        old = body.get("status")
        patch = status_patch(old, status)
        if patch is not None and can_wait(patch, old, status):
            return None, Storing.WAITS
        try:
            stored = await self._write_status(key, body, status)
        except NotLeadingError:
            raise
        except ApiError as error:
            logger.warning("the status of %s/%s: %s", *key, error)
            return error, Storing.FAILED
        if stored is not None and status_patch(stored.get("status"), status) is not None:
            text = "the CustomResourceDefinition in the cluster does not know all fields of the status"
            return ApiError(text), Storing.FAILED
        return None, Storing.STORED

    async def _write_status(self, key: Key, body: Manifest, status: SubscriptionStatus) -> Manifest | None:
        """Make one merge patch of the status subresource, if anything differs; returns the resource after it.

        The patch carries the resourceVersion. So a Subscription of the same name that was created meanwhile does not
        get the status of the one that was looked at.

        Returns:
            None if nothing differs, or the Subscription is gone.

        Raises:
            ConflictError: somebody else keeps writing.
        """
        uid = body["metadata"]["uid"]
        for _ in range(MAX_STATUS_CONFLICTS):
            patch = status_patch(body.get("status"), status)
            if patch is None:
                return None
            try:
                return await self._api.patch_subscription_status(key, body["metadata"]["resourceVersion"], patch)
            except NotFoundError:
                return None
            except ConflictError:
                present = await self._api.get_subscription(key)
                if present is None or present["metadata"]["uid"] != uid:
                    return None
                body = present
        raise ConflictError(f"the status of {key[0]}/{key[1]} is being changed by somebody else over and over")


def _failure_events(found: Findings, unstored: ApiError | None) -> list[Event]:
    """One Event about a failure, in the pass in which it begins."""
    events: list[Event] = []
    if found.failures:
        blocker = found.failures[0].blocker
        before = next((c for c in found.subject.subscription.status.conditions if c.type == ConditionType.READY), None)
        said = before is not None and before.reason == blocker.reason
        # Trouble with storing gates meets all Subscriptions at once, and each shows it in its status.
        if not said and blocker.reason is not ConditionReason.GATES_UNAVAILABLE:
            events.append(_warning(blocker))
    if unstored is not None:
        events.append(_not_writable(unstored))
    return events


def _not_writable(unstored: ApiError) -> Event:
    text = message(EventReason.STATUS_NOT_WRITABLE, detail=unstored)
    return Event(EventReason.STATUS_NOT_WRITABLE, text, warning=True)


def _warning(blocker: Blocker) -> Event:
    return Event(blocker.reason.value, blocker.message, warning=True)


def _shown_next_check(subscription: Subscription, upcoming: PollDecision, now: datetime) -> datetime | None:
    """When the next check is due. One that is due and cannot be made keeps the time that the status shows.

    With "now" instead, each pass would write another status.
    """
    shown = subscription.status.next_check_time
    return shown if upcoming.due and shown is not None and shown <= now else upcoming.at


def _facts(subscription: Subscription, ledger: Ledger, *, complete: bool) -> LedgerFacts:
    facts = LedgerFacts(
        counts=ledger.counts,
        waiting=ledger.waiting(),
        total_bytes=ledger.total_bytes,
        shards=ledger.shard_count,
        recent_successes=ledger.recent_successes(),
        recent_failures=ledger.recent_failures(),
        broken=[f"{ledger_name(subscription.name, p.shard)}/{p.key}" for p in ledger.problems.values()],
    )
    return facts if complete else remembered_facts(subscription.status, facts)


def _ledger_events(subscription: Subscription, ledger: Ledger, status: SubscriptionStatus) -> list[Event]:
    """Events about broken values, posted when they are found and not in every pass."""
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
