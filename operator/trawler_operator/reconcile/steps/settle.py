"""First step of a pass: find out what became of the launches, write it to the ledger, and only then delete Jobs.

Three launches are settled in the ledger before their Jobs are deleted: one that does not start, one that does not end,
and one whose pod an injected container keeps alive after the download has ended. If the process is killed in between,
the next one finds a Job whose launch the ledger has settled, and deletes the Job. The other way round the next process
would find a launch without a Job, and create the same Job again. Jobs are deleted in the background: deleted in the
foreground, a Job would stay as long as its pod does, and that is for ever on a node that does not come back.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api import labels
from trawler_operator.api.reasons import NEVER_STARTED, EventReason, message
from trawler_operator.api.times import format_time
from trawler_operator.domain.gates.endings import download_finding
from trawler_operator.domain.gates.gate import Finding, launch_task
from trawler_operator.domain.gates.passed import egress_name, passed_gates
from trawler_operator.domain.gates.route import GateId
from trawler_operator.domain.jobs.cleanup import jobs_to_delete, may_delete
from trawler_operator.domain.jobs.digests import LENGTH as DIGEST_LENGTH
from trawler_operator.domain.jobs.manifest import claim_of
from trawler_operator.domain.jobs.outcome import ObservedOutcome, is_finished, observe_container, observe_outcome
from trawler_operator.domain.jobs.start_trouble import (
    find_other_owner,
    look_again,
)
from trawler_operator.domain.launches.claims import LaunchAction, busy_videos, forgotten_jobs, judge_launch
from trawler_operator.domain.launches.follow_ups import describe_ending, describe_launch
from trawler_operator.domain.launches.transitions import is_held_by_a_gate, settle
from trawler_operator.domain.ledger.entry import LedgerEntry
from trawler_operator.domain.ledger.ledger import Changes, Ledger
from trawler_operator.domain.status.cookies import CookiesVerdict, cookies_verdict
from trawler_operator.reconcile.job_watcher import JobWatcher, job_not_starting, unless_said
from trawler_operator.reconcile.ports import Event, KubernetesApi, Manifest, Measurements
from trawler_operator.reconcile.stores.gatekeeper import AboutGate, Gatekeeper
from trawler_operator.reconcile.stores.ledger_store import LedgerStore
from trawler_operator.reconcile.subject import Subject

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a launch ended.

    Args:
        launch: number of the launch.
        observed: the ending.
        built_from: digest of the spec that the Job was built from.
        gates: the gates that the launch passed and may move, each with its epoch at that time.
        claim: the claim that the launch wrote to.
    """

    launch: int
    observed: ObservedOutcome
    built_from: str
    gates: Mapping[GateId, int]
    claim: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the Jobs show.

    Args:
        jobs: the Subscription's Jobs by name.
        endings: endings of launches that are Running in the ledger, by video.
        missing: videos whose launch is claimed and whose Job does not exist.
        trouble: why a Job that should run does not.
        look_at: times at which to look again at a Job that does not run yet, or at one that bears a needed name.
        events: Events about trouble that is seen for the first time.
    """

    jobs: Mapping[str, Manifest] = field(default_factory=dict)
    endings: Mapping[str, Ending] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    trouble: str | None = None
    look_at: tuple[datetime, ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Settled:
    """What the endings say, once they are in the ledger.

    Args:
        cookies: what they say of the cookies.
        events: Events about the Subscription.
        gate_events: Events about gates that moved.
    """

    cookies: CookiesVerdict | None = None
    events: tuple[Event, ...] = ()
    gate_events: tuple[AboutGate, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """The Jobs that are left.

    Args:
        held: slots that the unfinished Jobs hold, by the name of their egress.
        busy: videos that a live Job works on although the ledger does not know.
    """

    held: Mapping[str, int]
    busy: frozenset[str] = frozenset()


def is_unfinished_download(job: Manifest) -> bool:
    """Whether the Job is one of our downloads and neither finished nor being deleted."""
    leaves = is_finished(job) or job["metadata"].get("deletionTimestamp")
    return not leaves and find_other_owner(job) is None


def held_slots(jobs: Mapping[str, Manifest], deleted: frozenset[str] = frozenset()) -> Counter[str]:
    """Slots that Jobs hold, by the name of their egress: one each, until the Job is finished or being deleted.

    Somebody else's Job that merely bears the name of one of ours holds none.

    Args:
        jobs: by name.
        deleted: names of Jobs that were deleted after they were read.
    """
    return Counter(
        egress_name(job) for name, job in jobs.items() if name not in deleted and is_unfinished_download(job)
    )


class Settler:
    """Compares the ledger with the Jobs.

    Args:
        api: the cluster.
        store: writes the ledger.
        gatekeeper: moves gates by what endings say.
        watcher: knows what holds Jobs up.
        measurements: counts endings.
    """

    def __init__(
        self,
        api: KubernetesApi,
        store: LedgerStore,
        gatekeeper: Gatekeeper,
        watcher: JobWatcher,
        measurements: Measurements,
    ) -> None:
        self._api = api
        self._store = store
        self._gatekeeper = gatekeeper
        self._watcher = watcher
        self._measurements = measurements

    async def list_jobs(self, subject: Subject, ledger: Ledger, *, thoroughly: bool) -> dict[str, Manifest]:
        """Return the Subscription's Jobs by name.

        Args:
            subject: the Subscription.
            ledger: as it is.
            thoroughly: list the Jobs even if no entry is Running: the ledger may not know all of them (see
                `OnePass.make`).
        """
        if not ledger.running() and not thoroughly:
            return {}
        return {job["metadata"]["name"]: job for job in await self._api.list_jobs(*subject.key)}

    async def look(self, subject: Subject, ledger: Ledger, listed: Mapping[str, Manifest]) -> Seen:
        """Compare Running entries with their Jobs.

        Args:
            subject: the Subscription.
            ledger: as it is.
            listed: the Jobs, by name.
        """
        jobs = dict(listed)
        running = ledger.running()
        endings: dict[str, Ending] = {}
        missing: list[str] = []
        troubles: list[str] = []
        look_at: list[datetime] = []
        events: list[Event] = []
        for video, entry in running.items():
            name = subject.job_name(video, entry)
            # A missing label hides a Job from the list, not from a direct read.
            job = jobs.get(name) or await self._api.get_job(subject.key[0], name)
            if job is None:
                missing.append(video)
                continue
            jobs[name] = job
            match judge_launch(job, subject.subscription.uid):
                case LaunchAction.SETTLE:
                    pod = await self._api.find_pod(subject.key[0], name)
                    endings[video] = _ending(subject, entry, job, observe_outcome(job, pod))
                    continue
                case LaunchAction.WAIT:
                    at, why = name_taken(job, subject.now)
                    look_at.append(at)
                    troubles += [why] if why else []
                    trouble = self._watcher.stuck_deletion(job)
                    shown = False
                case _:
                    kept_alive = await self._watcher.find_kept_alive(job)
                    if kept_alive is not None:
                        endings[video] = _ending(subject, entry, job, observe_container(kept_alive))
                        continue
                    trouble, again = await self._watcher.look(job, subject.now)
                    look_at += [again] if again else []
                    shown = True
            if trouble is not None and trouble.ends_at <= subject.now:
                endings[video] = _ending(subject, entry, job, trouble.ending(subject.now))
            elif trouble is not None and shown:
                troubles.append(trouble.message)
                events += unless_said(subject, job_not_starting(name, trouble), trouble.message)
        still_missing = await self._still_missing(subject, ledger, missing) if missing else ()
        return Seen(jobs, endings, still_missing, next(iter(troubles), None), tuple(look_at), tuple(events[:1]))

    async def _still_missing(self, subject: Subject, ledger: Ledger, missing: list[str]) -> tuple[str, ...]:
        """Those of the videos whose launch is still claimed, by a ledger read after the search for their Jobs.

        A Job is deleted only once its launch is settled. Of two operators that overlap, the other may have settled the
        launch meanwhile, and then the Job must not be made again.
        """
        claimed = {video: ledger.active[video].launches for video in missing}
        await self._store.refresh(subject.subscription, ledger)
        running = ledger.running()
        return tuple(v for v, launch in claimed.items() if v in running and running[v].launches == launch)

    async def settle(self, subject: Subject, ledger: Ledger, endings: Mapping[str, Ending]) -> Settled:
        """Move gates by the endings, then settle the launches in the ledger.

        An entry stays as it is if it is no longer Running that launch. The gates come first: after a crash in between,
        the next process repeats the endings, and a repeated ending moves no gate. The other way round a crash would
        lose that a site asked to stop.

        Args:
            subject: the Subscription.
            ledger: as it is.
            endings: by video.

        Raises:
            GatesUnavailableError: the gates cannot be written.
            LedgerBusyError: the ledger cannot be written now.
        """
        gate_events = await self._gatekeeper.settle(subject, [_evidence(v, ending) for v, ending in endings.items()])
        # A repeated unclear ending moves no gate again. A gate remembers the unclear endings that closed it.
        book, holder = self._gatekeeper.book, "/".join(subject.key)
        blameless = {v for v, e in endings.items() if book.blames_site(holder, launch_task(v, e.launch), e.gates)}
        before: dict[str, LedgerEntry] = {}
        settled: dict[str, LedgerEntry] = {}

        def compute(ledger: Ledger) -> Changes:
            entries: dict[str, LedgerEntry] = {}
            volumes: dict[str, str] = {}
            for video, ending in endings.items():
                entry = ledger.active.get(video)
                if entry is None or not entry.is_claimed or entry.launches != ending.launch:
                    continue
                before[video] = entry
                entries[video] = settle(
                    video,
                    entry,
                    ending.observed,
                    retry=subject.subscription.spec.retry,
                    built_from=ending.built_from,
                    now=subject.now,
                    claim=ending.claim,
                    blames_site=video in blameless,
                )
                result = ending.observed.result
                if result and result.volume_id and ending.claim and ending.claim not in ledger.volumes:
                    volumes[ending.claim] = result.volume_id
            settled.update(entries)
            return Changes(entries=entries, volumes=volumes)

        await self._store.commit(subject.subscription, ledger, compute)
        cookies: CookiesVerdict | None = None
        events: list[Event] = []
        for video, entry in settled.items():
            observed = endings[video].observed
            cookies = cookies_verdict(observed.result) or cookies
            self._measurements.launch_finished(observed.outcome)
            own = self._gatekeeper.own_gate(subject.key).closing
            if not is_held_by_a_gate(observed) or (own is not None and own.reason == observed.reason):
                # Trouble that a shared gate covers gets one Event, about the gate.
                if before[video].follow_up is not None:
                    events.append(_follow_up_event(video, before[video], entry, observed))
                else:
                    events.append(_event(video, entry, own.until if own else None))
            logger.info(
                "launch %d of %s in %s/%s ended: %s (%s), now %s",
                entry.launches,
                video,
                *subject.key,
                observed.outcome,
                observed.reason,
                entry.state,
            )
        return Settled(cookies, tuple(events), gate_events)

    async def clean_up(self, subject: Subject, ledger: Ledger, jobs: Mapping[str, Manifest]) -> Kept:
        """Delete Jobs that live on after their launch was settled, and finished ones beyond the history limits."""
        claimed = {subject.job_name(video, entry) for video, entry in ledger.running().items()}
        uid = subject.subscription.uid
        unclaimed = [job for name, job in jobs.items() if name not in claimed]
        entries = await self._store.entries(subject.subscription, ledger, busy_videos(unclaimed))
        forgotten = forgotten_jobs(unclaimed, entries)
        doomed = [job for job in forgotten if may_delete(job, uid)]
        for job in (*doomed, *jobs_to_delete(unclaimed, uid, subject.policy.history)):
            await self._api.delete_job(subject.key[0], job["metadata"]["name"], job["metadata"]["uid"])
        alive = [job for job in unclaimed if job not in forgotten and not is_finished(job)]
        gone = frozenset(job["metadata"]["name"] for job in forgotten)
        return Kept(held_slots(jobs, gone), frozenset(busy_videos(alive)))


def name_taken(job: Manifest | None, now: datetime) -> tuple[datetime, str | None]:
    """When to look again at a Job that bears the name of a launch and is not ours (any more), and what to say of it.

    Args:
        job: the Job; None if it has just gone.
        now: the present.
    """
    return now + look_again(job), find_other_owner(job) if job is not None else None


def _evidence(video: str, ending: Ending) -> tuple[str, Mapping[GateId, int], Finding]:
    return launch_task(video, ending.launch), ending.gates, download_finding(ending.observed)


def _ending(subject: Subject, entry: LedgerEntry, job: Manifest, observed: ObservedOutcome) -> Ending:
    built_from = str((job["metadata"].get("annotations") or {}).get(labels.SPEC_ANNOTATION, ""))
    return Ending(
        launch=entry.launches,
        observed=observed,
        built_from=built_from[:DIGEST_LENGTH],
        gates=passed_gates(job, subject.download_route(entry.url)),
        claim=claim_of(job),
    )


def _follow_up_event(video: str, before: LedgerEntry, entry: LedgerEntry, observed: ObservedOutcome) -> Event:
    reason = EventReason.FOLLOW_UP_ENDED
    text = message(reason, what=describe_launch(video, before), detail=describe_ending(entry, observed))
    return Event(reason, text)


def _event(video: str, entry: LedgerEntry, held_until: datetime | None) -> Event:
    shown = entry.shown(video)
    again = max((at for at in (entry.retry_at, held_until) if at is not None), default=None)
    until = format_time(again) if again is not None else "asked for"
    detail = f"{entry.reason}: {entry.message}" if entry.message else str(entry.reason)
    match entry.state:
        case LedgerState.SUCCEEDED:
            reason = EventReason.VIDEO_PUBLISHED
            return Event(reason, message(reason, video=shown, path=entry.path))
        case LedgerState.DEAD_LETTER:
            reason = EventReason.DOWNLOAD_GIVEN_UP
            return Event(reason, message(reason, video=shown, detail=detail), warning=True)
        case LedgerState.FAILED:
            reason = EventReason.DOWNLOAD_FAILED
            return Event(reason, message(reason, video=shown, until=until, detail=detail), warning=True)
        case _ if entry.reason in NEVER_STARTED:
            reason = EventReason.DOWNLOAD_NOT_STARTED
            return Event(reason, message(reason, video=shown, until=until, detail=detail), warning=True)
        case _:
            reason = EventReason.DOWNLOAD_DEFERRED
            return Event(reason, message(reason, video=shown, until=until, detail=detail))
