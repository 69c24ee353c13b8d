"""Slots for Jobs: caps, turns, spacing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from builders import NOON
from trawler_operator.domain.admission import Admission, AdmissionLimits, Turn

A, B, C = ("media", "a"), ("media", "b"), ("media", "c")
SECOND = timedelta(seconds=1)


def admission(total: int = 2, each: int = 2, spacing: float = 0) -> Admission:
    return Admission(AdmissionLimits(total, each, timedelta(seconds=spacing)))


@pytest.mark.parametrize(
    ("total", "each", "parallelism", "wanted", "granted"),
    [
        pytest.param(5, 5, 5, 3, 3, id="room for all"),
        pytest.param(2, 5, 5, 3, 2, id="the operator's cap"),
        pytest.param(5, 2, 5, 3, 2, id="the cap of each"),
        pytest.param(5, 5, 1, 3, 1, id="its own parallelism"),
        pytest.param(5, 5, 5, 0, 0, id="nothing wanted"),
    ],
)
def test_caps(total: int, each: int, parallelism: int, wanted: int, granted: int) -> None:
    """The smallest of the limits counts."""
    assert granted == admission(total, each).request(A, wanted, parallelism, NOON)


def test_what_runs_counts() -> None:
    """Jobs that were there at the start hold their slots."""
    slots = admission(total=2)
    slots.rebuild({A: 1, B: 1})
    assert slots.request(A, 1, 2, NOON) == 0
    slots.hold(B, 0)
    assert Turn(A, NOON) == slots.next_turn(NOON)
    assert slots.request(A, 1, 2, NOON) == 1


def test_one_each_while_others_wait() -> None:
    """With others in line a turn is one start, and then it is the next one's."""
    slots = admission(total=1, each=1)
    assert slots.request(A, 9, 1, NOON) == 1
    assert slots.request(B, 9, 1, NOON) == 0
    slots.hold(A, 0)
    assert slots.request(A, 9, 1, NOON) == 0
    assert slots.next_turn(NOON).key == B  # type: ignore[union-attr]
    assert slots.request(B, 9, 1, NOON) == 1


def test_spacing_between_any_two_starts() -> None:
    """The next start waits, whosever it is, and the first in line is told how long."""
    slots = admission(total=5, spacing=5)
    assert slots.request(A, 2, 2, NOON) == 1
    assert slots.request(B, 1, 2, NOON) == 0
    assert Turn(A, NOON + 5 * SECOND) == slots.next_turn(NOON + SECOND)
    assert slots.request(A, 1, 2, NOON + 5 * SECOND) == 1
    assert Turn(B, NOON + 10 * SECOND) == slots.next_turn(NOON + 5 * SECOND)


def test_one_that_withdraws_does_not_hold_up_the_line() -> None:
    """Suspended, deleted or failing: the turn is the next one's."""
    slots = admission(total=1)
    slots.rebuild({C: 1})
    for key in (A, B):
        slots.request(key, 1, 1, NOON)
    slots.hold(C, 0)
    slots.withdraw(A)
    assert Turn(B, NOON) == slots.next_turn(NOON)
    slots.forget(B)
    assert slots.next_turn(NOON) is None


def test_one_at_its_own_cap_leaves_the_line() -> None:
    """It comes back by itself when one of its Jobs ends."""
    slots = admission(total=5, each=1)
    assert slots.request(A, 5, 5, NOON) == 1
    assert slots.request(A, 4, 5, NOON) == 0
    assert slots.request(B, 1, 5, NOON) == 1
    assert slots.running == 2


def test_full_house_wakes_nobody() -> None:
    """No turn while every slot is taken."""
    slots = admission(total=1)
    slots.request(A, 1, 1, NOON)
    slots.request(B, 1, 1, NOON)
    assert (slots.next_turn(NOON), 1) == (None, slots.waiting)


def test_holding_is_told_not_counted() -> None:
    """What a pass says of its Jobs replaces whatever was granted."""
    slots = admission(total=3)
    slots.hold(A, 2)
    assert slots.running == 2
    slots.hold(A, 1)
    assert slots.running == 1


def test_clock_set_back() -> None:
    """A start that lies in the future after the clock was mended holds up nobody."""
    admission = Admission(AdmissionLimits(2, 2, timedelta(seconds=5)))
    assert admission.request(("media", "a"), 1, 1, NOON + timedelta(hours=3)) == 1
    assert admission.request(("media", "b"), 1, 1, NOON) == 1
