"""All keys of a Subscription's ledger, compactly: which videos are known, where each entry is, and in which state.

A known video must never be taken for a new one, so the index of *all* keys is in memory while the entries are not. It
is one dictionary from key to one packed integer: about 140 bytes per video (measured), a tenth of a decoded entry. The
few videos that a second source listed stand in a dictionary of their own.

Every pass asks for the newest keys of each source. They are kept up to date with each change and not computed from all
keys.
"""

from __future__ import annotations

import bisect
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from trawler_downloader.contract.listing import MAX_KNOWN_PER_SOURCE
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.domain.ledger.entry import Sighting

_STATES: tuple[LedgerState | None, ...] = (None, *LedgerState)
"""Position 0 stands for a value that could not be read."""
_STATE_NUMBERS = {state: number for number, state in enumerate(_STATES)}

# seq | source (12 bits) | shard (16 bits) | old (1 bit) | state (4 bits)
_STATE_BITS, _OLD_BIT, _SHARD_BITS, _SOURCE_BITS = 4, 1, 16, 12
_OLD_SHIFT = _STATE_BITS
_SHARD_SHIFT = _OLD_SHIFT + _OLD_BIT
_SOURCE_SHIFT = _SHARD_SHIFT + _SHARD_BITS
_SEQ_SHIFT = _SOURCE_SHIFT + _SOURCE_BITS
_SHARD_MASK = (1 << _SHARD_BITS) - 1
_NO_SOURCE = _SOURCE_MASK = (1 << _SOURCE_BITS) - 1
_RANKED_BY = ~(_SHARD_MASK << _SHARD_SHIFT | (1 << _STATE_BITS) - 1)
"""The bits that decide whether a key is among the newest of its source: all but its shard and its state."""


@dataclass(frozen=True, slots=True)
class IndexRow:
    """What the index knows of a key.

    Args:
        shard: number of the ConfigMap that holds the entry.
        state: the entry's state; None for a value that could not be read.
        seq: order of discovery.
        source: key of the listing that first named the video; None if unknown.
        old: back catalogue: it was found below the known entries of `source` and says nothing about where the newest
            are.
    """

    shard: int
    state: LedgerState | None
    seq: int = 0
    source: str | None = None
    old: bool = False


class LedgerIndex:
    """A mapping from key to IndexRow, packed."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._also: dict[str, tuple[tuple[int, int], ...]] = {}
        """Key → (number of another source, seq in it)."""
        self._sources: list[str] = []
        self._source_numbers: dict[str, int] = {}
        self._newest: dict[int, list[tuple[int, str]]] | None = {}
        """Number of a source → (seq, key) of its newest keys, ascending. None: they must be found anew."""
        self.next_seq = 1

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: str) -> IndexRow | None:
        """What is known of a key, or None."""
        packed = self._rows.get(key)
        return None if packed is None else self._unpack(packed)

    def put(self, key: str, row: IndexRow, also_in: Sequence[Sighting] = ()) -> None:
        """Add or replace a key.

        Args:
            key: the video's key.
            row: what is known of it.
            also_in: other sources that listed it.
        """
        before = (self._rows.get(key), self._also.pop(key, None))
        self._rows[key] = packed = (
            row.seq << _SEQ_SHIFT
            | self._source_number(row.source) << _SOURCE_SHIFT
            | row.shard << _SHARD_SHIFT
            | int(row.old) << _OLD_SHIFT
            | _STATE_NUMBERS[row.state]
        )
        also = tuple((self._source_number(sighting.source), sighting.seq) for sighting in also_in)
        if also:
            self._also[key] = also
        self.next_seq = max(self.next_seq, row.seq + 1, *(seq + 1 for _, seq in also))
        if before == (None, None):
            if self._newest is not None:
                _rank(self._newest, key, _places(packed, also))
        elif before[0] is None or (before[0] ^ packed) & _RANKED_BY or before[1] != (also or None):
            self._newest = None

    def marks(self, key: str, source: str) -> bool:
        """Whether a key shows how far a source was listed: the source listed it, and not as back catalogue."""
        packed = self._rows.get(key)
        number = self._source_numbers.get(source)
        if packed is None or number is None:
            return False
        return any(place[0] == number for place in _places(packed, self._also.get(key, ())))

    def drop(self, shard: int, keys: Iterable[str]) -> None:
        """Forget those of the keys that are in the shard. `next_seq` stays, so that no number is given twice."""
        for key in keys:
            packed = self._rows.get(key)
            if packed is not None and packed >> _SHARD_SHIFT & _SHARD_MASK == shard:
                del self._rows[key]
                self._also.pop(key, None)
                self._newest = None

    def keys_in(self, states: Collection[LedgerState]) -> frozenset[str]:
        """Keys of the entries in one of these states."""
        numbers = {_STATE_NUMBERS[state] for state in states}
        mask = (1 << _STATE_BITS) - 1
        return frozenset(key for key, packed in self._rows.items() if packed & mask in numbers)

    def newest_by_source(self, limit: int = MAX_KNOWN_PER_SOURCE) -> dict[str, tuple[str, ...]]:
        """The newest known keys of each source, newest first. Back catalogue does not count.

        Args:
            limit: greatest number of keys per source, at most MAX_KNOWN_PER_SOURCE.
        """
        if self._newest is None:
            self._newest = {}
            for key, packed in self._rows.items():
                _rank(self._newest, key, _places(packed, self._also.get(key, ())))
        return {
            self._sources[number]: tuple(key for _, key in reversed(ranked[-limit:]))
            for number, ranked in self._newest.items()
        }

    def _source_number(self, source: str | None) -> int:
        if source is None:
            return _NO_SOURCE
        number = self._source_numbers.get(source)
        if number is None:
            if len(self._sources) >= _NO_SOURCE:
                return _NO_SOURCE
            number = self._source_numbers[source] = len(self._sources)
            self._sources.append(source)
        return number

    def _unpack(self, packed: int) -> IndexRow:
        source = packed >> _SOURCE_SHIFT & _SOURCE_MASK
        return IndexRow(
            shard=packed >> _SHARD_SHIFT & _SHARD_MASK,
            state=_STATES[packed & ((1 << _STATE_BITS) - 1)],
            seq=packed >> _SEQ_SHIFT,
            source=None if source == _NO_SOURCE else self._sources[source],
            old=bool(packed >> _OLD_SHIFT & 1),
        )


def _places(packed: int, also: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """(number of a source, seq in it) for each source that listed a key, except as back catalogue."""
    own = (packed >> _SOURCE_SHIFT & _SOURCE_MASK, packed >> _SEQ_SHIFT)
    places = [*also] if packed >> _OLD_SHIFT & 1 else [own, *also]
    return [place for place in places if place[0] != _NO_SOURCE]


def _rank(newest: dict[int, list[tuple[int, str]]], key: str, places: Iterable[tuple[int, int]]) -> None:
    """Insert a key among the newest of each of its sources, if it is one of them."""
    for number, seq in places:
        ranked = newest.setdefault(number, [])
        bisect.insort(ranked, (seq, key))
        if len(ranked) > MAX_KNOWN_PER_SOURCE:
            del ranked[0]
