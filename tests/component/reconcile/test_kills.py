"""The operator killed at any API call: every video is downloaded once, none is lost, and the end is the same."""

from __future__ import annotations

from collections import Counter

import pytest

from component.cluster import Killed, publish
from component.world import World
from trawler_downloader.contract.download import DownloadRequest, DownloadResult
from trawler_downloader.contract.outcomes import LedgerState

MAX_CALLS = 400


def make_world() -> World:
    """Five videos wanted, one of which fails at its first try."""

    def downloader(request: DownloadRequest) -> DownloadResult | int:
        return 44 if request.video.id == "v6" and request.launch == 1 else publish(request)

    world = World(downloader=downloader)
    world.cluster.claim()
    world.site.publish(*(f"v{number}" for number in range(8)))
    world.cluster.subscribe({"select": {"newest": 5}, "job": {"parallelism": 2}})
    return world


async def run_to_the_end(world: World, kill_at: int | None = None, *, after: bool = False) -> int:
    """Let a process run until it is killed, then another one to the end. Returns the first one's calls."""
    first = world.operator(kill_at=kill_at, after=after)
    try:
        await world.settle(first)
    except Killed:
        await world.settle(world.operator())
    return first.api.calls


def the_end(world: World) -> tuple[dict[str, tuple[LedgerState, int, int]], Counter[tuple[str, int]]]:
    """Everything that must not depend on where the operator was killed."""
    entries = {key: (entry.state, entry.launches, entry.failures) for key, entry in world.cluster.ledger().items()}
    return entries, Counter(world.launches)


@pytest.mark.parametrize("after", [False, True], ids=["before-it-takes-effect", "after-it-took-effect"])
async def test_killed_at_any_call(after: bool) -> None:
    """Whichever API call is the process's last."""
    undisturbed = make_world()
    calls = await run_to_the_end(undisturbed)
    expected = the_end(undisturbed)
    assert {1} == set(expected[1].values())
    assert 20 < calls < MAX_CALLS
    for kill_at in range(calls):
        world = make_world()
        await run_to_the_end(world, kill_at=kill_at, after=after)
        assert expected == the_end(world), f"killed at call {kill_at}"
        assert len(world.cluster.created) == len(set(world.cluster.created)), f"killed at call {kill_at}"
