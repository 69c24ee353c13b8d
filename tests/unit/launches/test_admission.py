"""Slots for Jobs: caps, budgets, gates, turns, spacing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from builders import NOON
from trawler_operator.domain.gates.book import GateBook
from trawler_operator.domain.gates.budget import Budget, BudgetLimits
from trawler_operator.domain.gates.gate import Closing, Gate, Probe
from trawler_operator.domain.gates.route import GateId, Route, download_route, listing_route
from trawler_operator.domain.launches.admission import Admission, AdmissionLimits, Turn
from trawler_operator.domain.ledger.backlog import Rank

A, B, C, D = ("media", "a"), ("media", "b"), ("media", "c"), ("media", "d")
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
TUBE = download_route("https://youtu.be/x", "", "media/library", "media/a")
OTHER = download_route("https://example.com/x", "", "media/library", "media/a")
TUBE_LISTING = listing_route("https://youtu.be/@a", "")


class Desk:
    """Admission, and the book that it looks at; what it grants is written there, as passes do."""

    def __init__(
        self, total: int = 2, each: int = 2, spacing: float = 0, parallel: int = 100, per_hour: int = 1000
    ) -> None:
        self.limits = BudgetLimits(parallel, per_hour, timedelta(seconds=spacing), listings_per_second=1)
        self.book = GateBook()
        self.slots = Admission(AdmissionLimits(total, each, self.limits), lambda: self.book)

    def request(
        self,
        key: tuple[str, str],
        wanted: int = 1,
        now: datetime = NOON,
        route: Route = TUBE,
        parallelism: int = 5,
        rank: Rank = Rank.WINDOW,
    ) -> int:
        granted = self.slots.request(key, route, wanted, parallelism, now, rank)
        if granted:
            gate = self.book.gate(route.egress)
            self.put(replace(gate, budget=gate.budget.spend(granted, now)))
        return granted

    def put(self, *gates: Gate) -> None:
        self.book = GateBook({**self.book.gates, **{gate.id.name: gate for gate in gates}})

    def close(self, gate: GateId, until: datetime, probe: Probe | None = None) -> None:
        self.put(Gate(gate, 1, NOON, Closing(NOON, NOON, until, 1, "Why", "", "media/a"), probe))


@pytest.mark.parametrize(
    ("total", "each", "through", "parallelism", "wanted", "granted"),
    [
        pytest.param(5, 5, 5, 5, 3, 3, id="room for all"),
        pytest.param(2, 5, 5, 5, 3, 2, id="the operator's cap"),
        pytest.param(5, 2, 5, 5, 3, 2, id="the cap of each"),
        pytest.param(5, 5, 2, 5, 3, 2, id="the cap of its egress"),
        pytest.param(5, 5, 5, 1, 3, 1, id="its own parallelism"),
        pytest.param(5, 5, 5, 5, 0, 0, id="nothing wanted"),
    ],
)
def test_caps(total: int, each: int, through: int, parallelism: int, wanted: int, granted: int) -> None:
    """The smallest of the limits counts."""
    assert granted == Desk(total, each, parallel=through).request(A, wanted, parallelism=parallelism)


def test_what_runs_counts() -> None:
    """Jobs that were there at the start hold their slots."""
    desk = Desk(total=2)
    desk.slots.rebuild({A: {TUBE.egress.name: 1}, B: {"": 1}, C: {}})
    assert desk.request(A) == 0
    desk.slots.hold(B, {})
    assert Turn(A, NOON) == desk.slots.next_turn(NOON)
    assert desk.request(A) == 1


def test_who_cannot_use_a_grant_is_first_in_line_again() -> None:
    """Another pass was quicker at the gates: neither the slot nor the turn is lost."""
    desk = Desk(total=2, each=1)
    assert desk.request(A) == 1
    assert desk.request(B, now=NOON) == 1
    assert desk.request(C) == 0
    desk.slots.decline(B, TUBE, 1, Rank.WINDOW)
    assert (desk.slots.running, desk.slots.next_turn(NOON)) == (1, Turn(B, NOON))
    assert (desk.request(C), desk.request(B)) == (0, 1)


@pytest.mark.parametrize(
    ("limits", "parallelism", "resumed"),
    [
        pytest.param({"total": 3}, 5, True, id="room"),
        pytest.param({"total": 2}, 5, False, id="the operator's cap"),
        pytest.param({"total": 9, "each": 1}, 5, False, id="the cap of each"),
        pytest.param({"total": 9, "parallel": 2}, 5, False, id="the cap of its egress"),
        pytest.param({"total": 9}, 1, False, id="its own parallelism"),
        pytest.param({"total": 9, "per_hour": 0, "spacing": 5}, 5, True, id="its budget is charged already"),
    ],
)
def test_a_launch_that_was_granted_before(limits: dict[str, int], parallelism: int, resumed: bool) -> None:
    """Its Job is missing: it needs no budget, and passes no cap; what it gets counts."""
    desk = Desk(**{"each": 9, **limits})
    desk.slots.rebuild({A: {TUBE.egress.name: 1}, B: {TUBE.egress.name: 1}})
    assert resumed == desk.slots.resume(A, TUBE, parallelism)
    assert desk.slots.running == 2 + resumed


def test_one_each_while_others_wait() -> None:
    """With others in line a turn is one start, and then it is the next one's."""
    desk = Desk(total=1, each=1)
    assert desk.request(A, 9) == 1
    assert desk.request(B, 9) == 0
    desk.slots.end_pass(A)
    assert desk.request(A, 9) == 0
    assert Turn(B, NOON) == desk.slots.next_turn(NOON)
    assert desk.request(B, 9) == 1


def test_spacing_between_two_starts_at_one_site() -> None:
    """The next start waits, whosever it is, and the first in line is told how long; another site's does not."""
    desk = Desk(total=5, spacing=5)
    assert desk.request(A, 2) == 1
    assert desk.request(B) == 0
    assert desk.request(C, route=OTHER) == 1
    assert Turn(A, NOON + 5 * SECOND) == desk.slots.next_turn(NOON + SECOND)
    assert desk.request(A, now=NOON + 5 * SECOND) == 1
    assert Turn(B, NOON + 10 * SECOND) == desk.slots.next_turn(NOON + 5 * SECOND)


def test_one_that_withdraws_does_not_hold_up_the_line() -> None:
    """Suspended, deleted or failing: the turn is the next one's."""
    desk = Desk(total=1)
    desk.slots.rebuild({C: {"": 1}})
    for key in (A, B):
        desk.request(key)
    desk.slots.hold(C, {})
    desk.slots.withdraw(A)
    assert Turn(B, NOON) == desk.slots.next_turn(NOON)
    desk.slots.withdraw(B)
    assert desk.slots.next_turn(NOON) is None


def test_one_that_is_away_keeps_its_place() -> None:
    """Its source is being listed: others pass meanwhile, and then it is its turn again."""
    desk = Desk(total=1)
    desk.slots.rebuild({C: {"": 1}})
    for key in (A, B):
        desk.request(key)
    desk.slots.hold(C, {})
    desk.slots.step_aside(A)
    assert Turn(B, NOON) == desk.slots.next_turn(NOON)
    desk.slots.come_back(A)
    assert Turn(A, NOON) == desk.slots.next_turn(NOON)
    assert desk.request(B) == 0


def test_one_that_is_away_and_withdraws_may_come_again() -> None:
    """What it was away for has failed."""
    desk = Desk(total=1)
    desk.slots.step_aside(A)
    desk.slots.withdraw(A)
    assert desk.request(A) == 1


def test_one_at_its_own_cap_leaves_the_line() -> None:
    """It comes back by itself when one of its Jobs ends."""
    desk = Desk(total=5, each=1)
    assert desk.request(A, 5) == 1
    assert desk.request(A, 4) == 0
    assert desk.request(B) == 1
    assert desk.slots.running == 2


def test_full_house_wakes_nobody() -> None:
    """No turn while every slot is taken."""
    desk = Desk(total=1)
    desk.request(A)
    desk.request(B)
    assert (desk.slots.next_turn(NOON), 1) == (None, desk.slots.waiting)


def test_holding_is_told_not_counted() -> None:
    """What a pass says of its Jobs replaces whatever was granted."""
    desk = Desk(total=3)
    desk.slots.hold(A, {TUBE.egress.name: 2, OTHER.egress.name: 0})
    assert desk.slots.running == 2
    desk.slots.hold(A, {OTHER.egress.name: 1})
    assert desk.slots.running == 1


def test_clock_set_back() -> None:
    """A start that lies in the future after the clock was mended holds up nobody."""
    desk = Desk(spacing=5)
    assert desk.request(A, now=NOON + 3 * HOUR) == 1
    assert desk.request(B) == 1


# --- no head-of-line blocking ---


@pytest.mark.parametrize(
    "why", ["its egress is full", "its budget is used up", "its gate is closed", "its gate is probed"]
)
def test_one_that_cannot_start_lets_others_pass(why: str) -> None:
    """It keeps its place, and another site goes on."""
    desk = Desk(total=5, parallel=1, per_hour=2)
    match why:
        case "its egress is full":
            desk.slots.hold(C, {TUBE.egress.name: 1})
        case "its budget is used up":
            desk.put(Gate(TUBE.egress, budget=Budget({int(NOON.timestamp()) - 60: 2})))
        case "its gate is closed":
            desk.close(TUBE.cookies, NOON + HOUR)
        case _:
            desk.close(TUBE.cookies, NOON, Probe("media/c", "v#1", NOON, NOON + HOUR))
    assert desk.request(A) == 0
    assert desk.request(B, route=OTHER) == 1
    assert desk.slots.waiting == 1


def test_who_can_start_soonest_is_woken() -> None:
    """Whatever its place; among equals the first."""
    desk = Desk(total=5)
    desk.close(TUBE.cookies, NOON + HOUR)
    desk.close(OTHER.cookies, NOON + MINUTE)
    desk.request(A)
    desk.request(B, route=OTHER)
    desk.request(C, route=OTHER)
    assert Turn(B, NOON + MINUTE) == desk.slots.next_turn(NOON)


def test_a_full_egress_waits_for_an_end_and_not_for_a_time() -> None:
    """The pass that settles the end wakes it."""
    desk = Desk(total=5, parallel=1)
    assert desk.request(A) == 1
    assert desk.request(B) == 0
    assert desk.slots.next_turn(NOON) is None
    desk.slots.created(A, TUBE)
    assert desk.slots.next_turn(NOON) is None
    desk.slots.hold(A, {})
    assert Turn(B, NOON) == desk.slots.next_turn(NOON)


def test_two_sites_of_one_subscription_stand_in_line_for_themselves() -> None:
    """A playlist of several sites goes on with those that answer; what it wants no more is forgotten."""
    desk = Desk(total=5)
    desk.close(TUBE.cookies, NOON + HOUR)
    assert desk.request(A) == 0
    assert desk.request(A, route=OTHER) == 1
    desk.slots.stand_only_for(A, {TUBE})
    assert desk.slots.waiting == 1
    desk.slots.stand_only_for(A, set())
    assert desk.slots.next_turn(NOON + HOUR) is None


# --- probes ---


def test_a_closed_gate_grants_one() -> None:
    """Its probe; then the turn is the next Subscription's, so that one bad video cannot keep the gate closed."""
    desk = Desk(total=5)
    desk.close(TUBE.cookies, NOON + HOUR)
    assert [desk.request(key, 9) for key in (A, B)] == [0, 0]
    later = NOON + HOUR
    assert desk.request(A, 9, later) == 1
    desk.slots.hold(A, {})
    assert Turn(B, later) == desk.slots.next_turn(later)


@pytest.mark.parametrize(
    ("route", "closed", "awaited"),
    [
        pytest.param(TUBE, TUBE.cookies, True, id="of that site"),
        pytest.param(OTHER, TUBE.cookies, False, id="of another"),
        pytest.param(TUBE, TUBE.volume, False, id="held by its volume itself"),
    ],
)
def test_awaits_probe(route: Route, closed: GateId, awaited: bool) -> None:
    """Whether a download would probe the site, so that no listing needs to; not while it has to wait for a slot."""
    desk = Desk(total=1)
    desk.slots.hold(C, {"": 1})
    desk.close(closed, NOON)
    desk.request(A, route=route)
    assert not desk.slots.awaits_probe(TUBE_LISTING)
    desk.slots.hold(C, {})
    assert awaited == desk.slots.awaits_probe(TUBE_LISTING)
    desk.slots.step_aside(A)
    assert not desk.slots.awaits_probe(TUBE_LISTING)


# --- whose a slot is ---


def test_a_slot_is_held_by_a_creation_under_way_then_by_its_job() -> None:
    """And by nothing once the Job is not there any more."""
    desk = Desk(total=1)
    assert desk.request(A) == 1
    assert desk.slots.running == 1
    desk.slots.created(A, TUBE)
    desk.slots.end_pass(A)
    assert desk.slots.running == 1
    desk.slots.hold(A, {})
    assert desk.slots.running == 0


def test_a_creation_that_was_refused_gives_its_slot_back_at_once() -> None:
    """Others need not wait for the pass to end."""
    desk = Desk(total=1)
    assert desk.request(A) == 1
    desk.slots.not_created(A, TUBE)
    assert desk.request(B) == 1


def test_what_was_granted_ends_with_the_pass() -> None:
    """However the pass ended: a creation that it never came to holds nothing."""
    desk = Desk(total=2)
    assert desk.request(A, 2) == 2
    desk.slots.end_pass(A)
    assert desk.slots.running == 0


def test_what_could_not_begin_stands_in_line_again() -> None:
    """Its pass is over: the line tells when it may come."""
    desk = Desk(total=1)
    assert desk.request(A) == 1
    desk.slots.not_created(A, TUBE)
    desk.slots.wait(A, TUBE, Rank.WINDOW)
    assert desk.slots.next_turn(NOON) == Turn(A, NOON)


# --- what goes first ---


def test_what_was_published_lately_goes_before_what_first_checks_brought() -> None:
    """Whoever stood in line longer; and that before second looks, and before back catalogue."""
    desk = Desk(total=1)
    assert desk.request(C) == 1
    for key, rank in ((A, Rank.BACK_CATALOGUE), (B, Rank.SECOND_LOOK), (C, Rank.WINDOW), (D, Rank.UPLOAD)):
        desk.request(key, rank=rank)
    order = []
    for _ in range(4):
        desk.slots.end_pass(C)
        turn = desk.slots.next_turn(NOON)
        assert turn is not None
        order.append(turn.key)
        desk.slots.withdraw(turn.key)
    assert order == [D, C, B, A]


def test_one_whose_rank_changes_keeps_its_place_in_the_line() -> None:
    """Among those of its new rank it came when it came."""
    desk = Desk(total=1)
    assert desk.request(C) == 1
    desk.request(A)
    desk.request(B, rank=Rank.UPLOAD)
    desk.request(A, rank=Rank.UPLOAD)
    desk.slots.end_pass(C)
    assert desk.slots.next_turn(NOON) == Turn(A, NOON)


def test_what_cannot_start_yet_holds_up_nothing_of_a_lower_rank() -> None:
    """Its site is left alone."""
    desk = Desk(total=1)
    desk.close(TUBE.cookies, NOON + HOUR)
    assert desk.request(A, rank=Rank.UPLOAD) == 0
    assert desk.request(B, route=OTHER, rank=Rank.BACK_CATALOGUE) == 1
