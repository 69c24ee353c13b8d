"""The line before the listings: who goes next, and who is woken for it."""

from __future__ import annotations

import heapq
import math
import random

import pytest

from trawler_operator.api.subscription import Key
from trawler_operator.domain.gates.route import GateId, GateKind
from trawler_operator.domain.line import Length, Line, LineLimits

TUBE, CLIPS = (GateId(GateKind.EGRESS, site) for site in ("youtube.com", "example.com"))
A, B, C, D, E = (("media", name) for name in "abcde")


class Desk:
    """A line, a clock that tests move, and who was woken."""

    def __init__(self, places: int, spacing: float = 0.0) -> None:
        self.now = 100.0
        self.wakes: list[tuple[tuple[str, str], float]] = []
        self.line = Line(LineLimits(places, spacing), lambda key, delay: self.wakes.append((key, delay)), self.clock)

    def clock(self) -> float:
        return self.now

    def woken(self) -> list[tuple[tuple[str, str], float]]:
        """Since the last time that this was asked."""
        wakes, self.wakes = self.wakes, []
        return wakes


def test_whoever_comes_to_a_free_place_takes_it() -> None:
    """And nobody is woken for that."""
    desk = Desk(2)
    assert [desk.line.take(key) for key in (A, B, C)] == [True, True, False]
    assert desk.line.take(A)
    assert desk.woken() == []


def test_each_free_place_wakes_another_one() -> None:
    """Two places come free before the first in line has come."""
    desk = Desk(2)
    assert [desk.line.take(key) for key in (A, B, C, D, E)] == [True, True, False, False, False]
    desk.line.leave(A)
    desk.line.leave(B)
    assert desk.woken() == [(C, 0.0), (D, 0.0)]
    assert [desk.line.take(key) for key in (D, C, E)] == [True, True, False]


def test_a_newcomer_does_not_take_the_place_of_one_that_was_woken() -> None:
    """However late that one comes."""
    desk = Desk(1)
    assert [desk.line.take(key) for key in (A, B)] == [True, False]
    desk.line.leave(A)
    desk.now += 10
    assert [desk.line.take(key) for key in (C, B)] == [False, True]
    desk.line.leave(B)
    assert desk.woken() == [(B, 0.0), (C, 0.0)]


def test_who_was_woken_and_does_not_want_the_place_passes_it_on() -> None:
    """Its pass failed, or it is suspended or gone."""
    desk = Desk(1)
    assert [desk.line.take(key) for key in (A, B, C)] == [True, False, False]
    desk.line.leave(A)
    desk.line.leave(B)
    assert desk.woken() == [(B, 0.0), (C, 0.0)]


def test_who_was_woken_and_waits_after_all_is_woken_again() -> None:
    """Its pass began before the check was due by its own clock, and ended after that."""
    desk = Desk(1)
    assert [desk.line.take(key) for key in (A, B)] == [True, False]
    desk.line.leave(A)
    desk.line.stand(B)
    assert desk.woken() == [(B, 0.0), (B, 0.0)]


def test_who_is_no_longer_due_gives_its_place_back() -> None:
    """The clock was set back, or somebody else made the check."""
    desk = Desk(1)
    assert [desk.line.take(key) for key in (A, B, C)] == [True, False, False]
    desk.line.leave(A)
    desk.line.stand(B, due_in=60)
    assert desk.woken() == [(B, 0.0), (C, 0.0)]


def test_whoever_is_due_first_goes_first() -> None:
    """Not whoever said so first."""
    desk = Desk(1)
    desk.line.take(A)
    for key, due_in in ((B, 30), (C, 10), (D, 20)):
        desk.line.stand(key, due_in=due_in)
    desk.now += 60
    order = []
    for key in (A, C, D):
        desk.line.leave(key)
        ((called, _),) = desk.woken()
        order.append(called)
        desk.line.take(called)
    assert order == [C, D, B]


def test_who_will_be_due_is_woken_at_that_time() -> None:
    """Once, and only as many as find a place."""
    desk = Desk(2)
    for key, due_in in ((A, 10.0), (B, 20.0), (C, 30.0)):
        desk.line.stand(key, due_in=due_in)
    assert desk.woken() == [(A, 10.0), (B, 20.0)]
    desk.line.leave(E)
    assert desk.woken() == []
    desk.now += 10
    assert desk.line.take(A)
    assert desk.woken() == []
    desk.line.leave(A)
    assert desk.woken() == [(C, 20.0)]


def test_who_asks_for_a_check_stands_behind_those_that_are_due() -> None:
    """Earlier than its schedule says, but in the same line."""
    desk = Desk(1)
    desk.line.take(A)
    desk.line.stand(B, due_in=5)
    desk.line.stand(C, due_in=3600)
    desk.now += 10
    assert not desk.line.take(C)
    desk.line.leave(A)
    assert desk.woken() == [(B, 0.0)]


def test_saying_again_that_one_waits_costs_no_turn() -> None:
    """A pass for another reason, such as a download that ended."""
    desk = Desk(1)
    desk.line.take(A)
    for key in (B, C):
        desk.line.stand(key)
        desk.now += 1
    desk.line.stand(B)
    assert desk.line.waited(B) == 2
    desk.line.leave(A)
    assert desk.woken() == [(B, 0.0)]


def test_a_lane_keeps_its_pace() -> None:
    """The next in it is woken when it may go."""
    desk = Desk(4, spacing=10)
    assert [desk.line.take(key, TUBE) for key in (A, B, C)] == [True, False, False]
    assert desk.woken() == [(B, 10.0)]
    desk.now += 9.5
    assert not desk.line.take(B, TUBE)
    assert desk.woken() == [(B, 0.5)]
    desk.now += 0.5
    assert desk.line.take(B, TUBE)
    assert desk.woken() == [(C, 10.0)]


def test_a_lane_that_has_to_wait_lets_others_pass() -> None:
    """Its pace is used up."""
    desk = Desk(2, spacing=10)
    assert [desk.line.take(key, TUBE) for key in (A, B)] == [True, False]
    assert desk.line.take(C, CLIPS)


def test_of_one_lane_one_is_called_at_a_time() -> None:
    """The time of the one behind it follows from when it begins."""
    desk = Desk(2, spacing=10)
    desk.line.take(D, CLIPS)
    desk.line.take(E)
    assert [desk.line.take(key, TUBE) for key in (A, B)] == [False, False]
    desk.line.leave(D)
    desk.line.leave(E)
    assert desk.woken() == [(A, 0.0)]
    desk.now += 3
    assert desk.line.take(A, TUBE)
    assert desk.woken() == [(B, 10.0)]


def test_who_goes_another_way_now_stands_in_that_lane() -> None:
    """Its URL or its proxy was changed, and its turn is kept."""
    desk = Desk(2, spacing=10)
    assert [desk.line.take(key, TUBE) for key in (A, B)] == [True, False]
    desk.now += 1
    assert desk.line.take(B, CLIPS)
    assert desk.line.lengths() == {}


def test_places_that_were_given_without_asking_count() -> None:
    """What ran before this process began."""
    desk = Desk(1)
    for _ in range(2):
        desk.line.hold(A)
        desk.line.hold(B)
    assert not desk.line.take(C)
    desk.line.leave(A)
    assert desk.woken() == []
    desk.line.leave(B)
    assert desk.woken() == [(C, 0.0)]


def test_how_many_wait_and_for_how_long() -> None:
    """Those that are due, called or not, by lane."""
    desk = Desk(1)
    desk.line.take(A, TUBE)
    desk.line.stand(B, TUBE)
    desk.now += 5
    desk.line.stand(C, TUBE)
    desk.line.stand(D, CLIPS)
    desk.line.stand(E, TUBE, due_in=60)
    desk.line.leave(A)
    desk.now += 1
    assert desk.line.lengths() == {TUBE: Length(2, 6.0), CLIPS: Length(1, 1.0)}
    assert [desk.line.waited(key) for key in (A, B, E)] == [0.0, 6.0, 0.0]


class Play:
    """Subscriptions that are checked over and over: a queue of passes that come late, and fail now and then."""

    def __init__(self, seed: int, limits: LineLimits, *, lanes: int, keys: int) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.limits = limits
        self.line = Line(limits, self.wake, lambda: self.now)
        self.queue: dict[Key, float] = {}
        self.lanes = {("media", f"s{n}"): GateId(GateKind.EGRESS, f"{n % lanes}.com") for n in range(keys)}
        self.stands: dict[Key, float] = {}
        """Since when each is due, or from when on."""
        self.running: list[tuple[float, Key]] = []
        self.starts: dict[GateId, float] = {}
        self.passes = self.listings = self.failures = 0
        for key in self.lanes:
            self.stand(key, self.random.uniform(0, 30))

    def wake(self, key: Key, delay: float) -> None:
        self.queue[key] = min(self.now + delay, self.queue.get(key, math.inf))

    def stand(self, key: Key, due_in: float) -> None:
        self.stands[key] = self.now + due_in
        self.line.stand(key, self.lanes[key], due_in)

    def turn(self) -> None:
        """A listing ends, or a pass is made: whichever is next."""
        key = min(self.queue, key=lambda k: self.queue[k], default=None)
        if key is None or (self.running and self.running[0][0] <= self.queue[key]):
            at, ended = heapq.heappop(self.running)
            self.now = max(self.now, at)
            self.line.leave(ended)
            self.stand(ended, self.random.uniform(20, 30))
        else:
            self.now = max(self.now, self.queue.pop(key)) + self.random.uniform(0, 0.02)
            self.make_pass(key)
        assert len(self.running) <= self.limits.places
        self.look_for_empty_places()

    def make_pass(self, key: Key) -> None:
        self.passes += 1
        if self.random.random() < 0.03:
            self.failures += 1
            self.stands.pop(key, None)
            self.line.leave(key)
            self.queue[key] = self.now + 7
        elif key not in self.stands:
            self.stand(key, 0)
        elif self.line.take(key, self.lanes[key]):
            self.begin(key)

    def begin(self, key: Key) -> None:
        since, lane = self.stands.pop(key), self.lanes[key]
        earlier = [k for k, other in self.stands.items() if other < since and self.lanes[k] == lane]
        free = self.limits.places - len(self.running)
        # Several were called at once where several places were free; which of them comes first is chance.
        assert len(earlier) < (1 if self.limits.spacing else free)
        assert self.now - self.starts.get(lane, -math.inf) >= self.limits.spacing
        self.starts[lane] = self.now
        self.listings += 1
        heapq.heappush(self.running, (self.now + self.random.uniform(0.1, 4), key))

    def look_for_empty_places(self) -> None:
        """As many are on their way as there are free places that somebody might take."""
        may_go = [
            key
            for key, since in self.stands.items()
            if max(since, self.starts.get(self.lanes[key], -math.inf) + self.limits.spacing) <= self.now
        ]
        takers = len({self.lanes[key] for key in may_go}) if self.limits.spacing else len(may_go)
        coming = [key for key in may_go if self.queue.get(key, math.inf) <= self.now]
        assert len(coming) >= min(self.limits.places - len(self.running), takers)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("places", "spacing", "lanes", "keys"),
    [
        pytest.param(1, 0, 1, 5, id="one place, hardly used"),
        pytest.param(2, 0, 3, 60, id="more is due than two places bear"),
        pytest.param(2, 1, 1, 60, id="more is due than the pace and two places bear"),
        pytest.param(4, 1, 1, 60, id="more is due than the pace bears"),
        pytest.param(4, 1, 5, 60, id="several lanes"),
        pytest.param(3, 2.5, 2, 8, id="a slow pace that is hardly used up"),
    ],
)
def test_any_play(seed: int, places: int, spacing: float, lanes: int, keys: int) -> None:
    """Never too many, never too fast, in order, no place empty for nothing, and about one pass per listing."""
    play = Play(seed, LineLimits(places, spacing), lanes=lanes, keys=keys)
    for _ in range(1000):
        play.turn()
    assert play.listings > 250
    assert play.passes <= 1.2 * play.listings + 3 * play.failures + keys
