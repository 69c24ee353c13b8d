"""One pass over one Subscription: observe, settle, obey, check, launch. It reads top to bottom as a specification.

If a step fails, the others go on with what is known. The results of all steps are put together for the report, which
names the failures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from trawler_operator.api.reasons import EventReason, message
from trawler_operator.api.subscription import Key, Subscription
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.gates.gate import launch_task
from trawler_operator.domain.history.inventory import find_progress
from trawler_operator.domain.launches.admission import Admission
from trawler_operator.domain.ledger.ledger import Ledger
from trawler_operator.reconcile.failures import Attempts, Step
from trawler_operator.reconcile.findings import Findings
from trawler_operator.reconcile.next_pass import decide_check
from trawler_operator.reconcile.ports import Clock, Event, KubernetesApi
from trawler_operator.reconcile.slots import SlotCounter
from trawler_operator.reconcile.steps.check import Checked, Checker
from trawler_operator.reconcile.steps.history import Historian, Restored
from trawler_operator.reconcile.steps.launch import Launched, Launcher, Wish
from trawler_operator.reconcile.steps.prerequisites import ClaimState, ListingNeeds, Prerequisites
from trawler_operator.reconcile.steps.requests import Handled, handle_requests
from trawler_operator.reconcile.steps.settle import Kept, Seen, Settled, Settler, held_slots
from trawler_operator.reconcile.stores.gatekeeper import Gatekeeper
from trawler_operator.reconcile.stores.ledger_store import LedgerStore
from trawler_operator.reconcile.subject import Policy, Subject


@dataclass(slots=True)
class Parts:
    """What all passes share.

    Args:
        api: the cluster.
        clock: the time.
        policy: chart values.
        admission: slots for Jobs.
        slots: counts the Jobs that hold them.
        store: the ledgers.
        gatekeeper: the gates.
        prerequisites: looks at what a spec names.
        settler: settles launches that ended.
        checker: lists sources.
        launcher: starts downloads.
        historian: makes a lost ledger anew.
        wake: asks for a pass over a Subscription, in so many seconds.
        looked_at: uid of each Subscription whose Jobs agreed with the ledger at the end of its last pass; empty text if
            they did not.
        stopping: whether the process stops, so that nothing new is started.
    """

    api: KubernetesApi
    clock: Clock
    policy: Policy
    admission: Admission
    slots: SlotCounter
    store: LedgerStore
    gatekeeper: Gatekeeper
    prerequisites: Prerequisites
    settler: Settler
    checker: Checker
    launcher: Launcher
    historian: Historian
    wake: Callable[[Key, float], None]
    looked_at: dict[Key, str] = field(default_factory=dict)
    stopping: bool = False

    def wake_next(self) -> None:
        """Ask for a pass over the Subscription that may start the next download."""
        now = self.clock.now()
        turn = self.admission.next_turn(now)
        if turn is not None and not self.stopping:
            self.wake(turn.key, (turn.at - now).total_seconds())


class OnePass:
    """The steps of one pass in their order, and their results.

    Args:
        parts: what passes share.
        subscription: as read, with what is known of its status.
    """

    def __init__(self, parts: Parts, subscription: Subscription) -> None:
        self._parts = parts
        self.subject = Subject(subscription, parts.policy, parts.clock.now())
        self.attempts = Attempts(self.subject.key)
        self.asked_for_slots = False
        self.stands_in_line = False
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
        """Settle, carry out requests, check, launch."""
        parts, key, make = self._parts, self.subject.key, self.attempts.make
        # The next pass lists all Jobs if this one fails, since it may leave something half done. Jobs may run that the
        # ledger does not know: an empty ledger may have been lost, and a person may have deleted a Running entry. Such
        # a Job is watched until it ends.
        thoroughly = parts.looked_at.get(key) != self.subject.subscription.uid
        parts.looked_at[key] = ""
        ledger = self._ledger = await make(Step.LEDGER, parts.store.open(self.subject.subscription), None)
        if ledger is None:
            await parts.slots.look(key)
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
        """Find out what became of the launches, and which Jobs are left."""
        settler, slots, make, subject = self._parts.settler, self._parts.slots, self.attempts.make, self.subject
        listed = await make(Step.JOBS, settler.list_jobs(subject, ledger, thoroughly=thoroughly), None)
        if listed is None:
            slots.lose(subject.key)
            return
        slots.count(subject.key, listed, longest=subject.subscription.spec.job.active_deadline_seconds)
        self._seen = await make(Step.JOBS, settler.look(subject, ledger, listed), Seen())
        if self.attempts.failed_in({Step.JOBS}):
            return
        jobs = self._seen.jobs
        settled = settler.settle(subject, ledger, self._seen.endings)
        self._settled = await make(Step.ENDINGS, settled, self._settled)
        kept = Kept(held_slots(jobs))
        self._kept = await make(Step.CLEAN_UP, settler.clean_up(subject, ledger, jobs), kept)
        self._hold()

    async def _prepare(self, ledger: Ledger) -> None:
        """Look at what downloads and listings need, read the history back, and carry out requests."""
        parts, make, subject = self._parts, self.attempts.make, self.subject
        needs = parts.prerequisites.look_at_listing_needs(subject)
        self._needs = await make(Step.PREREQUISITES, needs, self._needs)
        look_at_claim = parts.prerequisites.look_at_claim(subject)
        self._claim = await make(Step.PREREQUISITES, look_at_claim, self._claim)
        subject = self.subject = replace(subject, one_node=self._claim.one_node)
        restored = parts.historian.restore(subject, ledger, may_run=self._may_run_jobs())
        self._restored = await make(Step.HISTORY, restored, self._restored)
        if self._restored.complete:  # without its history the ledger may not know the videos that a request means
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
        # One that cannot use its turn stands in no line: it would be woken for the next turn at once, over and over.
        self.asked_for_slots = launched.error is None
        if launched.error is not None:
            self.attempts.note(Step.LAUNCH, launched.error)

    def _check_is_due(self) -> bool:
        parts, subject = self._parts, self.subject
        if not self._can_list():
            return False
        open_since = parts.gatekeeper.open_since(subject)
        if not decide_check(subject, subject.subscription.status, open_since).due:
            return False
        if parts.gatekeeper.holds_listing(subject):
            self.checked = Checked(waits_for_gate=True)
            return False
        return True

    def _can_list(self) -> bool:
        can_list = self._needs.can_list and self._restored.complete and not self._parts.stopping
        return can_list and not self.attempts.failed_in({Step.GATES, Step.PREREQUISITES, Step.CHECK})

    async def _check(self, ledger: Ledger) -> None:
        """List the source. A listing may take minutes: free slots and the line go to others meanwhile.

        The Subscription keeps its place in the line. Otherwise one that is checked more often than slots come free
        would never have its turn.
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
        """What is known so far."""
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
            turn=self.checked.turn,
            can_check=self._can_check(),
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
        """What a person must mend.

        A step that another's blocker keeps from running has none of its own: without the volume, for example, no
        history is read.
        """
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

    def _can_check(self) -> bool:
        """Whether the next check waits for nothing but its turn. A gate that opens wakes the Subscription by itself."""
        return self._can_list() and not self.subject.subscription.spec.suspend and not self.checked.waits_for_gate

    def _missing(self, ledger: Ledger) -> tuple[str, ...]:
        missing = self._launches[-1].missing if self._launches else self._seen.missing
        running = ledger.running()
        return tuple(video for video in missing if video in running)

    def _hold(self) -> None:
        """Tell admission how many Jobs there are. Admission itself counts those that this pass creates."""
        deleted = self._handled.deleted
        if not self.attempts.failed_in({Step.JOBS}) and not self._launches:
            held = held_slots(self._seen.jobs, deleted) if deleted else self._kept.held
            self._parts.admission.hold(self.subject.key, held)

    def _known_title(self) -> str | None:
        source = self.subject.subscription.status.source
        return source.title if source is not None else None
