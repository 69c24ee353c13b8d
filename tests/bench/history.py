"""Ledgers with a past, as the operator writes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from trawler_downloader.contract.keys import source_key, video_key
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api import labels
from trawler_operator.domain.jobs.naming import ledger_name
from trawler_operator.domain.ledger.codec import encode_entry
from trawler_operator.domain.ledger.entry import LaunchTimes, LedgerEntry
from trawler_operator.domain.ledger.shards import SEALED_ANNOTATION, SHARD_CAPACITY

Json = dict[str, Any]
_FIRST_DAY = date(2000, 1, 1)


def channel(number: int) -> str:
    """Id of a channel."""
    return f"UC{number:022}"


def source(number: int) -> str:
    """Key of its videos' tab."""
    return source_key("YoutubeTab", channel(number), "videos")


def video(number: int, seq: int) -> str:
    """Id of one of its videos."""
    return f"v{number:04}{seq:06}"


def entry(number: int, seq: int, state: LedgerState) -> LedgerEntry:
    """A video that was skipped, waits for its turn, or is on disk."""
    known = LedgerEntry(
        state=state,
        seq=seq,
        source=source(number),
        url=f"https://www.youtube.com/watch?v={video(number, seq)}",
        extractor="Youtube",
        id=video(number, seq),
        added_at=datetime(2026, 1, 1, tzinfo=UTC),
        title=f"What a title of ordinary length looks like, part {seq}",
        duration_seconds=600 + seq % 3000,
    )
    if state is LedgerState.PENDING:
        return known
    if state is LedgerState.SKIPPED:
        return replace(known, reason="BeforeWindow")
    day = _FIRST_DAY + timedelta(days=seq % 9000)
    ended = known.added_at + timedelta(minutes=seq)
    steps = ("claimed", "started", "fetched", "verified", "published", "finished")
    return replace(
        known,
        reason="Published",
        outcome=OutcomeClass.PUBLISHED,
        published_date=day.isoformat(),
        launches=1,
        claim="library",
        times=LaunchTimes(**dict.fromkeys(steps, ended)),
        path=f"A Channel/Season {day:%y}/{known.title} (S{day:%y}E{day:%m%d}).mp4",
        bytes=200_000_000 + seq,
        engine="2026.10.26",
    )


def shard(name: str, number: int, place: int, states: list[LedgerState], *, sealed: bool) -> Json:
    """One ConfigMap.

    Args:
        name: of the Subscription.
        number: of its channel.
        place: of the shard in the ledger; its entries follow those of the shards before, which are full.
        states: of its entries.
        sealed: a later one exists.
    """
    annotations = {SEALED_ANNOTATION: "true"} if sealed else {}
    if place == 0:
        annotations[labels.SOURCES_ANNOTATION] = f'{{"{source(number)}":"2026-01-01T00:00:00Z"}}'
    first = place * SHARD_CAPACITY
    return {
        "metadata": {
            "name": ledger_name(name, place),
            "labels": labels.ledger_labels(name),
            "annotations": annotations,
        },
        "data": {
            video_key("Youtube", video(number, first + offset)): encode_entry(entry(number, first + offset, state))
            for offset, state in enumerate(states)
        },
    }


def ledger(name: str, number: int, entries: int, state: LedgerState) -> Iterator[Json]:
    """All ConfigMaps of a ledger whose entries are in one state."""
    shards = -(-entries // SHARD_CAPACITY)
    for place in range(shards):
        count = min(SHARD_CAPACITY, entries - place * SHARD_CAPACITY)
        yield shard(name, number, place, [state] * count, sealed=place < shards - 1)
