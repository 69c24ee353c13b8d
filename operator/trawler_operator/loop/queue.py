"""The keyed delay queue: which Subscription is looked at when.

A key is in it at most once, with the earliest time anyone asked for; it is never handed to two workers at a time, and
one that is asked for while it is being worked on comes again afterwards. Times are the event loop's, so that a change
of the wall clock neither stampedes nor stalls. Not kopf's timers: their interval is fixed in code, all fire at start.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import Generic, TypeVar

K = TypeVar("K")

FIRST_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 300.0


class KeyedDelayQueue(Generic[K]):
    """A queue of keys that become due. For one event loop."""

    def __init__(self) -> None:
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._processing: set[K] = set()
        self._asked_meanwhile: dict[K, float] = {}
        self._failures: dict[K, int] = {}
        self._closed = False
        self._wakers: set[asyncio.Event] = set()

    def __len__(self) -> int:
        """Keys that are waiting, due or not."""
        return len(self._due) + len(self._asked_meanwhile)

    @property
    def ready(self) -> int:
        """Keys that are due and wait for a worker."""
        now = asyncio.get_running_loop().time()
        return sum(1 for at in self._due.values() if at <= now)

    def add(self, key: K, delay: float = 0.0) -> None:
        """Ask for a key, in `delay` seconds; the earliest of several wishes holds."""
        at = asyncio.get_running_loop().time() + max(0.0, delay)
        if key in self._processing:
            self._asked_meanwhile[key] = min(at, self._asked_meanwhile.get(key, at))
        elif at < self._due.get(key, float("inf")):
            self._due[key] = at
            heapq.heappush(self._heap, (at, next(self._order), key))
            self._wake()

    def retry(self, key: K) -> float:
        """Ask for a key whose work failed, ever later: 1 s, 2 s, 4 s … 5 min. Returns the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** min(failures, 16))
        self.add(key, delay)
        return delay

    def succeeded(self, key: K) -> None:
        """Its work went well: the next failure backs off from the start again."""
        self._failures.pop(key, None)

    async def get(self) -> K | None:
        """The next due key, earliest first; it is this worker's until `done`. None once the queue is closed."""
        loop = asyncio.get_running_loop()
        while not self._closed:
            waker = asyncio.Event()
            self._wakers.add(waker)
            try:
                key, wait = self._take(loop.time())
                if key is not None:
                    return key
                try:
                    async with asyncio.timeout(wait):
                        await waker.wait()
                except TimeoutError:
                    pass
            finally:
                self._wakers.discard(waker)
        return None

    def done(self, key: K) -> None:
        """Give a key back; what was asked for meanwhile is queued."""
        self._processing.discard(key)
        at = self._asked_meanwhile.pop(key, None)
        if at is not None:
            self.add(key, at - asyncio.get_running_loop().time())

    def close(self) -> None:
        """Hand out nothing any more."""
        self._closed = True
        self._wake()

    def _take(self, now: float) -> tuple[K | None, float | None]:
        """A due key, or how long to wait for one (None: until something is added)."""
        while self._heap:
            at, _, key = self._heap[0]
            if self._due.get(key) != at:
                heapq.heappop(self._heap)  # superseded by an earlier wish
                continue
            if at > now:
                return None, at - now
            heapq.heappop(self._heap)
            del self._due[key]
            self._processing.add(key)
            return key, None
        return None, None

    def _wake(self) -> None:
        for waker in self._wakers:
            waker.set()
