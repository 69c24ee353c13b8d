"""One pass over one Subscription: observe, settle, obey, check, launch, report. Reads top to bottom as a specification.

Level-triggered: a pass looks at what is there and never at why it was called, so a lost event costs time and nothing
else, and killing the process between any two calls leads to the same end.

Every pass ends with a report. A step that fails leaves the others to go on with what is known, and Ready names it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from trawler_operator.api.reasons import EventReason, message
from trawler_operator.api.status import SubscriptionStatus
from trawler_operator.api.subscription import InvalidSpecError, Key, Subscription, parse_identity, parse_subscription
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.gates.gate import launch_task
from trawler_operator.domain.history.inventory import find_progress
from trawler_operator.domain.history.survey import SurveyId
from trawler_operator.domain.launches.admission import Admission
from trawler_operator.domain.ledger.ledger import Ledger
from trawler_operator.reconcile.failures import Attempts, Step, StepFailure
from trawler_operator.reconcile.findings import Findings
from trawler_operator.reconcile.next_pass import LOOK_AT_RUNNING, NextPasses, decide_check
from trawler_operator.reconcile.places import Places
from trawler_operator.reconcile.ports import (
    ApiError,
    Clock,
    Event,
    EventRecorder,
    KubernetesApi,
    Lister,
    Manifest,
    Measurements,
)
from trawler_operator.reconcile.steps.check import Checked, Checker
from trawler_operator.reconcile.steps.history import Historian, Restored
from trawler_operator.reconcile.steps.launch import Launched, Launcher, Wish
from trawler_operator.reconcile.steps.prerequisites import (
    ClaimState,
    ListingNeeds,
    look_at_claim,
    look_at_listing_needs,
)
from trawler_operator.reconcile.steps.report import Reporter
from trawler_operator.reconcile.steps.requests import Handled, handle_requests
from trawler_operator.reconcile.steps.settle import JobWatcher, Kept, Seen, Settled, Settler, held_slots
from trawler_operator.reconcile.stores.gate_store import GateStore
from trawler_operator.reconcile.stores.gatekeeper import Gatekeeper, GateLimits
from trawler_operator.reconcile.stores.ledger_store import LedgerStore
from trawler_operator.reconcile.stores.shard_changes import ShardChanges
from trawler_operator.reconcile.subject import Policy, Subject

logger = logging.getLogger(__name__)

PASS_SLACK_SECONDS = 120
"""What a pass may take beside its listing: API calls with their retries."""


class PassFailedError(ApiError):
    """Steps of a pass failed. The status says so, and the pass is to be made again.

    Args:
        failures: of its steps; where only the status could not be stored, none.
        again_in: when there is something to do anyhow; None: unknown.
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
        def wake_now(key: Key) -> None:
            wake(key, 0.0)

        self.api = api
        self.clock = clock
        self.admission = admission
        self.policy = policy
        self.store = LedgerStore(api, shard_changes)
        self.gatekeeper = Gatekeeper(gates, gate_limits, clock, admission, measurements, wake_now)
        self.places = Places(listings, wake_now)
        watcher = JobWatcher(api, policy.patience)
        self.settler = Settler(api, self.store, self.gatekeeper, watcher, measurements)
        self.checker = Checker(api, self.store, lister, self.places, self.gatekeeper, measurements)
        self.launcher = Launcher(api, self.store, admission, self.gatekeeper, self.settler)
        self.historian = Historian(api, self.store, self.gatekeeper, watcher, policy, wake_now)
        self.looked_at: dict[Key, str] = {}
        """Uids of the Subscriptions whose Jobs agreed with the ledger at the end of the last pass."""
        self.stopping = False
        self._measurements = measurements
        self._reporter = Reporter(api, recorder, self.gatekeeper, measurements)
        self._next_passes = NextPasses(self.gatekeeper)
        self._deadline = policy.checks.listing_deadline_seconds + PASS_SLACK_SECONDS
        self._unstored: dict[Key, tuple[str, SubscriptionStatus]] = {}
        """Uid and status of those whose status could not be stored: it is what is known all the same."""
        self._wake = wake

    def stop(self) -> None:
        """Start nothing new any more: passes under way settle and report, they neither check nor launch."""
        self.stopping = True

    def survey_changed(self, survey: SurveyId) -> None:
        """A survey's Job has ended or is gone; it belongs to no Subscription, so those that wait for it are woken."""
        self.historian.surveyor.poke(survey)

    @property
    def known(self) -> set[Key]:
        """Subscriptions that were looked at and are not known to be gone."""
        return set(self.looked_at)

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make a pass.

        Returns:
            When to come back; None: only when something changes.

        Raises:
            ApiError: the cluster did not do its part; nothing is lost, the pass is to be made again.
        """
        current: _Pass | None = None
        try:
            body = await self.api.get_subscription(key)
            if body is None or body["metadata"].get("deletionTimestamp"):
                return await self._forget(key)
            try:
                subscription = self._with_known_status(parse_subscription(body))
            except InvalidSpecError as error:
                return await self._refuse(key, body, error)
            current = _Pass(self, subscription)
            await self._make(current)
            return await self._report(body, current)
        finally:
            self._leave(key, current)

    async def _make(self, current: _Pass) -> None:
        """The steps, as far as they come within a pass's time."""
        try:
            async with asyncio.timeout(self._deadline):
                await current.make()
        except TimeoutError as error:
            current.attempts.note(current.attempts.under_way, error)

    async def _report(self, body: Manifest, current: _Pass) -> timedelta:
        found, key = current.findings(), current.subject.key
        reported, over_at = await self._reporter.report(body, found)
        if reported.error is None:
            self._unstored.pop(key, None)
        else:
            self._unstored[key] = (current.subject.subscription.uid, reported.status)
        pause = self._next_passes.after(found, reported.upcoming, over_at)
        if found.failures or reported.error is not None:
            raise PassFailedError(found.failures, pause, reported.error)
        return pause

    def _with_known_status(self, subscription: Subscription) -> Subscription:
        """What was found out and could not be stored is known all the same: a check is not made again for that."""
        uid, status = self._unstored.get(subscription.key, ("", None))
        if status is None or uid != subscription.uid:
            return subscription
        return subscription.model_copy(update={"status": status})

    async def _refuse(self, key: Key, body: Manifest, error: InvalidSpecError) -> timedelta | None:
        """A spec that cannot be read: what runs runs on and holds its slots, and is looked at until it has ended."""
        jobs = {job["metadata"]["name"]: job for job in await self.api.list_jobs(*key)}
        held = held_slots(jobs)
        self.admission.hold(key, held)
        await self._reporter.report_invalid(parse_identity(body), body, error, self.clock.now())
        return LOOK_AT_RUNNING if held.total() else None

    def wake_next(self) -> None:
        """Ask for a pass over whoever may start the next download."""
        now = self.clock.now()
        turn = self.admission.next_turn(now)
        if turn is not None and not self.stopping:
            self._wake(turn.key, (turn.at - now).total_seconds())

    def _leave(self, key: Key, current: _Pass | None) -> None:
        """What must be done however a pass ended."""
        self.admission.end_pass(key)
        # Suspended, blocked, failed or gone: no line waits for one that does not ask.
        if current is None:
            self.historian.withdraw(key)
        if current is None or not current.asked_for_slots:
            self.admission.withdraw(key)
        if current is None or not current.checked.waits_for_place:
            self.places.leave(key)
        self.wake_next()

    async def _forget(self, key: Key) -> timedelta | None:
        """The Subscription is gone: its Jobs go with it, its ledger stays or goes as its policy said.

        Jobs that were left without an owner run on, and hold their slots until they end.

        Returns:
            When to look at those again.
        """
        jobs = {job["metadata"]["name"]: job for job in await self.api.list_jobs(*key)}
        orphans = {name: job for name, job in jobs.items() if not job["metadata"].get("ownerReferences")}
        held = held_slots(orphans)
        self.admission.hold(key, held)
        self.store.forget(key)
        self.checker.forget(key)
        self.historian.forget(key)
        self.looked_at.pop(key, None)
        self._next_passes.forget(key)
        self._unstored.pop(key, None)
        self._measurements.subscription_gone(key)
        await self.gatekeeper.forget(key, self.clock.now())
        return LOOK_AT_RUNNING if held.total() else None


class _Pass:
    """The steps of one pass in their order, and what each of them returned.

    Args:
        parts: what passes share.
        subscription: as read, with what is known of its status.
    """

    def __init__(self, parts: Reconciler, subscription: Subscription) -> None:
        self._parts = parts
        self.subject = Subject(subscription, parts.policy, parts.clock.now())
        self.attempts = Attempts(self.subject.key)
        self.asked_for_slots = False
        self.checked = Checked()
        self._ledger: Ledger | None = None
        self._opening: tuple[Event, ...] = ()
        self._seen = Seen()
        self._kept = Kept({})
        self._settled = Settled()
        self._needs = ListingNeeds(can_list=False)
        self._claim = ClaimState()
        self._restored = Restored(complete=False)
        self._handled = Handled()
        self._probe_in_doubt = False
        self._launches: list[Launched] = []

    async def make(self) -> None:
        """Settle, do what is asked for, check, launch."""
        parts, key, make = self._parts, self.subject.key, self.attempts.make
        # Whatever a pass that fails leaves half done is looked for by the next one. An empty ledger may have lost what
        # runs, a hand may have taken what ran out of one that is not empty, and a Job that it does not know is watched
        # until it ends.
        thoroughly = parts.looked_at.get(key) != self.subject.subscription.uid
        parts.looked_at[key] = ""
        ledger = self._ledger = await make(Step.LEDGER, parts.store.open(self.subject.subscription), None)
        if ledger is None:
            return
        self._opening = self._adopted(ledger)
        self._restored = Restored(complete=find_progress(ledger, self.subject.claim) is None)
        await make(Step.GATES, parts.gatekeeper.enter(self.subject), None)
        await self._settle(ledger, thoroughly=thoroughly or not len(ledger))
        await self._prepare(ledger)
        title = self._known_title()
        await self._launch(ledger, title)
        if self._check_is_due():
            await self._check(ledger)
            report = self.checked.report
            await self._launch(ledger, (report.source_title if report else None) or title)
        self._hold()
        if not self.attempts.failures and not self._kept.busy and not ledger.running():
            parts.looked_at[key] = self.subject.subscription.uid

    async def _settle(self, ledger: Ledger, *, thoroughly: bool) -> None:
        """What became of the launches, and which Jobs are left."""
        settler, make, subject = self._parts.settler, self.attempts.make, self.subject
        self._seen = await make(Step.JOBS, settler.look(subject, ledger, thoroughly=thoroughly), Seen())
        if self.attempts.failed_in({Step.JOBS}):
            return
        jobs = self._seen.jobs
        settled = settler.settle(subject, ledger, self._seen.endings)
        self._settled = await make(Step.ENDINGS, settled, self._settled)
        kept = Kept(held_slots(jobs))
        self._kept = await make(Step.CLEAN_UP, settler.clean_up(subject, ledger, jobs), kept)
        self._hold()

    async def _prepare(self, ledger: Ledger) -> None:
        """What downloads and listings need, the history, and what users ask for."""
        parts, make, subject = self._parts, self.attempts.make, self.subject
        needs = look_at_listing_needs(parts.api, subject.subscription, subject.policy)
        self._needs = await make(Step.PREREQUISITES, needs, self._needs)
        self._claim = await make(Step.PREREQUISITES, look_at_claim(parts.api, subject), self._claim)
        subject = self.subject = replace(subject, one_node=self._claim.one_node)
        restored = parts.historian.restore(subject, ledger, may_run=self._may_run_jobs())
        self._restored = await make(Step.HISTORY, restored, self._restored)
        if self._restored.complete:  # before that nobody knows what is meant
            handled = handle_requests(subject, ledger, parts.api, parts.store, parts.gatekeeper)
            self._handled = await make(Step.REQUESTS, handled, self._handled)
        running = ledger.running().items()
        missing = self._missing(ledger)
        alive = {launch_task(video, entry.launches) for video, entry in running if video not in missing}
        self._probe_in_doubt = await make(
            Step.PROBES, parts.gatekeeper.release_lost(subject.key, alive, subject.now), otherwise=False
        )
        self._hold()

    async def _launch(self, ledger: Ledger, title: str | None) -> None:
        if not self._may_launch():
            self.asked_for_slots = False
            return
        wish = Wish(self._missing(ledger), self._kept.busy, title)
        launched = await self._parts.launcher.launch(self.subject, ledger, wish)
        self._launches.append(launched)
        self.asked_for_slots = True
        if launched.error is not None:
            self.attempts.note(Step.LAUNCH, launched.error)

    def _check_is_due(self) -> bool:
        parts, subject = self._parts, self.subject
        can_list = self._needs.can_list and self._restored.complete and not parts.stopping
        if not can_list or self.attempts.failed_in({Step.GATES, Step.PREREQUISITES}):
            return False
        open_since = parts.gatekeeper.open_since(subject)
        if not decide_check(subject, subject.subscription.status, open_since).due:
            return False
        if parts.gatekeeper.holds_listing(subject):
            self.checked = Checked(waits_for_gate=True)
            return False
        return True

    async def _check(self, ledger: Ledger) -> None:
        """List the source. That may take minutes: neither the free slots nor the line wait for it meanwhile.

        The Subscription keeps its place in the line, or one that is checked more often than slots come free would never
        have its turn.
        """
        parts, key = self._parts, self.subject.key
        parts.admission.step_aside(key)
        parts.wake_next()
        try:
            check = parts.checker.check(self.subject, ledger, self._needs)
            self.checked = await self.attempts.make(Step.CHECK, check, self.checked)
        finally:
            parts.admission.come_back(key)
            self.subject = replace(self.subject, now=parts.clock.now())

    def findings(self) -> Findings:
        """What is known by now."""
        ledger, launches = self._ledger, self._launches
        steps: tuple[Settled | Launched | Checked, ...] = (self._settled, *launches, self.checked)
        again = (self.subject.now,) if self.checked.is_stale else ()
        looks = (again, self._seen.look_at, self._restored.look_at, *(launched.look_at for launched in launches))
        return Findings(
            subject=self.subject,
            ledger=ledger,
            failures=self.attempts.failures,
            blocker=self._blocker(),
            trouble=next((t for t in (self._seen.trouble, *(done.trouble for done in launches)) if t), None),
            check=self.checked.report,
            cookies=self.checked.cookies or self._needs.secrets.verdict or self._settled.cookies,
            handled=self._handled.requests,
            history_complete=self._restored.complete,
            routes=launches[-1].routes if launches else frozenset(),
            missing=self._missing(ledger) if ledger is not None else (),
            busy=self._kept.busy,
            asked_for_slots=self.asked_for_slots,
            waits_for_gate=self.checked.waits_for_gate,
            waits_for_place=self.checked.waits_for_place,
            probe_in_doubt=self._probe_in_doubt,
            look_at=tuple(at for times in looks for at in times),
            events=(
                *self._opening,
                *self._seen.events,
                *self._settled.events,
                *self._restored.events,
                *self._handled.events,
                *(event for launched in launches[:1] for event in launched.events),
                *self.checked.events,
                *(event for launched in launches[1:] for event in launched.events),
            ),
            gate_events=tuple(event for step in steps for event in step.gate_events),
        )

    def _adopted(self, ledger: Ledger) -> tuple[Event, ...]:
        if self.subject.subscription.status.observed_generation is not None or not len(ledger):
            return ()
        text = message(EventReason.LEDGER_ADOPTED, count=len(ledger))
        return (Event(EventReason.LEDGER_ADOPTED, text),)

    def _blocker(self) -> Blocker | None:
        """What a person has to mend: without the volume its history cannot be read, and so on."""
        return self.checked.blocker or self._restored.blocker or self._needs.blocker or self._claim.blocker

    def _may_run_jobs(self) -> bool:
        suspended = self.subject.subscription.spec.suspend
        blocked = self._needs.blocker or self._claim.blocker or suspended or self._parts.stopping
        return not blocked and not self.attempts.failed_in({Step.GATES, Step.JOBS, Step.PREREQUISITES})

    def _may_launch(self) -> bool:
        left_undone = {Step.ENDINGS, Step.HISTORY, Step.REQUESTS, Step.PROBES, Step.LAUNCH}
        usable = self.checked.blocker is None and not self.checked.is_stale
        ready = self._may_run_jobs() and self._restored.complete and usable
        return ready and not self.attempts.failed_in(left_undone)

    def _missing(self, ledger: Ledger) -> tuple[str, ...]:
        missing = self._launches[-1].missing if self._launches else self._seen.missing
        running = ledger.running()
        return tuple(video for video in missing if video in running)

    def _hold(self) -> None:
        """Tell admission how many Jobs there are; those that this pass creates it counts by itself."""
        deleted = self._handled.deleted
        if not self.attempts.failed_in({Step.JOBS}) and not self._launches:
            held = held_slots(self._seen.jobs, deleted) if deleted else self._kept.held
            self._parts.admission.hold(self.subject.key, held)

    def _known_title(self) -> str | None:
        source = self.subject.subscription.status.source
        return source.title if source is not None else None
