"""A Subscription's ledger in memory, and the writes that a change needs. Pure: `ledger_store` does the I/O.

The ledger is stored in ConfigMaps ("shards") of at most SHARD_CAPACITY entries. Memory holds the index of all keys, the
active entries, and the few newest finished ones that the status shows. A shard is read whole if its resourceVersion is
not the one that we wrote. Our own writes are applied here after the API server took them.

New entries go to the last shard only. A full shard is marked as sealed, with its resourceVersion, before the next one
is created: of two operators that overlap for a moment, one meets a conflict and rereads.

What a pass asks for (counts, bytes, running entries, whose turn it is, the newest ones) is kept up to date as entries
come and go. So a pass takes as long with 100,000 entries as with 1,000.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api import labels
from trawler_operator.api.reasons import SkipReason
from trawler_operator.domain.ledger.annotations import READ_BACK, read_names, write_names
from trawler_operator.domain.ledger.backlog import Backlog
from trawler_operator.domain.ledger.codec import InvalidEntryError, decode_entry, encode_entry
from trawler_operator.domain.ledger.entry import Found, LedgerEntry
from trawler_operator.domain.ledger.index import IndexRow, LedgerIndex
from trawler_operator.domain.ledger.recent import Ended, RecentEntries
from trawler_operator.domain.ledger.shards import (
    SEALED_ANNOTATION,
    SHARD_CAPACITY,
    Shard,
    ShardState,
    ShardWrite,
    with_head_annotations,
)

MAX_STARTED_SOURCES = 16
"""Sources whose first run the ledger remembers. A forgotten one has it again if its URL comes back. Each source puts up
to 500 known keys into every request to the lister.
"""
NO_REASON = "Unknown"
"""Stands for the reason of a dead letter that somebody made by hand without one."""

_FAILED = frozenset({LedgerState.FAILED, LedgerState.DEAD_LETTER, LedgerState.WAITING})


@dataclass(frozen=True, slots=True)
class LedgerProblem:
    """A value that cannot be read. It stays as it is, and its key counts as known."""

    shard: int
    key: str
    message: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What a pass wants to write.

    Args:
        entries: new and changed entries by key; new ones are written in the order of their `seq`.
        started_sources: source key → time, of the sources whose first run this change writes; or → READ_BACK.
        volumes: claim name → volume id, learnt from a download.
        requests: verb → the request that this change carries out.
        inventory: how far the ledger was made from its volume, in the text of `domain.history.inventory`.
    """

    entries: Mapping[str, LedgerEntry] = field(default_factory=dict)
    started_sources: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    requests: Mapping[str, str] = field(default_factory=dict)
    inventory: str | None = None

    def __bool__(self) -> bool:
        return bool(self.entries or self.started_sources or self.volumes or self.requests or self.inventory)


class Ledger:
    """The memory of one Subscription."""

    def __init__(self) -> None:
        self.active: dict[str, LedgerEntry] = {}
        """Entries that may still change without a person's request, in full."""
        self.backlog = Backlog()
        """The active entries that no launch has claimed."""
        self.problems: dict[str, LedgerProblem] = {}
        self.sources: dict[str, str] = {}
        """Source key → when its first run was written, or READ_BACK."""
        self.volumes: dict[str, str] = {}
        """Claim name → id of the volume that was found behind it."""
        self.requests: dict[str, str] = {}
        """Verb → the last request that was carried out."""
        self.inventory: str | None = None
        """How far the ledger was made from its volume, as `domain.history.inventory` reads it."""
        self._head: Mapping[str, str] = {}
        """Annotations of shard 0, which hold the fields above."""
        self._index = LedgerIndex()
        self._shards: dict[int, ShardState] = {}
        self._counts: Counter[LedgerState] = Counter()
        self._running: dict[str, LedgerEntry] = {}
        self._dead_letters: dict[str, str] = {}
        """Key → reason, of videos that were given up: their entries are not in memory."""
        self._dead_reasons: Counter[str] = Counter()
        self._waiting_reasons: Counter[str] = Counter()
        self._bytes = 0
        self._successes = RecentEntries()
        self._failures = RecentEntries()

    def __len__(self) -> int:
        return len(self._index)

    def knows(self, key: str) -> bool:
        """Whether the key has ever been written, in whatever state, readable or not."""
        return key in self._index

    def marks(self, key: str, source: str) -> bool:
        """Whether the key shows how far a source was listed: that very source listed it, and not as back catalogue."""
        return self._index.marks(key, source)

    @property
    def read_back(self) -> set[str]:
        """Keys of the sources that were not listed since the ledger was made from its volume."""
        return {key for key, since in self.sources.items() if since == READ_BACK}

    def was_listed(self, source: str) -> bool:
        """Whether this very ledger has the source's first run, or a listing since it was made from its volume."""
        return self.sources.get(source, READ_BACK) != READ_BACK

    @property
    def has_shards(self) -> bool:
        """Whether any shard exists; a ledger that was never written, or is lost, has none."""
        return bool(self._shards)

    def row(self, key: str) -> IndexRow | None:
        """Shard and state of a key."""
        return self._index.get(key)

    @property
    def next_seq(self) -> int:
        """Number for the next discovered video."""
        return self._index.next_seq

    @property
    def shard_count(self) -> int:
        """Number of ConfigMaps."""
        return len(self._shards)

    @property
    def shard_numbers(self) -> set[int]:
        """Numbers of all shards in memory."""
        return set(self._shards)

    def version_of(self, number: int) -> str | None:
        """The resourceVersion of a shard as memory has it; None if there is no such shard."""
        shard = self._shards.get(number)
        return None if shard is None else shard.resource_version

    @property
    def counts(self) -> dict[LedgerState, int]:
        """Entries per state, with all states named."""
        return {state: self._counts[state] for state in LedgerState}

    @property
    def total_bytes(self) -> int:
        """Bytes of all media files on disk."""
        return self._bytes

    @property
    def needs_reload(self) -> bool:
        """Whether too few of the newest finished entries are left, so that older ones, not in memory, must be shown."""
        return self._successes.is_starved or self._failures.is_starved

    def running(self) -> dict[str, LedgerEntry]:
        """Entries that a launch has claimed, be it for what is to be added to a video that stands on the volume."""
        return dict(self._running)

    def waiting(self) -> Counter[str]:
        """How many videos cannot be had yet, by reason."""
        return +self._waiting_reasons

    def dead_letters(self) -> Counter[str]:
        """How many videos were given up, by reason."""
        return +self._dead_reasons

    def keys_in(self, states: Collection[LedgerState]) -> frozenset[str]:
        """Keys of the entries in one of these states."""
        return self._index.keys_in(states)

    def known_by_source(self, limit: int) -> dict[str, tuple[str, ...]]:
        """For the lister: the newest known keys, newest first, of every source that has had its first run."""
        newest = self._index.newest_by_source(limit)
        return {source: newest.get(source, ()) for source in self.sources}

    def recent_successes(self) -> list[Ended]:
        """The downloads that finished last, newest first."""
        return self._successes.newest()

    def recent_failures(self) -> list[Ended]:
        """The videos that could not be downloaded lately (Failed, Waiting, DeadLetter), newest first."""
        return self._failures.newest()

    def load(self, shard: Shard) -> None:
        """Take over a shard as it was read. It replaces what was known of the shard."""
        if shard.number in self._shards:
            self._forget(shard.number)
        sealed = SEALED_ANNOTATION in shard.annotations
        state = self._shards[shard.number] = ShardState(shard.resource_version, sealed)
        for key, text in shard.data.items():
            self._remove(key)  # it is known already if somebody copied it from another shard
            try:
                entry = decode_entry(text)
            except InvalidEntryError as error:
                self.problems[key] = LedgerProblem(shard.number, key, str(error))
                self._index.put(key, IndexRow(shard.number, None))
                state.keys.append(key)
            else:
                self._add(shard.number, key, entry)
        if shard.number == 0:
            self._read_head(shard.annotations)

    def drop(self, number: int) -> None:
        """Forget a shard that is gone."""
        self._forget(number)
        del self._shards[number]
        if number == 0:
            self._read_head({})

    def plan_writes(self, changes: Changes) -> list[ShardWrite]:
        """The API calls that write the changes, in the order in which they must be made.

        The marks of sources, requests and the inventory are written with or after the last of their entries. After a
        crash in between, the next pass makes the first run or the chunk again and finds the entries known, or carries
        the request out to its end. Entries whose stored value is broken are left alone.
        """
        data: dict[int, dict[str, LedgerEntry]] = {}
        new: list[tuple[str, LedgerEntry]] = []
        for key, entry in changes.entries.items():
            row = self._index.get(key)
            if row is None:
                new.append((key, entry))
            elif row.state is not None:
                data.setdefault(row.shard, {})[key] = entry
        new.sort(key=lambda item: item[1].seq)

        tail = max(self._shards, default=0)
        room = self._room(tail)
        sealed: set[int] = set()
        while new:
            if room == 0:
                if tail in self._shards and not self._shards[tail].sealed:
                    sealed.add(tail)
                tail, room = tail + 1, SHARD_CAPACITY
            taken, new = new[:room], new[room:]
            data.setdefault(tail, {}).update(taken)
            room -= len(taken)
            if room == 0:
                sealed.add(tail)

        head: dict[str, str] = {}
        if changes.started_sources:
            started = {key: at for key, at in changes.started_sources.items() if not self.was_listed(key)}
            head[labels.SOURCES_ANNOTATION] = write_names(self.sources, started, MAX_STARTED_SOURCES)
        if changes.volumes:
            head[labels.VOLUMES_ANNOTATION] = write_names(self.volumes, changes.volumes)
        if changes.requests:
            head[labels.REQUESTS_ANNOTATION] = write_names(self.requests, changes.requests)
        if changes.inventory is not None:
            head[labels.INVENTORY_ANNOTATION] = changes.inventory

        numbers = sorted(data.keys() | sealed)
        writes = [self._write(number, data.get(number, {}), sealed=number in sealed) for number in numbers]
        return with_head_annotations(writes, head)

    def applied(self, write: ShardWrite, resource_version: str) -> None:
        """Take over a write that the API server accepted."""
        state = self._shards.get(write.number)
        if state is None:
            state = self._shards[write.number] = ShardState(resource_version, sealed=False)
        state.resource_version = resource_version
        state.sealed = state.sealed or SEALED_ANNOTATION in write.annotations
        for key, entry in write.entries.items():
            self._remove(key)
            self._add(write.number, key, entry)
        if write.number == 0:
            self._read_head({**self._head, **write.annotations})

    def _read_head(self, annotations: Mapping[str, str]) -> None:
        self._head = annotations
        self.sources = read_names(annotations.get(labels.SOURCES_ANNOTATION))
        self.volumes = read_names(annotations.get(labels.VOLUMES_ANNOTATION))
        self.requests = read_names(annotations.get(labels.REQUESTS_ANNOTATION))
        self.inventory = annotations.get(labels.INVENTORY_ANNOTATION)

    def _room(self, tail: int) -> int:
        state = self._shards.get(tail)
        if state is None:
            return SHARD_CAPACITY
        return 0 if state.sealed else max(0, SHARD_CAPACITY - len(state.keys))

    def _write(self, number: int, entries: Mapping[str, LedgerEntry], *, sealed: bool) -> ShardWrite:
        return ShardWrite(
            number=number,
            data={key: encode_entry(entry) for key, entry in entries.items()},
            annotations={SEALED_ANNOTATION: "true"} if sealed else {},
            entries=entries,
        )

    def _add(self, number: int, key: str, entry: LedgerEntry) -> None:
        shard = self._shards[number]
        row = self._index.get(key)
        if row is None or row.shard != number:
            shard.keys.append(key)
        unwanted = entry.state is LedgerState.SKIPPED and entry.reason == SkipReason.BACK_CATALOGUE
        old = unwanted or entry.found is Found.BACK_CATALOGUE
        self._index.put(key, IndexRow(number, entry.state, entry.seq, entry.source, old), entry.also_in)
        self._counts[entry.state] += 1
        if entry.is_active:
            self.active[key] = entry
            self.backlog.put(key, entry)
        if entry.state is LedgerState.WAITING:
            self._waiting_reasons[entry.reason or NO_REASON] += 1
        if entry.is_claimed:
            self._running[key] = entry
        if entry.state is LedgerState.SUCCEEDED:
            self._count_bytes(number, entry.bytes or 0)
            self._successes.put(key, entry)
        elif entry.state in _FAILED:
            self._failures.put(key, entry)
        if entry.state is LedgerState.DEAD_LETTER:
            reason = self._dead_letters[key] = sys.intern(entry.reason or NO_REASON)
            self._dead_reasons[reason] += 1

    def _remove(self, key: str) -> None:
        """Subtract a key from the totals, before its new entry is added.

        The bytes go only with an entry that has a follow-up: nothing else rewrites an entry that has succeeded.
        """
        row = self._index.get(key)
        if row is None:
            return
        if row.state is not None:
            self._counts[row.state] -= 1
        self.problems.pop(key, None)
        if (entry := self.active.pop(key, None)) is not None:
            self.backlog.remove(key, entry)
            if entry.state is LedgerState.WAITING:
                self._waiting_reasons[entry.reason or NO_REASON] -= 1
            if entry.state is LedgerState.SUCCEEDED:
                self._count_bytes(row.shard, -(entry.bytes or 0))
        self._running.pop(key, None)
        if (reason := self._dead_letters.pop(key, None)) is not None:
            self._dead_reasons[reason] -= 1
        self._successes.remove(key)
        self._failures.remove(key)

    def _count_bytes(self, number: int, more: int) -> None:
        self._shards[number].bytes += more
        self._bytes += more

    def _forget(self, number: int) -> None:
        shard = self._shards[number]
        for key in shard.keys:
            row = self._index.get(key)
            if row is not None and row.shard == number:
                self._remove(key)
        self._index.drop(number, shard.keys)
        self._bytes -= shard.bytes
