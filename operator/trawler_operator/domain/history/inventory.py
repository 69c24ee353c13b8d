"""A lost ledger is made anew from its volume: when that happens, what is asked, and how the answer is used. Pure.

A Subscription without any shard has either never had a history or lost it; the volume knows which. Before the first
listing, a Job prints the manifests on the volume, chunk by chunk. An annotation of the first shard says how far that
has come. It is written before the first entry: a ledger with a shard but without the annotation counts as whole.
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
from trawler_operator.domain.ledger.annotations import READ_BACK
from trawler_operator.domain.ledger.entry import LaunchTimes, LedgerEntry
from trawler_operator.domain.ledger.ledger import Ledger
from trawler_operator.domain.requests.grammar import Verb, encode_mark
from trawler_operator.domain.status.build import LedgerFacts
from trawler_operator.domain.volume_jobs.order import VolumeJobKind, VolumeJobOrder

INVENTORY = VolumeJobKind(name="inventory", command=("python", "-m", "trawler_downloader.inventory"), record=RecordLine)
EMPTY_VOLUME = "empty"
UNKNOWN_SOURCE = "unknown"
"""Source of entries whose manifest names no listing. No source's key looks like it."""
_NOT_READ_BACK = "with a reason that is being read back"
"""Stands for why videos wait: the status has only their number."""


class Progress(BaseModel):
    """How far a ledger has been made from its volume."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)
    claim: str
    """The claim whose manifests are read. With another claim the reading begins anew."""
    volume_id: str | None = None
    """Volume id of the first chunk. The other chunks must be from that volume, too."""
    after: str = ""
    """Cursor of the next chunk."""

    def to_text(self) -> str:
        """The text of the annotation."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


def find_progress(ledger: Ledger, claim: str) -> Progress | None:
    """How far the history has come back; None if all of it is there.

    Args:
        ledger: as it is.
        claim: the claim that the Subscription names now.
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
    """The order for the next chunk.

    Args:
        subscription: the Subscription whose history it is. Its uid is part of the Jobs' names, so that a deleted
            Subscription leaves no Job that another must wait for.
        progress: how far the history has come.
        defaults: the operator's settings.
        one_node: whether the claim's volume is attached to one node at a time.
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
    """Annotations that say what a Job was created for. If a value changes, the next try comes at once."""
    wish = subscription.annotations.get(labels.CHECK_ANNOTATION, "")
    return {
        labels.SPEC_ANNOTATION: download_digest(subscription.spec, defaults),
        labels.CHECK_ANNOTATION: wish[:MAX_KEY],
    }


def check_mounted(chunk: Chunk[RecordLine], subscription: Subscription, claim: str) -> None:
    """Check that a volume without a marker is an empty volume, and not the mount point of a volume that is away.

    Raises:
        UnusableChunkError: it has no marker, although videos were downloaded to it.
    """
    status = subscription.status
    stood_there = status.library is not None and status.library.claim_name == claim
    if chunk.header.volume_id is None and status.counts.downloaded and stood_there:
        raise UnusableChunkError(
            f"the volume bears no .trawler/volume-id, and {status.counts.downloaded} videos were downloaded to it: is "
            "the NAS mounted on the node? If it is meant to be empty, delete the Subscription and apply it again"
        )


def mark_after(progress: Progress, chunk: Chunk[RecordLine]) -> str:
    """The first shard's annotation after the chunk's entries are written."""
    if chunk.trailer.next_after is None:
        return chunk.header.volume_id or EMPTY_VOLUME
    return Progress(claim=progress.claim, volume_id=chunk.header.volume_id, after=chunk.trailer.next_after).to_text()


def rebuilt_entries(
    records: Iterable[RecordLine], is_known: Callable[[str], bool], claim: str, now: datetime
) -> dict[str, LedgerEntry]:
    """Entries for those videos found on a claim that the ledger does not know.

    Chunks come in no order of time, so the day of publication replaces the order of discovery. Videos discovered later
    get higher numbers, and the newest known videos of a source are its newest.
    """
    return {record.key: _entry(record, claim, now) for record in records if not is_known(record.key)}


def started_sources(records: Iterable[RecordLine]) -> dict[str, str]:
    """The listings that the videos came from.

    Their first runs were over: a first run is written before any of its videos is downloaded. What those left out is
    lost, since no manifest tells of it.
    """
    return {record.source: READ_BACK for record in records if record.source is not None}


def remembered_requests(status: SubscriptionStatus) -> dict[str, str]:
    """Marks of requests that were carried out, from the status: their annotations are still on the object."""
    handled = {verb.value: getattr(status.last_handled, verb.value) for verb in Verb}
    return {
        verb: encode_mark(request)
        for verb, request in handled.items()
        if request is not None and request.accepted is not None  # a refused request has no count
    }


def remembered_facts(status: SubscriptionStatus, ledger: LedgerFacts) -> LedgerFacts:
    """What the status goes on showing while the ledger is not there: its previous counts."""
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
        waiting={_NOT_READ_BACK: counts.waiting} if counts.waiting else {},
        total_bytes=status.bytes,
        shards=ledger.shards,
    )


def keep_recent(previous: SubscriptionStatus, status: SubscriptionStatus) -> SubscriptionStatus:
    """The new status with the videos that the previous one showed."""
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
    """The day of publication, or else of landing, as days from the year 1."""
    try:
        return datetime.fromisoformat(record.published_date or "").toordinal()
    except ValueError:
        return landed.toordinal()
