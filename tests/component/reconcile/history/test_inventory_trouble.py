"""Ledgers that are lost, and inventories that fail, answer nothing of use, or are killed halfway."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from component.cluster import KEY, Inventory, Killed, print_nothing
from component.inventory_world import (
    OWNER,
    SPEC,
    STALE,
    Volume,
    filled,
    in_state,
    lose_cluster,
    lose_ledger,
    mark,
    pretend_histories,
)
from component.job_controller import JOB_NAME_LABEL, exceed_deadline
from component.world import World, videos
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api import labels
from trawler_operator.reconcile.ports import RejectedError, UnavailableError


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        pytest.param(lambda log: log[: len(log) // 2], "of no use", id="cut"),
        pytest.param(lambda log: log[len(log) // 2 :], "of no use", id="rotated"),
        pytest.param(lambda log: log.replace(b"On v5", b"On w5"), "records came through", id="changed"),
        pytest.param(lambda log: b"", "of no use", id="empty"),
    ],
)
async def test_a_log_that_did_not_come_through_is_not_used(world, volume, spoil, why):
    """Nothing is written; the next try is made after a pause, and asks for less."""
    await filled(world)
    world = lose_cluster(world, volume)
    asked: list[int] = []
    world.cluster.inventory = lambda request: asked.append(request.limit) or spoil(volume.print(request))
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "InventoryFailed")
    assert why in world.cluster.message("Ready")
    assert world.cluster.shards() == []
    await operator.reconcile()
    world.cluster.inventory = lambda request: asked.append(request.limit) or volume.print(request)
    world.clock.advance(timedelta(minutes=1, seconds=1))
    await operator.reconcile()
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 4, 5, 6, 7)
    assert asked == [2000, 1000]
    assert world.cluster.inventory_jobs() == []


async def test_a_failed_inventory_is_told_and_made_again(world, volume):
    """Ever later, and at once when the spec changes or a check is asked for; others are not held up."""
    await filled(world)
    world = lose_cluster(world, volume)
    world.cluster.inventory = lambda request: STALE if request.subscription == OWNER else volume.print(request)
    world.cluster.subscribe(SPEC)
    world.cluster.subscribe(SPEC, name="other")
    operator = world.operator()
    pauses = []
    for _ in range(4):
        await operator.reconcile()
        (job,) = world.cluster.inventory_jobs()
        pauses.append(job["metadata"]["annotations"][labels.LAUNCH_ANNOTATION])
        world.clock.advance(timedelta(seconds=61))
    assert pauses == ["1", "2", "2", "3"]
    assert world.cluster.condition("Ready") == ("False", "InventoryFailed")
    assert "StaleVolume: the server lost the handle; tried again at 2026-11-2" in world.cluster.message("Ready")
    await operator.reconcile(("media", "other"))
    assert world.cluster.condition("Ready", ("media", "other")) == ("True", "Watching")
    world.cluster.inventory = volume.print
    world.cluster.merge("Subscription", *KEY, {"metadata": {"annotations": {labels.CHECK_ANNOTATION: "now"}}})
    await operator.reconcile()
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 4, 5, 6, 7)


async def test_a_failed_inventory_keeps_its_place_in_line(world, volume):
    """However often it is looked at meanwhile: who came later is served later."""
    world.cluster.inventory = lambda request: STALE
    pretend_histories(world, "numberline", "s0", "s1", "s2", "s3", "late")
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await operator.reconcile()
    world.clock.advance(timedelta(minutes=2))
    world.cluster.inventory = None
    for name in ("s0", "s1", "s2", "s3"):
        world.cluster.subscribe(SPEC, name=name)
        await operator.reconcile(("media", name))
    world.cluster.subscribe(SPEC, name="late")
    for key in (KEY, ("media", "late"), KEY):
        await operator.reconcile(key)
    operator.woken.clear()
    world.cluster.inventory = volume.print
    world.cluster.run_inventory(("media", "s0"))
    await operator.reconcile(("media", "s0"))
    assert KEY in operator.woken
    assert ("media", "late") not in operator.woken


async def test_a_volume_that_is_not_mounted_is_not_empty(world, volume, tmp_path):
    """The status knows of downloads, and the mount point's bare folder has no marker."""
    await filled(world)
    await world.operator().reconcile()
    lose_ledger(world)
    world.cluster.inventory = print_nothing
    operator = world.operator()
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "InventoryFailed")
    assert "is the NAS mounted" in world.cluster.message("Ready")
    assert world.cluster.shards() == []
    world.cluster.inventory = volume.print
    world.clock.advance(timedelta(minutes=2))
    await operator.reconcile()
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 4, 5, 6, 7)


async def test_an_inventory_that_never_starts_is_ended_by_its_deadline(world, volume):
    world.cluster.inventory = None
    pretend_histories(world, "numberline")
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await operator.reconcile()
    (job,) = world.cluster.inventory_jobs()
    exceed_deadline(world.cluster, job)
    await operator.reconcile()
    assert "did not end within 600 s" in world.cluster.message("Ready")


@pytest.mark.parametrize("gone", ["pod", "log"])
async def test_a_log_that_is_gone_is_printed_again(world, volume, gone):
    """The node was replaced after the Job had ended."""
    world.cluster.subscribe(SPEC)
    world.cluster.inventory = None
    pretend_histories(world, "numberline")
    operator = world.operator()
    await operator.reconcile()
    (job,) = world.cluster.inventory_jobs()
    world.cluster.inventory = print_nothing
    world.cluster.run_inventory(KEY)
    (pod,) = world.cluster.list("Pod", "media", **{JOB_NAME_LABEL: job["metadata"]["name"]})
    if gone == "pod":
        world.cluster.delete("Pod", "media", pod["metadata"]["name"])
    else:
        world.cluster.logs.clear()
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "InventoryFailed")
    world.clock.advance(timedelta(minutes=2))
    await operator.reconcile()
    assert mark(world) == "empty"


@pytest.fixture
async def surveyed(world):
    """An operator whose Subscription has a history, as the survey says, and waits for its inventory."""
    pretend_histories(world, "numberline")
    world.cluster.inventory = None
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await operator.reconcile()
    return operator


async def test_a_log_that_cannot_be_read_now_is_asked_for_again(world, surveyed):
    """The kubelet does not answer: the Job is kept, and no other is made."""
    world.cluster.inventory = print_nothing
    surveyed.api.fail = lambda what: UnavailableError("dial tcp: no route to host") if what == "read log" else None
    await surveyed.reconcile()
    assert world.cluster.condition("Ready") == ("False", "InventoryFailed")
    assert len(world.cluster.inventory_jobs()) == 1
    surveyed.api.fail = lambda what: None
    await surveyed.reconcile()
    assert mark(world) == "empty"


async def test_a_log_that_is_forbidden_is_told(world, surveyed):
    world.cluster.inventory = print_nothing
    surveyed.api.fail = lambda what: RejectedError("pods/log is forbidden") if what == "read log" else None
    await surveyed.reconcile()
    assert world.cluster.condition("Ready") == ("False", "InventoryFailed")
    assert "is forbidden" in world.cluster.message("Ready")


async def test_a_quota_that_refuses_the_job_is_told(world, volume):
    """Of a ledger that is lost, and so of no survey."""
    await filled(world)
    await world.operator().reconcile()
    lose_ledger(world)
    world.cluster.reject_jobs = RejectedError("exceeded quota: jobs")
    operator = world.operator()
    for _ in range(3):
        await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "JobRejected")
    (event,) = operator.silent.events
    assert (event.reason, event.warning) == ("JobRejected", True)
    assert event.message.endswith("exceeded quota: jobs")
    world.cluster.reject_jobs = None
    await operator.reconcile()
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 4, 5, 6, 7)


async def test_a_changed_claim_begins_anew(world, volume, tmp_path_factory):
    """Halfway through, the Subscription is pointed at another volume: its manifests count, from the first one on."""
    await filled(world)
    world = lose_cluster(world, volume)
    volume.limit = 2
    pages: list[Inventory] = [volume.print]
    world.cluster.inventory = lambda request: pages.pop()(request) if pages else STALE
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await operator.reconcile()
    assert json.loads(mark(world))["claim"] == "library"
    other = Volume(tmp_path_factory.mktemp("other"))
    world.cluster.claim("second")
    world.cluster.inventory = other.print
    world.cluster.merge("Subscription", *KEY, {"spec": {"library": {"claimName": "second"}}})
    await operator.reconcile()
    assert mark(world) == "empty"
    assert len(in_state(world, LedgerState.SUCCEEDED)) == 2


@pytest.mark.parametrize("after", [False, True], ids=["before-it-takes-effect", "after-it-took-effect"])
async def test_killed_at_any_call(world, volume, after):
    """Whichever API call is the last one of a process that rebuilds a ledger in three chunks."""
    await filled(world)
    volume.media("v4").unlink()
    volume.limit = 2
    downloaded = list(volume.downloads)

    async def rebuild(kill_at: int | None) -> tuple[World, int]:
        later = lose_cluster(world, volume)
        later.cluster.subscribe(SPEC)
        first = later.operator(kill_at=kill_at, after=after)
        try:
            await later.settle(first)
        except Killed:
            later.cluster.run_inventory(KEY)
            await later.settle(later.operator())
        return later, first.api.calls

    undisturbed, calls = await rebuild(None)
    expected = undisturbed.cluster.states()
    assert (len(expected), 20 < calls < 100) == (8, True)
    for kill_at in range(calls):
        later, _ = await rebuild(kill_at)
        assert later.cluster.states() == expected, f"killed at call {kill_at}"
        assert later.launches == [], f"killed at call {kill_at}"
        assert "{" not in mark(later), f"killed at call {kill_at}"
    assert volume.downloads == downloaded
