"""A lost ledger is made anew from its volume: when, what is asked, and what becomes of the answer. Pure.

A Subscription without any shard has either never had a history or lost it; the volume knows which. Before its first
listing a Job prints the manifests there, chunk by chunk. How far that came stands in an annotation of the first shard,
which says so before the first entry is written: with a shard but without a mark, a ledger is taken for whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from trawler_downloader.contract.download import SubscriptionRef
from trawler_downloader.contract.inventory import InventoryRequest, RecordLine
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.contract.volume_job import Chunk, UnusableChunkError
from trawler_operator.api import labels
from trawler_operator.api.reasons import SkipReason, message
from trawler_operator.api.status import MAX_KEY, SubscriptionStatus
from trawler_operator.api.subscription import Subscription
from trawler_operator.domain.jobs.digests import download_digest
from trawler_operator.domain.jobs.settings import JobDefaults
from trawler_operator.domain.ledger.entry import LaunchTimes, LedgerEntry
from trawler_operator.domain.ledger.ledger import Ledger
from trawler_operator.domain.requests.grammar import Verb, encode_mark
from trawler_operator.domain.status.build import LedgerFacts
from trawler_operator.domain.volume_jobs.order import VolumeJobKind, VolumeJobOrder

INVENTORY = VolumeJobKind(name="inventory", command=("python", "-m", "trawler_downloader.inventory"), record=RecordLine)
EMPTY_VOLUME = "empty"
UNKNOWN_SOURCE = "unknown"
"""Of entries whose manifest names no listing. No key of a source looks like it."""


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


def order_inventory(
    subscription: Subscription, progress: Progress, defaults: JobDefaults, *, one_node: bool = False
) -> VolumeJobOrder[RecordLine]:
    """What is wanted next: the chunk after what has come.

    Args:
        subscription: whose history it is; its uid is part of the Jobs' names, so that one that was deleted leaves no
            Job that another must wait for.
        progress: what has come.
        defaults: the operator's settings.
        one_node: the claim's volume is attached to one node at a time.
    """
    return VolumeJobOrder(
        kind=INVENTORY,
        request=InventoryRequest(
            subscription=SubscriptionRef(namespace=subscription.namespace, name=subscription.name),
            after=progress.after,
            volume_id=progress.volume_id,
        ),
        subscription=subscription,
        claim=progress.claim,
        title=subscription.name,
        identity=(subscription.namespace, subscription.name, subscription.uid, progress.claim),
        labels=labels.inventory_labels(subscription.name),
        one_node=one_node,
        asked_by=asked_by(subscription, defaults),
    )


def asked_by(subscription: Subscription, defaults: JobDefaults) -> dict[str, str]:
    """What a Job is created for, beside its part: another value of either makes the next try come at once."""
    wish = subscription.annotations.get(labels.CHECK_ANNOTATION, "")
    return {
        labels.SPEC_ANNOTATION: download_digest(subscription.spec, defaults),
        labels.CHECK_ANNOTATION: wish[:MAX_KEY],
    }


def check_mounted(chunk: Chunk[RecordLine], subscription: Subscription, claim: str) -> None:
    """See that what bears no marker is an empty volume, and not the mount point of one that is away.

    Raises:
        UnusableChunkError: not so.
    """
    status = subscription.status
    stood_there = status.library is not None and status.library.claim_name == claim
    if chunk.header.volume_id is None and status.counts.downloaded and stood_there:
        raise UnusableChunkError(
            f"the volume bears no .trawler/volume-id, and {status.counts.downloaded} videos were downloaded to it: is "
            "the NAS mounted on the node? If it is meant to be empty, delete the Subscription and apply it again"
        )


def mark_after(progress: Progress, chunk: Chunk[RecordLine]) -> str:
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
