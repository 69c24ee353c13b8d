"""Who does a thing next: a line before a number of places, in which each lane goes no faster than its pace.

Listings have such a line, and so have the Jobs over a volume. The pace is kept per lane. For listings, a lane is a site
as one address sees it. Without a pace lanes do not matter. The rules:

| who | when |
|---|---|
| goes first | whoever has been due for longest, of those that may go now |
| may go | while a place is free, and the last start in its lane is long enough ago |
| is passed | whoever may not go yet, by those of other lanes |
| is called | as many as can go now: each has a place reserved, and is woken once |
| is woken later | those that could go first as time passes, at that time |

Nobody waits inside: a worker that did could not settle ended Jobs. A called Subscription comes with a pass, and either
takes the place or leaves the line at the pass's end. So a reservation ends however that pass ends.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from trawler_operator.api.subscription import Key
from trawler_operator.domain.gates.route import GateId


@dataclass(frozen=True, slots=True)
class LineLimits:
    """How many places, and how often.

    Args:
        places: how many do the thing at a time.
        spacing: seconds between two starts in a lane; 0: there is no pace.
    """

    places: int
    spacing: float = 0.0


@dataclass(frozen=True, slots=True)
class Length:
    """Who stands in a lane and is due.

    Args:
        due: how many are due.
        waited: seconds for which the first of them has been due.
    """

    due: int
    waited: float


Place = tuple[float, int, Key]
"""Seconds (of the line's clock) since when somebody is due, a number that tells equals apart, and who it is. A line
sorts by it.
"""


@dataclass(slots=True)
class _Entry:
    """Somebody in the line.

    Args:
        lane: the lane in which it stands.
        place: its place in the lane's order.
        is_called: whether a place is reserved for it.
        woken_for: the time for which it was woken last; None: it was not woken since it took its place in line.
    """

    lane: GateId | None
    place: Place
    is_called: bool = False
    woken_for: float | None = None


@dataclass(slots=True)
class _Lane:
    """Those of one lane.

    Args:
        waiting: those that were not called, in their order.
        called: those that were called.
        next_start: when the next one may go.
    """

    waiting: list[Place] = field(default_factory=list)
    called: dict[Key, Place] = field(default_factory=dict)
    next_start: float = -math.inf

    @property
    def is_empty(self) -> bool:
        """Whether nobody stands in it."""
        return not self.waiting and not self.called


class Line:
    """A number of places, and the line before them.

    Args:
        limits: how many go at a time, and how often in one lane.
        wake: asks for a pass over a Subscription, in so many seconds.
        clock: seconds that never go back.
    """

    def __init__(self, limits: LineLimits, wake: Callable[[Key, float], None], clock: Callable[[], float]) -> None:
        self.limits = limits
        self._wake = wake
        self._clock = clock
        self._held: set[Key] = set()
        self._entries: dict[Key, _Entry] = {}
        self._lanes: dict[GateId | None, _Lane] = {}
        self._stood = 0

    def take(self, key: Key, lane: GateId | None = None) -> bool:
        """Take a place, or keep it. False: its turn has not come, and it stands in line from now on."""
        if key in self._held:
            return True
        self._stand_up(key, lane, self._clock())
        self._call(coming=key)
        if not self._entries[key].is_called:
            return False
        self.hold(key, lane)
        return True

    def stand(self, key: Key, lane: GateId | None = None, due_in: float = 0.0) -> None:
        """Stand in line, to be woken when its turn comes. Each pass that takes no place calls this anew at its end.

        Args:
            key: the Subscription.
            lane: its lane.
            due_in: seconds from now after which it is due; before that it does not count as waiting. One that is due
                already keeps its time.
        """
        self._held.discard(key)
        self._stand_up(key, lane, self._clock() + max(0.0, due_in))
        self._call()

    def hold(self, key: Key, lane: GateId | None = None) -> None:
        """Note that the Subscription has a place, whoever allowed that."""
        if key in self._held:
            return
        self._remove(key)
        self._held.add(key)
        self._lanes.setdefault(lane, _Lane()).next_start = self._clock() + self.limits.spacing
        self._call()

    def leave(self, key: Key) -> None:
        """Give up its place and its turn, so that the line does not wait for it (done, suspended, deleted, failed)."""
        self._held.discard(key)
        self._remove(key)
        self._call()

    def waited(self, key: Key) -> float:
        """Seconds for which it has been due in line; 0 if it is not due or not in line."""
        entry = self._entries.get(key)
        return 0.0 if entry is None else max(0.0, self._clock() - entry.place[0])

    def lengths(self) -> Mapping[GateId | None, Length]:
        """Lengths of all lanes in which somebody is due."""
        now = self._clock()
        return {name: found for name, lane in self._lanes.items() if (found := _length(lane, now)).due}

    def _stand_up(self, key: Key, lane: GateId | None, since: float) -> None:
        """Put it into its place by the time at which it is or was due. An earlier call or wake-up no longer counts."""
        stood = self._remove(key)
        self._stood += 1
        place = (since, self._stood, key)
        if stood is not None and stood.place[0] <= since <= self._clock():
            place = stood.place
        self._entries[key] = _Entry(lane, place)
        insort(self._lanes.setdefault(lane, _Lane()).waiting, place)

    def _remove(self, key: Key) -> _Entry | None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            lane = self._lanes[entry.lane]
            if entry.is_called:
                del lane.called[key]
            else:
                del lane.waiting[bisect_left(lane.waiting, entry.place)]
        return entry

    def _call(self, coming: Key | None = None) -> None:
        """Reserve places for as many as can go now and wake them. Wake those that can go next when their time comes.

        Args:
            coming: this one asks by itself just now, and need not be woken.
        """
        now, spacing = self._clock(), self.limits.spacing
        for name in [name for name, lane in self._lanes.items() if lane.is_empty and lane.next_start <= now]:
            del self._lanes[name]
        free = self.limits.places - len(self._held) - sum(len(lane.called) for lane in self._lanes.values())
        candidates: list[tuple[float, Place]] = []
        for lane in self._lanes.values():
            # With a pace one goes after the other: the start of the called one sets the time of the next.
            most = (0 if lane.called else 1) if spacing else max(0, free)
            opens = lane.next_start if spacing else now
            candidates += [(max(now, opens, place[0]), place) for place in lane.waiting[:most]]
        for at, place in heapq.nsmallest(max(0, free), candidates):
            key = place[2]
            entry = self._entries[key]
            if at <= now:
                self._reserve(key, entry)
                if key != coming:
                    self._wake(key, 0.0)
            elif entry.woken_for != at:
                entry.woken_for = at
                self._wake(key, at - now)

    def _reserve(self, key: Key, entry: _Entry) -> None:
        entry.is_called = True
        lane = self._lanes[entry.lane]
        del lane.waiting[bisect_left(lane.waiting, entry.place)]
        lane.called[key] = entry.place


def _length(lane: _Lane, now: float) -> Length:
    due = [*lane.called.values(), *lane.waiting[: bisect_right(lane.waiting, now, key=lambda place: place[0])]]
    return Length(len(due), now - min(place[0] for place in due)) if due else Length(0, 0.0)
