"""How often one address may ask a site, whatever the number of Subscriptions behind it."""

from __future__ import annotations

import pytest

from component.cluster import KEY
from component.gate_world import MINUTE, run, work
from component.world import World, make_limits, world_with_a_channel


@pytest.fixture
def world() -> World:
    return world_with_a_channel()


async def test_budget_over_a_restart(world: World) -> None:
    """Three an hour are three an hour, however often the operator starts anew."""
    world.cluster.subscribe({"select": {"newest": 8}, "job": {"parallelism": 2}})
    begun = world.clock.now()
    starts: list[float] = []
    for _ in range(120):
        before = len(world.cluster.created)
        await work(world, world.operator(limits=make_limits(per_hour=3)))
        starts += [(world.clock.now() - begun) / MINUTE] * (len(world.cluster.created) - before)
        world.finish_jobs()
        world.clock.advance(3 * MINUTE)
    assert len(starts) == 8
    assert all(later - earlier >= 60 for earlier, later in zip(starts, starts[3:], strict=False))


async def test_parallel_downloads_of_a_site(world: World) -> None:
    """Two at a time, of whichever Subscriptions; Jobs of before a restart count."""
    for name in (KEY[1], "b", "c"):
        world.cluster.subscribe({"select": {"newest": 3}, "job": {"parallelism": 2}}, name=name)
    allowed = make_limits(10, 10, parallel=2)
    await work(world, world.operator(limits=allowed))
    assert len(world.cluster.running_jobs()) == 2
    operator = world.operator(limits=allowed)
    await work(world, operator)
    assert len(world.cluster.running_jobs()) == 2
    await run(world, operator, watch=lambda: no_more_than(world, 2))


def no_more_than(world: World, count: int) -> None:
    """What must hold at every step."""
    assert len(world.cluster.running_jobs()) <= count
