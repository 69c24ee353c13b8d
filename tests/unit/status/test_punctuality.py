"""The condition OnSchedule: whether checks are made when they are due, as far as the line before them goes."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from builders import NOON
from trawler_operator.api.conditions import Condition
from trawler_operator.domain.status.punctuality import LATE_AFTER, Turn, is_shown_late, on_schedule

MINUTE = timedelta(minutes=1)
WAITS = Turn(MINUTE, "youtube.com", due=40, places=2, spacing=5.0)
CAME = Turn(MINUTE, "youtube.com", due=40, places=2, spacing=5.0, has_come=True)
WAITS_LONG = Turn(LATE_AFTER + MINUTE, "youtube.com", due=40, places=2, spacing=5.0)
CAME_LATE = Turn(LATE_AFTER + MINUTE, "youtube.com", due=40, places=2, spacing=0.0, has_come=True)
NOT_KNOWN, ON_TIME, LATE = ("Unknown", "NotCheckedYet"), ("True", "OnTime"), ("False", "ChecksDelayed")


def condition(turn: Turn | None, *previous: Condition, suspended: bool = False) -> Condition:
    later = NOON + len(previous) * MINUTE
    return on_schedule(previous, turn, suspended=suspended, generation=1 + len(previous), now=later)


def verdict(found: Condition) -> tuple[str, str]:
    return found.status.value, found.reason


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        pytest.param(None, NOT_KNOWN, id="no check was due"),
        pytest.param(WAITS, NOT_KNOWN, id="the first one waits"),
        pytest.param(CAME, ON_TIME, id="it was made"),
        pytest.param(WAITS_LONG, LATE, id="it waits for long"),
        pytest.param(CAME_LATE, LATE, id="it was made late"),
    ],
)
def test_what_is_said_at_first(turn: Turn | None, expected: tuple[str, str]) -> None:
    """Nothing, before there was a check or one is late."""
    assert verdict(condition(turn)) == expected


@pytest.mark.parametrize(
    ("before", "turn", "expected"),
    [
        pytest.param(CAME, None, ON_TIME, id="in time, and no check was due"),
        pytest.param(CAME, WAITS, ON_TIME, id="in time, and the next one waits"),
        pytest.param(CAME, WAITS_LONG, LATE, id="in time, and the next one waits for long"),
        pytest.param(WAITS_LONG, None, LATE, id="late, and no check was due"),
        pytest.param(WAITS_LONG, WAITS, LATE, id="late, and the next one waits"),
        pytest.param(WAITS_LONG, CAME_LATE, LATE, id="late, and the next one, too"),
        pytest.param(WAITS_LONG, CAME, ON_TIME, id="late, and the next one was in time"),
    ],
)
def test_a_verdict_stands_until_there_is_another(before: Turn, turn: Turn | None, expected: tuple[str, str]) -> None:
    """A check that waits proves nothing yet."""
    assert verdict(condition(turn, condition(before))) == expected


def test_a_verdict_that_stands_keeps_its_words() -> None:
    """The numbers in them change all the time, and would be written all the time."""
    first = condition(WAITS_LONG)
    second = condition(CAME_LATE, first)
    assert second == first.model_copy(update={"observed_generation": 2})
    assert is_shown_late([second])
    assert not is_shown_late([condition(CAME, first)])


def test_nothing_is_late_while_suspended() -> None:
    """No check is due then."""
    assert verdict(condition(None, condition(WAITS_LONG), suspended=True)) == ON_TIME


@pytest.mark.parametrize(
    ("turn", "says"),
    [(WAITS_LONG, "for 6 min: 40 checks of youtube.com .* one every 5 s .* 2 run"), (CAME_LATE, "without a pace")],
)
def test_lateness_names_the_line_and_its_limits(turn: Turn, says: str) -> None:
    """So that one sees which value is too small."""
    assert re.search(says, condition(turn).message)
