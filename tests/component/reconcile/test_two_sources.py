"""A Subscription whose URL changes from a playlist to its channel: what is known is known of its source."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import timedelta

from component.channel import CHANNEL, PAGE, PLAYLIST, Channel
from component.cluster import KEY, Killed
from component.world import World
from trawler_downloader.contract.outcomes import LedgerState


def change_url(world: World) -> None:
    world.cluster.merge("Subscription", *KEY, {"spec": {"url": CHANNEL}, "metadata": {"generation": 2}})


async def watch_the_channel_instead(best: Sequence[int]) -> tuple[World, Channel]:
    """Five videos each of the playlist's and the channel's first run are wanted; two checks of the channel."""
    world, channel = World(), Channel(best)
    world.cluster.claim()
    world.site.list = channel.list  # type: ignore[method-assign]
    spec = {"select": {"newest": 5}, "schedule": {"intervalSeconds": 3600}}
    world.cluster.subscribe({**spec, "url": PLAYLIST})
    operator = world.operator()
    await world.settle(operator)
    change_url(world)
    await world.settle(operator)
    world.clock.advance(timedelta(hours=2))
    await world.settle(operator)
    return world, channel


async def test_an_audit_after_the_change_queues_nothing_old() -> None:
    """One of the playlist's videos is among the oldest of the channel: nothing above it is new for that."""
    world, channel = await watch_the_channel_instead([3, 150])
    published = set(world.launches)
    operator = world.operator()
    for _ in range(2 * 9):
        world.clock.advance(timedelta(hours=12))
        await world.settle(operator)
    assert max(channel.pages) == -(-200 // PAGE)
    assert set(world.launches) == published
    states = world.cluster.states()
    assert len(states) == 200
    assert sum(state is LedgerState.SUCCEEDED for state in states.values()) == 5 + 2


async def test_videos_known_from_the_playlist_on_top_of_the_channel() -> None:
    """They stop the walk from the second check on, after a restart too: the ledger knows who lists them."""
    world, channel = await watch_the_channel_instead(range(199, 99, -1))
    assert channel.pages == [4, 1, 1]
    operator = world.operator()
    await operator.reconcile()
    world.clock.advance(timedelta(hours=2))
    await operator.reconcile()
    assert channel.pages == [4, 1, 1, 1]


async def test_killed_at_any_call_of_the_channels_first_run() -> None:
    """Whatever was written: the first run is made again, and finds what it had not written yet."""
    wanted = {f"youtube.v{number}" for number in (*range(199, 191, -1), 150)}
    spec = {"select": {"newest": 8}, "schedule": {"intervalSeconds": 3600}}
    for kill_at in range(30):
        world, channel = World(), Channel([197, 196, 195, 194, 193, 192, 150])
        world.cluster.claim()
        world.site.list = channel.list  # type: ignore[method-assign]
        world.cluster.subscribe({**spec, "url": PLAYLIST})
        await world.settle(world.operator())
        change_url(world)
        with contextlib.suppress(Killed):
            await world.operator(kill_at=kill_at, after=True).reconcile()
        await world.settle(world.operator())
        assert {key for key, state in world.cluster.states().items() if state is LedgerState.SUCCEEDED} == wanted
