"""How fast one address may ask one site: when downloads of an egress began lately, by the minute. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from trawler_operator.api.times import seconds
from trawler_operator.domain.pauses import CLOCK_TOLERANCE

WINDOW = timedelta(hours=1)
_MINUTE = 60


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """How much of a site's patience one address uses; chart values.

    Args:
        max_parallel: downloads at a time.
        max_per_hour: downloads that begin within any hour.
        spacing: least time between two beginnings.
    """

    max_parallel: Annotated[int, Field(ge=1, le=1000)]
    max_per_hour: Annotated[int, Field(ge=1, le=100_000)]
    spacing: Annotated[timedelta, Field(alias="spacingSeconds"), seconds(0, 3600)]


@dataclass(frozen=True, slots=True)
class Budget:
    """When downloads of one egress began lately.

    By the minute, so that a generous limit does not make a long list; a minute counts until it is over for an hour, so
    the limit is kept to the minute and never exceeded.

    Args:
        starts: beginning of a minute (Unix seconds) → downloads that began in it.
        last: when the last one began.
    """

    starts: Mapping[int, int]
    last: datetime | None = None

    def begun(self, now: datetime) -> int:
        """How many count against the hour's limit."""
        return sum(self._counting(now).values())

    def earliest(self, limits: BudgetLimits, now: datetime) -> datetime:
        """When the next download may begin; `now` at the earliest."""
        at = now
        if self.last is not None and self.last <= now + CLOCK_TOLERANCE:
            at = max(at, self.last + limits.spacing)
        counting = self._counting(now)
        excess = sum(counting.values()) - limits.max_per_hour
        for minute in sorted(counting):
            if excess < 0:
                break
            excess -= counting[minute]
            over = datetime.fromtimestamp(minute + _MINUTE, now.tzinfo) + WINDOW
            at = max(at, over)
        return at

    def spend(self, count: int, now: datetime) -> Budget:
        """The budget after so many downloads began."""
        minute = int(now.timestamp()) // _MINUTE * _MINUTE
        counting = self._counting(now)
        return Budget({**counting, minute: counting.get(minute, 0) + count}, now)

    def refund(self, count: int, charged: datetime) -> Budget:
        """The budget without so many downloads that were charged then and did not begin; the spacing stays."""
        minute = int(charged.timestamp()) // _MINUTE * _MINUTE
        left = max(0, self.starts.get(minute, 0) - count)
        others = {at: begun for at, begun in self.starts.items() if at != minute}
        return Budget({**others, minute: left} if left else others, self.last)

    def is_idle(self, now: datetime) -> bool:
        """Nothing of it counts any more."""
        return not self._counting(now)

    def _counting(self, now: datetime) -> dict[int, int]:
        oldest = (now - WINDOW).timestamp() - _MINUTE
        newest = (now + CLOCK_TOLERANCE).timestamp()
        return {minute: count for minute, count in self.starts.items() if oldest < minute <= newest}
