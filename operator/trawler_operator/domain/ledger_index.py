"""All keys of a Subscription's ledger, compactly: what is known, where it is, in which state.

A known video must never be taken for a new one, so the index of *all* keys is resident while the bodies are not. One
dictionary from key to one packed integer: about 140 bytes per video (measured), a tenth of what a decoded entry takes.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from trawler_downloader.contract.outcomes import LedgerState

_STATES: tuple[LedgerState | None, ...] = (None, *LedgerState)
"""Position 0: a value that could not be read."""
_STATE_NUMBERS = {state: number for number, state in enumerate(_STATES)}

# seq | source (12 bits) | shard (16 bits) | old (1 bit) | state (4 bits)
_STATE_BITS, _OLD_BIT, _SHARD_BITS, _SOURCE_BITS = 4, 1, 16, 12
_OLD_SHIFT = _STATE_BITS
_SHARD_SHIFT = _OLD_SHIFT + _OLD_BIT
_SOURCE_SHIFT = _SHARD_SHIFT + _SHARD_BITS
_SEQ_SHIFT = _SOURCE_SHIFT + _SOURCE_BITS
_NO_SOURCE = (1 << _SOURCE_BITS) - 1


@dataclass(frozen=True, slots=True)
class IndexRow:
    """What the index knows of a key.

    Args:
        shard: number of the ConfigMap that holds it.
        state: None for a value that could not be read.
        seq: order of discovery.
        source: key of the listing it came from; None if unknown.
        old: back catalogue, found below known entries: says nothing about where the newest videos are.
    """

    shard: int
    state: LedgerState | None
    seq: int = 0
    source: str | None = None
    old: bool = False


class LedgerIndex:
    """Key → IndexRow, packed."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._sources: list[str] = []
        self._source_numbers: dict[str, int] = {}
        self.next_seq = 1

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: str) -> IndexRow | None:
        """What is known of a key, or None."""
        packed = self._rows.get(key)
        return None if packed is None else self._unpack(packed)

    def put(self, key: str, row: IndexRow) -> None:
        """Add or replace a key."""
        self._rows[key] = (
            row.seq << _SEQ_SHIFT
            | self._source_number(row.source) << _SOURCE_SHIFT
            | row.shard << _SHARD_SHIFT
            | int(row.old) << _OLD_SHIFT
            | _STATE_NUMBERS[row.state]
        )
        self.next_seq = max(self.next_seq, row.seq + 1)

    def drop_shard(self, shard: int) -> None:
        """Forget all keys of one shard; `next_seq` stays, so that no number is given twice."""
        mask = (1 << _SHARD_BITS) - 1
        self._rows = {key: packed for key, packed in self._rows.items() if packed >> _SHARD_SHIFT & mask != shard}

    def items(self) -> Iterator[tuple[str, IndexRow]]:
        """All keys, in no order."""
        return ((key, self._unpack(packed)) for key, packed in self._rows.items())

    def newest_by_source(self, limit: int) -> dict[str, tuple[str, ...]]:
        """The newest known keys of each source, newest first, at most `limit` each; back catalogue does not count."""
        by_source: dict[int, list[tuple[int, str]]] = {}
        mask = (1 << _SOURCE_BITS) - 1
        for key, packed in self._rows.items():
            number = packed >> _SOURCE_SHIFT & mask
            if number != _NO_SOURCE and not packed >> _OLD_SHIFT & 1:
                by_source.setdefault(number, []).append((packed >> _SEQ_SHIFT, key))
        return {
            self._sources[number]: tuple(key for _, key in heapq.nlargest(limit, rows))
            for number, rows in by_source.items()
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
        source = packed >> _SOURCE_SHIFT & ((1 << _SOURCE_BITS) - 1)
        return IndexRow(
            shard=packed >> _SHARD_SHIFT & ((1 << _SHARD_BITS) - 1),
            state=_STATES[packed & ((1 << _STATE_BITS) - 1)],
            seq=packed >> _SEQ_SHIFT,
            source=None if source == _NO_SOURCE else self._sources[source],
            old=bool(packed >> _OLD_SHIFT & 1),
        )
