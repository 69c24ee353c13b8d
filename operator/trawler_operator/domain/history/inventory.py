"""A lost ledger is made anew from its volume: when, by which Job, and what becomes of what the Job printed. Pure.

A Subscription without any shard has either never had a history or lost it; the volume knows which. Before its first
listing a Job prints the manifests there, chunk by chunk. How far that came stands in an annotation of the first shard,
which says so before the first entry is written: with a shard but without a mark, a ledger is taken for whole.

Nothing is kept of a failed Job but the Job itself: its number, its end and what it was asked for tell when to try
again, whichever process looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from trawler_downloader.contract.download import REQUEST_ENV, SubscriptionRef
from trawler_downloader.contract.inventory import (
    MAX_RECORDS,
    Chunk,
    InventoryRequest,
    RecordLine,
    UnusableChunkError,
)
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_operator.api import labels
from trawler_operator.api.reasons import EndReason, SkipReason, message
from trawler_operator.api.status import MAX_KEY, SubscriptionStatus
from trawler_operator.api.subscription import Subscription
from trawler_operator.domain.jobs.cleanup import is_owned
from trawler_operator.domain.jobs.digests import download_digest
from trawler_operator.domain.jobs.manifest import (
    annotated_number,
    build_container,
    build_job,
    build_pod,
    library_mount,
    library_volume,
)
from trawler_operator.domain.jobs.naming import inventory_job_name
from trawler_operator.domain.jobs.outcome import ObservedOutcome
from trawler_operator.domain.jobs.settings import JobDefaults
from trawler_operator.domain.ledger.entry import LaunchTimes, LedgerEntry
from trawler_operator.domain.ledger.ledger import Ledger
from trawler_operator.domain.pauses import backoff
from trawler_operator.domain.requests.grammar import Verb, encode_mark
from trawler_operator.domain.status.build import LedgerFacts

COMMAND = ("python", "-m", "trawler_downloader.inventory")
DEADLINE_SECONDS = 600
"""From its creation on: an image to pull, a volume to attach, and a chunk that ends itself after two minutes."""
KEPT_SECONDS = 86_400
"""Finished Jobs are deleted once they were read; one that a crash left over goes by itself."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
LEAST_RECORDS = 100
"""Each further try asks for half as many, down to these: a log that was rotated, or a volume too slow for its Job."""
EMPTY_VOLUME = "empty"
UNKNOWN_SOURCE = "unknown"
"""Of entries whose manifest names no listing. No key of a source looks like it."""

_Job = dict[str, Any]


class Progress(BaseModel):
    """How far a ledger was made from its volume."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)
    claim: str
    """Whose manifests are read; with another claim it begins anew."""
    volume_id: str | None = None
    """Of the first chunk: the others must come from there too."""
    after: str = ""
    """Cursor."""

    def to_text(self) -> str:
        """As the annotation has it."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


@dataclass(frozen=True, slots=True)
class InventoryJobs:
    """The Jobs that bear a Subscription's inventory labels, sorted out.

    Args:
        attempt: number of the last try; 0: there was none.
        present: its Job; None: there is none, or it is being deleted.
        stale: Jobs of earlier tries and chunks.
    """

    attempt: int
    present: _Job | None
    stale: tuple[_Job, ...]


def find_progress(ledger: Ledger, claim: str) -> Progress | None:
    """How far the history has come back; None: it is all there.

    Args:
        ledger: as it is.
        claim: that the Subscription names now.
    """
    if not ledger.has_shards:
        return Progress(claim=claim)
    if ledger.inventory is None or not ledger.inventory.startswith("{"):
        return None
    try:
        progress = Progress.model_validate_json(ledger.inventory)
    except ValidationError:  # mangled by hand
        return Progress(claim=claim)
    return progress if progress.claim == claim else Progress(claim=claim)


def build_inventory_job(
    subscription: Subscription, progress: Progress, attempt: int, defaults: JobDefaults, *, one_node: bool = False
) -> dict[str, Any]:
    """The Job that prints the next chunk.

    Args:
        subscription: the owner.
        progress: what has come.
        attempt: number of the try, from 1.
        defaults: the operator's settings.
        one_node: the claim's volume is attached to one node at a time.
    """
    request = InventoryRequest(
        subscription=SubscriptionRef(namespace=subscription.namespace, name=subscription.name),
        after=progress.after,
        limit=max(LEAST_RECORDS, MAX_RECORDS >> (attempt - 1)),
        volume_id=progress.volume_id,
    )
    container = build_container(
        subscription.spec,
        defaults,
        command=COMMAND,
        env={REQUEST_ENV: request.to_json()},
        mounts=[{**library_mount(), "readOnly": True}],
    )
    job = build_job(
        subscription,
        name=_job_name(subscription, progress, attempt),
        own_labels=labels.inventory_labels(subscription.name),
        annotations={labels.LAUNCH_ANNOTATION: str(attempt), **_asked_by(subscription, defaults)},
        deadline_seconds=DEADLINE_SECONDS,
        pod=build_pod(subscription.spec, defaults, container=container, volumes=[library_volume(progress.claim)]),
        claim=progress.claim,
        one_node=one_node,
    )
    job["spec"]["ttlSecondsAfterFinished"] = KEPT_SECONDS
    return job


def sort_jobs(jobs: Iterable[_Job], subscription: Subscription, progress: Progress) -> InventoryJobs:
    """Find the present try among the Subscription's inventory Jobs.

    Those of an earlier Subscription of the name are nobody's business here. One on its way out keeps its name for as
    long as its pod takes, so its number counts as tried.
    """
    attempt, present = 0, None
    stale: list[_Job] = []
    for job in jobs:
        if not is_owned(job, subscription.uid):
            continue
        tried = annotated_number(job, labels.LAUNCH_ANNOTATION) or 0
        leaving = bool(job["metadata"].get("deletionTimestamp"))
        if job["metadata"]["name"] != _job_name(subscription, progress, tried) or tried < attempt:
            if not leaving:
                stale.append(job)
            continue
        if present is not None:
            stale.append(present)
        attempt, present = tried, None if leaving else job
    return InventoryJobs(attempt, present, tuple(stale))


def retry_at(
    job: _Job, attempt: int, ended_at: datetime | None, subscription: Subscription, defaults: JobDefaults
) -> datetime | None:
    """When to try again after a Job that was of no use; None: at once, since somebody changed the spec or asks.

    Args:
        job: that failed.
        attempt: its number.
        ended_at: when, as far as it says; of one that does not end: since when nobody waits for that.
        subscription: as it is now.
        defaults: the operator's settings.
    """
    annotations = job["metadata"].get("annotations") or {}
    asked_by = _asked_by(subscription, defaults)
    if ended_at is None or any(annotations.get(name) != value for name, value in asked_by.items()):
        return None
    return ended_at + backoff(FIRST_PAUSE, LONGEST_PAUSE, attempt)


def describe_failure(observed: ObservedOutcome) -> str:
    """Why a Job failed, or was given up, for people."""
    if observed.reason == EndReason.DEADLINE_EXCEEDED:  # not that of downloads
        more = observed.message.removeprefix(message(EndReason.DEADLINE_EXCEEDED))
        return f"{observed.reason}: its Job did not end within {DEADLINE_SECONDS} s{more}"
    return f"{observed.reason}: {observed.message}"


def check_chunk(chunk: Chunk, subscription: Subscription, progress: Progress) -> None:
    """See that a chunk is the one that was asked for, and can be believed.

    Raises:
        UnusableChunkError: not so.
    """
    header = chunk.header
    asked_for = (subscription.namespace, subscription.name, progress.after)
    if (header.subscription.namespace, header.subscription.name, header.after) != asked_for:
        raise UnusableChunkError("it is the log of another Job")
    if progress.volume_id not in (None, header.volume_id):
        raise UnusableChunkError(f"it is of volume {header.volume_id}, the last one was of {progress.volume_id}")
    status = subscription.status
    if header.volume_id is None and status.counts.downloaded and _stood_on(status, progress.claim):
        raise UnusableChunkError(
            f"the volume bears no .trawler/volume-id, and {status.counts.downloaded} videos were downloaded to it: is "
            "the NAS mounted on the node? If it is meant to be empty, delete the Subscription and apply it again"
        )


def mark_after(progress: Progress, chunk: Chunk) -> str:
    """The first shard's annotation once the chunk's entries are written."""
    if chunk.trailer.next_after is None:
        return chunk.header.volume_id or EMPTY_VOLUME
    return Progress(claim=progress.claim, volume_id=chunk.header.volume_id, after=chunk.trailer.next_after).to_text()


def rebuilt_entries(
    records: Iterable[RecordLine], is_known: Callable[[str], bool], claim: str, now: datetime
) -> dict[str, LedgerEntry]:
    """Entries of the videos that the ledger does not know, found on a claim.

    Chunks come in no order of time, so the day of publication stands in for the order of discovery: whatever is
    discovered later gets a higher number, and the newest known videos of a source are its newest.
    """
    return {record.key: _entry(record, claim, now) for record in records if not is_known(record.key)}


def started_sources(records: Iterable[RecordLine], since: str) -> dict[str, str]:
    """The listings that the videos came from: their first run was written before anything of them was downloaded."""
    return {record.source: since for record in records if record.source is not None}


def remembered_requests(status: SubscriptionStatus) -> dict[str, str]:
    """What the ledger knew of requests by annotation: they are still there, and must not be carried out again."""
    handled = {verb.value: getattr(status.last_handled, verb.value) for verb in Verb}
    return {
        verb: encode_mark(request)
        for verb, request in handled.items()
        if request is not None and request.accepted is not None  # else it was refused
    }


def remembered_facts(status: SubscriptionStatus, ledger: LedgerFacts) -> LedgerFacts:
    """What the status goes on saying while the ledger is not there: what it said before."""
    counts = status.counts
    return LedgerFacts(
        counts={
            LedgerState.SUCCEEDED: counts.downloaded,
            LedgerState.PENDING: counts.queued,
            LedgerState.RUNNING: counts.running,
            LedgerState.FAILED: counts.failed - counts.dead_letter,
            LedgerState.DEAD_LETTER: counts.dead_letter,
            LedgerState.WAITING: counts.waiting,
            LedgerState.SKIPPED: counts.skipped,
        },
        total_bytes=status.bytes,
        shards=ledger.shards,
    )


def keep_recent(previous: SubscriptionStatus, status: SubscriptionStatus) -> SubscriptionStatus:
    """The new status with the videos that the last one showed."""
    names = ("recent_videos", "recent_failures")
    return status.model_copy(update={name: getattr(previous, name) for name in names})


def _job_name(subscription: Subscription, progress: Progress, attempt: int) -> str:
    return inventory_job_name(
        subscription.namespace, subscription.name, subscription.uid, progress.claim, progress.after, attempt
    )


def _asked_by(subscription: Subscription, defaults: JobDefaults) -> dict[str, str]:
    """What a Job was created for, beside its chunk: another value of either makes the next try come at once."""
    wish = subscription.annotations.get(labels.CHECK_ANNOTATION, "")
    return {
        labels.SPEC_ANNOTATION: download_digest(subscription.spec, defaults),
        labels.CHECK_ANNOTATION: wish[:MAX_KEY],
    }


def _stood_on(status: SubscriptionStatus, claim: str) -> bool:
    return status.library is not None and status.library.claim_name == claim


def _entry(record: RecordLine, claim: str, now: datetime) -> LedgerEntry:
    landed = datetime.fromtimestamp(min(max(record.landed_at, 0), int(now.timestamp())), UTC)
    gone = not record.present
    return LedgerEntry(
        state=LedgerState.SKIPPED if gone else LedgerState.SUCCEEDED,
        seq=_day(record, landed),
        source=record.source or UNKNOWN_SOURCE,
        url=record.url,
        extractor=record.extractor,
        id=record.id,
        kind=record.kind,
        title=record.title,
        published_date=record.published_date,
        duration_seconds=record.duration_seconds,
        added_at=landed,
        launches=record.launch,
        outcome=OutcomeClass.PUBLISHED,
        reason=(SkipReason.REMOVED_BY_USER if gone else Reason.ALREADY_PUBLISHED).value,
        message=message(SkipReason.REMOVED_BY_USER, path=record.path) if gone else None,
        path=record.path,
        claim=claim,
        bytes=record.present_bytes,
        engine=record.engine or None,
        times=LaunchTimes(published=landed, finished=landed),
    )


def _day(record: RecordLine, landed: datetime) -> int:
    """Days from the year 1 to the publication, or else to the landing."""
    try:
        return datetime.fromisoformat(record.published_date or "").toordinal()
    except ValueError:
        return landed.toordinal()
