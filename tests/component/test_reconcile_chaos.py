"""Anything may happen in any order: what must hold afterwards, and at every step.

At every step: no video is worked on by two live Jobs, and no Job is deleted before its ending is in the ledger.
Afterwards: every wanted video is on disk, and every launch that ended has been taken into account.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from component.cluster import KEY, Killed, end_job, publish, request_of
from component.world import Operator, World
from trawler_downloader.contract.download import DownloadResult
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api.labels import SUBSCRIPTION_LABEL, VIDEO_ANNOTATION
from trawler_operator.reconcile.ledger_store import LedgerBusyError
from trawler_operator.reconcile.ports import ApiError, UnavailableError

ENDINGS: tuple[DownloadResult | int, ...] = (
    0,  # Complete, and the report is lost
    44,
    137,
    143,
    DownloadResult(outcome=OutcomeClass.RATE_LIMITED, reason="BotCheck"),
    DownloadResult(outcome=OutcomeClass.ENVIRONMENT, reason="VolumeFull"),
    DownloadResult(outcome=OutcomeClass.NOT_YET, reason="Premiere"),
)

step = st.one_of(
    st.tuples(st.just("pass"), st.just(0)),
    st.tuples(st.just("killed pass"), st.integers(0, 30)),
    st.tuples(st.just("killed pass, call done"), st.integers(0, 30)),
    st.tuples(st.just("failing call"), st.integers(0, 15)),
    st.tuples(st.just("end a job"), st.integers(0, len(ENDINGS) - 1)),
    st.tuples(st.just("publish a job"), st.just(0)),
    st.tuples(st.just("new video"), st.just(0)),
    st.tuples(st.just("time"), st.sampled_from([5, 70, 600, 4000])),
    st.tuples(st.just("delete and apply again"), st.just(0)),
    st.tuples(st.just("garbage collection"), st.just(0)),
    st.tuples(st.just("second operator"), st.just(0)),
    st.tuples(st.just("edit a shard"), st.just(0)),
    st.tuples(st.just("ask for a retry"), st.integers(0, 3)),
)


@dataclass
class Chaos:
    """A world, and the operator process that lives just now."""

    world: World = field(default_factory=World)
    operator: Operator = field(init=False)
    published: int = 0

    def __post_init__(self) -> None:
        self.world.cluster.claim()
        self.world.site.publish("v0", "v1", "v2", "v3")
        self.apply()
        self.operator = self.world.operator()

    def apply(self) -> None:
        self.world.cluster.subscribe(
            {"select": {"newest": 3}, "job": {"parallelism": 2}, "retry": {"maxAttempts": 100}}
        )

    async def make(self, operator: Operator) -> None:
        try:
            await operator.reconcile()
        except (ApiError, LedgerBusyError):
            return  # the worker would come again

    async def do(self, what: str, number: int) -> None:
        cluster, clock = self.world.cluster, self.world.clock
        match what:
            case "pass":
                await self.make(self.operator)
            case "killed pass" | "killed pass, call done":
                await self.make_killed(number, after=what.endswith("done"))
            case "failing call":
                await self.make_failing(number)
            case "end a job" | "publish a job":
                self.end_a_job(None if what == "publish a job" else ENDINGS[number])
            case "new video":
                self.published += 1
                self.world.site.publish(f"w{self.published}")
            case "time":
                clock.advance(timedelta(seconds=number))
            case "delete and apply again":
                cluster.delete("Subscription", *KEY)
                self.apply()
            case "garbage collection":
                cluster.collect_garbage()
            case "second operator":
                await asyncio.gather(self.make(self.operator), self.make(self.world.operator()))
            case "edit a shard":
                self.edit_a_shard()
            case "ask for a retry":
                asked = {"trawler.dev/retry": f"{number};state=Waiting"}
                cluster.merge("Subscription", *KEY, {"metadata": {"annotations": asked}})
        self.check()

    async def make_killed(self, call: int, *, after: bool) -> None:
        """A fresh process makes a pass and dies at a call; if the pass was shorter, it lives on."""
        self.operator = self.world.operator(kill_at=call, after=after)
        try:
            await self.make(self.operator)
        except Killed:
            self.operator = self.world.operator()
        self.operator.api.disarm()

    async def make_failing(self, call: int) -> None:
        api = self.operator.api
        at = api.calls + call
        api.fail = lambda _: UnavailableError("away") if api.calls == at else None
        await self.make(self.operator)
        api.fail = lambda _: None

    def end_a_job(self, result: DownloadResult | int | None) -> None:
        for job in self.world.cluster.running_jobs()[:1]:
            given = publish(request_of(job)) if result is None else result
            end_job(self.world.cluster, job, given)

    def edit_a_shard(self) -> None:
        for shard in self.world.cluster.shards()[-1:]:
            metadata = {"annotations": {"note": str(self.world.clock.now())}}
            self.world.cluster.merge("ConfigMap", "media", shard["metadata"]["name"], {"metadata": metadata})

    def check(self) -> None:
        """What must hold at every step."""
        uid = self.world.cluster.subscription()["metadata"]["uid"]
        ours = [j for j in self.world.cluster.running_jobs() if j["metadata"]["ownerReferences"][0]["uid"] == uid]
        per_video = Counter(job["metadata"]["annotations"][VIDEO_ANNOTATION] for job in ours)
        assert set(per_video.values()) <= {1}
        assert all(job["metadata"]["labels"][SUBSCRIPTION_LABEL] == KEY[1] for job in ours)

    async def come_to_rest(self) -> None:
        """No more trouble: passes, endings and time."""
        for _ in range(120):
            self.world.cluster.collect_garbage()
            await self.make(self.operator)
            self.world.finish_jobs()
            self.world.clock.advance(timedelta(minutes=30))
            self.check()
            wanted = {f"youtube.v{n}" for n in (1, 2, 3)} | {f"youtube.w{n + 1}" for n in range(self.published)}
            states = self.world.cluster.states()
            done = {key for key, state in states.items() if state is LedgerState.SUCCEEDED}
            if wanted <= done and LedgerState.RUNNING not in states.values():
                return
        raise AssertionError(f"did not come to rest: {self.world.cluster.states()}")


@settings(
    max_examples=60,
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.lists(step, min_size=5, max_size=40))
def test_whatever_happens(steps: list[tuple[str, int]]) -> None:
    """Every wanted video ends up on disk, and never by two Jobs at a time."""

    async def run() -> None:
        chaos = Chaos()
        await chaos.do("pass", 0)  # the first run: what is published later is wanted whatever the window
        for what, number in steps:
            await chaos.do(what, number)
        await chaos.come_to_rest()

    asyncio.run(run())
