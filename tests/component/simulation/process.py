"""An operator process whose every API call waits for the test: where passes interleave, fail, are cut and die.

The passes are real tasks of an event loop that only this module turns. A pass stands still at each of its API calls
until `step` says what becomes of the call, so that others' calls, edits and crashes can come in between anywhere.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from component.cluster import DOWNLOAD_JOBS, Cluster, Killed
from component.object_store import Object
from component.simulation.calls import Fault, Posting, SteppedApi, UnderWay, this_pass
from component.simulation.cast import DEFAULTS
from component.simulation.tenants import Tenants
from component.world import Operator, make_limits
from trawler_operator.api import labels
from trawler_operator.api.subscription import Key
from trawler_operator.domain.jobs.outcome import is_finished
from trawler_operator.loop.queue import FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS
from trawler_operator.reconcile.ports import ApiError, Lister
from trawler_operator.reconcile.reconciler import PassFailedError
from trawler_operator.reconcile.stores.ledger_store import LedgerBusyError

LIMITS = make_limits(total=3, each=2, parallel=2, per_hour=8, spacing=timedelta(seconds=5))
RESYNC_SECONDS = 900.0
_numbers = itertools.count()


class Onlooker(Protocol):
    """Whoever looks at what operators do."""

    def look(self, this: UnderWay) -> None:
        """A pass has written something."""
        ...

    def ended(self, process: Process, this: UnderWay, error: BaseException | None) -> None:
        """A pass has come to its end, or was cut."""
        ...

    def died(self, process: Process) -> None:
        """A process is about to be gone."""
        ...


class Process:
    """One operator process: its passes, and its queue.

    Args:
        cluster: shared.
        lister: shared.
        loop: turned by this class alone.
        onlooker: is told of every write that took effect, and of every pass.
        tenants: what is out of order.
        monotonic: seconds, as the event loop of a real process counts them.
    """

    def __init__(
        self,
        cluster: Cluster,
        lister: Lister,
        loop: asyncio.AbstractEventLoop,
        onlooker: Onlooker,
        tenants: Tenants,
        monotonic: Callable[[], float],
    ) -> None:
        self._cluster = cluster
        self._loop = loop
        self._monotonic = monotonic
        self._onlooker = onlooker
        self.api = SteppedApi(cluster, onlooker.look, tenants)
        self.operator = Operator(
            cluster,
            lister,
            cluster.clock,
            api=self.api,
            limits=LIMITS,
            defaults=DEFAULTS,
            read_secrets=True,
            silent=Posting(tenants),
        )
        self.operator.awaits_surveys = False
        self.due: dict[Key, float] = {}
        self._asked_meanwhile: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._tasks: dict[Key, asyncio.Task[timedelta | None]] = {}
        self._passes: dict[Key, UnderWay] = {}
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
        this = UnderWay(
            number=mark_time(),
            key=key,
            since=self._monotonic(),
            at=self._cluster.clock.now(),
            body=self._cluster.get("Subscription", *key),
            unfinished=unfinished(self._cluster, key),
        )
        self._under_way[this.number] = self._passes[key] = this
        self._tasks[key] = self._loop.create_task(self._reconcile(this))
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
            self._onlooker.died(self)
        self.api.dead = True
        for task in self._tasks.values():
            task.cancel()
        for _ in range(5):
            self._turn_once()
        self._tasks.clear()

    async def _reconcile(self, this: UnderWay) -> timedelta | None:
        this_pass.set(this)
        return await self.operator.reconcile(this.key)

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
        this = self._passes.pop(key)
        del self._under_way[this.number]
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
        self._onlooker.ended(self, this, error)
        if error is None:
            self._failures.pop(key, None)
            pause = task.result()
            if pause is not None:
                self.ask(key, pause.total_seconds())
        elif isinstance(error, (ApiError, LedgerBusyError, asyncio.CancelledError)):
            in_a_row = self._failures[key] = self._failures.get(key, 0) + 1
            self.ask(key, min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** min(in_a_row - 1, 16)))
            if isinstance(error, PassFailedError) and error.again_in is not None:
                self.ask(key, error.again_in.total_seconds())
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


def unfinished(cluster: Cluster, key: Key) -> frozenset[str]:
    """Uids of a Subscription's downloads that hold slots, by what the Jobs themselves say.

    Those of a Subscription that is gone go with it, but for those without an owner.
    """
    jobs = cluster.select("Job", key[0], **DOWNLOAD_JOBS, **{labels.SUBSCRIPTION_LABEL: key[1]})
    is_there = cluster.get("Subscription", *key) is not None
    return frozenset(
        str(job["metadata"]["uid"])
        for job in jobs
        if not is_finished(job) and (is_there or not job["metadata"].get("ownerReferences"))
    )


def subscription_of(job: Object) -> str:
    """Name of the Subscription that a Job works for."""
    return str(job["metadata"]["labels"][labels.SUBSCRIPTION_LABEL])
