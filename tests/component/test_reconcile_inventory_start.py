"""A Job that should read the history back and does not start: people are told why, and nothing else changes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from component.world import World, world_with_a_channel


@pytest.fixture
def world() -> World:
    return world_with_a_channel()


def _message(world: World) -> str:
    conditions = world.cluster.subscription()["status"]["conditions"]
    return next(str(c["message"]) for c in conditions if c["type"] == "Ready")


async def test_what_holds_it_up_is_said(world: World) -> None:
    """Not at once, since pulling an image takes a while; then in words that lead further, and without haste."""
    world.cluster.inventory = None
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "RebuildingHistory")
    assert "has no pod" not in _message(world)
    for minutes in (3, 4):
        world.clock.advance(timedelta(minutes=minutes))
        pause = await operator.reconcile()
        assert world.cluster.condition("Ready") == ("False", "RebuildingHistory")
        assert "has no pod" in _message(world)
        assert pause is not None
        assert pause > timedelta(seconds=1)
