"""The worker around a pass: whatever a pass does, the key comes back and the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from component.world import Silent
from trawler_operator.loop.queue import KeyedDelayQueue
from trawler_operator.loop.worker import work
from trawler_operator.reconcile.ports import UnavailableError
from trawler_operator.reconcile.reconciler import PassFailedError

KEY = ("media", "numberline")


class Watch:
    """Counts passes under way."""

    busy = 0

    def pass_started(self, worker: int) -> None:
        self.busy += 1

    def pass_ended(self, worker: int) -> None:
        self.busy -= 1


class Passes:
    """Stands for the reconciler: gives what the test wants, pass by pass, then closes the queue."""

    def __init__(self, queue: KeyedDelayQueue[tuple[str, str]], *outcomes: Callable[[], Any]) -> None:
        self._queue = queue
        self._outcomes = list(outcomes)
        self.made = 0

    async def reconcile(self, key: tuple[str, str]) -> timedelta | None:
        self.made += 1
        outcome = self._outcomes.pop(0)
        if not self._outcomes:
            self._queue.close()
        answer = outcome()
        return await answer if asyncio.iscoroutine(answer) else answer


def failing(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    "error",
    [UnavailableError("away"), PassFailedError((), timedelta(hours=1), None), KeyError("a bug of ours")],
    ids=lambda error: type(error).__name__,
)
async def test_failed_pass_is_made_again(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the exception: backed off, counted, repeated, and forgotten after a success."""
    monkeypatch.setattr("trawler_operator.loop.queue.FIRST_BACKOFF_SECONDS", 0.0)
    queue: KeyedDelayQueue[tuple[str, str]] = KeyedDelayQueue()
    passes, watch = Passes(queue, failing(error), failing(error), lambda: timedelta(hours=1)), Watch()
    queue.add(KEY)
    await work(0, queue, passes, Silent(), watch)  # type: ignore[arg-type]
    assert (passes.made, watch.busy) == (3, 0)
    assert len(queue) == 1
    assert queue._failures == {}


async def test_nothing_to_come_back_for() -> None:
    """A Subscription that is gone or invalid waits for an event alone."""
    queue: KeyedDelayQueue[tuple[str, str]] = KeyedDelayQueue()
    queue.add(KEY)
    await work(0, queue, Passes(queue, lambda: None), Silent(), Watch())  # type: ignore[arg-type]
    assert len(queue) == 0
