"""Which of the listed videos become work. Pure.

The first listing of a source takes its newest few videos (the window) and records the rest as known, so that nothing
old is ever taken for new. Later listings take every unknown video except back catalogue. Back catalogue is what a
newest-first source shows below all that is known of it and outside the window: an early stop had not reached it before.
Inside the window such a video is taken. Most often it was still to come when a ledger was lost, because the volume
knows only the videos that had landed.

Known *of a source* is what this very source has listed. A video that only another source has listed, such as an old
favourite in a playlist, says nothing about how far this source was listed. If such a video stands above the last one
known of this source, the ledger remembers that this source lists it too. From then on it stops a walk like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Protocol

from trawler_downloader.contract.listing import REMOVED, EntryLine, SourceLine
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api.reasons import SkipReason, message
from trawler_operator.api.spec import Select
from trawler_operator.domain.ledger.entry import Found, LedgerEntry


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A video that the ledger does not know yet.

    Args:
        line: the video as listed; `line.key` is its key.
        state: Pending or Skipped.
        reason: for Skipped, the rule.
        message: for Skipped, the value that the rule saw.
        found: whether the source's first check found it, or a later one.
    """

    line: EntryLine
    state: LedgerState
    reason: str | None = None
    message: str | None = None
    found: Found = Found.WINDOW


class Memory(Protocol):
    """What a selection asks of the ledger."""

    @property
    def sources(self) -> Collection[str]:
        """Keys of the sources whose first run is over."""
        ...

    @property
    def read_back(self) -> Collection[str]:
        """Those of `sources` that were not listed since the ledger was made from its volume."""
        ...

    def knows(self, key: str) -> bool:
        """Whether the ledger has a video's key."""
        ...

    def marks(self, key: str, source: str) -> bool:
        """Whether a video shows how far a source was listed."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """What a listing brings, each part oldest first within its source.

    Args:
        new: videos that the ledger does not know.
        seen: (key of a known video, key of a source that was not known to list it).
    """

    new: tuple[NewEntry, ...]
    seen: tuple[tuple[str, str], ...]


def select_new(sources: Sequence[tuple[SourceLine, Sequence[EntryLine]]], select: Select, memory: Memory) -> Selection:
    """What of a complete listing must be written to the ledger.

    The order matters: entries are written in it. After a crash in the middle, the unwritten videos stand above the
    written ones in a newest-first source, and the next check finds them there.

    Args:
        sources: every source with its entries in the site's order.
        select: `spec.select`.
        memory: the ledger.
    """
    new: dict[str, NewEntry] = {}
    seen: list[tuple[str, str]] = []
    for source, entries in sources:
        for entry in _wanted(source, entries, select, memory):
            key = entry.line.key
            if memory.knows(key):
                if _may_mark(source, entry) and not memory.marks(key, source.key):
                    seen.append((key, source.key))
            else:
                new.setdefault(key, entry)
    return Selection(tuple(new.values()), tuple(seen))


def seen_entries(
    seen: Iterable[tuple[str, str]], entries: Mapping[str, LedgerEntry], first_seq: int
) -> dict[str, LedgerEntry]:
    """Entries of known videos that another source has listed.

    Args:
        seen: `seen` of a Selection.
        entries: as the ledger has them. A video without one is left out (its value cannot be read).
        first_seq: number of the first.
    """
    changed: dict[str, LedgerEntry] = {}
    for place, (key, source) in enumerate(seen):
        if key in entries:
            changed[key] = changed.get(key, entries[key]).seen_in(source, first_seq + place)
    return changed


def new_entries(selected: Iterable[NewEntry], first_seq: int, now: datetime) -> dict[str, LedgerEntry]:
    """Ledger entries for selected videos, numbered in their order."""
    return {
        new.line.key: LedgerEntry(
            state=new.state,
            seq=first_seq + place,
            source=new.line.source,
            url=new.line.url,
            extractor=new.line.extractor,
            id=new.line.id,
            added_at=now,
            kind=new.line.kind,
            title=new.line.title,
            duration_seconds=new.line.duration_seconds,
            reason=new.reason,
            message=new.message,
            found=new.found,
        )
        for place, new in enumerate(selected)
    }


def _wanted(source: SourceLine, entries: Sequence[EntryLine], select: Select, memory: Memory) -> list[NewEntry]:
    """All entries of a source with their verdicts, oldest first."""
    newest_first = _newest_first(source, entries)
    if source.key not in memory.sources:
        return _judge_first_run(newest_first, select)[::-1]
    if source.newest_first:
        judged = _judge_newest_first(newest_first, select, lambda key: memory.marks(key, source.key))
    elif source.key in memory.read_back:
        judged = _judge_read_back(newest_first, select, lambda key: memory.marks(key, source.key))
    else:
        judged = [_judge_kind(line, select) for line in newest_first]
    return [replace(entry, found=Found.UPLOAD) for entry in reversed(judged)]


def _judge_first_run(lines: Sequence[EntryLine], select: Select) -> list[NewEntry]:
    judged: list[NewEntry] = []
    room = select.newest
    for line in lines:
        entry = _judge_kind(line, select)
        if entry.state is LedgerState.PENDING:
            if room == 0:
                entry = _skipped(line, SkipReason.BEFORE_WINDOW, newest=select.newest)
            elif line.availability != REMOVED:  # a removed video takes no place from an available one
                room -= 1
        judged.append(entry)
    return judged


def _judge_newest_first(lines: Sequence[EntryLine], select: Select, marks: Callable[[str], bool]) -> list[NewEntry]:
    """Judge a newest-first source: entries below the last mark are back catalogue, which makes no marks.

    An audit that writes hundreds of old videos, oldest first, may crash in the middle. If the written ones were marks,
    the next audit would take the unwritten ones for new.
    """
    last_known = max((place for place, line in enumerate(lines) if marks(line.key)), default=len(lines))
    window = _judge_first_run(lines, select)
    return [
        _judge_kind(line, select)
        if place < last_known
        else _skipped(line, SkipReason.BACK_CATALOGUE)
        if entry.reason == SkipReason.BEFORE_WINDOW.value
        else entry
        for place, (line, entry) in enumerate(zip(lines, window, strict=True))
    ]


def _judge_read_back(lines: Sequence[EntryLine], select: Select, marks: Callable[[str], bool]) -> list[NewEntry]:
    """Judge the first listing of a playlist after its ledger was made from the volume, which knows what had landed.

    What stands above all of that is new. Of the rest nobody knows what the first run left out, so the window counts
    again.
    """
    first_known = min((place for place, line in enumerate(lines) if marks(line.key)), default=0)
    window = _judge_first_run(lines, select)
    return [
        _judge_kind(line, select) if place < first_known else entry
        for place, (line, entry) in enumerate(zip(lines, window, strict=True))
    ]


def _judge_kind(line: EntryLine, select: Select) -> NewEntry:
    if select.kinds is not None and line.kind not in select.kinds:
        return _skipped(line, SkipReason.KIND_NOT_SELECTED, kind=line.kind.value)
    return NewEntry(line, LedgerState.PENDING)


def _skipped(line: EntryLine, reason: SkipReason, **seen: object) -> NewEntry:
    return NewEntry(line, LedgerState.SKIPPED, reason.value, message(reason, **seen))


def _may_mark(source: SourceLine, entry: NewEntry) -> bool:
    """Whether to remember that this source lists a known video.

    It matters where a listing may stop early: in a newest-first source, and for a single video, which is its own
    listing. A video below the last mark does not become a mark: an old favourite would make everything above it new.
    """
    if entry.line.key == source.key:
        return True
    return source.newest_first and entry.reason != SkipReason.BACK_CATALOGUE


def _has_times(entries: Sequence[EntryLine]) -> bool:
    return any(entry.timestamp is not None for entry in entries)


def _newest_first(source: SourceLine, entries: Sequence[EntryLine]) -> Sequence[EntryLine]:
    """The entries in the order in which a first run counts them.

    A playlist is sorted by time. An entry without a time takes that of the last entry before it that has one; at the
    beginning, that of the first. It stands on the newer side of that entry if the playlist grows at its end, else on
    the older side. If no entry has a time, the playlist's own order counts: its owner shows first what stands first in
    it, so the queue begins with that.
    """
    if source.newest_first or not _has_times(entries):
        return entries
    times = [entry.timestamp for entry in entries if entry.timestamp is not None]
    steps = [after - before for before, after in pairwise(times)]
    grows_at_its_end = sum(step > 0 for step in steps) > sum(step < 0 for step in steps)
    ranked: list[tuple[int, int, EntryLine]] = []
    time = times[0]
    for place, entry in enumerate(entries):
        time = time if entry.timestamp is None else entry.timestamp
        ranked.append((time, place if grows_at_its_end else -place, entry))
    return [entry for *_, entry in sorted(ranked, key=lambda one: one[:2], reverse=True)]
