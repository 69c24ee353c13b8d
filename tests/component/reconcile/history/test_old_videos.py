"""Videos that a first run left out stay left out when the ledger is lost: the volume does not know of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from component.channel import CHANNEL, PLAYLIST, Channel
from component.cluster import KEY
from component.inventory_world import Volume, lose_ledger, make_world
from component.world import Operator, World
from trawler_downloader.contract.outcomes import LedgerState

DAY = timedelta(days=1)
GROWS_ON_TOP = range(119, -1, -1)


async def watched(volume: Volume, url: str, channel: Channel) -> tuple[World, Operator]:
    """Three videos of the source's first run are downloaded."""
    world = make_world(volume)
    world.site.list = channel.list  # type: ignore[method-assign]
    world.cluster.subscribe({"url": url, "select": {"newest": 3}})
    operator = world.operator()
    await world.settle(operator)
    assert len(volume.downloads) == 3
    return world, operator


async def pass_days(world: World, operator: Operator) -> None:
    """Ordinary checks, and the weekly audit, which looks at the whole source."""
    for _ in range(9):
        await world.settle(operator)
        world.clock.advance(DAY)


async def rebuilt(world: World, operator: Operator) -> None:
    """The ledger is lost and read back, and days pass."""
    lose_ledger(world)
    await pass_days(world, operator)


async def test_a_playlist(volume: Volume) -> None:
    """Its 117 other videos were there at the first run already."""
    world, operator = await watched(volume, PLAYLIST, Channel(GROWS_ON_TOP))
    await rebuilt(world, operator)
    assert len(volume.downloads) == 3
    states = world.cluster.states()
    assert sum(state is LedgerState.SKIPPED for state in states.values()) == 117


async def test_what_a_playlist_gets_after_that(volume: Volume) -> None:
    """New wherever it stands, as ever."""
    channel = Channel([*GROWS_ON_TOP])
    world, operator = await watched(volume, PLAYLIST, channel)
    await rebuilt(world, operator)
    channel.best = [119, 150, *range(118, -1, -1)]
    await pass_days(world, operator)
    assert volume.downloads[3:] == ["v150"]


async def test_what_a_playlist_got_while_the_ledger_was_lost(volume: Volume) -> None:
    """However much stands above all that had landed is new."""
    channel = Channel([*GROWS_ON_TOP])
    world, operator = await watched(volume, PLAYLIST, channel)
    channel.best = range(129, -1, -1)
    await rebuilt(world, operator)
    assert sorted(volume.downloads[3:]) == [f"v{number}" for number in range(120, 130)]


@pytest.mark.parametrize("url", [CHANNEL, PLAYLIST], ids=["of a channel", "of a playlist"])
async def test_an_old_video_that_was_asked_for_by_name(volume: Volume, url: str) -> None:
    """It stands on the volume and says nothing about how far the source was downloaded."""
    world, operator = await watched(volume, url, Channel(GROWS_ON_TOP))
    await pass_days(world, operator)
    asked = {"annotations": {"trawler.dev/retry": "1;keys=youtube.v5"}}
    world.cluster.merge("Subscription", *KEY, {"metadata": asked})
    await world.settle(operator)
    assert volume.downloads[3:] == ["v5"]
    await rebuilt(world, operator)
    assert volume.downloads[4:] == []
