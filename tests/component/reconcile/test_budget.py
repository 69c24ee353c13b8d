"""How often one address may ask a site, whatever the number of Subscriptions behind it."""

from __future__ import annotations

import pytest

from component.cluster import KEY, Killed
from component.gate_world import MINUTE, OTHER, run, tally, work
from component.world import World, make_limits
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api import labels
from trawler_operator.domain.launches.admission import AdmissionLimits
from trawler_operator.reconcile.next_pass import LOOK_AT_RUNNING
from trawler_operator.reconcile.stores.gatekeeper import CLAIM_GRACE


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


ONE_AT_A_TIME = [
    pytest.param(make_limits(1, 1), id="of all"),
    pytest.param(make_limits(5, 5, parallel=1), id="of an address at a site"),
]


async def die_before_the_job(world: World, limits: AdmissionLimits) -> None:
    """An operator that claims a launch of the first Subscription and creates no Job."""

    def dies(what: str) -> Killed | None:
        claimed = LedgerState.RUNNING in world.cluster.states().values()
        return Killed(what) if claimed and what == "create Job" else None

    victim = world.operator(limits=limits)
    victim.api.fail = dies
    with pytest.raises(Killed):
        await victim.reconcile()


@pytest.mark.parametrize("limits", ONE_AT_A_TIME)
async def test_a_claim_that_was_left_without_its_job_passes_no_cap(world: World, limits: AdmissionLimits) -> None:
    """Its slot was given to another Subscription by the successor, which had not looked at it yet."""
    world.cluster.subscribe({"select": {"newest": 1}})
    world.cluster.subscribe({"select": {"newest": 1}}, name=OTHER[1])
    await die_before_the_job(world, limits)
    operator = world.operator(limits=limits)
    await operator.reconcile(OTHER)
    assert len(world.cluster.running_jobs()) == 1
    pause = await operator.reconcile()
    no_more_than(world, 1)
    assert pause == CLAIM_GRACE
    await run(world, operator, watch=lambda: no_more_than(world, 1))
    assert tally(world)[LedgerState.SUCCEEDED] == 2


async def test_a_claim_that_finds_its_slot_free_gets_its_job(world: World) -> None:
    """At once and under the same number: a death costs no launch."""
    world.cluster.subscribe({"select": {"newest": 1}})
    limits = make_limits(1, 1, per_hour=1)
    await die_before_the_job(world, limits)
    await world.operator(limits=limits).reconcile()
    assert [job["metadata"]["labels"][labels.LAUNCH_LABEL] for job in world.cluster.running_jobs()] == ["1"]


async def test_jobs_without_an_owner_pass_no_cap(world: World) -> None:
    """Deleted with --cascade=orphan: what runs on of a Subscription that is gone holds its slot to its end."""
    world.cluster.subscribe({"select": {"newest": 1}})
    world.cluster.subscribe({"select": {"newest": 1}}, name=OTHER[1])
    operator = world.operator(limits=make_limits(1, 1))
    await operator.reconcile()
    world.cluster.delete("Subscription", *KEY, propagation="Orphan")
    assert await operator.reconcile() == LOOK_AT_RUNNING
    await operator.reconcile(OTHER)
    no_more_than(world, 1)
    world.finish_jobs()
    assert await operator.reconcile() is None
    assert OTHER in operator.woken


def no_more_than(world: World, count: int) -> None:
    """What must hold at every step."""
    assert len(world.cluster.running_jobs()) <= count
