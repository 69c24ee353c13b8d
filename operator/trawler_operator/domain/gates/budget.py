"""How fast one address may ask one site: when downloads of an egress began lately, by the minute. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from trawler_operator.api.times import seconds
from trawler_operator.domain.pauses import CLOCK_TOLERANCE

WINDOW = timedelta(hours=1)
_MINUTE = 60
SLOWEST_PACE = 0.001
"""Listings per second. At a slower pace, a check that is due after another would wait for more than a quarter of an
hour.
"""


def _no_crawl(rate: float) -> float:
    if 0 < rate < SLOWEST_PACE:
        raise ValueError(f"must be 0 (no pace), or {SLOWEST_PACE} (one in 1000 s) or more")
    return rate


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """How many requests one address makes to one site; chart values.

    Args:
        max_parallel: downloads at a time.
        max_per_hour: downloads that begin within any hour.
        spacing: least time between the beginnings of two downloads.
        listings_per_second: listings that begin per second; 0: as many as find a place.
    """

    max_parallel: Annotated[int, Field(ge=1, le=1000)]
    max_per_hour: Annotated[int, Field(ge=1, le=100_000)]
    spacing: Annotated[timedelta, Field(alias="spacingSeconds"), seconds(0, 3600)]
    listings_per_second: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False), AfterValidator(_no_crawl)]

    @property
    def listing_spacing(self) -> float:
        """Seconds between the beginnings of two listings; 0: there is no pace."""
        return 1 / self.listings_per_second if self.listings_per_second else 0.0


@dataclass(frozen=True, slots=True)
class Budget:
    """When downloads of one egress began lately.

    Starts are counted by the minute, so that a generous limit does not make a long list. A minute counts until an hour
    after its end. So the limit is kept to the minute and never exceeded.

    Args:
        starts: beginning of a minute (Unix seconds) → number of downloads that began in it.
        last: when the last download began.
    """

    starts: Mapping[int, int]
    last: datetime | None = None

    def begun(self, now: datetime) -> int:
        """How many downloads count against the hour's limit."""
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
        """The budget after `count` downloads began."""
        minute = int(now.timestamp()) // _MINUTE * _MINUTE
        counting = self._counting(now)
        return Budget({**counting, minute: counting.get(minute, 0) + count}, now)

    def refund(self, count: int, charged: datetime) -> Budget:
        """The budget without `count` downloads that were charged at `charged` and did not begin. The spacing stays."""
        minute = int(charged.timestamp()) // _MINUTE * _MINUTE
        left = max(0, self.starts.get(minute, 0) - count)
        others = {at: begun for at, begun in self.starts.items() if at != minute}
        return Budget({**others, minute: left} if left else others, self.last)

    def is_idle(self, now: datetime) -> bool:
        """Whether no start counts any more."""
        return not self._counting(now)

    def _counting(self, now: datetime) -> dict[int, int]:
        oldest = (now - WINDOW).timestamp() - _MINUTE
        newest = (now + CLOCK_TOLERANCE).timestamp()
        return {minute: count for minute, count in self.starts.items() if oldest < minute <= newest}
