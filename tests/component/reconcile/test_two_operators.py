"""Two operators at work on one cluster without any Lease: what must hold whatever comes between two of their calls.

No launch gets a second Job, no video is lost, and none is downloaded by two Jobs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from component.cluster import Cluster, end_job, publish, request_of
from component.fake_api import FakeApi, Whose
from component.world import Operator, World, make_limits
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.reconcile.ports import ApiError
from trawler_operator.reconcile.stores.ledger_store import LedgerBusyError

VIDEOS = 4
LIMITS = make_limits(3, 3)


class UnevenApi(FakeApi):
    """An API whose answers take now more, now fewer turns of the event loop."""

    def __init__(self, cluster: Cluster, random: Random) -> None:
        super().__init__(cluster)
        self._random = random

    async def _call(self, what: str, act: Callable[[], Any], whose: Whose, *, write: bool = False) -> Any:
        for _ in range(self._random.randrange(4)):
            await asyncio.sleep(0)
        answer = await super()._call(what, act, whose, write=write)
        for _ in range(self._random.randrange(4)):
            await asyncio.sleep(0)
        return answer


@dataclass
class Both:
    """Two operators, Jobs that end whenever they like, and watches that lag."""

    random: Random
    world: World = field(default_factory=World)
    operators: list[Operator] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world.cluster.claim()
        self.world.site.publish(*(f"v{number}" for number in range(VIDEOS)))
        spec = {"select": {"newest": VIDEOS}, "job": {"parallelism": 3}, "retry": {"maxAttempts": 100}}
        self.world.cluster.subscribe(spec)
        apis = [UnevenApi(self.world.cluster, self.random) for _ in range(2)]
        self.operators = [self.world.operator(limits=LIMITS, api=api) for api in apis]

    async def work(self, operator: Operator, passes: int) -> None:
        for _ in range(passes):
            operator.watch_lags = self.random.random() < 0.5
            with contextlib.suppress(ApiError, LedgerBusyError):
                await operator.reconcile()
            self.world.clock.advance(timedelta(seconds=self.random.choice([1, 30, 700])))
            operator.catch_up()

    async def end_jobs(self, turns: int) -> None:
        for _ in range(turns):
            for _ in range(self.random.randrange(1, 12)):
                await asyncio.sleep(0)
            running = self.world.cluster.running_jobs()
            if running:
                job = self.random.choice(running)
                ending = self.random.choice([publish(request_of(job)), publish(request_of(job)), 137, 0])
                end_job(self.world.cluster, job, ending)

    def check(self) -> None:
        assert [name for name, count in Counter(self.world.cluster.created).items() if count > 1] == []


@settings(
    max_examples=25,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.integers(0, 2**32))
def test_two_operators_without_a_lease(seed: int) -> None:
    """Every interleaving ends with every video on disk; no launch was ever made twice."""

    async def run() -> None:
        both = Both(Random(seed))
        await asyncio.gather(*(both.work(operator, 8) for operator in both.operators), both.end_jobs(20))
        both.check()
        one = both.operators[0]
        one.watch_lags = False
        one.catch_up()
        await both.world.settle(one, rounds=200, step=timedelta(minutes=20))
        both.check()
        states = both.world.cluster.states()
        assert {f"youtube.v{number}" for number in range(VIDEOS)} == states.keys()
        assert set(states.values()) == {LedgerState.SUCCEEDED}

    asyncio.run(run())


async def test_job_that_the_other_one_settled_is_not_made_again() -> None:
    """Its entry still looked claimed here, and its Job has been taken by the history limits."""
    world = World()
    world.cluster.claim()
    world.site.publish("v0")
    world.cluster.subscribe({"select": {"newest": 1}})
    one, two = world.operator(), world.operator()
    await one.reconcile()
    await two.reconcile()
    world.finish_jobs()
    two.watch_lags = True
    await one.reconcile()
    (job,) = world.cluster.list("Job")
    world.cluster.delete("Job", "media", job["metadata"]["name"])
    await two.reconcile()
    assert len(world.cluster.created) == 1
    assert world.cluster.states() == {"youtube.v0": LedgerState.SUCCEEDED}
