"""An operator's API calls, each of which waits for the test to say what becomes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from component.cluster import Cluster, Killed
from component.fake_api import FakeApi, Whose
from component.object_store import Object
from component.simulation.cast import digests_of
from component.simulation.tenants import Tenants
from component.world import GATES, Silent
from trawler_operator.adapters.kubernetes.event_recorder import KubernetesEventRecorder
from trawler_operator.api.subscription import Key
from trawler_operator.reconcile.ports import Event, RejectedError, UnavailableError


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


@dataclass
class UnderWay:
    """A pass under way, and what has become of it so far.

    Args:
        number: greater than those of all passes that began before.
        key: of its Subscription.
        since: when it began, in seconds as `monotonic` counts them.
        at: the same, by the clock.
        body: the Subscription as it was then; None: it was gone.
        unfinished: uids of its downloads that ran then.
    """

    number: int
    key: Key
    since: float
    at: datetime
    body: Object | None
    unfinished: frozenset[str] = frozenset()
    created: int = 0
    """Downloads that it has begun."""
    words: list[str] = field(default_factory=list)
    """What standing faults answered."""
    failed: set[str] = field(default_factory=set)
    """Calls that were refused or had no answer, for whatever reason."""
    faults: set[Fault] = field(default_factory=set)
    """What else became of its calls."""
    told: list[Event] = field(default_factory=list)
    """Events that it wanted to have posted."""
    disturbed: bool = False
    """Hands, or another clock, came in between."""

    @property
    def parallelism(self) -> int:
        """That the Subscription asked for."""
        return int(self.body["spec"]["job"]["parallelism"]) if self.body is not None else 0

    @property
    def digests(self) -> tuple[str, str]:
        """Of what the Subscription's listings and its downloads were made from."""
        return digests_of(json.dumps(self.body["spec"])) if self.body is not None else ("", "")

    @property
    def was_cut(self) -> bool:
        """It did not come to its end."""
        return bool(self.faults & {Fault.CUT, Fault.CUT_DONE, Fault.CRASH, Fault.CRASH_DONE})


this_pass: ContextVar[UnderWay] = ContextVar("this_pass")


class Posting(Silent):
    """Events as they are posted, by the real recorder: what standing faults refuse must hold nobody up.

    Args:
        tenants: what is out of order.
    """

    def __init__(self, tenants: Tenants) -> None:
        super().__init__()
        self._tenants = tenants
        self._recorder = KubernetesEventRecorder(self, "simulated")  # type: ignore[arg-type]

    async def request(self, _: str, path: str, **__: Any) -> None:
        """As `KubernetesClient.request`."""
        error = self._tenants.answer("create Event", Whose(path.split("/")[-2], this_pass.get().key[1]))
        if error is not None:
            raise error

    async def record(self, subscription: Object, events: Sequence[Event]) -> None:
        this_pass.get().told.extend(events)
        await self._recorder.record(subscription, events)


class SteppedApi(FakeApi):
    """`ports.KubernetesApi` whose calls wait to be stepped.

    Args:
        cluster: shared by all processes.
        wrote: is told of every write that took effect, by its pass.
        tenants: what is out of order.
    """

    def __init__(self, cluster: Cluster, wrote: Callable[[UnderWay], None], tenants: Tenants) -> None:
        super().__init__(cluster)
        self._wrote = wrote
        self._tenants = tenants
        self.waiting: dict[Key, list[tuple[bool, asyncio.Future[Fault]]]] = {}
        """Calls of each pass that wait: whether it is a write, and its turn."""
        self.dead = False

    async def _call(self, what: str, act: Callable[[], Any], whose: Whose, *, write: bool = False) -> Any:
        if self.dead:
            raise Killed(what)
        turn: asyncio.Future[Fault] = asyncio.get_running_loop().create_future()
        this = this_pass.get()
        self.waiting.setdefault(this.key, []).append((write, turn))
        fault = await turn
        if fault is not Fault.NONE:
            this.faults.add(fault)
        try:
            return self._answer(what, act, whose, fault, write=write)
        except (RejectedError, UnavailableError):
            this.failed.add(what)
            raise

    def _answer(self, what: str, act: Callable[[], Any], whose: Whose, fault: Fault, *, write: bool) -> Any:
        match fault:
            case Fault.REFUSED:
                raise UnavailableError(f"{what}: no answer")
            case Fault.LOST:
                self._act(what, act, whose, write)
                raise UnavailableError(f"{what}: the answer got lost")
            case Fault.REPEATED if write:
                self._act(what, act, whose, write)
            case Fault.CUT_DONE:
                self._act(what, act, whose, write)
                raise asyncio.CancelledError
            case Fault.CRASH_DONE:
                self._act(what, act, whose, write)
                raise Killed(what)
            case Fault.CRASH:
                raise Killed(what)
            case Fault.CUT:
                raise asyncio.CancelledError
            case Fault.RACED:
                self._race(what)
        return self._act(what, act, whose, write)

    def _race(self, what: str) -> None:
        """A touch by somebody else: no more than another version."""
        verb, _, name = what.partition(" ")
        kind, _, name = name.partition("/")
        namespace, subscription = this_pass.get().key
        note = {"metadata": {"annotations": {"note": str(self.calls)}}}
        self.calls += 1
        if (verb, kind) == ("patch", "status"):
            kind, name = "Subscription", subscription
        for space in {namespace, GATES[0]}:
            if verb == "patch" and self._cluster.get(kind, space, name) is not None:
                self._cluster.merge(kind, space, name, note)

    def _act(self, what: str, act: Callable[[], Any], whose: Whose, write: bool) -> Any:
        this = this_pass.get()
        error = self._tenants.answer(what, whose)
        if error is not None:
            this.words.append(str(error))
            raise error
        (self._cluster.writes if write else self._cluster.reads).append(what)
        created = len(self._cluster.created)
        try:
            return act()
        finally:
            this.created += len(self._cluster.created) - created
            if write:
                self._wrote(this)
