"""What waits for a launch, and whose turn it is. Pure: the clock is passed in.

An entry may be claimed when it is queued, when its time has come, or when a changed spec revives it. The
order is kept as entries come and go, so that a pass with 100,000 of them looks at the few that it may launch:

- *ready* ones by site, in the order of their turn (see `Rank`), the newest first within each;
- *timed* ones by their time: ready since then, and also if it lies further ahead than anything is put off: that is of a
  clock that ran ahead. Which of two clocks was wrong cannot be told, so the time itself stays as it was written: once
  the clock is set right, what it counted as past by mistake waits on;
- *bound* ones by the digest of the spec that gave them up: ready under any other.

Time and digest are those of the last question. The next one moves what became ready since; a clock that was set
back, or a Subscription that was made anew, moves it back.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection
from datetime import datetime
from enum import IntEnum
from itertools import islice
from typing import NamedTuple

from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.domain.ledger.entry import Found, LedgerEntry
from trawler_operator.domain.pauses import LONGEST_WAIT
from trawler_operator.domain.sites import site_of

_WAITING = frozenset({LedgerState.PENDING, LedgerState.FAILED, LedgerState.WAITING})
_TRIED = frozenset({LedgerState.FAILED, LedgerState.DEAD_LETTER})
_NEVER = 0.0


class Rank(IntEnum):
    """In which order videos are launched, among those of all Subscriptions."""

    UPLOAD = 0
    """Found since its source's first check, so most likely published since: what people wait for."""
    WINDOW = 1
    """Of the source's first check: 200 new channels have ten thousand of them."""
    SECOND_LOOK = 2
    """Failed before, or not for us at the last look, and most likely not now."""
    BACK_CATALOGUE = 3
    """Older than all that was known of its source."""


def rank_of(entry: LedgerEntry) -> Rank:
    """When an entry is launched, by what is known of it.

    One that only waited for its announced time is no second look: no Job has looked at it yet.
    """
    if entry.found is Found.BACK_CATALOGUE:
        return Rank.BACK_CATALOGUE
    looked_at = entry.state is LedgerState.WAITING and (
        entry.launches > 0 or entry.outcome is OutcomeClass.NEEDS_ACCESS
    )
    if looked_at or entry.state in _TRIED:
        return Rank.SECOND_LOOK
    return Rank.UPLOAD if entry.found is Found.UPLOAD else Rank.WINDOW


class _Place(NamedTuple):
    """Where an entry stands among those that are ready: compared field by field."""

    rank: Rank
    age: int
    """Its `seq`, negative: the newest has the highest."""
    key: str
    last_tried: float
    """Unix seconds."""
    site: str


def is_eligible(entry: LedgerEntry, digest: str | None, now: datetime | None) -> bool:
    """Whether the entry may be claimed for a launch now; while no time is known, nothing's time has come."""
    if entry.waits_for_new_spec:
        return entry.built_from != digest
    if entry.state not in _WAITING or entry.retry_at is None:
        return entry.state in _WAITING
    return now is not None and not now < entry.retry_at <= now + LONGEST_WAIT


class Backlog:
    """The entries of one ledger that wait for a launch, or for their time to be launched."""

    def __init__(self) -> None:
        self._ready: dict[str, list[_Place]] = {}
        """By site, ascending; no list is empty."""
        self._timed: list[tuple[datetime, _Place]] = []
        """Ascending."""
        self._bound: dict[str | None, dict[str, _Place]] = {}
        """By digest and key."""
        self._digest: str | None = None
        self._now: datetime | None = None
        """Of the last question."""

    def put(self, key: str, entry: LedgerEntry) -> None:
        """Add an entry whose key is not here; one that waits for nothing is passed over."""
        place = _place(key, entry)
        if entry.waits_for_new_spec:
            self._bound.setdefault(entry.built_from, {})[key] = place
        elif entry.state in _WAITING and entry.retry_at is not None:
            insort(self._timed, (entry.retry_at, place))
        if is_eligible(entry, self._digest, self._now):
            self._enter(place)

    def remove(self, key: str, entry: LedgerEntry) -> None:
        """Take an entry out, as it was put in."""
        place = _place(key, entry)
        if entry.waits_for_new_spec:
            del self._bound[entry.built_from][key]
        elif entry.state in _WAITING and entry.retry_at is not None:
            del self._timed[bisect_left(self._timed, (entry.retry_at, place))]
        if is_eligible(entry, self._digest, self._now):
            self._leave(place)

    def turns(self, digest: str, now: datetime, limit: int, busy: Collection[str] = ()) -> dict[str, list[str]]:
        """Keys that may be claimed, by site, in the order of their turn; the sites in the order of their first.

        Args:
            digest: of what downloads are made from.
            now: the time.
            limit: of keys per site.
            busy: keys that a live Job works on although the ledger does not know (it was deleted by hand).
        """
        self._move_to(digest, now)
        found = {
            site: list(islice((place for place in places if place.key not in busy), limit))
            for site, places in self._ready.items()
        }
        first = sorted((places[0], site) for site, places in found.items() if places)
        return {site: [place.key for place in found[site]] for _, site in first}

    def probes(self, site: str, limit: int, busy: Collection[str] = ()) -> list[str]:
        """Keys of a site, as `turns` found them, in the order in which they should probe its closed gate.

        What was not tried for longest comes first: in turns, so that a video which always fails in the same way does
        not keep the gate closed for all. Probes are rare, so nothing is kept for them: this looks at all of the site.
        """
        free = (place for place in self._ready.get(site, ()) if place.key not in busy)
        return [place.key for place in heapq.nsmallest(limit, free, key=lambda place: (place.last_tried, place.age))]

    def next_retry(self, digest: str, now: datetime) -> datetime | None:
        """When the next entry that waits for its time may be claimed."""
        self._move_to(digest, now)
        ahead, beyond = self._put_off(now)
        return self._timed[ahead][0] if ahead < beyond else None

    def _move_to(self, digest: str, now: datetime) -> None:
        before, after = self._put_off(self._now), self._put_off(now)
        for _, place in self._timed_within(before, but=after):
            self._enter(place)
        for _, place in self._timed_within(after, but=before):
            self._leave(place)
        if digest != self._digest:
            for place in self._bound.get(self._digest, {}).values():
                self._enter(place)
            for place in self._bound.get(digest, {}).values():
                self._leave(place)
        self._digest, self._now = digest, now

    def _put_off(self, now: datetime | None) -> tuple[int, int]:
        """Where those that are not ready begin and end among the timed ones; before the first question all are."""
        if now is None:
            return 0, len(self._timed)
        first, last = (bisect_right(self._timed, at, key=lambda timed: timed[0]) for at in (now, now + LONGEST_WAIT))
        return first, last

    def _timed_within(self, places: tuple[int, int], but: tuple[int, int]) -> list[tuple[datetime, _Place]]:
        (first, last), (but_first, but_last) = places, but
        return self._timed[first : min(last, but_first)] + self._timed[max(first, but_last) : last]

    def _enter(self, place: _Place) -> None:
        insort(self._ready.setdefault(place.site, []), place)

    def _leave(self, place: _Place) -> None:
        places = self._ready[place.site]
        del places[bisect_left(places, place)]
        if not places:
            del self._ready[place.site]


def _place(key: str, entry: LedgerEntry) -> _Place:
    ended = entry.times.finished
    return _Place(
        rank=rank_of(entry),
        age=-entry.seq,
        key=key,
        last_tried=ended.timestamp() if ended else _NEVER,
        site=site_of(entry.url),
    )
