"""The keyed delay queue: who comes when, and never twice at a time."""

from __future__ import annotations

import asyncio

import pytest

from trawler_operator.loop.queue import MAX_BACKOFF_SECONDS, KeyedDelayQueue


@pytest.fixture
async def queue() -> KeyedDelayQueue[str]:
    return KeyedDelayQueue()


async def is_idle(queue: KeyedDelayQueue[str]) -> bool:
    """Whether a worker that asks now gets nothing."""
    getter = asyncio.ensure_future(queue.get())
    for _ in range(5):
        await asyncio.sleep(0)
    if getter.done():
        return False
    getter.cancel()
    return True


async def test_added_twice_comes_once(queue: KeyedDelayQueue[str]) -> None:
    """A key is in the queue at most once."""
    queue.add("a")
    queue.add("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert await is_idle(queue)


async def test_earliest_wish_holds(queue: KeyedDelayQueue[str]) -> None:
    """A later wish does not postpone an earlier one, an earlier one replaces a later one."""
    queue.add("a", 3600)
    queue.add("b")
    queue.add("a")
    queue.add("a", 3600)
    assert [await queue.get(), await queue.get()] == ["b", "a"]
    assert len(queue) == 0


async def test_not_before_its_time(queue: KeyedDelayQueue[str]) -> None:
    """A key that is not due is not handed out."""
    queue.add("a", 3600)
    assert await is_idle(queue)
    assert (len(queue), queue.ready) == (1, 0)


async def test_woken_while_worked_on(queue: KeyedDelayQueue[str]) -> None:
    """A key that is asked for during its work comes again afterwards, and never to a second worker at once."""
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a", 3600)
    queue.add("a")
    assert await is_idle(queue)
    queue.done("a")
    assert await queue.get() == "a"


async def test_waiting_worker_is_woken(queue: KeyedDelayQueue[str]) -> None:
    """A worker that waits for a late key takes an early one that is added meanwhile."""
    queue.add("late", 3600)
    getter = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.add("early")
    assert await getter == "early"


async def test_key_becomes_due(queue: KeyedDelayQueue[str]) -> None:
    """A worker that waits gets the key at its time."""
    queue.add("a", 0.01)
    assert await queue.get() == "a"


async def test_failures_back_off(queue: KeyedDelayQueue[str]) -> None:
    """Ever longer pauses, up to a limit, from the start again after a success."""
    assert [queue.retry("a") for _ in range(4)] == [1, 2, 4, 8]
    assert [queue.retry("a") for _ in range(30)][-1] == MAX_BACKOFF_SECONDS
    assert queue.retry("b") == 1
    queue.succeeded("a")
    assert queue.retry("a") == 1


async def test_closed(queue: KeyedDelayQueue[str]) -> None:
    """Waiting workers are released, and what is queued is left."""
    getter = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.add("later", 10)
    queue.close()
    assert await getter is None
    assert await queue.get() is None
