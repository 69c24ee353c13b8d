"""A slot is that of an unfinished Job, whatever cannot be read: nobody else waits for what has ended."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest

from component.cluster import KEY
from component.gate_world import TwoSites, make
from component.world import Operator, World, make_limits
from trawler_operator.reconcile.ports import ApiError, RejectedError, UnavailableError
from trawler_operator.reconcile.stores.shard_changes import EVERYWHERE

FORBIDDEN = RejectedError("forbidden")
HEALTHY = ("family", "healthy")
DEADLINE = timedelta(hours=6)


@pytest.fixture
def world() -> World:
    """Two namespaces, a Subscription in each, of two sites."""
    world = World(site=TwoSites())
    world.site.publish("v1", "v2", "v3")
    for namespace in ("media", "family"):
        world.cluster.claim(namespace=namespace)
    world.cluster.subscribe()
    world.cluster.subscribe({"url": "https://example.com/videos"}, name=HEALTHY[1], namespace=HEALTHY[0])
    return world


async def begin(world: World) -> Operator:
    """The one slot is taken by a download in the first namespace."""
    operator = world.operator(limits=make_limits(1, 1))
    for _ in range(2):
        await make(operator)
    assert [job["metadata"]["namespace"] for job in world.cluster.running_jobs()] == [KEY[0]]
    return operator


async def fail(operator: Operator, call: str, error: ApiError = FORBIDDEN) -> None:
    """A pass in which such calls fail."""
    operator.api.fail = lambda what: error if what == call else None
    with contextlib.suppress(ApiError):
        await operator.reconcile()
    operator.api.fail = lambda _: None


@pytest.mark.parametrize("call", ["get Subscription", "list shards", "find Pod"])
@pytest.mark.parametrize("error", [FORBIDDEN, UnavailableError("timed out")], ids=["refused", "away"])
async def test_an_ended_job_gives_its_slot_back(world: World, call: str, error: ApiError) -> None:
    """The Jobs can be listed; that is enough."""
    operator = await begin(world)
    world.finish_jobs()
    operator.shard_changes.interrupted(EVERYWHERE)  # so that the ledger is read

    await fail(operator, call, error)

    assert operator.admission.running == 0
    await make(operator, HEALTHY)
    await make(operator, HEALTHY)
    assert [job["metadata"]["namespace"] for job in world.cluster.running_jobs()] == [HEALTHY[0]]


@pytest.mark.parametrize("call", ["get Subscription", "list shards", "find Pod"])
async def test_a_running_job_keeps_its_slot(world: World, call: str) -> None:
    operator = await begin(world)
    operator.shard_changes.interrupted(EVERYWHERE)
    await fail(operator, call)
    assert operator.admission.running == 1


async def test_a_job_that_nobody_can_look_at_keeps_its_slot_until_its_deadline(world: World) -> None:
    """Kubernetes ends it then."""
    operator = await begin(world)
    world.clock.advance(DEADLINE)
    await fail(operator, "list Jobs")
    assert operator.admission.running == 1

    world.clock.advance(timedelta(minutes=11))
    await fail(operator, "list Jobs")
    assert operator.admission.running == 0


async def test_what_a_restarted_operator_finds_running_keeps_its_slot(world: World) -> None:
    """Nobody has looked at the Jobs of that Subscription since."""
    await begin(world)
    operator = world.operator(limits=make_limits(1, 1))
    await fail(operator, "list Jobs")
    assert operator.admission.running == 1

    world.clock.advance(DEADLINE + timedelta(minutes=11))
    await fail(operator, "list Jobs")
    assert operator.admission.running == 0


async def test_jobs_of_a_subscription_that_is_gone(world: World) -> None:
    """Whether they are gone, too, cannot be found out."""
    operator = await begin(world)
    world.cluster.delete("Subscription", *KEY)
    world.clock.advance(DEADLINE + timedelta(minutes=11))
    await fail(operator, "list Jobs")
    assert operator.admission.running == 0
