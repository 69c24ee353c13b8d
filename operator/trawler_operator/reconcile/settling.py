"""First step of a pass: what became of the launches, written to the ledger; only then are old Jobs deleted."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api import labels
from trawler_operator.api.model import format_time
from trawler_operator.api.reasons import EventReason, message
from trawler_operator.domain.egress import GateId
from trawler_operator.domain.gate_codec import decode_epochs
from trawler_operator.domain.gates import Finding, download_finding, launch_task
from trawler_operator.domain.job_outcome import ObservedOutcome, observe_outcome
from trawler_operator.domain.ledger import Changes, Ledger
from trawler_operator.domain.ledger_entry import LedgerEntry
from trawler_operator.domain.plan import LaunchAction, busy_videos, jobs_to_delete, judge_launch
from trawler_operator.domain.retry import is_held_by_a_gate, next_backoff, settle
from trawler_operator.domain.start_trouble import describe_start_trouble, is_late
from trawler_operator.reconcile.gating import Gatekeeper
from trawler_operator.reconcile.ledger_store import LedgerStore
from trawler_operator.reconcile.observation import Pass, Policy, claim_of
from trawler_operator.reconcile.ports import Event, KubernetesApi, Manifest, Measurements

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
        current: the pass; gets `missing`, `busy`, `waits_for_deletion`, `start_trouble` and `backoff`.
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
        match judge_launch(job, current.subscription.uid):
            case LaunchAction.CREATE:
                current.missing.append(video)
            case LaunchAction.WAIT:
                current.waits_for_deletion = True
            case LaunchAction.SETTLE if job is not None:
                endings[video] = await _ending(current, api, entry, job)
            case LaunchAction.ADOPT if job is not None and is_late(job, current.now):
                trouble = describe_start_trouble(job, await api.find_pod(namespace, name))
                current.start_trouble = current.start_trouble or trouble
            case _:
                continue
    if current.missing:
        current.missing = await _still_missing(current, store)
    await write_endings(current, endings, store, gatekeeper, measurements)
    claimed = current.claimed_jobs()
    current.busy = busy_videos(jobs.values(), claimed)
    for old in jobs_to_delete(jobs.values(), claimed, current.subscription.uid, policy.history):
        await api.delete_job(namespace, old["metadata"]["name"], old["metadata"]["uid"])


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
            )
            result = ending.observed.result
            if result and result.volume_id and ending.claim and ending.claim not in ledger.volumes:
                volumes[ending.claim] = result.volume_id
        settled.update(entries)
        return Changes(entries=entries, volumes=volumes)

    await store.commit(current.subscription, current.ledger, compute)
    for video, entry in settled.items():
        observed = endings[video].observed
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
    annotations = metadata.get("annotations") or {}
    generation = str(annotations.get(labels.GENERATION_ANNOTATION, ""))
    gates = decode_epochs(annotations.get(labels.GATES_ANNOTATION))
    if gates is None:  # a Job of a version without gates: it began before any of them moved
        gates = dict.fromkeys(current.download_route(entry.url).gates, 0)
    return Ending(
        launch=entry.launches,
        observed=observe_outcome(job, pod),
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
        case _:
            reason = EventReason.DOWNLOAD_DEFERRED
            return Event(reason, message(reason, video=shown, until=until, detail=detail))
