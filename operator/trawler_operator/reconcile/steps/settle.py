"""First step of a pass: what became of the launches, written to the ledger; only then are Jobs deleted.

A launch that does not start, or does not end, is settled in the ledger before its Job is deleted. Killed in between,
the next process finds a Job whose launch the ledger has settled, and deletes that; the other way round it would find a
launch without a Job, and create the same again. Jobs are deleted in the background: in the foreground one would stay
for as long as its pod does, on a node that is away for ever.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api import labels
from trawler_operator.api.reasons import NEVER_STARTED, EventReason, message
from trawler_operator.api.times import format_time
from trawler_operator.domain.gates.codec import decode_epochs, egress_name
from trawler_operator.domain.gates.gate import Finding, download_finding, launch_task
from trawler_operator.domain.gates.route import GateId
from trawler_operator.domain.jobs.cleanup import jobs_to_delete, may_delete
from trawler_operator.domain.jobs.outcome import ObservedOutcome, is_finished, observe_outcome
from trawler_operator.domain.jobs.start_trouble import Trouble, find_stuck_deletion, find_trouble, first_look
from trawler_operator.domain.launches.claims import LaunchAction, busy_videos, forgotten_jobs, judge_launch
from trawler_operator.domain.launches.subscription_pause import next_backoff
from trawler_operator.domain.launches.transitions import is_held_by_a_gate, settle
from trawler_operator.domain.ledger.entry import LedgerEntry
from trawler_operator.domain.ledger.ledger import Changes, Ledger
from trawler_operator.domain.status.cookies import cookies_verdict
from trawler_operator.reconcile.observation import Pass, Policy, claim_of
from trawler_operator.reconcile.ports import Event, KubernetesApi, Manifest, Measurements
from trawler_operator.reconcile.stores.gatekeeper import Gatekeeper
from trawler_operator.reconcile.stores.ledger_store import LedgerStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a launch ended.

    Args:
        launch: number of the launch.
        observed: the ending.
        generation: of the spec that the Job was built from.
        gates: that it passed, each with its epoch at that time.
        claim: that it wrote to.
    """

    launch: int
    observed: ObservedOutcome
    generation: int
    gates: Mapping[GateId, int]
    claim: str | None = None


async def settle_launches(
    current: Pass,
    api: KubernetesApi,
    store: LedgerStore,
    gatekeeper: Gatekeeper,
    policy: Policy,
    measurements: Measurements,
    *,
    look: bool,
) -> None:
    """Compare Running entries with their Jobs, write endings to the ledger, delete Jobs beyond the history limits.

    Args:
        current: the pass; gets `missing`, `busy`, `unclaimed`, `start_trouble`, `look_at` and `backoff`.
        api: the cluster.
        store: writes the ledger.
        gatekeeper: is told what the endings say of gates.
        policy: chart values.
        measurements: counts endings.
        look: list the Jobs even if no entry is Running (once per process, for what an earlier one left).
    """
    running = current.ledger.running()
    if not running and not look:
        return
    namespace = current.subscription.namespace
    jobs = {job["metadata"]["name"]: job for job in await api.list_jobs(*current.key)}
    endings: dict[str, Ending] = {}
    for video, entry in running.items():
        name = current.job_name(video, entry)
        # A missing label hides a Job from the list, not from a direct read.
        job = jobs.get(name) or await api.get_job(namespace, name)
        if job is None:
            current.missing.append(video)
            continue
        jobs[name] = job
        match judge_launch(job, current.subscription.uid):
            case LaunchAction.SETTLE:
                endings[video] = await _ending(current, api, entry, job)
            case LaunchAction.WAIT:
                current.wait_for_name(job)
                trouble = _by_our_clock(find_stuck_deletion(job, policy.patience), api)
                if trouble is not None and trouble.ends_at <= current.now:
                    endings[video] = _end(current, entry, job, trouble.ending(current.now))
            case _:
                trouble = await look_for_trouble(current, api, job, policy)
                if trouble is not None and trouble.ends_at <= current.now:
                    endings[video] = _end(current, entry, job, trouble.ending(current.now))
                elif trouble is not None:
                    current.start_trouble = current.start_trouble or trouble.message
    if current.missing:
        current.missing = await _still_missing(current, store)
    await write_endings(current, endings, store, gatekeeper, measurements)
    await _delete_jobs(current, api, store, policy, jobs)


async def look_for_trouble(current: Pass, api: KubernetesApi, job: Manifest, policy: Policy) -> Trouble | None:
    """What holds a live Job up, if that is worth saying by now; notes when to look again."""
    look = first_look(job, policy.patience)
    if look is None:
        return None
    look += api.clock_ahead
    if current.now < look:
        current.look_at.append(look)
        return None
    metadata = job["metadata"]
    pod = await api.find_pod(metadata["namespace"], metadata["name"])
    trouble = _by_our_clock(find_trouble(job, pod, policy.patience), api)
    if trouble is None:
        return None
    if trouble.shown_at > current.now:
        current.look_at.append(trouble.shown_at)
        return None
    if trouble.ends_at > current.now:
        current.look_at.append(trouble.ends_at)
    return trouble


def _by_our_clock(trouble: Trouble | None, api: KubernetesApi) -> Trouble | None:
    """Patience counts from stamps of the API server: it must not be over at first sight where our clock is ahead."""
    if trouble is None:
        return None
    shown_at, ends_at = (at + api.clock_ahead for at in (trouble.shown_at, trouble.ends_at))
    return replace(trouble, shown_at=shown_at, ends_at=ends_at)


async def _delete_jobs(
    current: Pass, api: KubernetesApi, store: LedgerStore, policy: Policy, jobs: dict[str, Manifest]
) -> None:
    """Those whose launch is settled while they live on, and those beyond the history limits."""
    claimed, uid = current.claimed_jobs(), current.subscription.uid
    unclaimed = [job for name, job in jobs.items() if name not in claimed]
    busy = busy_videos(unclaimed)
    entries = await store.entries(current.subscription, current.ledger, busy)
    forgotten = forgotten_jobs(unclaimed, entries)
    doomed = [job for job in forgotten if may_delete(job, uid)]
    for job in (*doomed, *jobs_to_delete(unclaimed, uid, policy.history)):
        await api.delete_job(current.key[0], job["metadata"]["name"], job["metadata"]["uid"])
    alive = [job for job in unclaimed if job not in forgotten and not is_finished(job)]
    current.busy = busy_videos(alive)
    current.unclaimed = Counter(egress_name(job) for job in alive)


async def write_endings(
    current: Pass,
    endings: dict[str, Ending],
    store: LedgerStore,
    gatekeeper: Gatekeeper,
    measurements: Measurements,
) -> None:
    """Tell the gates, then settle launches in the ledger, where an entry that is no longer Running that launch stays.

    In this order: after a crash in between the endings are told again, and say nothing new; the other way round a site
    that asked to stop would be forgotten.
    """
    await gatekeeper.settle(current, [_evidence(video, ending) for video, ending in endings.items()])
    # The same when it is told again: an unclear ending moves no gate but one that it closes, which remembers it.
    book, holder = gatekeeper.book, "/".join(current.key)
    blameless = {v for v, e in endings.items() if book.blames_site(holder, launch_task(v, e.launch), e.gates)}
    settled: dict[str, LedgerEntry] = {}

    def compute(ledger: Ledger) -> Changes:
        entries: dict[str, LedgerEntry] = {}
        volumes: dict[str, str] = {}
        for video, ending in endings.items():
            entry = ledger.active.get(video)
            if entry is None or entry.state is not LedgerState.RUNNING or entry.launches != ending.launch:
                continue
            entries[video] = settle(
                video,
                entry,
                ending.observed,
                retry=current.subscription.spec.retry,
                generation=ending.generation,
                now=current.now,
                claim=ending.claim,
                blames_site=video in blameless,
            )
            result = ending.observed.result
            if result and result.volume_id and ending.claim and ending.claim not in ledger.volumes:
                volumes[ending.claim] = result.volume_id
        settled.update(entries)
        return Changes(entries=entries, volumes=volumes)

    await store.commit(current.subscription, current.ledger, compute)
    for video, entry in settled.items():
        observed = endings[video].observed
        current.cookies = cookies_verdict(observed.result) or current.cookies
        current.backoff = next_backoff(current.backoff, observed, current.now)
        measurements.launch_finished(observed.outcome)
        if not is_held_by_a_gate(observed):  # said once, of the gate
            current.events.append(_event(video, entry))
        logger.info(
            "launch %d of %s in %s/%s ended: %s (%s), now %s",
            entry.launches,
            video,
            *current.key,
            observed.outcome,
            observed.reason,
            entry.state,
        )


async def _still_missing(current: Pass, store: LedgerStore) -> list[str]:
    """Those of the missing whose launch is still claimed, by the ledger as it is after their Jobs were looked for.

    A Job is deleted only once its launch is settled. Of two operators that overlap, one may have settled it meanwhile,
    and the Job must not be made again.
    """
    claimed = {video: current.ledger.active[video].launches for video in current.missing}
    await store.refresh(current.subscription, current.ledger)
    running = current.ledger.running()
    return [video for video, launch in claimed.items() if video in running and running[video].launches == launch]


def _evidence(video: str, ending: Ending) -> tuple[str, Mapping[GateId, int], Finding]:
    return launch_task(video, ending.launch), ending.gates, download_finding(ending.observed)


async def _ending(current: Pass, api: KubernetesApi, entry: LedgerEntry, job: Manifest) -> Ending:
    metadata = job["metadata"]
    pod = await api.find_pod(metadata["namespace"], metadata["name"])
    return _end(current, entry, job, observe_outcome(job, pod))


def _end(current: Pass, entry: LedgerEntry, job: Manifest, observed: ObservedOutcome) -> Ending:
    annotations = job["metadata"].get("annotations") or {}
    generation = str(annotations.get(labels.GENERATION_ANNOTATION, ""))
    gates = decode_epochs(annotations.get(labels.GATES_ANNOTATION))
    if gates is None:  # a Job of a version without gates: it began before any of them moved
        gates = dict.fromkeys(current.download_route(entry.url).gates, 0)
    return Ending(
        launch=entry.launches,
        observed=observed,
        generation=int(generation) if generation.isdecimal() else 0,
        gates=gates,
        claim=claim_of(job),
    )


def _event(video: str, entry: LedgerEntry) -> Event:
    shown = f"{entry.title} ({video})" if entry.title else video
    until = format_time(entry.retry_at) if entry.retry_at else "asked for"
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
