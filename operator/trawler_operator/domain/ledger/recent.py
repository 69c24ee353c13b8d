"""The newest finished entries of a ledger, as the status shows them: bounded, however large the ledger is.

Of each entry only what the status shows is kept: thousands of Subscriptions are in memory. Twice as many entries are
kept as the status shows, so that some may leave (a dead letter is tried again) and the rest are still the newest ones.
When too many have left, `is_starved` becomes true: entries that were dropped for want of room are needed again, and the
ledger is read anew. Every entry newer than the newest dropped one is here, so what is shown is never a guess.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from datetime import datetime

from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api.status import MAX_RECENT
from trawler_operator.domain.ledger.entry import LedgerEntry

KEPT = 2 * MAX_RECENT

_Rank = tuple[datetime, int, str]


@dataclass(frozen=True, slots=True)
class Ended:
    """What the status shows of an entry that ended.

    Args:
        key: the video's key.
        state: Succeeded, or the state of a failure.
        title: the video's title; None for a success, whose path holds it.
        path: the media file; None for a failure.
        claim: the claim that holds `path`.
        reason: why it failed; None for a success.
        message: the same for people; None for a success.
        failures: tries used up.
        finished: when the last launch ended.
        retry_at: when the video is tried again.
    """

    key: str
    state: LedgerState
    title: str | None
    path: str | None
    claim: str | None
    reason: str | None
    message: str | None
    failures: int
    finished: datetime | None
    retry_at: datetime | None


def ended(key: str, entry: LedgerEntry) -> Ended:
    """What the status shows of an entry."""
    succeeded = entry.state is LedgerState.SUCCEEDED
    return Ended(
        key=key,
        state=entry.state,
        title=None if succeeded else entry.title,
        path=entry.path,
        claim=entry.claim,
        reason=None if succeeded else entry.reason,
        message=None if succeeded else entry.message,
        failures=entry.failures,
        finished=entry.times.finished,
        retry_at=entry.retry_at,
    )


class RecentEntries:
    """At most KEPT entries: those that ended last."""

    def __init__(self) -> None:
        self._kept: list[tuple[_Rank, Ended]] = []
        """Ascending by rank."""
        self._floor: _Rank | None = None
        """Rank of the newest entry that was dropped."""

    @property
    def is_starved(self) -> bool:
        """Whether fewer entries are left than the status shows, although there were more."""
        return self._floor is not None and len(self._kept) < MAX_RECENT

    def put(self, key: str, entry: LedgerEntry) -> None:
        """Add an entry whose key is not here."""
        rank = (entry.times.finished or entry.added_at, entry.seq, key)
        if self._floor is not None and rank < self._floor:
            return
        bisect.insort(self._kept, (rank, ended(key, entry)), key=lambda kept: kept[0])
        if len(self._kept) > KEPT:
            self._floor, _ = self._kept.pop(0)

    def remove(self, key: str) -> None:
        """Take out a key if it is here."""
        for place, (_, shown) in enumerate(self._kept):
            if shown.key == key:
                del self._kept[place]
                return

    def newest(self, limit: int = MAX_RECENT) -> list[Ended]:
        """The entries to show, newest first."""
        return [shown for _, shown in reversed(self._kept[-limit:])]
