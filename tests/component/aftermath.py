"""What becomes of a real ending: told to the operator's own reconciler, in a cluster and on a clock in memory.

The report of a download, or the trailer of a listing, comes from the downloader or lister as a process of its own, with
the real yt-dlp. From there on everything is the operator's: the Job's pod bears that exit code and that report, and
passes are made when the operator itself asks for them, until it tries again. What Kubernetes alone shows of a launch is
told in the same way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from component.cluster import KEY, Clock, Object
from component.download_job import Ended
from component.gate_world import closed
from component.job_controller import end_pod
from component.world import Operator, World
from trawler_downloader.contract.listing import TrailerLine
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.domain.ledger.entry import LedgerEntry

Again = tuple[float, float] | None
"""Seconds from the ending on between which the next attempt begins; None: none within LONGEST_WATCHED."""
LONGEST_WATCHED = timedelta(days=3)
"""Longer than any first pause, and than what the stand-in announces."""
_SHORTEST_STEP = timedelta(seconds=1)
_SHOWN = ("Ready", "SourceReachable", "CookiesValid")
"""UpToDate follows from the ledger's states, and LibraryInPlace and LedgerIntact from no ending."""
_WELL = {"Ready": "Ready=True Watching"}
_VIDEO = "youtube.v0"


NONE, GATE = "none", "Ready=False EgressGateClosed"
VOLUME_GATE, PAUSE = "Ready=False VolumeGateClosed", "Ready=False SubscriptionGateClosed"
ACCESS = "Ready=False AccessNeeded"
A_MINUTE, A_QUARTER, AN_HOUR, A_DAY = (60, 72), (900, 1080), (3600, 4320), (86_400, 103_680)
"""Pauses, with the fifth that each may be longer."""
NEVER: Again = None
"""Not by itself: a dead letter."""


@dataclass(frozen=True)
class Fate:
    """How a download ends, and what the operator makes of it.

    Args:
        reason: of the report.
        outcome: its class.
        code: exit code of the process.
        state: of the ledger's entry.
        condition: that changes.
        again: seconds until the next launch.
    """

    reason: str
    outcome: str
    code: int
    state: str
    condition: str
    again: Again


@dataclass(frozen=True)
class ListingFate:
    """How a listing ends, and what the operator makes of it.

    Args:
        reason: of the trailer.
        outcome: its class.
        gates: that are closed then, or `open`.
        again: seconds until the next check.
    """

    reason: str
    outcome: str
    gates: str
    again: Again


@dataclass(frozen=True)
class Aftermath:
    """What the operator made of an ending."""

    state: str
    """Of the ledger's entry; of a listing the gates that are closed, or `open`."""
    condition: str
    """Those that changed, as `Type=Status Reason`, or `none`."""
    again: float | None
    """Seconds until the next attempt."""

    def is_as_told(self, state: str, condition: str, again: Again) -> bool:
        """Whether it is what a row of a table says."""
        if (self.state, self.condition) != (state, condition):
            return False
        if self.again is None or again is None:
            return self.again is again
        return again[0] <= self.again <= again[1]


@dataclass(frozen=True)
class Course:
    """How a launch went, and what the operator made of it."""

    entry: LedgerEntry
    """As its end left it."""
    shown: tuple[float, str] | None
    """Before it ended: after how many seconds which conditions changed."""
    ended_after: float
    """Seconds, of which the first is that of the situation."""
    after: Aftermath


Situation = Callable[[World, Object], None]
"""Lets a launch's Job, and its pod, show something."""


async def prove(ended: Ended, fate: Fate, began: float) -> None:
    """All that a table says of an ending holds; `began` is when the launch did, in Unix seconds."""
    told = ended.told
    assert (told.reason, told.outcome, ended.code) == (fate.reason, fate.outcome, fate.code), ended.log
    after = await of_a_download(ended, datetime.fromtimestamp(int(began), UTC))
    assert after.is_as_told(fate.state, fate.condition, fate.again), after


async def prove_listing(trailer: TrailerLine, fate: ListingFate, began: float) -> None:
    """The same of a listing: behind a closed gate Ready tells of that, else of the check."""
    assert (trailer.end, trailer.reason, trailer.outcome) == ("error", fate.reason, fate.outcome), trailer
    ready = "CheckFailed" if fate.gates == "open" else "EgressGateClosed"
    condition = f"Ready=False {ready}, SourceReachable=False {fate.reason}"
    after = await of_a_listing(trailer, datetime.fromtimestamp(int(began), UTC))
    assert after.is_as_told(fate.gates, condition, fate.again), after


async def of_a_download(ended: Ended, now: datetime, spec: dict[str, Any] | None = None) -> Aftermath:
    """The entry, the conditions and the next Job after a launch that ended so.

    Args:
        ended: how the process ended, with its termination message.
        now: the time of the ending: the report's times are compared with it.
        spec: of the Subscription.
    """

    def ends(world: World, job: Object) -> None:
        end_pod(world.cluster, job, ended.code, ended.told.to_json())

    return (await of_a_launch(ends, now, spec)).after


async def of_a_launch(
    happens: Situation, now: datetime, spec: dict[str, Any] | None = None, *, quota: str | None = None
) -> Course:
    """The launch of a Subscription's first video, from its claim until the next attempt to launch it.

    Args:
        happens: right after the Job was created.
        now: the time of the claim.
        spec: of the Subscription.
        quota: what a quota of the namespace refuses altogether from then on.
    """
    world, operator = await _checked_before(now, spec)
    before = _conditions(world)
    world.site.publish("v0")
    world.clock.time = now
    if quota is not None:
        nothing = {"metadata": {"namespace": KEY[0], "name": "nothing"}, "spec": {"hard": {quota: "0"}}}
        world.cluster.put("ResourceQuota", nothing)
    tries = _tries(world)
    pause = await operator.reconcile()
    assert _tries(world) == tries + 1
    for job in world.cluster.running_jobs():
        happens(world, job)
        pause = await operator.reconcile()

    shown: tuple[float, str] | None = None
    ended: tuple[LedgerEntry, str, float] | None = None
    again: float | None = None
    async for seconds in _passes(world, operator, pause):
        entry, changed = world.cluster.ledger()[_VIDEO], _changed(before, _conditions(world))
        if ended is not None:
            if _tries(world) > tries + 1:
                again = seconds - ended[2]
                break
        elif entry.state is not LedgerState.RUNNING:
            ended = entry, changed, seconds
        elif shown is None and changed != NONE:
            shown = seconds, changed
    assert ended is not None
    entry, condition, ended_after = ended
    return Course(entry, shown, ended_after, Aftermath(entry.state, condition, again))


async def of_a_listing(trailer: TrailerLine, now: datetime, spec: dict[str, Any] | None = None) -> Aftermath:
    """The gates, the conditions and the next check after one that ended so; the check before it went well.

    Args:
        trailer: of the lister.
        now: the time of the check.
        spec: of the Subscription.
    """
    world, operator = await _checked_before(now, spec)
    before = _conditions(world)
    world.site.trailer = trailer
    world.clock.time = now
    checks = len(world.site.requests)
    pause = await operator.reconcile()
    assert len(world.site.requests) == checks + 1, "it was not due"
    state, condition = ", ".join(sorted(closed(world))) or "open", _changed(before, _conditions(world))
    async for seconds in _passes(world, operator, pause):
        if len(world.site.requests) > checks + 1:
            return Aftermath(state, condition, seconds)
    return Aftermath(state, condition, None)


async def _checked_before(now: datetime, spec: dict[str, Any] | None) -> tuple[World, Operator]:
    """A Subscription whose source has nothing, two hours ago."""
    world = World(clock=Clock(now - timedelta(hours=2)))
    world.cluster.claim()
    world.cluster.subscribe(spec)
    operator = world.operator()
    await operator.reconcile()
    return world, operator


async def _passes(world: World, operator: Operator, pause: timedelta | None) -> AsyncIterator[float]:
    """Seconds from now on, at once and after every pass that the operator asks for."""
    start = world.clock.now()
    while world.clock.now() - start <= LONGEST_WATCHED:
        yield (world.clock.now() - start).total_seconds()
        assert pause is not None
        woken = operator.woken.get(KEY)
        world.clock.advance(max(_SHORTEST_STEP, pause if woken is None else min(pause, timedelta(seconds=woken))))
        pause = await operator.reconcile()


def _tries(world: World) -> int:
    """How often the API server was asked to take a Job, whether it did or not."""
    return world.cluster.writes.count("create Job")


def _conditions(world: World) -> dict[str, str]:
    shown = world.cluster.subscription()["status"]["conditions"]
    return {c["type"]: f"{c['type']}={c['status']} {c['reason']}" for c in shown if c["type"] in _SHOWN}


def _changed(before: dict[str, str], after: dict[str, str]) -> str:
    """What the conditions say, but for what they said before, and for what a Subscription that is well says."""
    assert before["Ready"] == "Ready=False NothingListed"
    assert before["SourceReachable"] == "SourceReachable=True Listed"
    same = {kind: (before.get(kind), _WELL.get(kind)) for kind in _SHOWN}
    return ", ".join(after[kind] for kind in _SHOWN if after.get(kind) not in same[kind]) or "none"
