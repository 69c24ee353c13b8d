"""Passes over many new Subscriptions, and the surveys of volumes that they wait for."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from component.world import Operator, World

SECOND = timedelta(seconds=1)


def jobs_made(world: World) -> int:
    """Jobs over volumes that were created."""
    return world.cluster.writes.count("create Job") - len(world.cluster.created)


def subscribe(world: World, count: int) -> list[tuple[str, str]]:
    """As many are applied; the operator comes to them a second later."""
    keys = [("media", f"sub-{number:03}") for number in range(count)]
    for _, name in keys:
        world.cluster.subscribe({"select": {"newest": 1}}, name=name)
    world.clock.advance(SECOND)
    return keys


async def pass_once(operator: Operator, key: tuple[str, str]) -> timedelta | None:
    """One pass: no Job ends meanwhile."""
    operator.woken.pop(key, None)
    return await operator.reconciler.reconcile(key)


def end_surveys(world: World, operator: Operator) -> None:
    """All end, and the watch tells of it."""
    for survey in world.cluster.run_surveys():
        operator.reconciler.survey_changed(survey)


async def work_off(operator: Operator) -> int:
    """Passes over all that are woken at once, as workers make them, until nobody is; how many that took."""
    passes = 0
    while woken := [key for key, delay in operator.woken.items() if delay == 0.0]:
        await asyncio.gather(*(pass_once(operator, key) for key in woken))
        passes += len(woken)
    return passes
