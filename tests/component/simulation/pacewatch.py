"""What must hold of a pace: where one tenant's calls fail over and over, its passes come ever more rarely."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from component.simulation.calls import UnderWay
from trawler_operator.api.subscription import Key

HOUR = 3_600.0
MOST = 150
"""Passes of one Subscription within an hour that met a standing fault: one in 5 min, with all that may wake it."""


@dataclass
class PaceWatch:
    """Counts passes that are made in vain.

    Args:
        monotonic: seconds.
    """

    monotonic: Callable[[], float]
    _ended: dict[Key, deque[float]] = field(default_factory=dict)

    def ended(self, this: UnderWay) -> None:
        """After a pass."""
        if not this.words:
            return
        ended, now = self._ended.setdefault(this.key, deque()), self.monotonic()
        ended.append(now)
        while ended[0] < now - HOUR:
            ended.popleft()
        assert len(ended) <= MOST, f"{len(ended)} passes over {this.key} were made in vain within an hour"
