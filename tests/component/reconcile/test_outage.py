"""The user's own line, DNS or proxy is down for hours: the queue waits for it and is not given up."""

from __future__ import annotations

from datetime import timedelta

import pytest

from component.cluster import publish
from component.gate_world import MINUTE, closed, ended, gates, of_events, run, tally
from component.world import World
from trawler_downloader.contract.download import DownloadResult
from trawler_downloader.contract.listing import ListingEnd, TrailerLine
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass

ADDRESS = "Egress youtube.com"
HOURS = timedelta(hours=8)
LISTED = TrailerLine(end=ListingEnd.STOPPED, requests=1, engine="2026.10.26")
UNLISTED = TrailerLine(
    end=ListingEnd.ERROR, outcome=OutcomeClass.TRANSIENT, reason="Unreachable", message="words", engine="2026.10.26"
)


def unreachable(reason: str = "Unreachable") -> DownloadResult:
    """As the downloader reports it, whose volume answers."""
    return ended(OutcomeClass.TRANSIENT, reason, volume_id="v-1")


def world_with(*names: str) -> World:
    """A claim, and a channel of those videos."""
    world = World()
    world.cluster.claim()
    world.site.publish(*names)
    return world


@pytest.mark.parametrize("reason", ["Unreachable", "AddressRefused"], ids=["nothing answers", "the DNS lies"])
@pytest.mark.parametrize("videos", [1, 60])
async def test_an_outage_gives_up_nothing(reason: str, videos: int) -> None:
    """Of eight hours; a handful of tries are lost, and when the line is back all are downloaded."""
    world = world_with(*(f"v{n}" for n in range(videos)))
    world.cluster.subscribe({"select": {"newest": 60}})
    operator = world.operator()
    await operator.reconcile()
    world.site.trailer = UNLISTED
    world.downloader = lambda request: unreachable(reason)
    back = world.clock.now() + HOURS
    await run(world, operator, until=lambda: world.clock.now() >= back, rounds=600)

    assert tally(world).keys() <= {LedgerState.PENDING, LedgerState.FAILED, LedgerState.RUNNING}
    assert sum(entry.failures for entry in world.cluster.ledger().values()) <= 3
    assert closed(world) == {ADDRESS}
    assert len(world.launches) < 60
    assert world.cluster.condition("Ready") == ("False", "EgressGateClosed")
    assert "youtube.com cannot be reached through this way out since 2026-11-21T12:0" in world.cluster.message("Ready")
    (event,) = of_events(operator, "GateClosed")
    assert f"it cannot be reached through this way out ({reason}: words)" in event

    world.site.trailer, world.downloader = LISTED, publish
    await run(world, operator)
    assert tally(world) == {LedgerState.SUCCEEDED: videos}
    assert closed(world) == set()


async def test_one_video_among_healthy_ones_is_given_up() -> None:
    """Its own host is gone; the site answers for the others, and its gate stays open."""
    world = world_with(*(f"v{n}" for n in range(6)), "gone")
    world.downloader = lambda request: unreachable() if request.video.id == "gone" else publish(request)
    world.cluster.subscribe({"select": {"newest": 60}})
    operator = world.operator()
    await run(world, operator)
    assert tally(world) == {LedgerState.SUCCEEDED: 6, LedgerState.DEAD_LETTER: 1}
    assert of_events(operator, "GateClosed") == []


async def test_media_that_cannot_be_reached_hold_nobody_back() -> None:
    """Three videos in a row, tried to the last: the site had described each of them, so its gate stays open."""
    world = world_with("gone1", "gone2", "gone3")
    world.downloader = lambda request: unreachable("MediaUnreachable")
    world.cluster.subscribe({"select": {"newest": 60}})
    operator = world.operator()
    await run(world, operator)
    assert tally(world) == {LedgerState.DEAD_LETTER: 3}
    assert of_events(operator, "GateClosed") == []


async def test_one_video_alone_is_given_up_in_the_end() -> None:
    """It closes the gate; a check opens it again, and it has its last try."""
    world = world_with("gone")
    world.downloader = lambda request: unreachable()
    world.cluster.subscribe({"select": {"newest": 60}, "schedule": {"intervalSeconds": 600}})
    operator = world.operator()
    await run(world, operator)
    assert tally(world) == {LedgerState.DEAD_LETTER: 1}
    assert len(of_events(operator, "GateClosed")) == 1
    assert world.cluster.ledger()["youtube.gone"].failures == 3


async def test_the_count_outlives_the_operator() -> None:
    """It stands with the gate: two endings before a restart and one after it."""
    world = world_with(*(f"v{n}" for n in range(3)))
    world.downloader = lambda request: unreachable()
    world.cluster.subscribe({"select": {"newest": 60}, "job": {"parallelism": 2}})
    await run(world, world.operator(), until=lambda: bool(gates(world)) and bool(gates(world)[ADDRESS].unreached))
    assert len(gates(world)[ADDRESS].unreached) == 2
    await run(world, world.operator(), until=lambda: bool(closed(world)))
    assert closed(world) == {ADDRESS}


async def test_checks_that_do_not_reach_the_site_count() -> None:
    """Of three Subscriptions: the queue of a fourth is spared altogether."""
    world = world_with("v1")
    world.site.trailer = UNLISTED
    for number in range(3):
        world.cluster.subscribe(name=f"s{number}")
    operator = world.operator()
    await run(world, operator, until=lambda: bool(closed(world)), step=MINUTE, rounds=10)
    assert closed(world) == {ADDRESS}
