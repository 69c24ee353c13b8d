"""A Job that should read the history back and does not start, or does not end: told, given up, and made again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from component.cluster import KEY, print_nothing
from component.inventory_world import mark
from component.job_controller import start_pod
from component.world import World, world_with_a_channel
from trawler_operator.api import labels


@pytest.fixture
def world() -> World:
    """A channel, and a volume that holds a history of whoever asks."""
    world = world_with_a_channel()
    world.cluster.histories = {"numberline", *(f"hung-{number}" for number in range(5))}
    return world


def _hang(world: World) -> None:
    """All inventories have run into their deadline, and no pod of theirs ends: the NAS hangs, or the node is gone."""
    for job in world.cluster.inventory_jobs():
        name = job["metadata"]["name"]
        start_pod(world.cluster, job)
        pod = f"{name}-{job['metadata']['uid']}"
        world.cluster.merge("Pod", "media", pod, {"metadata": {"finalizers": ["kubelet"]}})
        world.cluster.delete("Pod", "media", pod)
        target = {"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded"}
        status = {"active": None, "ready": 0, "terminating": 1, "conditions": [target]}
        world.cluster.merge("Job", "media", name, {"status": status})


def _tries(world: World) -> dict[str, str]:
    """Number of each Subscription's present inventory."""
    jobs = [job["metadata"] for job in world.cluster.inventory_jobs()]
    return {job["labels"][labels.SUBSCRIPTION_LABEL]: job["annotations"][labels.LAUNCH_ANNOTATION] for job in jobs}


async def test_what_holds_it_up_is_said(world: World) -> None:
    """Not at once, since pulling an image takes a while; then in words that lead further, and without haste."""
    world.cluster.inventory = None
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "RebuildingHistory")
    assert "has no pod" not in world.cluster.message("Ready")
    for minutes, reason in ((3, "RebuildingHistory"), (2.5, "InventoryFailed")):
        world.clock.advance(timedelta(minutes=minutes))
        pause = await operator.reconcile()
        assert world.cluster.condition("Ready") == ("False", reason)
        assert "has no pod" in world.cluster.message("Ready")
        assert pause is not None
        assert pause > timedelta(seconds=1)


async def test_one_that_does_not_start_is_given_up_and_made_again(world: World) -> None:
    """Another Job, after a pause; the first one is gone."""
    world.cluster.inventory = None
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    world.clock.advance(timedelta(minutes=5, seconds=30))
    await operator.reconcile()
    assert "PodNotCreated" in world.cluster.message("Ready")
    assert _tries(world) == {"numberline": "1"}
    world.clock.advance(timedelta(seconds=30))
    await operator.reconcile()
    assert _tries(world) == {"numberline": "2"}
    world.cluster.inventory = print_nothing
    world.cluster.run_inventory(KEY)
    await operator.reconcile()
    assert mark(world) == "empty"


async def test_those_that_never_end_hold_up_no_other_volume(world: World) -> None:
    """Four pods hang on a NAS; who is on another one neither waits for their places nor for their end."""
    world.cluster.claim("sick")
    world.cluster.inventory = None
    operator = world.operator()
    for number in range(5):
        world.cluster.subscribe({"library": {"claimName": "sick"}}, name=f"hung-{number}")
        await operator.reconcile(("media", f"hung-{number}"))
    assert len(world.cluster.inventory_jobs()) == 4
    _hang(world)
    world.cluster.subscribe({"select": {"newest": 1}}, name="fine")
    world.cluster.inventory = print_nothing
    await operator.reconcile(("media", "fine"))
    assert world.cluster.condition("Ready", ("media", "fine")) == ("True", "Watching")


async def test_those_that_never_end_are_given_up(world: World) -> None:
    """Five minutes after their pods should have ended: their places go to others, and they are made again later."""
    world.cluster.inventory = None
    keys = [("media", f"hung-{number}") for number in range(5)]
    operator = world.operator()
    for key in keys:
        world.cluster.subscribe({"select": {"newest": 1}}, name=key[1])
        await operator.reconcile(key)
    _hang(world)
    world.clock.advance(timedelta(minutes=4))
    await operator.reconcile(keys[0])
    assert world.cluster.condition("Ready", keys[0]) == ("False", "RebuildingHistory")
    assert keys[4] not in operator.woken
    world.clock.advance(timedelta(minutes=1))
    await operator.reconcile(keys[0])
    assert world.cluster.condition("Ready", keys[0]) == ("False", "InventoryFailed")
    assert keys[4] in operator.woken
    await operator.reconcile(keys[4])
    for key in keys[1:4]:
        await operator.reconcile(key)
    world.clock.advance(timedelta(minutes=1))
    for key in keys[:4]:
        await operator.reconcile(key)
    assert _tries(world) == {"hung-0": "2", "hung-1": "2", "hung-2": "2", "hung-3": "1", "hung-4": "1"}
    world.cluster.inventory = print_nothing
    for key in (keys[4], *keys[:4]):
        await operator.reconcile(key)
        assert world.cluster.condition("Ready", key) == ("True", "Watching")


async def test_one_that_is_being_deleted_keeps_its_name_to_itself(world: World) -> None:
    """It stays for as long as its pod does: the next one has another name, and does not wait for that."""
    world.cluster.inventory = None
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    (job,) = world.cluster.inventory_jobs()
    start_pod(world.cluster, job)
    world.cluster.delete("Job", "media", job["metadata"]["name"], propagation="Foreground")
    await operator.reconcile()
    (second,) = (job for job in world.cluster.inventory_jobs() if "deletionTimestamp" not in job["metadata"])
    assert second["metadata"]["annotations"][labels.LAUNCH_ANNOTATION] == "2"
