"""Ledgers that are lost: read back from the volume before anything is listed.

What the Jobs print here is printed by the real program, over a folder that the real publishing code has filled.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from component.cluster import KEY, print_nothing
from component.inventory_world import (
    OWNER,
    SPEC,
    filled,
    in_state,
    lose_cluster,
    lose_ledger,
    mark,
    pretend_histories,
    volume_of,
)
from component.world import videos
from trawler_downloader.contract.outcomes import LedgerState
from trawler_downloader.library.state import ClaimPaths
from trawler_operator.api import labels
from trawler_operator.reconcile.ports import RejectedError
from trawler_operator.reconcile.reconciler import PassFailedError


async def test_the_history_of_a_lost_cluster_is_rebuilt(world, volume):
    """Nothing is downloaded again, what was removed by hand stays away, and what is new comes, however much it is."""
    await filled(world)
    volume.media("v4").unlink()
    world.site.publish(*(f"w{number}" for number in range(7)))
    world = lose_cluster(world, volume)
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    downloaded = len(volume.downloads)
    await world.settle(operator)
    new = {f"youtube.w{number}" for number in range(7)}
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 5, 6, 7) | new
    removed = world.cluster.ledger()["youtube.v4"]
    assert (removed.state, removed.reason) == (LedgerState.SKIPPED, "RemovedByUser")
    assert set(volume.downloads[downloaded:]) == {f"w{number}" for number in range(7)}
    assert {key for key, _ in world.launches} == new
    told = [event.message for event in operator.silent.events if event.reason == "HistoryRebuilt"]
    assert told == ["the ledger was made anew from the volume: 4 videos are there, 1 were removed"]
    status = world.cluster.subscription()["status"]
    assert (status["counts"]["downloaded"], status["counts"]["skipped"]) == (11, 4)
    assert world.cluster.condition("Ready") == ("True", "Watching")


async def test_the_first_listing_after_it_is_an_ordinary_check(world, volume):
    """The source and its newest known videos are in the request, newest first."""
    await filled(world)
    world = lose_cluster(world, volume)
    world.cluster.subscribe(SPEC)
    await world.operator().reconcile()
    (request,) = world.site.requests
    (known,) = request.known.values()
    assert set(known) == videos(3, 4, 5, 6, 7)
    assert volume_of(world) == json.loads((volume.root / ".trawler/volume-id").read_text())["id"]


async def test_another_name_finds_nothing(world, volume):
    """A Subscription's folder on the volume is its identity."""
    await filled(world)
    world = lose_cluster(world, volume)
    world.cluster.subscribe({"select": {"newest": 1}}, name="other")
    operator = world.operator()
    await operator.reconcile(("media", "other"))
    assert {event.reason for event in operator.silent.events}.isdisjoint({"HistoryRebuilt"})
    assert world.cluster.states("other")["youtube.v7"] is LedgerState.RUNNING


async def test_a_ledger_deleted_while_the_subscription_lives(world, volume):
    """Rebuilt without a launch; the status goes on saying what it said meanwhile."""
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await world.settle(operator)
    await operator.reconcile()
    before = world.cluster.subscription()["status"]
    launched = list(world.launches)
    lose_ledger(world)
    world.cluster.inventory = None
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "RebuildingHistory")
    during = world.cluster.subscription()["status"]
    assert [during[name] for name in ("counts", "bytes", "recentVideos")] == [
        before[name] for name in ("counts", "bytes", "recentVideos")
    ]
    world.cluster.inventory = volume.print
    world.cluster.run_inventory(KEY)
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("True", "Watching")
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 4, 5, 6, 7)
    assert world.cluster.subscription()["status"]["counts"]["downloaded"] == 5
    assert world.launches == launched


async def test_a_request_waits_for_the_history(world, volume):
    """A ledger that a request wrote first would pass for whole; one that was carried out is not carried out again."""
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await world.settle(operator)
    ask = {"metadata": {"annotations": {"trawler.dev/skip": "one;keys=youtube.v2"}}}
    world.cluster.merge("Subscription", *KEY, ask)
    await operator.reconcile()
    handled = world.cluster.subscription()["status"]["lastHandled"]["skip"]
    lose_ledger(world)
    world.cluster.inventory = None
    await operator.reconcile()
    assert world.cluster.shards() == []
    world.cluster.inventory = volume.print
    world.cluster.run_inventory(KEY)
    await operator.reconcile()
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 4, 5, 6, 7)
    assert world.cluster.subscription()["status"]["lastHandled"]["skip"] == handled


async def test_a_ledger_that_is_older_than_inventories_is_left_alone(world):
    await filled(world)
    (shard,) = world.cluster.shards()
    unmarked = {"metadata": {"annotations": {labels.INVENTORY_ANNOTATION: None}}}
    world.cluster.merge("ConfigMap", "media", shard["metadata"]["name"], unmarked)
    world.cluster.reads.clear()
    await world.operator().reconcile()
    assert "list inventory Jobs" not in world.cluster.reads


async def test_nothing_is_listed_before(world):
    """While the inventory runs, its Subscription waits for its end: neither a listing nor a download."""
    world.cluster.inventory = None
    pretend_histories(world, "numberline")
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    for _ in range(3):
        world.clock.advance(timedelta(minutes=1))
        await operator.reconcile()
    assert world.site.requests == []
    assert world.cluster.created == []
    assert len(world.cluster.inventory_jobs()) == 1
    assert world.cluster.condition("Ready") == ("False", "RebuildingHistory")
    assert operator.admission.running == 0


async def test_without_a_claim_there_is_nothing_to_read(world):
    """The claim's absence is what is told; a suspended Subscription waits as well."""
    world.cluster.delete("PersistentVolumeClaim", "media", "library")
    world.cluster.subscribe(SPEC)
    world.cluster.subscribe({**SPEC, "suspend": True}, name="other")
    operator = world.operator()
    await operator.reconcile()
    await operator.reconcile(("media", "other"))
    assert world.cluster.condition("Ready") == ("False", "ClaimNotFound")
    assert world.cluster.inventory_jobs() == []
    assert world.site.requests == []
    world.cluster.claim()
    await operator.reconcile()
    await operator.reconcile(("media", "other"))
    assert mark(world) == "empty"
    assert world.cluster.shards("other") == []


async def test_thousands_of_manifests_come_in_chunks(world, volume):
    """Five thousand: three Jobs after the survey, each entry once."""
    keys = volume.write_manifests(5000)
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await operator.reconcile()
    ledger = world.cluster.ledger()
    assert {key for key in ledger if key.startswith("youtube.video")} == keys
    assert {ledger[key].reason for key in keys} == {"RemovedByUser"}
    assert world.cluster.writes.count("create Job") - len(world.cluster.created) == 1 + 3
    assert world.cluster.inventory_jobs() == []
    assert {event.reason for event in operator.silent.events} >= {"HistoryRebuilt"}


async def test_an_unreadable_manifest_is_told_and_stops_nothing(world, volume):
    await filled(world)
    ClaimPaths(volume.root, OWNER).manifest("youtube.v5").write_text("{")
    world = lose_cluster(world, volume)
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await operator.reconcile()
    (event,) = [event for event in operator.silent.events if event.reason == "ManifestUnreadable"]
    assert event.warning
    assert "youtube.v5.json" in event.message
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 4, 6, 7)


async def test_a_place_is_free_for_others_while_its_holder_cannot_use_it(world):
    """Its ledger cannot be written, or its spec names another volume, of which nothing is known yet."""
    world.cluster.inventory = None
    world.cluster.claim("attic")
    keys = [("media", f"sub-{number}") for number in range(6)]
    pretend_histories(world, *(name for _, name in keys))
    operator = world.operator()
    for _, name in keys:
        world.cluster.subscribe(SPEC, name=name)
        await operator.reconcile(("media", name))
    world.cluster.inventory = print_nothing
    world.cluster.run_inventory(keys[0])
    operator.api.fail = lambda what: RejectedError("a quota") if what.startswith("create ConfigMap") else None
    with pytest.raises(PassFailedError):
        await operator.reconcile(keys[0])
    assert operator.called == {keys[4]}
    operator.api.fail = lambda _: None
    world.cluster.survey = None
    moved = {"spec": {"library": {"claimName": "attic"}}, "metadata": {"generation": 2}}
    world.cluster.merge("Subscription", *keys[1], moved)
    await operator.reconcile(keys[1])
    assert operator.called == {keys[4], keys[5]}


async def test_a_few_run_at_a_time(world):
    """The fifth waits for a place, and is woken when one is free."""
    world.cluster.inventory = None
    keys = [("media", f"sub-{number}") for number in range(7)]
    pretend_histories(world, *(name for _, name in keys))
    operator = world.operator()
    for _, name in keys:
        world.cluster.subscribe(SPEC, name=name)
        await operator.reconcile(("media", name))
    assert len(world.cluster.inventory_jobs()) == 4
    assert world.cluster.condition("Ready", keys[4]) == ("False", "RebuildingHistory")
    assert operator.woken == {}
    world.cluster.inventory = print_nothing
    world.cluster.run_inventory(keys[0])
    await operator.reconcile(keys[0])
    assert keys[4] in operator.woken
    await operator.reconcile(keys[4])
    assert keys[5] in operator.called
    assert keys[6] not in operator.called
    world.cluster.delete("Subscription", *keys[1])
    await operator.reconcile(keys[1])
    assert keys[6] in operator.called
