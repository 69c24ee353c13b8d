"""How long anything waits: first and longest pauses, doubling, jitter, and how far a clock may be wrong. Pure.

Jitter spreads things in time without chance: the same facts give the same number in every process and in every test.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.api.times import seconds

JITTER_SHARE = 0.2
"""Jitter makes a pause longer by up to this share."""
CLOCK_TOLERANCE = timedelta(minutes=5)
"""Largest error of a clock that is tolerated. A clock that is set back by less only makes waits longer. If it is set
back by more, times that then lie in the future count as past.
"""
CHECK_CLOCK_TOLERANCE = timedelta(days=1)
"""The tolerance for checks of a source. It is wider: a clock that was an hour ahead must not make all checks due at
once.
"""
MAX_SITE_WAIT = timedelta(days=14)
"""Longest wait for a time that a site announces: a premiere may be moved, and a site may say anything."""
LONGEST_WAIT = MAX_SITE_WAIT * (1 + JITTER_SHARE)
"""Longest time for which an entry is put off. If a time lies further ahead, the clock was or is wrong."""


def _not_shorter_than_the_first(longest: timedelta, info: ValidationInfo) -> timedelta:
    first = info.data.get("first")
    if first is not None and longest < first:
        raise ValueError(f"must not be less than firstPauseSeconds ({first.total_seconds():.0f})")
    return longest


@dataclass(frozen=True, slots=True)
class Pause:
    """How long until the next look: the first pause and the longest one."""

    first: Annotated[timedelta, Field(alias="firstPauseSeconds"), seconds(1, 604_800)]
    longest: Annotated[
        timedelta,
        Field(alias="longestPauseSeconds"),
        seconds(1, 604_800),
        AfterValidator(_not_shorter_than_the_first),
    ]


FOREVER = datetime.max.replace(microsecond=0, tzinfo=UTC)
"""End of a pause that has no end."""
LONGEST_FAILED_PAUSE = timedelta(hours=1)
"""Longest pause after a failed try, unless `spec.retry.backoffSeconds` itself is longer."""
DEFERRED_PAUSES = {
    OutcomeClass.NOT_YET: Pause(timedelta(hours=1), timedelta(days=1)),
    OutcomeClass.NEEDS_ACCESS: Pause(timedelta(days=1), timedelta(days=14)),
    OutcomeClass.ENVIRONMENT: Pause(timedelta(minutes=1), timedelta(hours=1)),
    OutcomeClass.TERMINATED: Pause(timedelta(seconds=10), timedelta(hours=1)),
}
"""Pauses after an ending that costs no try, by its class."""


def backoff(first: timedelta, longest: timedelta, step: int) -> timedelta:
    """Pause before try `step` (from 1). It doubles with each step, up to `longest`."""
    # The exponent is bounded: a counter that ran for years must not overflow a timedelta.
    return min(longest, first * (1 << min(step - 1, 20)))


def spread(pause: timedelta, *facts: object) -> timedelta:
    """A pause made up to a fifth longer, differently for different facts, in whole seconds.

    Things that failed together do not return together.
    """
    return timedelta(seconds=round((pause * (1 + JITTER_SHARE * jitter(*facts))).total_seconds()))


def jitter(*facts: object) -> float:
    """A number in [0, 1) that follows from the facts; different facts spread evenly."""
    digest = hashlib.sha256("\0".join(str(fact) for fact in facts).encode()).digest()
    return int.from_bytes(digest[:6], "big") / (1 << 48)
