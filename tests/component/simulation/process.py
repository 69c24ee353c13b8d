"""An operator process whose every API call waits for the test: where passes interleave, fail, are cut and die.

The passes are real tasks of an event loop that only this module turns. A pass stands still at each of its API calls
until `step` says what becomes of the call, so that others' calls, edits and crashes can come in between anywhere.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from component.cluster import Cluster, Killed
from component.fake_api import FakeApi, Whose
from component.object_store import Object
from component.world import GATES, Operator, make_limits
from trawler_operator.api import labels
from trawler_operator.api.subscription import Key
from trawler_operator.loop.queue import FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS
from trawler_operator.reconcile.ports import ApiError, Lister, UnavailableError
from trawler_operator.reconcile.reconciler import PassFailedError
from trawler_operator.reconcile.stores.ledger_store import LedgerBusyError

LIMITS = make_limits(total=3, each=2, parallel=2, per_hour=8, spacing=timedelta(seconds=5))
RESYNC_SECONDS = 900.0
_pass: ContextVar[Key] = ContextVar("pass")
_number: ContextVar[int] = ContextVar("number")
_numbers = itertools.count()


class Fault(StrEnum):
    """What becomes of an API call."""

    NONE = "done"
    REFUSED = "refused"
    """No answer, and it was not done."""
    LOST = "answer lost"
    """It was done; all attempts to hear so failed."""
    REPEATED = "done twice"
    """It was done, the answer got lost, and the client tried again."""
    RACED = "raced"
    """Somebody changes the object just before."""
    CUT = "cut"
    """The pass's time is over while the call is under way; it is not done."""
    CUT_DONE = "cut, done"
    CRASH = "crash"
    """The process dies while the call is under way; it is not done."""
    CRASH_DONE = "crash, done"


@dataclass(frozen=True)
class UnderWay:
    """A pass under way.

    Args:
        key: of its Subscription.
        since: when it began, in seconds as `monotonic` counts them.
        parallelism: that the Subscription asked for then.
    """

    key: Key
    since: float
    parallelism: int


class SteppedApi(FakeApi):
    """`ports.KubernetesApi` whose calls wait to be stepped.

    Args:
        cluster: shared by all processes.
        wrote: is told of every write that took effect, by the number of its pass.
    """

    def __init__(self, cluster: Cluster, wrote: Callable[[int], None]) -> None:
        super().__init__(cluster)
        self._wrote = wrote
        self.waiting: dict[Key, list[tuple[bool, asyncio.Future[Fault]]]] = {}
        """Calls of each pass that wait: whether it is a write, and its turn."""
        self.dead = False

    async def _call(self, what: str, act: Callable[[], Any], whose: Whose, *, write: bool = False) -> Any:
        if self.dead:
            raise Killed(what)
        turn: asyncio.Future[Fault] = asyncio.get_running_loop().create_future()
        self.waiting.setdefault(_pass.get(), []).append((write, turn))
        match await turn:
            case Fault.REFUSED:
                raise UnavailableError(f"{what}: no answer")
            case Fault.LOST:
                self._act(what, act, write)
                raise UnavailableError(f"{what}: the answer got lost")
            case Fault.REPEATED if write:
                self._act(what, act, write)
            case Fault.CUT_DONE:
                self._act(what, act, write)
                raise asyncio.CancelledError
            case Fault.CRASH_DONE:
                self._act(what, act, write)
                raise Killed(what)
            case Fault.CRASH:
                raise Killed(what)
            case Fault.CUT:
                raise asyncio.CancelledError
            case Fault.RACED:
                self._race(what)
        return self._act(what, act, write)

    def _race(self, what: str) -> None:
        """A touch by somebody else: no more than another version."""
        verb, _, name = what.partition(" ")
        kind, _, name = name.partition("/")
        namespace, subscription = _pass.get()
        note = {"metadata": {"annotations": {"note": str(self.calls)}}}
        self.calls += 1
        if (verb, kind) == ("patch", "status"):
            kind, name = "Subscription", subscription
        for space in {namespace, GATES[0]}:
            if verb == "patch" and self._cluster.get(kind, space, name) is not None:
                self._cluster.merge(kind, space, name, note)

    def _act(self, what: str, act: Callable[[], Any], write: bool) -> Any:
        (self._cluster.writes if write else self._cluster.reads).append(what)
        try:
            return act()
        finally:
            if write:
                self._wrote(_number.get())


class Process:
    """One operator process: its passes, and its queue.

    Args:
        cluster: shared.
        lister: shared.
        loop: turned by this class alone.
        wrote: is told of every write that took effect, by the number of its pass.
        monotonic: seconds, as the event loop of a real process counts them.
    """

    def __init__(
        self,
        cluster: Cluster,
        lister: Lister,
        loop: asyncio.AbstractEventLoop,
        wrote: Callable[[int], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._cluster = cluster
        self._loop = loop
        self._monotonic = monotonic
        self.api = SteppedApi(cluster, wrote)
        self.operator = Operator(cluster, lister, cluster.clock, api=self.api, limits=LIMITS)
        self.operator.awaits_surveys = False
        self.due: dict[Key, float] = {}
        self._asked_meanwhile: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._tasks: dict[Key, asyncio.Task[timedelta | None]] = {}
        self._numbers: dict[Key, int] = {}
        self._under_way: dict[int, UnderWay] = {}
        self._next_resync = monotonic() + RESYNC_SECONDS
        for key in {*_subscriptions(cluster), *_owners(cluster)}:
            self.ask(key)

    # -- the queue -----------------------------------------------------------------------------------------------

    def ask(self, key: Key, delay: float = 0.0) -> None:
        """As `KeyedDelayQueue.add`."""
        at = self._monotonic() + max(0.0, delay)
        wishes = self._asked_meanwhile if key in self._tasks else self.due
        wishes[key] = min(at, wishes.get(key, at))

    def next_due(self) -> float:
        """When there is something to do: a key, or the comparison with what exists."""
        return min([*self.due.values(), self._next_resync])

    def take_due(self) -> list[Key]:
        """Keys whose time has come."""
        now = self._monotonic()
        if now >= self._next_resync:
            self._next_resync = now + RESYNC_SECONDS
            for key in _subscriptions(self._cluster) ^ self.operator.reconciler.known:
                self.ask(key)
        return sorted(key for key, at in self.due.items() if at <= now)

    # -- passes --------------------------------------------------------------------------------------------------

    @property
    def under_way(self) -> dict[int, UnderWay]:
        """Passes by their number."""
        return {} if self.dead else self._under_way

    @property
    def dead(self) -> bool:
        return self.api.dead

    def is_passing(self, key: Key) -> bool:
        return key in self._tasks

    def begin(self, key: Key) -> None:
        """Start a pass, if none is under way, up to its first API call."""
        if key in self._tasks:
            return
        self.due.pop(key, None)
        number = self._numbers[key] = next(_numbers)
        body = self._cluster.get("Subscription", *key)
        parallelism = body["spec"]["job"]["parallelism"] if body is not None else 0
        self._under_way[number] = UnderWay(key, self._monotonic(), parallelism)
        self._tasks[key] = self._loop.create_task(self._reconcile(key, number))
        self._turn(key)

    def is_about_to_write(self, key: Key) -> bool:
        """Whether the call that a pass waits for is a write."""
        waiting = self.api.waiting.get(key)
        return bool(waiting) and waiting[0][0]

    def step(self, key: Key, fault: Fault = Fault.NONE) -> None:
        """Let the next API call of a pass happen."""
        waiting = self.api.waiting.get(key)
        if waiting:
            _, turn = waiting.pop(0)
            turn.set_result(fault)
        else:
            self._let_others_go_on(key)
        if key in self._tasks:
            self._turn(key)

    def _let_others_go_on(self, key: Key) -> None:
        """A pass waits for no call of its own: another one holds what both need."""
        for other in [*self._tasks]:
            if other != key and self.api.waiting.get(other):
                self.step(other)

    def finish(self, key: Key) -> None:
        """Let a pass go on to its end."""
        for _ in range(1000):
            if key not in self._tasks:
                return
            self.step(key)
        raise AssertionError(f"a pass over {key} does not end")

    def die(self) -> None:
        """SIGKILL."""
        if not self.dead:
            self._cluster.watchers.remove(self.operator._tell)
        self.api.dead = True
        for task in self._tasks.values():
            task.cancel()
        for _ in range(5):
            self._turn_once()
        self._tasks.clear()

    async def _reconcile(self, key: Key, number: int) -> timedelta | None:
        _pass.set(key)
        _number.set(number)
        return await self.operator.reconcile(key)

    def _turn(self, key: Key) -> None:
        """Turn the loop until the pass waits for its next call, or is over."""
        for _ in range(20):
            self._turn_once()
            task = self._tasks[key]
            if task.done():
                self._end(key, task)
                break
            if self.api.waiting.get(key):
                break
        for woken, delay in [*self.operator.woken.items()]:
            self.ask(woken, delay)
        self.operator.woken.clear()

    def _end(self, key: Key, task: asyncio.Task[timedelta | None]) -> None:
        """As the worker does."""
        del self._tasks[key]
        del self._under_way[self._numbers.pop(key)]
        self.api.waiting.pop(key, None)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        failures = error.failures if isinstance(error, PassFailedError) else ()
        unexpected = [one for one in failures if not isinstance(one.error, (ApiError, LedgerBusyError, TimeoutError))]
        if unexpected:  # what the watchdog finds in a step among them
            step, cause = unexpected[0].step, unexpected[0].error
            raise AssertionError(f"{step} of a pass over {key} failed in a way that nobody expects") from cause
        if isinstance(error, Killed):
            self.die()
            return
        if error is None:
            self._failures.pop(key, None)
            pause = task.result()
            if pause is not None:
                self.ask(key, pause.total_seconds())
        elif isinstance(error, (ApiError, LedgerBusyError, asyncio.CancelledError)):
            in_a_row = self._failures[key] = self._failures.get(key, 0) + 1
            self.ask(key, min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** min(in_a_row - 1, 16)))
        else:
            raise AssertionError(f"a pass over {key} ended with an error that nobody expects") from error
        meanwhile = self._asked_meanwhile.pop(key, None)
        if meanwhile is not None:
            self.due[key] = min(meanwhile, self.due.get(key, meanwhile))

    def _turn_once(self) -> None:
        self._loop.call_soon(self._loop.stop)
        self._loop.run_forever()


def mark_time() -> int:
    """A number greater than those of all passes so far, and less than those of all that are to come."""
    return next(_numbers)


def _subscriptions(cluster: Cluster) -> set[Key]:
    return {(body["metadata"]["namespace"], body["metadata"]["name"]) for body in cluster.list("Subscription")}


def _owners(cluster: Cluster) -> set[Key]:
    return {(job["metadata"]["namespace"], subscription_of(job)) for job in cluster.running_jobs()}


def subscription_of(job: Object) -> str:
    """Name of the Subscription that a Job works for."""
    return str(job["metadata"]["labels"][labels.SUBSCRIPTION_LABEL])
