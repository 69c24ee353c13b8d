"""Subscriptions that are suspended, edited, deleted and applied again."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from component.cluster import KEY, end_job, publish, request_of
from component.world import World
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api import labels
from trawler_operator.domain.jobs.naming import job_name
from trawler_operator.reconcile.reconciler import PassFailedError


async def test_suspended(world: World) -> None:
    """While suspended nothing is checked or started; what runs is settled."""
    world.cluster.subscribe({"select": {"newest": 3}})
    operator = world.operator()
    await operator.reconcile()
    world.cluster.merge("Subscription", *KEY, {"spec": {"suspend": True}, "metadata": {"generation": 2}})
    world.finish_jobs()
    world.clock.advance(timedelta(hours=5))
    await operator.reconcile()
    assert Counter(world.cluster.states().values())[LedgerState.SUCCEEDED] == 1
    assert len(world.cluster.created) == 1
    assert len(world.site.requests) == 1
    assert world.cluster.condition("Ready") == ("True", "Suspended")
    world.cluster.merge("Subscription", *KEY, {"spec": {"suspend": False}, "metadata": {"generation": 3}})
    await world.settle(operator)
    assert len(world.cluster.created) == 3


async def test_deleted_and_applied_again(world: World) -> None:
    """The ledger stays and is adopted: nothing is downloaded twice, and the user is told."""
    world.cluster.subscribe({"select": {"newest": 3}})
    operator = world.operator()
    await world.settle(operator)
    world.cluster.delete("Subscription", *KEY)
    assert await operator.reconcile() is None
    world.cluster.collect_garbage()
    assert world.cluster.list("Job") == []
    assert operator.silent.gone == [KEY]
    world.cluster.subscribe({"select": {"newest": 3}})
    await operator.reconcile()
    await operator.reconcile()
    assert len(world.cluster.created) == 3
    assert world.cluster.subscription()["status"]["counts"]["downloaded"] == 3
    assert any(event.reason == "LedgerAdopted" for event in operator.silent.events)


async def test_applied_again_while_pods_still_end(world: World) -> None:
    """The name of a launch is waited for until the Job of the deleted Subscription is gone, then used again."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    name = job_name(*KEY, "youtube.v7", 1)
    world.cluster.delete("Subscription", *KEY)
    await operator.reconcile()
    world.cluster.subscribe({"select": {"newest": 1}})
    pause = await operator.reconcile()
    assert [name] == world.cluster.created
    assert pause == timedelta(seconds=3)
    world.cluster.collect_garbage()
    await operator.reconcile()
    assert [name, name] == world.cluster.created
    await world.settle(operator)
    assert LedgerState.SUCCEEDED is world.cluster.states()["youtube.v7"]


@pytest.mark.parametrize("claimed", [False, True], ids=["at its launch", "while its launch runs"])
async def test_somebody_else_s_job_under_a_launch_s_name(world: World, claimed: bool) -> None:
    """It is left alone, looked at rarely and named, and with it gone the launch goes on under that name."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    name = job_name(*KEY, "youtube.v7", 1)
    if claimed:
        await operator.reconcile()
        world.cluster.delete("Job", "media", name)
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "cron-1"}
    world.cluster.put("Job", {"metadata": {"namespace": "media", "name": name, "ownerReferences": [owner]}})
    for _ in range(3):
        assert await operator.reconcile() == timedelta(seconds=30)
    assert world.cluster.condition("Ready") == ("False", "DownloadNotStarting")
    assert "CronJob nightly" in world.cluster.message("Ready")
    world.cluster.delete("Job", "media", name)
    await operator.reconcile()
    assert world.cluster.created[-1] == name
    await world.settle(operator)
    assert world.launches == [("youtube.v7", 1)]
    assert world.cluster.condition("Ready") == ("True", "Watching")


async def test_policy_delete(world: World) -> None:
    """With ledgerPolicy Delete the shards go with their Subscription; a dying one's are waited for, never adopted."""
    world.cluster.subscribe({"select": {"newest": 1}, "ledgerPolicy": "Delete"})
    operator = world.operator()
    await world.settle(operator)
    world.cluster.delete("Subscription", *KEY)
    await operator.reconcile()
    world.cluster.subscribe({"select": {"newest": 1}, "ledgerPolicy": "Delete"})
    with pytest.raises(PassFailedError, match="about to go"):
        await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "LedgerBusy")
    world.cluster.collect_garbage()
    assert world.cluster.shards() == []
    await world.settle(operator)
    assert len(world.cluster.created) == 2


@pytest.mark.parametrize(("policies", "owned"), [(("Retain", "Delete"), True), (("Delete", "Retain"), False)])
async def test_policy_changes(world: World, policies: tuple[str, str], owned: bool) -> None:
    """The owner of the shards follows the policy."""
    world.cluster.subscribe({"select": {"newest": 1}, "ledgerPolicy": policies[0]})
    operator = world.operator()
    await world.settle(operator)
    world.cluster.merge("Subscription", *KEY, {"spec": {"ledgerPolicy": policies[1]}, "metadata": {"generation": 2}})
    await operator.reconcile()
    uid = world.cluster.subscription()["metadata"]["uid"]
    owners = world.cluster.shards()[0]["metadata"].get("ownerReferences")
    assert owned == any(owner["uid"] == uid for owner in owners or ())


async def test_spec_changed_while_listing(world: World) -> None:
    """What a listing found is not written for a spec that is not wanted any more."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()

    def change() -> None:
        world.site.during = lambda: None
        world.cluster.merge("Subscription", *KEY, {"spec": {"select": {"newest": 1}}, "metadata": {"generation": 2}})

    world.site.during = change
    assert timedelta(0) == await operator.reconcile()
    assert world.cluster.ledger() == {}
    await world.settle(operator)
    assert len(world.cluster.created) == 1


async def test_deleted_by_hand_while_running(world: World) -> None:
    """A ledger that someone deleted does not lead to a second Job beside the one that runs."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    world.cluster.delete("ConfigMap", "media", "trawler-ledger-numberline-0")
    world.cluster.merge("Subscription", *KEY, {"metadata": {"annotations": {labels.CHECK_ANNOTATION: "x"}}})
    operator = world.operator()
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 1
    await world.settle(operator)
    assert len(world.cluster.created) == 1


async def test_only_our_jobs_are_deleted(world: World) -> None:
    """A finished Job that a Running entry still needs is never deleted, however long the history."""
    world.cluster.subscribe({"select": {"newest": 8}, "job": {"parallelism": 2}})
    operator = world.operator()
    for _ in range(3):
        await operator.reconcile()
        for job in world.cluster.running_jobs():
            end_job(world.cluster, job, publish(request_of(job)))
        world.clock.advance(timedelta(seconds=1))
    needed = {
        job_name(*KEY, key, entry.launches)
        for key, entry in world.cluster.ledger().items()
        if entry.state is LedgerState.RUNNING
    }
    assert needed
    assert needed <= {job["metadata"]["name"] for job in world.cluster.list("Job")}


async def test_status_of_another_is_not_overwritten(world: World) -> None:
    """A Subscription that was deleted and applied again during a pass does not inherit the old one's status."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await world.settle(operator)
    world.clock.advance(timedelta(hours=2))

    def replace() -> None:
        world.site.during = lambda: None
        world.cluster.delete("Subscription", *KEY)
        world.cluster.subscribe({"select": {"newest": 2}})

    world.site.during = replace
    await operator.reconcile()
    assert "status" not in world.cluster.subscription()


async def test_stopping(world: World) -> None:
    """A process that was told to stop settles and reports, and starts neither checks nor downloads."""
    world.cluster.subscribe({"select": {"newest": 3}})
    operator = world.operator()
    await operator.reconcile()
    world.finish_jobs()
    operator.reconciler.stop()
    world.clock.advance(timedelta(hours=3))
    await operator.reconcile()
    assert (len(world.cluster.created), len(world.site.requests)) == (1, 1)
    assert world.cluster.subscription()["status"]["counts"]["downloaded"] == 1
    assert operator.woken == {}


async def test_each_video_knows_its_claim(world: World) -> None:
    """After a change of the claim too; the condition says that not everything stands where the spec says."""
    world.cluster.claim("other")
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await operator.reconcile()
    world.finish_jobs()
    await operator.reconcile()
    assert world.cluster.condition("LibraryInPlace") == ("True", "InPlace")
    library = {"spec": {"library": {"claimName": "other"}}, "metadata": {"generation": 2}}
    world.cluster.merge("Subscription", *KEY, library)
    await world.settle(operator)
    world.site.publish("v8")
    world.clock.advance(timedelta(hours=2))
    await world.settle(operator)
    status = world.cluster.subscription()["status"]
    assert status["library"]["claimName"] == "library"
    assert {(video["key"], video.get("claimName")) for video in status["recentVideos"]} >= {
        ("youtube.v6", None),
        ("youtube.v8", "other"),
    }
    assert world.cluster.condition("LibraryInPlace") == ("False", "LibraryChanged")
