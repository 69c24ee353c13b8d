"""Whether checks are made when they are due: the condition OnSchedule. Pure.

Only the line before the listings counts here. A check may also wait for a closed gate, a missing claim or an absent
operator. Such a check does not lack places or pace, and Ready says what it waits for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from trawler_operator.api.conditions import Condition, ConditionStatus, ConditionType, make_condition
from trawler_operator.api.reasons import ConditionReason, message

LATE_AFTER = timedelta(minutes=5)
"""Time in the line after which a check is late: as long as the longest jitter of a schedule. A longer wait was not
planned.
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """How long a check stands in the line, or stood there before it was made.

    Args:
        waited: how long it has been due there.
        lane: the lane that the pace is kept for, as text for people.
        due: number of checks in that lane that are due.
        places: listings at a time.
        spacing: seconds between two listings in the lane; 0: there is no pace.
        has_come: whether the check was made; if not, it still stands there.
    """

    waited: timedelta
    lane: str
    due: int
    places: int
    spacing: float
    has_come: bool = False

    @property
    def is_late(self) -> bool:
        """Whether it has been due for longer than planned."""
        return self.waited > LATE_AFTER


def on_schedule(
    previous: Sequence[Condition], turn: Turn | None, *, suspended: bool, generation: int, now: datetime
) -> Condition:
    """The condition OnSchedule.

    Its message changes only with its verdict: otherwise each pass would write another number into it.

    Args:
        previous: the present conditions.
        turn: the turn of this pass's due check; None: no check was due.
        suspended: whether the Subscription is suspended: no check is due, and none is late.
        generation: generation of the spec that is judged.
        now: the present.
    """
    kind, reason, text = ConditionType.ON_SCHEDULE, ConditionReason.ON_TIME, message(ConditionReason.ON_TIME)
    status = ConditionStatus.TRUE
    kept = next((c for c in previous if c.type == kind), None)
    is_late = turn is not None and turn.is_late
    has_come = turn is not None and turn.has_come
    if not suspended and (is_late or not has_come):
        if kept is not None and (not is_late or kept.status is ConditionStatus.FALSE):
            return kept.model_copy(update={"observed_generation": generation})
        if turn is not None and is_late:
            status, reason, text = ConditionStatus.FALSE, ConditionReason.CHECKS_DELAYED, _why(turn)
        else:
            status, reason = ConditionStatus.UNKNOWN, ConditionReason.NOT_CHECKED_YET
            text = message(reason)
    return make_condition(previous, kind, status, reason, text, generation=generation, now=now)


def is_shown_late(conditions: Iterable[Condition]) -> bool:
    """Whether the status says already that checks are late."""
    return any(c.type == ConditionType.ON_SCHEDULE and c.status is ConditionStatus.FALSE for c in conditions)


def _why(turn: Turn) -> str:
    pace = f"one every {turn.spacing:g} s" if turn.spacing else "without a pace"
    return message(
        ConditionReason.CHECKS_DELAYED,
        minutes=int(turn.waited.total_seconds() // 60),
        due=turn.due,
        lane=turn.lane,
        pace=pace,
        places=turn.places,
    )
