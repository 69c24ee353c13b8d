"""Claims whose Job is not there: when they begin again, and what they are charged."""

from __future__ import annotations

from datetime import timedelta

import pytest

from component.cluster import KEY, Killed
from component.world import Operator, World, make_limits
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.domain.launches.admission import AdmissionLimits

OTHER = ("media", "other")
VIDEO = "youtube.v7"


@pytest.fixture
def world() -> World:
    """A claim, a channel of eight videos, and two Subscriptions to it, each of which wants the newest."""
    world = World()
    world.cluster.claim()
    world.site.publish(*(f"v{number}" for number in range(8)))
    for _, name in (KEY, OTHER):
        world.cluster.subscribe({"select": {"newest": 1}}, name=name)
    return world


async def after_a_crash(world: World, limits: AdmissionLimits) -> Operator:
    """A process dies between the claim of KEY's launch and its Job; the one that comes after it."""
    dying = world.operator(limits=limits)

    def die(what: str) -> None:
        if what == "create Job" and LedgerState.RUNNING in world.cluster.states().values():
            raise Killed(what)

    dying.api.fail = die
    with pytest.raises(Killed):
        await dying.reconcile()
    assert world.cluster.states()[VIDEO] is LedgerState.RUNNING
    assert not world.cluster.running_jobs()
    return world.operator(limits=limits)


def running(world: World) -> list[str]:
    """Names of the Subscriptions whose Jobs run."""
    return [job["metadata"]["labels"]["trawler.dev/subscription"] for job in world.cluster.running_jobs()]


async def test_the_same_launch_begins_if_there_is_a_slot(world: World) -> None:
    """Under the same name."""
    operator = await after_a_crash(world, make_limits(total=1))
    await operator.reconcile()
    assert running(world) == ["numberline"]
    assert world.cluster.ledger()[VIDEO].launches == 1


async def test_the_parallelism_of_its_spec_was_lowered(world: World) -> None:
    """Of two such claims one begins."""
    world.site.publish("v8")
    world.cluster.merge("Subscription", *KEY, {"spec": {"select": {"newest": 2}, "job": {"parallelism": 2}}})
    operator = await after_a_crash(world, make_limits(total=2))
    assert [*world.cluster.states().values()].count(LedgerState.RUNNING) == 2
    world.cluster.merge("Subscription", *KEY, {"spec": {"job": {"parallelism": 1}}})
    await operator.reconcile()
    assert running(world) == ["numberline"]


async def test_an_old_claim_is_charged_anew(world: World) -> None:
    """What it was charged for lies hours back: it begins no sooner after another download than any other."""
    limits = make_limits(total=2, spacing=timedelta(minutes=5))
    operator = await after_a_crash(world, limits)
    world.clock.advance(timedelta(hours=3))
    await operator.reconcile(OTHER)
    assert running(world) == ["other"]
    await operator.reconcile()
    assert (running(world), world.cluster.states()[VIDEO]) == (["other"], LedgerState.PENDING)
    world.clock.advance(timedelta(minutes=5))
    await operator.reconcile()
    assert sorted(running(world)) == ["numberline", "other"]


async def test_a_clock_that_was_set_back_keeps_no_claim_fresh(world: World) -> None:
    """One of the future is as old as one of the past."""
    operator = await after_a_crash(world, make_limits(total=1))
    await operator.reconcile(OTHER)
    world.clock.advance(timedelta(hours=-3))
    await operator.reconcile()
    assert (running(world), world.cluster.states()[VIDEO]) == (["other"], LedgerState.PENDING)
