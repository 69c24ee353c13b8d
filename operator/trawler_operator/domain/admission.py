"""Who may start the next Job: caps, turns and spacing, shared by all Subscriptions.

Subscriptions are reconciled in parallel, so what they share lives in this one object. It holds no truth of its own: how
many Jobs a Subscription runs is told to it (`hold`) from the Jobs at start and from the ledger at the end of each pass,
so a slot can neither leak nor be given twice.

Turns are strictly first come, first served, one start per turn while others wait: a channel with a thousand videos
gets every second slot beside a channel with one. Only the first in line is ever woken; a thousand waiting Subscriptions
that all came to ask would cost more than the downloads.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

Key = tuple[str, str]
"""(namespace, name) of a Subscription."""


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """Chart values.

    Args:
        max_running: Jobs at a time, of all Subscriptions together.
        max_running_per_subscription: of one; its own `job.parallelism` may ask for fewer.
        start_spacing: least time between two starts, whosever they are.
    """

    max_running: int
    max_running_per_subscription: int
    start_spacing: timedelta


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is, and from when on."""

    key: Key
    at: datetime


class Admission:
    """Slots for Jobs. Not thread-safe, and need not be: it never awaits."""

    def __init__(self, limits: AdmissionLimits) -> None:
        self._limits = limits
        self._held: dict[Key, int] = {}
        self._line: OrderedDict[Key, None] = OrderedDict()
        self._last_start: datetime | None = None

    @property
    def running(self) -> int:
        """Slots taken."""
        return sum(self._held.values())

    @property
    def waiting(self) -> int:
        """Subscriptions in line."""
        return len(self._line)

    def rebuild(self, running: Mapping[Key, int]) -> None:
        """Start over from the Jobs that are there."""
        self._held = {key: count for key, count in running.items() if count > 0}
        self._line.clear()

    def hold(self, key: Key, running: int) -> None:
        """Say how many Jobs a Subscription really has, whatever was granted to it."""
        if running > 0:
            self._held[key] = running
        else:
            self._held.pop(key, None)

    def forget(self, key: Key) -> None:
        """The Subscription is gone, and its Jobs with it."""
        self._held.pop(key, None)
        self._line.pop(key, None)

    def withdraw(self, key: Key) -> None:
        """The Subscription wants nothing now, or cannot ask: the line must not wait for it."""
        self._line.pop(key, None)

    def request(self, key: Key, wanted: int, parallelism: int, now: datetime) -> int:
        """Ask for slots.

        Args:
            key: who asks.
            wanted: how many videos it would start.
            parallelism: how many it runs at a time at most, by its own spec.
            now: the time.

        Returns:
            How many it may start at once. Wanting more, it stays in line and is told by `next_turn`.
        """
        cap = min(parallelism, self._limits.max_running_per_subscription)
        wanted = min(wanted, cap - self._held.get(key, 0))
        if wanted <= 0:
            # At its own cap: the end of one of its Jobs brings it back, the line has nothing to tell it.
            self.withdraw(key)
            return 0
        self._line.setdefault(key)
        turn = self.next_turn(now)
        if turn is None or turn.key != key or turn.at > now:
            return 0
        one_at_a_time = len(self._line) > 1 or self._limits.start_spacing > timedelta(0)
        granted = 1 if one_at_a_time else min(wanted, self._limits.max_running - self.running)
        self._held[key] = self._held.get(key, 0) + granted
        self._last_start = now
        del self._line[key]
        if wanted > granted:
            self._line[key] = None
        return granted

    def next_turn(self, now: datetime) -> Turn | None:
        """Who is first in line and when it may start; None while nobody waits or every slot is taken."""
        if not self._line or self.running >= self._limits.max_running:
            return None
        at = now
        if self._last_start is not None and self._last_start <= now:  # else the clock was set back
            at = max(now, self._last_start + self._limits.start_spacing)
        return Turn(next(iter(self._line)), at)
