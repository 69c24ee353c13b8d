"""The newest of a ledger's finished entries, for the status: bounded, whatever the ledger holds.

More are kept than the status shows, so that some may go (a dead letter is tried again) and the rest still be the newest
ones. When too many have gone, what was dropped for want of room is needed again: `is_starved`, and the ledger is read
anew. Everything newer than what was ever dropped is here, so what is shown is never a guess.
"""

from __future__ import annotations

import bisect
from datetime import datetime

from trawler_operator.domain.ledger.entry import LedgerEntry

RECENT_LIMIT = 20
KEPT = 5 * RECENT_LIMIT

_Rank = tuple[datetime, int, str]


class RecentEntries:
    """At most KEPT entries, those that ended last."""

    def __init__(self) -> None:
        self._ranks: list[_Rank] = []
        """Ascending."""
        self._entries: dict[str, LedgerEntry] = {}
        self._floor: _Rank | None = None
        """The newest that was dropped."""

    @property
    def is_starved(self) -> bool:
        """Whether fewer are left than the status shows, although there were more."""
        return self._floor is not None and len(self._ranks) < RECENT_LIMIT

    def put(self, key: str, entry: LedgerEntry) -> None:
        """Add an entry whose key is not here."""
        rank = _rank(key, entry)
        if self._floor is not None and rank < self._floor:
            return
        bisect.insort(self._ranks, rank)
        self._entries[key] = entry
        if len(self._ranks) > KEPT:
            self._floor = self._ranks.pop(0)
            del self._entries[self._floor[2]]

    def remove(self, key: str) -> None:
        """Take a key out, if it is here."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            del self._ranks[bisect.bisect_left(self._ranks, _rank(key, entry))]

    def newest(self, limit: int = RECENT_LIMIT) -> list[tuple[str, LedgerEntry]]:
        """Key and entry, newest first."""
        return [(key, self._entries[key]) for _, _, key in reversed(self._ranks[-limit:])]


def _rank(key: str, entry: LedgerEntry) -> _Rank:
    return (entry.times.finished or entry.added_at, entry.seq, key)
