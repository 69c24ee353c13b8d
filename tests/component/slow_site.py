"""Sites that take their time; with one of them a queue and workers, on a clock that jumps between happenings."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from datetime import timedelta

from component.world import Operator, World
from trawler_downloader.contract.listing import ListRequest
from trawler_operator.api.subscription import Key
from trawler_operator.reconcile.ports import ApiError, RawListing

TURNS = 10_000
"""Of the event loop, at most, until all that runs waits for time to go on."""


class SlowSite:
    """Its listings take so many seconds of the world's clock.

    Args:
        world: whose site it is made from.
        seconds: of one listing.
    """

    def __init__(self, world: World, seconds: float) -> None:
        self._world, self._list, self._seconds = world, world.site.list, seconds
        self.began: list[tuple[float, str]] = []
        """When, and of which URL."""
        self.under_way: list[tuple[float, asyncio.Event]] = []
        self.most = 0
        world.site.list = self.list  # type: ignore[method-assign]

    async def list(self, request: ListRequest) -> RawListing:
        now, is_over = self._world.clock.monotonic(), asyncio.Event()
        self.began.append((now, request.url))
        self.under_way.append((now + self._seconds, is_over))
        self.most = max(self.most, len(self.under_way))
        await is_over.wait()
        return await self._list(request)


class HeldSite:
    """Its listings begin, and end when they are released.

    Args:
        world: whose site it is made from.
    """

    def __init__(self, world: World) -> None:
        self._list, self._began, self._released = world.site.list, asyncio.Semaphore(0), asyncio.Event()
        world.site.list = self.list  # type: ignore[method-assign]

    async def list(self, request: ListRequest) -> RawListing:
        self._began.release()
        await self._released.wait()
        return await self._list(request)

    async def begun(self, count: int = 1) -> None:
        """Until so many more have begun."""
        for _ in range(count):
            await self._began.acquire()

    def release(self) -> None:
        """Let all end."""
        self._released.set()


class Day:
    """The queue and the workers of one operator.

    Args:
        world: its clock is moved.
        site: how long listings take.
        operator: makes the passes.
        workers: passes at a time.
    """

    def __init__(self, world: World, site: SlowSite, operator: Operator, workers: int = 4) -> None:
        self._world, self._site, self._operator, self._workers = world, site, operator, workers
        self._due: dict[Key, float] = {}
        self._passes: dict[Key, asyncio.Task[None]] = {}
        self.passes: Counter[Key] = Counter()

    def ask(self, key: Key, delay: float = 0.0) -> None:
        at = self._world.clock.monotonic() + delay
        self._due[key] = min(at, self._due.get(key, at))

    async def go_on(self, seconds: float) -> None:
        """Whatever is due in this time."""
        end = self._world.clock.monotonic() + seconds
        while True:
            await self._work()
            now = self._world.clock.monotonic()
            busy = len(self._passes) >= self._workers
            dues = [at for key, at in self._due.items() if not busy and key not in self._passes]
            at = min([*dues, *(over for over, _ in self._site.under_way)], default=math.inf)
            if at > end:
                self._world.clock.advance(timedelta(seconds=end - now))
                return
            self._world.clock.advance(timedelta(microseconds=max(0, math.ceil((at - now) * 1e6))))

    async def finish(self) -> None:
        """Let the passes under way end."""
        for _, is_over in self._site.under_way:
            is_over.set()
        await asyncio.gather(*self._passes.values())

    async def _work(self) -> None:
        """Begin what is due, end what is over, until nothing moves any more at this time."""
        now = self._world.clock.monotonic()
        for over in [one for one in self._site.under_way if one[0] <= now]:
            self._site.under_way.remove(over)
            over[1].set()
        for _ in range(TURNS):
            ready = sorted((at, key) for key, at in self._due.items() if at <= now and key not in self._passes)
            for _, key in ready[: self._workers - len(self._passes)]:
                del self._due[key]
                self.passes[key] += 1
                self._passes[key] = asyncio.create_task(self._make(key))
            await asyncio.sleep(0)
            for key in [key for key, task in self._passes.items() if task.done()]:
                self._passes.pop(key).result()
            for key, delay in [*self._operator.woken.items()]:
                self.ask(key, delay)
            self._operator.woken.clear()
            if len(self._passes) == len(self._site.under_way) and (
                len(self._passes) >= self._workers
                or not any(at <= now for key, at in self._due.items() if key not in self._passes)
            ):
                return
        raise AssertionError(f"does not come to rest at {now}: {self._due}")

    async def _make(self, key: Key) -> None:
        try:
            pause = await self._operator.reconcile(key)
        except ApiError:
            pause = timedelta(seconds=1)
        if pause is not None:
            self.ask(key, pause.total_seconds())
