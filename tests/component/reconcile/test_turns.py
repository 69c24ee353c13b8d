"""Whose turn it is, where Subscriptions wait for a slot and are checked meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from component.cluster import KEY, Downloader, publish
from component.gate_world import LIMITED, MINUTE, OTHER, TwoSites, owner
from component.slow_site import HeldSite
from component.world import Operator, World, make_limits
from trawler_operator.domain.launches.admission import AdmissionLimits

OFTEN = ("media", "often")


async def first_in_line(world: World) -> Operator:
    """The one slot is taken; one that is checked often waits for it as the first, another one as the second."""
    operator = world.operator(limits=make_limits(1, 1))
    for key, seconds in ((KEY, 86_400), (OFTEN, 60), (OTHER, 86_400)):
        world.cluster.subscribe({"select": {"newest": 1}, "schedule": {"intervalSeconds": seconds}}, name=key[1])
        await operator.reconcile(key)
    assert running(world) == [KEY[1]]
    return operator


async def end_what_runs(world: World, operator: Operator) -> None:
    """The slot is free, and whose turn it is is woken."""
    operator.woken.clear()
    world.finish_jobs()
    await operator.reconcile(KEY)


def running(world: World) -> list[str]:
    """Whose Jobs run."""
    return [owner(job) for job in world.cluster.running_jobs()]


async def test_a_check_costs_no_turn(world: World) -> None:
    """One that is checked more often than slots come free would never download."""
    operator = await first_in_line(world)
    world.clock.advance(5 * MINUTE)
    listed = len(world.site.requests)
    await operator.reconcile(OFTEN)
    assert len(world.site.requests) == listed + 1
    await end_what_runs(world, operator)
    assert operator.called == {OFTEN}
    await operator.reconcile(OFTEN)
    assert running(world) == [OFTEN[1]]


async def test_a_check_that_finds_no_place_costs_no_turn(world: World) -> None:
    """As many listings run as may."""
    operator = await first_in_line(world)
    slow = [("media", "slow"), ("media", "slower")]
    for _, name in slow:
        world.cluster.subscribe(name=name)
    site = HeldSite(world)
    passes = [asyncio.create_task(operator.reconcile(key)) for key in slow]
    await site.begun(2)
    world.clock.advance(5 * MINUTE)
    await operator.reconcile(OFTEN)
    await end_what_runs(world, operator)
    assert operator.called == {OFTEN}
    site.release()
    await asyncio.gather(*passes)


async def test_a_listing_holds_up_nobody(world: World) -> None:
    """A slot that comes free meanwhile is the next one's, and the turn after that its own."""
    operator = await first_in_line(world)
    world.clock.advance(5 * MINUTE)
    site = HeldSite(world)
    check = asyncio.create_task(operator.reconcile(OFTEN))
    await site.begun()
    await end_what_runs(world, operator)
    assert operator.called == {OTHER}
    await operator.reconcile(OTHER)
    site.release()
    await check
    assert running(world) == [OTHER[1]]
    world.finish_jobs()
    await operator.reconcile(OTHER)
    assert operator.called == {OFTEN}


async def two_sites(world: World, limits: AdmissionLimits) -> Operator:
    """A download from a site runs; another Subscription to that site waits, and behind it one to another site."""
    world.site = TwoSites(world.site.videos)
    operator = world.operator(limits=limits)
    for (_, name), host in ((KEY, "youtube.com"), (OFTEN, "youtube.com"), (OTHER, "example.com")):
        world.cluster.subscribe({"url": f"https://{host}/{name}", "select": {"newest": 1}}, name=name)
        await operator.reconcile(("media", name))
    return operator


async def test_a_site_that_is_full_holds_up_no_other(world: World) -> None:
    """As many downloads from it run as may; who waits for the end of one lets others pass."""
    await two_sites(world, make_limits(2, 2, parallel=1))
    assert running(world) == [KEY[1], OTHER[1]]


@pytest.mark.parametrize(
    ("limits", "downloader"),
    [
        pytest.param(make_limits(1, 1, per_hour=1), publish, id="its budget is used up"),
        pytest.param(make_limits(1, 1, spacing=MINUTE), publish, id="a download from it began just now"),
        pytest.param(make_limits(1, 1), lambda _: LIMITED, id="its gate is closed"),
    ],
)
async def test_a_site_that_may_not_be_asked_now_holds_up_no_other(
    world: World, limits: AdmissionLimits, downloader: Downloader
) -> None:
    """A slot that comes free is that one's who can use it, and it is woken at once."""
    world.downloader = downloader
    operator = await two_sites(world, limits)
    assert running(world) == [KEY[1]]
    await end_what_runs(world, operator)
    assert operator.woken[OTHER] == 0
    await operator.reconcile(OFTEN)
    assert running(world) == []
    await operator.reconcile(OTHER)
    assert running(world) == [OTHER[1]]


async def test_todays_upload_goes_before_what_first_checks_brought(world: World) -> None:
    """Whosever it is: channels that were added together have hundreds of videos, and people wait for today's."""
    operator = world.operator(limits=make_limits(1, 1))
    world.cluster.subscribe({"select": {"newest": 1}})
    await world.settle(operator)
    added = [("media", f"channel-{number}") for number in range(5)]
    for _, name in added:
        world.cluster.subscribe({"select": {"newest": 8}, "schedule": {"intervalSeconds": 86_400}}, name=name)
    for key in added:
        await operator.reconcile(key)
    world.site.publish("today")
    world.clock.advance(120 * MINUTE)
    await operator.reconcile(KEY)

    world.finish_jobs()
    operator.woken.clear()
    await operator.reconcile(added[0])

    assert operator.called == {KEY}
    await operator.reconcile(KEY)
    assert running(world) == [KEY[1]]
