"""The videos that wait for a launch, and their order. Pure: the clock is passed in.

An entry may be claimed when it is queued, when its time or that of its follow-up has come, or when a changed spec
revives it. The order is kept as entries come and go, so that a pass over 100,000 entries looks at the few that it may
launch:

- *ready* entries are kept by site, in the order of their `Rank`, the newest first within each rank;
- *timed* entries are kept by their `retry_at` and are ready from that time on;
- *bound* entries are kept by the digest of the spec that gave them up and are ready under any other digest.

A timed entry is also ready if its `retry_at` lies further ahead than LONGEST_WAIT: a clock that ran ahead wrote it.
Whether that clock was wrong or the present one is, nobody can tell, so `retry_at` stays as it was written. If the
present clock was wrong, the entry waits again once that clock is set right.

The backlog remembers the time and the digest of the last question. The next question moves what became ready since
then. It moves entries back if the clock was set back or the Subscription was made anew.
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
    """The order in which videos are launched, over all Subscriptions: the lowest rank first."""

    UPLOAD = 0
    """Found since its source's first check, so most likely published since then: this is what people wait for."""
    WINDOW = 1
    """Found by its source's first check: 200 new channels bring ten thousand such videos."""
    SECOND_LOOK = 2
    """Failed before, or not available to us at the last look, and so most likely not available now."""
    BACK_CATALOGUE = 3
    """Older than all videos known of its source."""
    FOLLOW_UP = 4
    """On the volume; only something beside it is missing."""


def rank_of(entry: LedgerEntry) -> Rank:
    """The rank of an entry.

    A video that only waited for its announced time is no second look: no Job has looked at it yet.
    """
    if entry.follow_up is not None:
        return Rank.FOLLOW_UP
    if entry.found is Found.BACK_CATALOGUE:
        return Rank.BACK_CATALOGUE
    looked_at = entry.state is LedgerState.WAITING and (
        entry.launches > 0 or entry.outcome is OutcomeClass.NEEDS_ACCESS
    )
    if looked_at or entry.state in _TRIED:
        return Rank.SECOND_LOOK
    return Rank.UPLOAD if entry.found is Found.UPLOAD else Rank.WINDOW


class _Place(NamedTuple):
    """The place of an entry among the ready ones. Places are compared field by field."""

    rank: Rank
    age: int
    """The entry's `seq`, negated, so that the newest comes first."""
    key: str
    last_tried: float
    """When the last launch ended (Unix seconds); _NEVER for none."""
    site: str


def is_eligible(entry: LedgerEntry, digest: str | None, now: datetime | None) -> bool:
    """Whether the entry may be claimed for a launch now.

    Without a known time (`now` is None) no entry's time has come.
    """
    if entry.waits_for_new_spec:
        return entry.built_from != digest
    due = _due(entry)
    if due is None:
        return entry.state in _WAITING
    return now is not None and not now < due <= now + LONGEST_WAIT


def _due(entry: LedgerEntry) -> datetime | None:
    """Before when the entry may not be claimed; None: that does not depend on the time."""
    if entry.follow_up is not None:
        return None if entry.is_claimed else entry.follow_up.at
    return entry.retry_at if entry.state in _WAITING else None


class Backlog:
    """The entries of one ledger that wait for a launch, or for the time of their launch."""

    def __init__(self) -> None:
        self._ready: dict[str, list[_Place]] = {}
        """By site, ascending. No list is empty."""
        self._timed: list[tuple[datetime, _Place]] = []
        """Ascending."""
        self._bound: dict[str | None, dict[str, _Place]] = {}
        """By digest and key."""
        self._digest: str | None = None
        self._now: datetime | None = None
        """Digest and time of the last question."""

    def put(self, key: str, entry: LedgerEntry) -> None:
        """Add an entry whose key is not here. An entry that waits for nothing is passed over."""
        place = _place(key, entry)
        if entry.waits_for_new_spec:
            self._bound.setdefault(entry.built_from, {})[key] = place
        elif (due := _due(entry)) is not None:
            insort(self._timed, (due, place))
        if is_eligible(entry, self._digest, self._now):
            self._enter(place)

    def remove(self, key: str, entry: LedgerEntry) -> None:
        """Take out an entry, given as it was put in."""
        place = _place(key, entry)
        if entry.waits_for_new_spec:
            del self._bound[entry.built_from][key]
        elif (due := _due(entry)) is not None:
            del self._timed[bisect_left(self._timed, (due, place))]
        if is_eligible(entry, self._digest, self._now):
            self._leave(place)

    def turns(self, digest: str, now: datetime, limit: int, busy: Collection[str] = ()) -> dict[str, list[str]]:
        """Keys that may be claimed, by site, in launch order. The sites come in the order of their first keys.

        Args:
            digest: digest of the part of the spec that downloads are made from.
            now: the time.
            limit: greatest number of keys per site.
            busy: keys that a live Job works on although the ledger does not know (an entry was deleted by hand).
        """
        self._move_to(digest, now)
        found = {
            site: list(islice((place for place in places if place.key not in busy), limit))
            for site, places in self._ready.items()
        }
        first = sorted((places[0], site) for site, places in found.items() if places)
        return {site: [place.key for place in found[site]] for _, site in first}

    def probes(self, site: str, limit: int, busy: Collection[str] = ()) -> list[str]:
        """Keys of a site, as `turns` found them, in the order in which they probe the site's closed gate.

        The video whose last try is the longest ago comes first. So the videos take turns, and one that always fails in
        the same way does not keep the gate closed for all. Follow-ups come after all downloads, as always. Probes are
        rare, so no order is kept for them: this looks at all ready entries of the site.
        """
        free = (place for place in self._ready.get(site, ()) if place.key not in busy)
        return [place.key for place in heapq.nsmallest(limit, free, key=_probe_order)]

    def next_retry(self, digest: str, now: datetime) -> datetime | None:
        """When the next timed entry may be claimed; None if there is none."""
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
        """Where the timed entries that are not ready begin and end; before the first question none is ready."""
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


def _probe_order(place: _Place) -> tuple[bool, float, int]:
    return place.rank is Rank.FOLLOW_UP, place.last_tried, place.age


def _place(key: str, entry: LedgerEntry) -> _Place:
    ended = entry.times.finished
    return _Place(
        rank=rank_of(entry),
        age=-entry.seq,
        key=key,
        last_tried=ended.timestamp() if ended else _NEVER,
        site=site_of(entry.url),
    )
