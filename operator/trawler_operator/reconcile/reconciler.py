"""One pass over one Subscription: observe, settle, obey, check, launch, report. Reads top to bottom as a specification.

Level-triggered: a pass looks at what is there and never at why it was called, so a lost event costs time and nothing
else, and killing the process between any two calls leads to the same end.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from trawler_operator.api.reasons import EventReason, message
from trawler_operator.api.subscription import InvalidSpecError, Key, Subscription, parse_subscription
from trawler_operator.domain.gates.passed import egress_name
from trawler_operator.domain.jobs.outcome import is_finished
from trawler_operator.domain.launches.admission import Admission
from trawler_operator.domain.launches.subscription_pause import UnsavedPause, standing_pause
from trawler_operator.reconcile.next_pass import LOOK_AT_RUNNING, NextPasses, decide_check
from trawler_operator.reconcile.observation import Pass, Policy
from trawler_operator.reconcile.places import Places
from trawler_operator.reconcile.ports import Clock, Event, EventRecorder, KubernetesApi, Lister, Measurements
from trawler_operator.reconcile.steps.check import Checker, StaleSubscriptionError
from trawler_operator.reconcile.steps.history import Historian
from trawler_operator.reconcile.steps.launch import Launcher
from trawler_operator.reconcile.steps.prerequisites import look_at_prerequisites
from trawler_operator.reconcile.steps.report import Reporter
from trawler_operator.reconcile.steps.requests import handle_requests
from trawler_operator.reconcile.steps.settle import settle_launches
from trawler_operator.reconcile.stores.gate_store import GateStore, GatesUnavailableError
from trawler_operator.reconcile.stores.gatekeeper import Gatekeeper, GateLimits
from trawler_operator.reconcile.stores.ledger_store import LedgerBusyError, LedgerStore
from trawler_operator.reconcile.stores.shard_changes import ShardChanges

logger = logging.getLogger(__name__)


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
        listings: at a time.
        shard_changes: what a watch tells of the ledgers' ConfigMaps.
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
        listings: int,
        shard_changes: ShardChanges,
        wake: Callable[[Key, float], None],
    ) -> None:
        self._api = api
        self._clock = clock
        self._admission = admission
        self._policy = policy
        self._measurements = measurements
        self._wake = wake
        self._store = LedgerStore(api, shard_changes)
        self._gatekeeper = Gatekeeper(gates, gate_limits, clock, admission, measurements, lambda key: wake(key, 0.0))
        self._places = Places(listings, lambda key: wake(key, 0.0))
        self._checker = Checker(api, self._store, lister, self._places, self._gatekeeper, policy, measurements)
        self._launcher = Launcher(api, self._store, admission, self._gatekeeper, policy, measurements)
        self._historian = Historian(api, self._store, self._gatekeeper, policy, lambda key: wake(key, 0.0))
        self._reporter = Reporter(api, recorder, clock, self._gatekeeper, policy, measurements)
        self._next_passes = NextPasses(self._gatekeeper)
        self._looked_at: dict[Key, str] = {}
        self._unsaved_pauses: dict[Key, UnsavedPause] = {}
        self._stopping = False

    def stop(self) -> None:
        """Start nothing new any more: passes under way settle and report, they neither check nor launch."""
        self._stopping = True

    @property
    def known(self) -> set[Key]:
        """Subscriptions that were looked at and are not known to be gone."""
        return set(self._looked_at)

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make a pass.

        Returns:
            When to come back; None: only when something changes.

        Raises:
            ApiError: the cluster did not do its part; nothing is lost, the pass is to be made again.
            LedgerBusyError: the same, soon.
        """
        current: Pass | None = None
        try:
            body = await self._api.get_subscription(key)
            if body is None or body["metadata"].get("deletionTimestamp"):
                return await self._forget(key)
            try:
                subscription = parse_subscription(body)
            except InvalidSpecError as error:
                await self._hold_what_runs(key)
                await self._reporter.report_invalid(key, body, error)
                return None
            try:
                current = await self._begin(subscription)
                await self._work(current)
            except (LedgerBusyError, GatesUnavailableError) as error:
                await self._reporter.report_unusable(body, subscription, error)
                raise
            upcoming = await self._reporter.report(body, current)
            return self._next_passes.after(current, upcoming)
        except StaleSubscriptionError as change:
            logger.info("%s", change)
            return timedelta(0)
        finally:
            self._leave(key, current)

    async def _begin(self, subscription: Subscription) -> Pass:
        """Bring the ledger up to date."""
        key, status = (subscription.namespace, subscription.name), subscription.status
        ledger = await self._store.open(subscription)
        backoff = standing_pause(subscription, self._unsaved_pauses.get(key))
        current = Pass(subscription, ledger, self._clock.now(), self._policy, backoff)
        if status.observed_generation is None and len(ledger):
            text = message(EventReason.LEDGER_ADOPTED, count=len(ledger))
            current.events.append(Event(EventReason.LEDGER_ADOPTED, text))
        return current

    async def _work(self, current: Pass) -> None:
        """Settle, do what is asked for, check, launch."""
        key, subscription = current.key, current.subscription
        status = subscription.status
        # An empty ledger may have lost what runs, a hand may have taken what ran out of one that is not empty, and a
        # Job that it does not know is watched until it ends.
        look = self._looked_at.get(key) != subscription.uid or not len(current.ledger)
        self._looked_at[key] = ""  # whatever a pass that fails leaves half done is looked for by the next one
        await self._gatekeeper.enter(current)
        await settle_launches(
            current, self._api, self._store, self._gatekeeper, self._policy, self._measurements, look=look
        )
        found = await look_at_prerequisites(self._api, subscription, self._policy)
        current.cookies = found.secrets.verdict or current.cookies
        current.blocker = found.blocker
        current.one_node = found.one_node
        may_launch = found.blocker is None and not subscription.spec.suspend and not self._stopping
        has_history = await self._historian.restore(current, may_run=may_launch)
        may_launch = may_launch and has_history
        if has_history:  # before that nobody knows what is meant
            await handle_requests(current, self._api, self._store)
        await self._gatekeeper.release_lost(current)
        self._hold(current)
        if may_launch and status.source is not None:
            await self._launcher.launch(current, status.source.title)

        can_list = found.can_list and has_history and not self._stopping
        due = can_list and decide_check(subscription, status, self._gatekeeper.open_since(current), current.now).due
        current.waits_for_gate = due and self._gatekeeper.holds_listing(current)
        if due and not current.waits_for_gate:
            # A listing may take minutes: neither the free slots nor the line wait for it. It keeps its place, or one
            # that is checked more often than slots come free would never have its turn.
            self._hold(current)
            self._admission.step_aside(key)
            self._wake_next()
            current.check = await self._checker.check(current, found)
            self._admission.come_back(key)
            current.now = self._clock.now()
            may_launch = may_launch and current.blocker is None
            if current.check is not None and current.check.requested is not None:
                current.backoff = None  # who asks for a check has mended something, most likely
        if may_launch:
            title = current.check.source_title if current.check else None
            await self._launcher.launch(current, title or (status.source.title if status.source else None))
        current.asked_for_slots = may_launch
        self._hold(current)
        if not current.busy and not current.ledger.running():
            self._looked_at[key] = subscription.uid

    def _hold(self, current: Pass) -> None:
        """Tell admission how many slots are really taken: claims whose Job is missing take one once it is created."""
        self._admission.hold(current.key, current.running_through())

    async def _hold_what_runs(self, key: Key) -> None:
        """Of a Subscription that cannot be read: its Jobs run on, and their ends bring it back here."""
        jobs = await self._api.list_jobs(*key)
        self._admission.hold(key, Counter(egress_name(job) for job in jobs if not is_finished(job)))

    def _wake_next(self) -> None:
        now = self._clock.now()
        turn = self._admission.next_turn(now)
        if turn is not None and not self._stopping:
            self._wake(turn.key, (turn.at - now).total_seconds())

    def _leave(self, key: Key, current: Pass | None) -> None:
        """What must be done however a pass ended."""
        if current is not None and current.reported:
            self._unsaved_pauses.pop(key, None)
        elif current is not None:
            # Settled but not reported: a site that asked to slow down must not be asked again at once.
            subscription = current.subscription
            self._unsaved_pauses[key] = UnsavedPause(subscription.uid, subscription.generation, current.backoff)
        # Suspended, blocked, failed or gone: no line waits for one that does not ask.
        if current is None:
            self._historian.withdraw(key)
        if current is None or not current.asked_for_slots:
            self._admission.withdraw(key)
        if current is None or not current.waits_for_listing:
            self._places.leave(key)
        self._wake_next()

    async def _forget(self, key: Key) -> timedelta | None:
        """The Subscription is gone: its Jobs go with it, its ledger stays or goes as its policy said.

        Jobs that were left without an owner run on, and hold their slots until they end.

        Returns:
            When to look at those again.
        """
        jobs = [job for job in await self._api.list_jobs(*key) if not is_finished(job)]
        orphans = [job for job in jobs if not job["metadata"].get("ownerReferences")]
        self._admission.hold(key, Counter(egress_name(job) for job in orphans))
        self._store.forget(key)
        self._checker.forget(key)
        self._looked_at.pop(key, None)
        self._next_passes.forget(key)
        self._unsaved_pauses.pop(key, None)
        self._measurements.subscription_gone(key)
        await self._gatekeeper.forget(key, self._clock.now())
        return LOOK_AT_RUNNING if orphans else None
