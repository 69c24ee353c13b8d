"""Good answers of the API server, kept for a short while: asked for once for all Subscriptions that need them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT_SECONDS = 300.0
"""How long an answer is kept: as long as the longest pause between two looks at what is missing. So a loss is noticed
within the same time as an arrival.

Until then a download whose claim is gone waits for it, as it does if the claim goes right after a look.
"""

Name = tuple[str, str]
"""Namespace and name of an object."""


class RecentAnswers(Generic[T]):
    """Good answers about objects of one kind. Bad answers are never kept, so the next look sees a repair.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[Name, tuple[float, T]] = {}

    def get(self, name: Name) -> T | None:
        """A good answer that is fresh enough; None: the API server must be asked."""
        kept = self._kept.get(name)
        return kept[1] if kept is not None and self._is_fresh(kept[0]) else None

    def note(self, name: Name, answer: T | None) -> None:
        """Keep an answer; None stands for a bad answer and removes the kept one."""
        self._kept = {other: kept for other, kept in self._kept.items() if other != name and self._is_fresh(kept[0])}
        if answer is not None:
            self._kept[name] = (self._clock(), answer)

    def _is_fresh(self, since: float) -> bool:
        return self._clock() - since < KEPT_SECONDS
