"""Which of the listed videos become work. Pure.

A source's first listing takes its newest few and records the rest as known, so that nothing old is ever taken for new.
Later listings take everything unknown, except what a newest-first source shows below all that is known of it and
outside that window: that is back catalogue, which an early stop had not reached before. Inside the window it is most
often what was still to come when a ledger was lost: the volume tells of what had landed only.

Known *of it* is what this very source has listed. A video that only another source has told of, say a playlist's old
favourite, says nothing about how far this one was listed. Where such a video stands above the last one known of this
source, the ledger remembers that this source lists it too: from then on it stops a walk like any other.
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
        line: as listed; `line.key` is its key.
        state: Pending or Skipped.
        reason: the rule, with Skipped.
        message: the value that the rule saw, with Skipped.
        found: by the source's first check, or after it.
    """

    line: EntryLine
    state: LedgerState
    reason: str | None = None
    message: str | None = None
    found: Found = Found.WINDOW


class Memory(Protocol):
    """What a selection asks the ledger."""

    @property
    def sources(self) -> Collection[str]:
        """Keys of the sources whose first run is over."""
        ...

    def knows(self, key: str) -> bool:
        """Whether the ledger has a video's key."""
        ...

    def marks(self, key: str, source: str) -> bool:
        """Whether a video tells how far a source was listed."""
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
    """What of a complete listing is to be written down.

    The order matters: entries are written in it, so that after a crash in the middle the unwritten ones stand above
    the written ones of a newest-first source, where the next check finds them.

    Args:
        sources: every source with its entries in the site's order.
        select: of the spec.
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
        seen: of a Selection.
        entries: as the ledger has them; one that is not there is left out (its value cannot be read).
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
    """All entries of a source, judged, oldest first."""
    newest_first = _newest_first(source, entries)
    if source.key not in memory.sources:
        return _judge_first_run(newest_first, select)[::-1]
    if source.newest_first:
        judged = _judge_newest_first(newest_first, select, lambda key: memory.marks(key, source.key))
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
            elif line.availability != REMOVED:  # what is no more takes no place of what can be had
                room -= 1
        judged.append(entry)
    return judged


def _judge_newest_first(lines: Sequence[EntryLine], select: Select, marks: Callable[[str], bool]) -> list[NewEntry]:
    """Back catalogue is what lies below the last mark; what is back catalogue itself is no mark.

    An audit that writes hundreds of old videos, oldest first, may crash in the middle: were those that it has written
    marks, the next audit would take the others for new.
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


def _judge_kind(line: EntryLine, select: Select) -> NewEntry:
    if select.kinds is not None and line.kind not in select.kinds:
        return _skipped(line, SkipReason.KIND_NOT_SELECTED, kind=line.kind.value)
    return NewEntry(line, LedgerState.PENDING)


def _skipped(line: EntryLine, reason: SkipReason, **seen: object) -> NewEntry:
    return NewEntry(line, LedgerState.SKIPPED, reason.value, message(reason, **seen))


def _may_mark(source: SourceLine, entry: NewEntry) -> bool:
    """Whether it matters that this source lists a known video.

    It does where a listing may stop early: in a newest-first source, and with a single video, which is its own listing.
    What lies below the last mark stays none: an old favourite would make everything above it new.
    """
    if entry.line.key == source.key:
        return True
    return source.newest_first and entry.reason != SkipReason.BACK_CATALOGUE


def _has_times(entries: Sequence[EntryLine]) -> bool:
    return any(entry.timestamp is not None for entry in entries)


def _newest_first(source: SourceLine, entries: Sequence[EntryLine]) -> Sequence[EntryLine]:
    """The entries in the order in which a first run counts them.

    A playlist is sorted by time. An entry without one stays with the last entry before it that has one (at the
    beginning, with the first that has one): on its newer side where the playlist grows at its end, on its older side
    otherwise. Where no entry has a time the playlist's own order counts: what stands first in it is what its owner
    shows first, and so what its queue begins with.
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
