"""The reconciler against a cluster in memory: what a user sees, pass by pass."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from component.cluster import KEY, Object, request_of
from component.world import GATES, World, make_limits, videos
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api import labels


async def test_first_run(world: World) -> None:
    """The newest few are downloaded, one Job each; the rest is known and left alone."""
    world.cluster.subscribe({"select": {"newest": 3}})
    await world.settle(world.operator())
    states = world.cluster.states()
    assert videos(5, 6, 7) == {key for key, state in states.items() if state is LedgerState.SUCCEEDED}
    assert videos(0, 1, 2, 3, 4) == {key for key, state in states.items() if state is LedgerState.SKIPPED}
    assert 3 == len(world.cluster.created) == len(set(world.cluster.created))
    status = world.cluster.subscription()["status"]
    assert status["counts"]["downloaded"] == 3
    assert status["bytes"] == 3000
    assert world.cluster.condition("Ready") == ("True", "Watching")
    assert world.cluster.condition("UpToDate") == ("True", "AllDownloaded")
    assert status["source"]["title"] == "Numberline"


async def test_first_jobs_are_the_newest_of_the_window(world: World) -> None:
    """What was published last is what people wait for."""
    world.cluster.subscribe({"select": {"newest": 3}})
    await world.settle(world.operator())
    assert [key for key, _ in world.launches] == ["youtube.v7", "youtube.v6", "youtube.v5"]


async def test_nothing_new(world: World) -> None:
    """A check that finds nothing new is one listing, no look at the ledger or at Jobs, one status patch."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await world.settle(operator)
    world.clock.advance(timedelta(hours=2))
    listings = len(world.site.requests)
    world.cluster.writes.clear()
    world.cluster.reads.clear()
    await operator.reconcile()
    assert listings + 1 == len(world.site.requests)
    assert world.cluster.writes == ["patch status"]
    assert world.cluster.reads == ["get Subscription", "get claim"]


async def test_pass_without_anything_to_do(world: World) -> None:
    """Between checks a pass writes nothing at all."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await world.settle(operator)
    await operator.reconcile()
    world.cluster.writes.clear()
    pause = await operator.reconcile()
    assert world.cluster.writes == []
    assert pause is not None
    assert timedelta(0) < pause <= timedelta(hours=1, minutes=6)


async def test_no_pass_in_vain(world: World) -> None:
    """The clock shows whole seconds, and checks fall due within one: each pass comes when its check is due by it."""
    world.cluster.subscribe({"select": {"newest": 2}, "schedule": {"intervalSeconds": 60}})
    operator = world.operator()
    await world.settle(operator)
    listings, begun, elapsed = len(world.site.requests), world.clock.now(), timedelta(0)
    pause = await operator.reconcile()
    for _ in range(10):
        assert pause is not None
        elapsed += pause
        world.clock.time = begun + elapsed - elapsed % timedelta(seconds=1)
        pause = await operator.reconcile()
    assert listings + 10 == len(world.site.requests)


async def test_new_videos(world: World) -> None:
    """Two videos published: the next check makes two Jobs."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await world.settle(operator)
    world.site.publish("w1", "w2")
    world.clock.advance(timedelta(hours=2))
    await world.settle(operator)
    await world.settle(operator)
    assert len(world.cluster.created) == 4
    assert {"youtube.v6", "youtube.v7", "youtube.w1", "youtube.w2"} == {key for key, _ in world.launches}
    assert {"youtube.v6", "youtube.v7"} <= set(world.site.requests[-1].known["youtubetab.UCnumber.videos"])


async def test_history_of_jobs(world: World) -> None:
    """Settled Jobs are deleted beyond the newest three, whose logs stay readable."""
    world.cluster.subscribe({"select": {"newest": 8}})
    operator = world.operator()
    await world.settle(operator)
    await operator.reconcile()
    assert len(world.cluster.list("Job")) == 3


async def test_parallelism_and_caps(world: World) -> None:
    """Never more Jobs at a time than the Subscription and the operator allow."""
    world.cluster.subscribe({"select": {"newest": 8}, "job": {"parallelism": 3}})
    operator = world.operator(limits=make_limits(4))
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 2
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 2


async def test_spacing(world: World) -> None:
    """Starts keep their distance; the Subscription is woken when the next one may be."""
    world.cluster.subscribe({"select": {"newest": 8}, "job": {"parallelism": 2}})
    operator = world.operator(limits=make_limits(4, spacing=timedelta(seconds=5)))
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 1
    assert operator.woken == {KEY: 5.0}
    world.clock.advance(timedelta(seconds=5))
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 2


async def test_who_loses_a_start_to_another_pass_keeps_its_place(world: World) -> None:
    """Two passes ask for the one start that the spacing allows while the gates are slow to be written."""
    keys = [("media", "a"), ("media", "b")]
    for _, name in keys:
        world.cluster.subscribe({"select": {"newest": 1}}, name=name)
    operator = world.operator(limits=make_limits(4, spacing=timedelta(seconds=5)))
    create = operator.api.create_config_map

    async def create_slowly(namespace: str, manifest: Object) -> Object:
        for _ in range(200 if manifest["metadata"]["name"] == GATES[1] else 0):
            await asyncio.sleep(0)
        return await create(namespace, manifest)

    operator.api.create_config_map = create_slowly  # type: ignore[method-assign]
    await asyncio.gather(*(operator.reconcile(key) for key in keys))
    (first,) = world.cluster.running_jobs()
    (left,) = {key for key in keys if key[1] != first["metadata"]["labels"][labels.SUBSCRIPTION_LABEL]}
    assert operator.woken[left] == 5.0
    world.clock.advance(timedelta(seconds=5))
    await operator.reconcile(left)
    assert len(world.cluster.running_jobs()) == 2


async def test_fair_turns(world: World) -> None:
    """A Subscription that came later gets every second slot, however long the first one's queue is."""
    world.cluster.subscribe({"select": {"newest": 8}})
    world.cluster.subscribe({"select": {"newest": 8}}, name="other")
    operator = world.operator(limits=make_limits(1, 1))
    keys = [KEY, ("media", "other")]
    started: list[str] = []
    for key in keys:
        await operator.reconcile(key)
    for _ in range(8):
        job = world.cluster.running_jobs()[0]
        owner = job["metadata"]["labels"][labels.SUBSCRIPTION_LABEL]
        started.append(owner)
        world.finish_jobs()
        await operator.reconcile(("media", owner))
        while operator.called:
            await operator.reconcile(next(iter(operator.called)))
        world.clock.advance(timedelta(seconds=1))
    assert started == ["numberline", "other"] * 4


async def test_requested_check(world: World) -> None:
    """The annotation is carried out once per value and stays on the object."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await world.settle(operator)
    world.cluster.merge("Subscription", *KEY, {"metadata": {"annotations": {labels.CHECK_ANNOTATION: "now-1"}}})
    before = len(world.site.requests)
    await operator.reconcile()
    await operator.reconcile()
    assert before + 1 == len(world.site.requests)
    assert world.cluster.subscription()["status"]["lastHandled"]["check"]["id"] == "now-1"
    assert world.cluster.subscription()["metadata"]["annotations"][labels.CHECK_ANNOTATION] == "now-1"


async def test_volume_id_is_remembered(world: World) -> None:
    """The first launch learns the volume's id, later ones demand it."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await operator.reconcile()
    first = request_of(world.cluster.running_jobs()[0])
    world.finish_jobs()
    await operator.reconcile()
    second = request_of(world.cluster.running_jobs()[0])
    assert (first.volume_id, second.volume_id) == (None, "volume-1")


async def test_many_shards(world: World) -> None:
    """A playlist of 1,000 fills shards one after the other; all of it is known afterwards."""
    world.site.videos = [f"x{number}" for number in range(1000)]
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await world.settle(operator)
    assert [len(shard["data"]) for shard in world.cluster.shards()] == [200, 200, 200, 200, 200]
    sealed = ["trawler.dev/sealed" in shard["metadata"]["annotations"] for shard in world.cluster.shards()]
    assert sealed == [True] * 5
    world.site.publish("new")
    world.clock.advance(timedelta(hours=2))
    await world.settle(operator)
    await world.settle(operator)
    assert len(world.cluster.shards()) == 6
    assert len(world.cluster.created) == 3
