"""Is the process alive and ready? Judged from facts, not from the mere ability to answer.

Alive: the event loop ran a short while ago, and no reconcile takes longer than any may take. Ready: it stands by while
another operator leads; or it leads, the first list of Subscriptions was seen and the API server answered lately.
"""

from __future__ import annotations

import asyncio
import time

LOOP_SILENCE_SECONDS = 30.0
HEARTBEAT_SECONDS = 2.0


class Health:
    """Collects the facts. `monotonic` times in seconds.

    Args:
        pass_deadline_seconds: how long one reconcile may take, listing included.
    """

    def __init__(self, pass_deadline_seconds: float) -> None:
        self._pass_deadline = pass_deadline_seconds
        self._last_beat = time.monotonic()
        self._passes: dict[int, float] = {}
        self.leading = False
        """The Lease is ours: from then on it is this process that must be watching."""
        self.watching = False
        """The first list of Subscriptions and Jobs has been seen."""

    async def beat(self) -> None:
        """Run forever: shows that the loop turns."""
        while True:
            self._last_beat = time.monotonic()
            await asyncio.sleep(HEARTBEAT_SECONDS)

    def pass_started(self, worker: int) -> None:
        """A worker took up a key."""
        self._passes[worker] = time.monotonic()

    def pass_ended(self, worker: int) -> None:
        """A worker gave its key back."""
        self._passes.pop(worker, None)

    def complaint(self) -> str | None:
        """Why the process should be restarted; None while it is alive."""
        now = time.monotonic()
        if now - self._last_beat > LOOP_SILENCE_SECONDS:
            return f"the event loop has not turned for {now - self._last_beat:.0f} s"
        oldest = max((now - since for since in self._passes.values()), default=0.0)
        if oldest > self._pass_deadline:
            return f"a reconcile has been running for {oldest:.0f} s"
        return None
