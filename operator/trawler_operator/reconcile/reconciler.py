"""Brings Subscriptions to what they ask for: makes passes over them, reports each, and says when the next is due.

Reconciling is level-triggered: a pass looks at the present state and never at why it was called. So a lost event costs
only time, and a process that is killed between any two calls leads to the same end.

Every pass ends with a report, whichever of its steps failed; Ready names that step.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from datetime import timedelta

from trawler_operator.api.subscription import InvalidSpecError, Key, parse_identity, parse_subscription
from trawler_operator.domain.checks.schedule import PollDecision
from trawler_operator.domain.history.survey import SurveyId
from trawler_operator.domain.launches.admission import Admission
from trawler_operator.domain.line import Line, LineLimits
from trawler_operator.domain.status.punctuality import is_shown_late
from trawler_operator.reconcile.failures import StepFailure
from trawler_operator.reconcile.job_watcher import JobWatcher
from trawler_operator.reconcile.known_statuses import KnownStatuses
from trawler_operator.reconcile.next_pass import LOOK_AT_RUNNING, NextPasses
from trawler_operator.reconcile.one_pass import OnePass, Parts
from trawler_operator.reconcile.ports import (
    ApiError,
    Clock,
    EventRecorder,
    KubernetesApi,
    Lister,
    Manifest,
    Measurements,
    NotLeadingError,
)
from trawler_operator.reconcile.slots import SlotCounter
from trawler_operator.reconcile.steps.check import Checker
from trawler_operator.reconcile.steps.history import Historian
from trawler_operator.reconcile.steps.launch import Launcher
from trawler_operator.reconcile.steps.prerequisites import Prerequisites
from trawler_operator.reconcile.steps.report import Reporter
from trawler_operator.reconcile.steps.settle import Settler, held_slots
from trawler_operator.reconcile.stores.gate_store import GateStore
from trawler_operator.reconcile.stores.gatekeeper import Gatekeeper, GateLimits
from trawler_operator.reconcile.stores.ledger_store import LedgerStore
from trawler_operator.reconcile.stores.shard_changes import ShardChanges
from trawler_operator.reconcile.subject import Policy, Subject

logger = logging.getLogger(__name__)

PASS_SLACK_SECONDS = 120
"""Seconds that a pass may take besides its listing: API calls with their retries."""


class PassFailedError(ApiError):
    """Steps of a pass failed. The status says so, and the pass must be made again.

    Args:
        failures: failures of its steps; empty if only the status could not be stored.
        again_in: when the next pass is due in any case; None: unknown.
        unstored: why the status could not be stored; None: it is stored, or can wait.
    """

    def __init__(
        self, failures: tuple[StepFailure, ...], again_in: timedelta | None, unstored: ApiError | None
    ) -> None:
        said = [f"{failure.step.value}: {failure.error}" for failure in failures]
        super().__init__("; ".join([*said, *([f"the status: {unstored}"] if unstored else [])]))
        self.failures = failures
        self.again_in = again_in


class Reconciler:
    """Brings Subscriptions to what they ask for, one pass at a time per Subscription.

    Args:
        api: the cluster.
        lister: lists sources.
        recorder: posts Events.
        clock: the time.
        admission: slots for Jobs, shared.
        gates: keeps the gates, shared.
        gate_limits: chart values.
        policy: chart values.
        measurements: counters.
        listings: how many listings run at a time, and how often one begins on the same way to the same site.
        shard_changes: what a watch reports of the ledgers' ConfigMaps.
        wake: asks for a pass over a Subscription, in so many seconds.
    """

    def __init__(
        self,
        *,
        api: KubernetesApi,
        lister: Lister,
        recorder: EventRecorder,
        clock: Clock,
        admission: Admission,
        gates: GateStore,
        gate_limits: GateLimits,
        policy: Policy,
        measurements: Measurements,
        listings: LineLimits,
        shard_changes: ShardChanges,
        wake: Callable[[Key, float], None],
    ) -> None:
        def wake_now(key: Key) -> None:
            wake(key, 0.0)

        store = LedgerStore(api, shard_changes)
        gatekeeper = Gatekeeper(gates, gate_limits, clock, admission, measurements, wake_now)
        watcher = JobWatcher(api, policy.patience)
        settler = Settler(api, store, gatekeeper, watcher, measurements)
        self.line = Line(listings, wake, clock.monotonic)
        self._parts = Parts(
            api=api,
            clock=clock,
            policy=policy,
            admission=admission,
            slots=SlotCounter(api, admission, clock),
            store=store,
            gatekeeper=gatekeeper,
            prerequisites=Prerequisites(api, clock.monotonic),
            settler=settler,
            checker=Checker(api, store, lister, self.line, gatekeeper, measurements),
            launcher=Launcher(api, store, admission, gatekeeper, settler),
            historian=Historian(api, store, gatekeeper, watcher, policy, wake),
            wake=wake,
        )
        self._measurements = measurements
        self._reporter = Reporter(api, recorder, gatekeeper, measurements)
        self._next_passes = NextPasses(gatekeeper)
        self._known_statuses = KnownStatuses()
        self._deadline = policy.checks.listing_deadline_seconds + PASS_SLACK_SECONDS

    def stop(self) -> None:
        """Start nothing new any more: passes under way settle and report, but neither check nor launch."""
        self._parts.stopping = True

    def survey_changed(self, survey: SurveyId) -> None:
        """Note that a survey's Job has ended or is gone. It belongs to no Subscription, so one that waits is woken."""
        self._parts.historian.surveyor.poke(survey)

    @property
    def known(self) -> set[Key]:
        """Subscriptions that were looked at and are not known to be gone."""
        return set(self._parts.looked_at)

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make a pass.

        Returns:
            When to come back; None: only when something changes.

        Raises:
            ApiError: the cluster did not do its part. Nothing is lost, and the pass must be made again.
        """
        current: OnePass | None = None
        try:
            body = await self._read(key)
            if body is None or body["metadata"].get("deletionTimestamp"):
                return await self._forget(key)
            try:
                subscription = self._known_statuses.recall(parse_subscription(body))
            except InvalidSpecError as error:
                return await self._refuse(key, body, error)
            current = OnePass(self._parts, subscription)
            await self._make(current)
            return await self._report(body, current)
        finally:
            self._leave(key, current)

    async def _read(self, key: Key) -> Manifest | None:
        """Read the Subscription. Where that fails its Jobs are counted all the same: others wait for their slots."""
        try:
            return await self._parts.api.get_subscription(key)
        except NotLeadingError:
            raise
        except ApiError:
            await self._parts.slots.look(key)
            raise

    async def _make(self, current: OnePass) -> None:
        """Make the steps, as far as they come within a pass's time."""
        try:
            async with asyncio.timeout(self._deadline):
                await current.make()
        except TimeoutError as error:
            current.attempts.note(current.attempts.under_way, error)

    async def _report(self, body: Manifest, current: OnePass) -> timedelta:
        found, key = current.findings(), current.subject.key
        reported, over_at = await self._reporter.report(body, found)
        uid = current.subject.subscription.uid
        self._known_statuses.note(key, uid, reported.status, reported.storing, reported.stored_check)
        if found.can_check and reported.upcoming is not None:
            current.stands_in_line = True
            self._stand(current.subject, reported.upcoming)
        shown_late = is_shown_late(reported.status.conditions)
        pause = self._next_passes.after(found, reported.upcoming, over_at, shown_late=shown_late)
        if found.failures or reported.error is not None:
            raise PassFailedError(found.failures, pause, reported.error)
        return pause

    def _stand(self, subject: Subject, upcoming: PollDecision) -> None:
        """Have the line wake the Subscription for its next check.

        The clock shows whole seconds, so a check that falls due later in this second is due by it in the next one only.
        """
        at = upcoming.at or subject.now
        due_in = math.ceil((at - subject.now).total_seconds())
        self.line.stand(subject.key, subject.listing_route.egress, due_in)

    async def _refuse(self, key: Key, body: Manifest, error: InvalidSpecError) -> timedelta | None:
        """Report a spec that cannot be read. Running Jobs go on, hold their slots, and are looked at until they end."""
        holds = await self._parts.slots.look(key)
        await self._reporter.report_invalid(parse_identity(body), body, error, self._parts.clock.now())
        return LOOK_AT_RUNNING if holds else None

    def _leave(self, key: Key, current: OnePass | None) -> None:
        """Do what must be done however a pass ended."""
        self._parts.admission.end_pass(key)
        # No line waits for a Subscription that does not ask: it is suspended, blocked, failed or gone.
        if current is None or current.attempts.failures:
            self._parts.historian.withdraw(key)
        if current is None or not current.asked_for_slots:
            self._parts.admission.withdraw(key)
        if current is None or not current.stands_in_line:
            self.line.leave(key)
        self._parts.wake_next()

    async def _forget(self, key: Key) -> timedelta | None:
        """Forget a Subscription that is gone. Its Jobs go with it; its ledger stays or goes as its policy said.

        Jobs that were left without an owner run on, and hold their slots until they end.

        Returns:
            When to look at those Jobs again; None if there are none.
        """
        try:
            jobs = {job["metadata"]["name"]: job for job in await self._parts.api.list_jobs(*key)}
        except ApiError:
            self._parts.slots.lose(key)
            raise
        orphans = {name: job for name, job in jobs.items() if not job["metadata"].get("ownerReferences")}
        held = held_slots(orphans)
        self._parts.admission.hold(key, held)
        self._parts.store.forget(key)
        self._parts.slots.forget(key)
        self._parts.checker.forget(key)
        self._parts.historian.forget(key)
        self._parts.looked_at.pop(key, None)
        self._next_passes.forget(key)
        self._known_statuses.forget(key)
        self._measurements.subscription_gone(key)
        await self._parts.gatekeeper.forget(key, self._parts.clock.now())
        return LOOK_AT_RUNNING if held.total() else None
