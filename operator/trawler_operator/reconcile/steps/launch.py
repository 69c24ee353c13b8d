"""Last step of a pass: claim launches in the ledger, then create their Jobs.

The claim comes first. A Job without a claim could be created twice; a claim without a Job is seen by every later pass.
A slot is granted for as long as the creation of the Job is under way. Once created, the Job holds the slot. A refused
creation gives back the slot and what the launch was charged for.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.api.reasons import ConditionReason, EventReason, message
from trawler_operator.domain.gates.endings import download_finding
from trawler_operator.domain.gates.gate import launch_task
from trawler_operator.domain.gates.route import GateId, Route
from trawler_operator.domain.jobs.outcome import ObservedOutcome
from trawler_operator.domain.jobs.start_trouble import LOOK_AT_STARTING
from trawler_operator.domain.launches.admission import Admission
from trawler_operator.domain.launches.claims import LaunchAction, claim, give_back, judge_launch
from trawler_operator.domain.launches.download_job import build_download_job
from trawler_operator.domain.launches.follow_ups import describe_launch
from trawler_operator.domain.ledger.backlog import Rank, is_eligible, rank_of
from trawler_operator.domain.ledger.entry import LedgerEntry
from trawler_operator.domain.ledger.ledger import Changes, Ledger
from trawler_operator.reconcile.ports import (
    AlreadyExistsError,
    ApiError,
    Event,
    KubernetesApi,
    NotLeadingError,
    RejectedError,
    UnavailableError,
)
from trawler_operator.reconcile.steps.settle import Ending, Settled, Settler, name_taken
from trawler_operator.reconcile.stores.gatekeeper import CLAIM_GRACE, AboutGate, Gatekeeper
from trawler_operator.reconcile.stores.ledger_store import LedgerBusyError, LedgerNotWritableError, LedgerStore
from trawler_operator.reconcile.subject import Subject

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Launched:
    """What came of launching.

    Args:
        routes: routes of the videos that could be downloaded now.
        missing: videos whose launch is claimed and whose Job does not exist.
        trouble: why a claimed launch cannot begin.
        look_at: times at which to look again at a Job that does not run yet, or at one that bears a needed name.
        events: Events about the Subscription.
        gate_events: Events about gates that moved.
        error: what ended the step early; the other fields say what was launched before.
    """

    routes: AbstractSet[Route] = frozenset()
    missing: tuple[str, ...] = ()
    trouble: str | None = None
    look_at: tuple[datetime, ...] = ()
    events: tuple[Event, ...] = ()
    gate_events: tuple[AboutGate, ...] = ()
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What there is to launch.

    Args:
        missing: videos whose launch is claimed and whose Job does not exist.
        busy: videos that a live Job works on although the ledger does not know.
        source_title: the channel's or playlist's title.
    """

    missing: tuple[str, ...] = ()
    busy: frozenset[str] = frozenset()
    source_title: str | None = None


class Launcher:
    """Starts downloads, as many as admission grants.

    Args:
        api: the cluster.
        store: writes the ledger.
        admission: grants slots.
        gatekeeper: lets launches through gates and budgets.
        settler: settles launches whose Job is refused.
    """

    def __init__(
        self,
        api: KubernetesApi,
        store: LedgerStore,
        admission: Admission,
        gatekeeper: Gatekeeper,
        settler: Settler,
    ) -> None:
        self.api = api
        self.store = store
        self.admission = admission
        self.gatekeeper = gatekeeper
        self.settler = settler

    async def launch(self, subject: Subject, ledger: Ledger, wish: Wish) -> Launched:
        """Create the Jobs of claims whose Job is missing, then claim and create what admission grants.

        Other errors end the step early and are returned in the result.

        Raises:
            NotLeadingError: nothing may be written any more.
        """
        launching = _Launching(self, subject, ledger, wish)
        error: Exception | None = None
        try:
            await launching.create_missing()
            await launching.start_next()
        except NotLeadingError:
            raise
        except Exception as failure:  # noqa: BLE001 - the result still says what was launched before
            error = failure
        return launching.result(error)


class _Launching:
    """One step of launching and its progress."""

    def __init__(self, parts: Launcher, subject: Subject, ledger: Ledger, wish: Wish) -> None:
        self._api, self._store, self._admission = parts.api, parts.store, parts.admission
        self._gatekeeper, self._settler = parts.gatekeeper, parts.settler
        self._subject = subject
        self._ledger = ledger
        self._wish = wish
        self._routes: AbstractSet[Route] = frozenset()
        self._missing = list(wish.missing)
        self._trouble: str | None = None
        self._look_at: list[datetime] = []
        self._events: list[Event] = []
        self._gate_events: list[AboutGate] = []

    def result(self, error: Exception | None) -> Launched:
        """What has come of the step so far."""
        return Launched(
            routes=self._routes,
            missing=tuple(self._missing),
            trouble=self._trouble,
            look_at=tuple(self._look_at),
            events=tuple(self._events),
            gate_events=tuple(self._gate_events),
            error=error,
        )

    async def start_next(self) -> None:
        """Claim and create what admission grants."""
        subject, key, ledger = self._subject, self._subject.key, self._ledger
        parallelism = subject.subscription.spec.job.parallelism
        # A listing may name videos of several sites. Of each site admission need know no more than can run at a time.
        turns = ledger.backlog.turns(subject.download_digest, subject.now, parallelism, self._wish.busy)
        routes = {site: subject.download_route(ledger.active[videos[0]].url) for site, videos in turns.items()}
        self._routes = frozenset(routes.values())
        self._admission.stand_only_for(key, self._routes)
        for site, videos in turns.items():
            route = routes[site]
            rank = rank_of(ledger.active[videos[0]])
            granted = self._admission.request(key, route, len(videos), parallelism, subject.now, rank)
            if granted:
                is_probe = bool(self._gatekeeper.book.closed(route.gates))
                chosen = ledger.backlog.probes(site, granted, self._wish.busy) if is_probe else videos[:granted]
                await self._start(route, chosen, granted, rank)

    async def create_missing(self) -> None:
        """Create the Jobs of claims that have none, as far as gates, slots and budgets let them begin now.

        Such a launch has not begun. Another launch may hold the slot that it was granted, its gate may have closed, and
        its charge may be long past. If it cannot begin, its claim is given back and it stands in line again. A claim
        younger than CLAIM_GRACE is not given back: another operator may be about to create its Job.
        """
        subject, ledger = self._subject, self._ledger
        missing, self._missing = self._missing, []
        returned: dict[str, LedgerEntry] = {}
        for video in missing:
            entry = ledger.active[video]
            claimed = entry.claimed_at
            is_fresh = claimed is not None and abs(subject.now - claimed) < CLAIM_GRACE
            route = subject.download_route(entry.url)
            gates = await self._pass_again(video, entry, route, is_fresh=is_fresh)
            if gates is not None:
                await self._create(video, route, gates, charged=claimed if is_fresh and claimed else subject.now)
            elif is_fresh:
                self._missing.append(video)
            else:
                returned[video] = entry
        if returned:
            await self._store.commit(subject.subscription, ledger, lambda ledger: _give_back(ledger, returned))
            tasks = [launch_task(video, entry.launches) for video, entry in returned.items()]
            await self._gatekeeper.release(subject.key, tasks, subject.now)

    async def _pass_again(
        self, video: str, entry: LedgerEntry, route: Route, *, is_fresh: bool
    ) -> Mapping[GateId, int] | None:
        """The gates that the Job of a claim without one passes, with their epochs; None if it may not begin now.

        A fresh claim was charged just now and is not charged again.
        """
        subject, book = self._subject, self._gatekeeper.book
        parallelism = subject.subscription.spec.job.parallelism
        if book.closed(route.gates) or not self._admission.resume(subject.key, route, parallelism):
            return None
        if is_fresh:
            return book.epochs(route)
        task = launch_task(video, entry.launches)
        gates = await self._gatekeeper.admit_downloads(subject.key, route, [task], subject.now)
        if gates is None:
            self._admission.not_created(subject.key, route)
        return gates

    async def _start(self, route: Route, chosen: list[str], granted: int, rank: Rank) -> None:
        """Claim launches, first at the gates, then in the ledger, and create their Jobs.

        In this order a crash in between leaves a probe that is given back later, and no Job. The slots are returned if
        another pass was quicker at the gates since admission granted them. They are also returned if no chosen video is
        active any more: another operator took them, as a conflict over the claims of the previous route has shown.
        """
        subject, key, ledger = self._subject, self._subject.key, self._ledger
        launches = {video: ledger.active[video].launches + 1 for video in chosen if video in ledger.active}
        tasks = {video: launch_task(video, launch) for video, launch in launches.items()}
        gates = None
        if launches:
            gates = await self._gatekeeper.admit_downloads(key, route, tasks.values(), subject.now)
        if gates is None:
            self._admission.decline(key, route, granted, rank)
            return
        self._admission.not_created(key, route, granted - len(launches))

        def compute(ledger: Ledger) -> Changes:
            present = {video: ledger.active[video] for video in launches if video in ledger.active}
            digest, now = subject.download_digest, subject.now
            return Changes({v: claim(e, now) for v, e in present.items() if is_eligible(e, digest, now)})

        try:
            written = await self._store.commit(subject.subscription, ledger, compute)
        except LedgerNotWritableError as error:
            unclaimed = await self._find_unclaimed(launches, error)
            if unclaimed:
                lost = [tasks[video] for video in unclaimed]
                await self._gatekeeper.take_back(key, route, lost, subject.now, subject.now)
                await self._hold_back(lost[0], gates, error)
            raise
        for video, launch in launches.items():
            # Another operator's claim is not acted upon: it may be settled by now, and its Job deleted.
            if video in written.entries and written.entries[video].launches == launch:
                await self._create(video, route, gates, charged=subject.now)
            else:
                self._admission.not_created(key, route)
                await self._gatekeeper.take_back(key, route, [tasks[video]], subject.now, subject.now)

    async def _hold_back(self, task: str, gates: Mapping[GateId, int], error: LedgerNotWritableError) -> None:
        """Close the Subscription's own gate: its next launches would meet the same, and take others' turns for it."""
        reason, now = ConditionReason.LEDGER_NOT_WRITABLE, self._subject.now
        finding = download_finding(ObservedOutcome(OutcomeClass.ENVIRONMENT, reason, str(error), now))
        self._gate_events += await self._gatekeeper.settle(self._subject, [(task, gates, finding)])

    async def _find_unclaimed(self, launches: Mapping[str, int], error: LedgerNotWritableError) -> list[str]:
        """Return the videos whose launch a failed write has not claimed.

        A refused write has claimed nothing. After any other error the ledger is read again: otherwise a webhook that
        fails would use up the budget of a site that others need, start by start. Where the ledger cannot be read,
        the claims may have been written, and the next pass makes their Jobs.
        """
        if not error.is_refusal:
            try:
                await self._store.refresh(self._subject.subscription, self._ledger)
            except (ApiError, LedgerBusyError) as unread:
                logger.info("%s/%s: whether launches are claimed is not known: %s", *self._subject.key, unread)
                return []
        running = self._ledger.running()
        return [v for v, launch in launches.items() if v not in running or running[v].launches != launch]

    async def _create(self, video: str, route: Route, gates: Mapping[GateId, int], *, charged: datetime) -> None:
        """Create the Job of a claim. Its slot is granted, and its egress was charged for it at the time `charged`."""
        subject, entry = self._subject, self._ledger.active[video]
        row = self._ledger.row(video)
        manifest = build_download_job(
            subject.subscription,
            video,
            entry,
            launch=entry.launches,
            shard=row.shard if row else 0,
            defaults=subject.policy.defaults,
            access=subject.policy.access,
            gates=gates,
            source_title=self._wish.source_title,
            one_node=subject.one_node,
            volume_id=self._ledger.volumes.get(subject.claim),
        )
        namespace, name = subject.key[0], manifest["metadata"]["name"]
        try:
            await self._api.create_job(namespace, manifest)
        except AlreadyExistsError:
            await self._meet(name, route)
        except (RejectedError, UnavailableError) as error:
            await self._not_created(video, entry, name, route, gates, charged, error)
        else:
            self._admission.created(subject.key, route)
            logger.info("created Job %s/%s for %s, launch %d", namespace, name, video, entry.launches)
            text = message(
                EventReason.DOWNLOAD_CREATED, job=name, video=describe_launch(video, entry), launch=entry.launches
            )
            self._events.append(Event(EventReason.DOWNLOAD_CREATED, text))
            self._look_at.append(subject.now + LOOK_AT_STARTING)

    async def _meet(self, name: str, route: Route) -> None:
        """Deal with a Job that bears the name: an attempt whose answer was lost made it, or it is somebody else's."""
        subject = self._subject
        job = await self._api.get_job(subject.key[0], name)
        if judge_launch(job, subject.subscription.uid) is LaunchAction.ADOPT:
            self._admission.created(subject.key, route)
            return
        self._admission.not_created(subject.key, route)
        at, why = name_taken(job, subject.now)
        self._look_at.append(at)
        self._trouble = self._trouble or why

    async def _not_created(
        self,
        video: str,
        entry: LedgerEntry,
        name: str,
        route: Route,
        gates: Mapping[GateId, int],
        charged: datetime,
        error: RejectedError | UnavailableError,
    ) -> None:
        """Take back a launch whose Job a quota, a policy or a webhook refuses: it has not begun and is not charged."""
        subject = self._subject
        if await self._api.get_job(subject.key[0], name) is not None:
            self._admission.created(subject.key, route)
            return  # an earlier attempt made the Job; if a quota refuses, this very Job fills it
        self._admission.not_created(subject.key, route)
        task = launch_task(video, entry.launches)
        await self._gatekeeper.take_back(subject.key, route, [task], charged, subject.now)
        text = message(EventReason.JOB_REJECTED, job=name, detail=error)
        self._events.append(Event(EventReason.JOB_REJECTED, text, warning=True))
        refused = ObservedOutcome(
            OutcomeClass.ENVIRONMENT,
            ConditionReason.JOB_REJECTED,
            str(error),
            subject.now,
        )
        ending = Ending(entry.launches, refused, subject.download_digest, gates)
        settled = await self._settler.settle(subject, self._ledger, {video: ending})
        self._admission.wait(subject.key, route, rank_of(entry))
        self._note(settled)

    def _note(self, settled: Settled) -> None:
        self._events += settled.events
        self._gate_events += settled.gate_events


def _give_back(ledger: Ledger, claimed: Mapping[str, LedgerEntry]) -> Changes:
    """The changes that take back those claims that are unchanged in the ledger."""
    return Changes({video: give_back(entry) for video, entry in claimed.items() if ledger.active.get(video) == entry})
