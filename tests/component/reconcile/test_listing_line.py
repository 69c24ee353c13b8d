"""Checks where more are due than may be made: in line, each with one pass, and the status says so."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest

from component.cluster import KEY
from component.slow_site import Day, HeldSite, SlowSite
from component.world import Operator, World
from trawler_operator.api import labels
from trawler_operator.api.subscription import Key
from trawler_operator.domain.line import LineLimits

PACED = LineLimits(places=2, spacing=10)


def subscribe(world: World, count: int, *, seconds: int, host: str = "www.youtube.com") -> list[Key]:
    """So many channels that nothing is downloaded from."""
    keys = [("media", f"{host.split('.')[-2]}-{number}") for number in range(count)]
    world.site.videos.clear()
    for _, name in keys:
        spec = {"url": f"https://{host}/@{name}/videos", "schedule": {"intervalSeconds": seconds}}
        world.cluster.subscribe(spec, name=name)
    return keys


async def begin(world: World, keys: list[Key], operator: Operator, *, listing_seconds: float) -> tuple[Day, SlowSite]:
    site = SlowSite(world, listing_seconds)
    day = Day(world, site, operator)
    for key in keys:
        world.cluster.run_inventory(key)
        day.ask(key)
    return day, site


async def test_a_check_beyond_the_allowed_listings_holds_no_worker(world: World) -> None:
    """It waits in line, and is woken by a free place."""
    keys = [KEY, ("media", "second"), ("media", "third")]
    for _, name in keys:
        world.cluster.subscribe(name=name)
    operator = world.operator()
    site = HeldSite(world)
    passes = [asyncio.create_task(operator.reconcile(key)) for key in keys[:2]]
    await site.begun(2)
    await operator.reconcile(keys[2])
    assert operator.called == set()
    site.release()
    await asyncio.gather(*passes)
    assert keys[2] in operator.called
    await operator.reconcile(keys[2])
    assert world.cluster.condition("SourceReachable", keys[2]) == ("True", "Listed")


@pytest.mark.parametrize(
    ("limits", "listing_seconds", "interval", "subscriptions"),
    [
        pytest.param(LineLimits(2), 5, 60, 30, id="a slow site, more due than the places bear"),
        pytest.param(LineLimits(2, 1), 5, 60, 30, id="a slow site and a pace"),
        pytest.param(LineLimits(2, 10), 0.1, 60, 10, id="a quick site, more due than the pace bears"),
        pytest.param(LineLimits(2, 1), 0.1, 60, 30, id="less due than might be made"),
    ],
)
async def test_a_check_takes_about_one_pass(
    world: World, limits: LineLimits, listing_seconds: float, interval: int, subscriptions: int
) -> None:
    """Whoever is not at its turn is woken when it is, and each has as many turns as another."""
    keys = subscribe(world, subscriptions, seconds=interval)
    day, site = await begin(world, keys, world.operator(listings=limits), listing_seconds=listing_seconds)
    await day.go_on(1200)
    day.passes.clear()
    site.began.clear()
    await day.go_on(3600)
    await day.finish()

    turns = Counter(url for _, url in site.began)
    assert day.passes.total() <= 1.1 * len(site.began)
    assert max(turns.values()) - min(turns[url] for url in turns) <= 0.1 * max(turns.values()) + 1
    assert len(turns) == subscriptions
    assert site.most <= limits.places
    assert all(later - earlier >= limits.spacing for (earlier, _), (later, _) in pairwise(site.began))


async def test_a_site_whose_pace_is_used_up_holds_up_no_other(world: World) -> None:
    """Each has a lane of its own."""
    many = subscribe(world, 20, seconds=60)
    (other,) = subscribe(world, 1, seconds=60, host="example.com")
    day, site = await begin(world, [*many, other], world.operator(listings=PACED), listing_seconds=0.1)
    await day.go_on(1800)
    await day.finish()

    assert sum("example.com" in url for _, url in site.began) >= 1800 / 67 - 1


async def test_a_check_that_was_asked_for_stands_in_the_same_line(world: World) -> None:
    """It is made after those that are due, and before those that are due later."""
    keys = subscribe(world, 30, seconds=60)
    operator = world.operator(listings=PACED)
    day, site = await begin(world, keys, operator, listing_seconds=0.1)
    await day.go_on(600)
    length = operator.reconciler.line.lengths()
    asked = keys[0]
    world.cluster.merge("Subscription", *asked, {"metadata": {"annotations": {labels.CHECK_ANNOTATION: "now"}}})
    day.ask(asked)
    begun = len(site.began)
    await day.go_on(600)
    await day.finish()

    (due,) = (lane.due for lane in length.values())
    before = [url for _, url in site.began[begun:]].index(f"https://www.youtube.com/@{asked[1]}/videos")
    assert before <= due


async def test_who_stands_in_line_for_long_says_so(world: World) -> None:
    """What is due, how many may go, and how often; until a check is made in time again."""
    keys = subscribe(world, 60, seconds=60)
    operator = world.operator(listings=PACED)
    day, _ = await begin(world, keys, operator, listing_seconds=0.1)
    await day.go_on(360)

    late = [key for key in keys if world.cluster.condition("OnSchedule", key) == ("False", "ChecksDelayed")]
    waiting = {("Unknown", "NotCheckedYet"), ("True", "OnTime")}
    assert late
    assert {world.cluster.condition("OnSchedule", key) for key in keys if key not in late} <= waiting
    said = world.cluster.message("OnSchedule", late[0])
    assert "youtube.com were due when this was found, which begin one every 10 s" in said

    for key in keys[1:]:
        world.cluster.merge("Subscription", *key, {"spec": {"suspend": True}})
        day.ask(key)
    await day.go_on(600)
    await day.finish()
    assert {world.cluster.condition("OnSchedule", key) for key in keys} == {("True", "OnTime")}


async def test_a_verdict_that_stands_is_not_written_again(world: World) -> None:
    """However long the line is meanwhile: a status that moves with it would be a write in every pass."""
    keys = subscribe(world, 60, seconds=60)
    operator = world.operator(listings=PACED)
    day, _ = await begin(world, keys, operator, listing_seconds=0.1)
    await day.go_on(1800)
    world.cluster.writes.clear()
    asked = [day.ask(key) for key in keys]
    await day.go_on(0)

    assert len(asked) > 50
    assert len(world.cluster.writes) <= 1
    await day.finish()


async def test_whoever_is_gone_leaves_the_line(world: World) -> None:
    """And those behind it move up."""
    keys = subscribe(world, 3, seconds=3600)
    operator = world.operator(listings=PACED)
    day, site = await begin(world, keys, operator, listing_seconds=0.1)
    await day.go_on(1)
    (first,) = (url for _, url in site.began)
    waiting = [key for key in keys if key[1] not in first]
    world.cluster.delete("Subscription", *waiting[0])
    day.ask(waiting[0])
    await day.go_on(timedelta(seconds=11).total_seconds())
    await day.finish()

    assert [url for _, url in site.began[1:]] == [f"https://www.youtube.com/@{waiting[1][1]}/videos"]
