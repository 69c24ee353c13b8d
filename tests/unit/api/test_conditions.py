"""Conditions keep the time of their last transition."""

from __future__ import annotations

from datetime import datetime, timedelta

from builders import NOON
from trawler_operator.api.conditions import (
    MAX_MESSAGE_LENGTH,
    Condition,
    ConditionStatus,
    ConditionType,
    make_condition,
)

READY = ConditionType.READY
LATER = NOON + timedelta(hours=1)


def _ready(
    status: ConditionStatus, now: datetime, previous: tuple[Condition, ...] = (), message: str = ""
) -> Condition:
    return make_condition(previous, READY, status, "Why", message, generation=3, now=now)


def test_a_new_condition_begins_now() -> None:
    """There is nothing that it could have changed from."""
    condition = _ready(ConditionStatus.TRUE, NOON, message="well")

    assert condition == Condition(
        type="Ready",
        status=ConditionStatus.TRUE,
        observed_generation=3,
        last_transition_time=NOON,
        reason="Why",
        message="well",
    )


def test_the_same_status_keeps_its_time() -> None:
    """A new reason or message is no transition."""
    before = _ready(ConditionStatus.TRUE, NOON)

    assert _ready(ConditionStatus.TRUE, LATER, (before,), "other words").last_transition_time == NOON


def test_another_status_is_a_transition() -> None:
    """From True to False."""
    before = _ready(ConditionStatus.TRUE, NOON)

    assert _ready(ConditionStatus.FALSE, LATER, (before,)).last_transition_time == LATER


def test_conditions_of_other_types_do_not_count() -> None:
    """Each has its own time."""
    other = make_condition((), ConditionType.UP_TO_DATE, ConditionStatus.TRUE, "Why", "", generation=1, now=NOON)

    assert _ready(ConditionStatus.TRUE, LATER, (other,)).last_transition_time == LATER


def test_long_messages_are_cut() -> None:
    """The schema has a limit; a long error must not keep the whole status from being written."""
    condition = _ready(ConditionStatus.FALSE, NOON, message="x" * 5000)

    assert condition.message == "x" * (MAX_MESSAGE_LENGTH - 1) + "…"
