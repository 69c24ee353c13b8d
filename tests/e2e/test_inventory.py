"""Lost ledgers: the history comes back from the NAS before anything is listed."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from client import StandIn
from component.inventory_world import Volume
from e2e import kubectl as k
from e2e import objects
from e2e.operator_pod import OperatorPod
from e2e.place import Place
from e2e.waiting import until
from trawler_downloader.contract.download import SubscriptionRef


def _spec(handle: str) -> dict[str, Any]:
    return {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 3}}


def _downloads(site: StandIn, handle: str) -> int:
    return sum(site.served(video["id"])["video"] for video in site.videos(handle))


def _inventories(place: Place, name: str) -> list[dict[str, Any]]:
    selector = f"app.kubernetes.io/component=inventory,trawler.dev/subscription={name}"
    return objects.items("jobs", namespace=place.namespace, labels=selector)


def _wait_rebuilt(place: Place, name: str, downloaded: int) -> None:
    until(
        f"the ledger of {name} is there again",
        lambda: place.states(name),
        lambda states: states.get("Succeeded") == downloaded,
    )
    until("its Jobs are gone", lambda: _inventories(place, name), lambda jobs: jobs == [])
    place.wait_condition(name, "Ready", "True", "Watching")


def test_new_subscriptions_cost_one_look_at_their_volume(place: Place, site: StandIn, handle: str) -> None:
    """Ten that are applied together: one or two surveys, and no Job of their own before their downloads."""
    site.add_channel(handle=handle, videos=1)
    names = [f"new-{number}" for number in range(10)]
    for name in names:
        place.subscribe(name, _spec(handle))
    for name in names:
        place.wait_up_to_date(name, 1)
    events = objects.items("events", namespace=place.namespace, fields="regarding.kind=Job,reason=SuccessfulCreate")
    made = {event["regarding"]["name"] for event in events}
    assert 1 <= len([job for job in made if "-survey-" in job]) <= 2
    assert [job for job in made if "-inventory-" in job] == []


def test_a_new_cluster_takes_up_what_is_on_the_nas(place: Place, site: StandIn, handle: str) -> None:
    """Ledger and Subscription gone, one file removed by hand: no Job, no download, and the removed one stays away."""
    site.add_channel(handle=handle, videos=40)
    place.subscribe("moved", _spec(handle))
    place.wait_up_to_date("moved", 3)
    removed, *kept = place.media()
    (place.library / removed).unlink()

    k.delete("-n", place.namespace, "ytsub", "moved")
    k.delete("-n", place.namespace, "configmap", "-l", "trawler.dev/subscription=moved")
    until("its Jobs are gone", lambda: place.jobs("moved"), lambda jobs: jobs == [])
    place.subscribe("moved", _spec(handle))
    place.wait_up_to_date("moved", 2)

    assert place.media() == kept
    assert _downloads(site, handle) == 3
    assert place.jobs("moved") == []
    gone = [entry for entry in place.ledger("moved").values() if entry.get("reason") == "RemovedByUser"]
    assert [(entry["state"], entry["path"]) for entry in gone] == [("Skipped", str(removed))]
    (told,) = place.wait_events("HistoryRebuilt")
    assert "2 videos are there, 1 were removed" in told
    _wait_rebuilt(place, "moved", 2)


def test_what_is_new_since_then_is_downloaded(place: Place, site: StandIn, handle: str) -> None:
    """More than the first check's window: the source has had its first run, whichever cluster made it."""
    site.add_channel(handle=handle, videos=40)
    place.subscribe("later", _spec(handle))
    place.wait_up_to_date("later", 3)
    k.delete("-n", place.namespace, "ytsub", "later")
    k.delete("-n", place.namespace, "configmap", "-l", "trawler.dev/subscription=later")
    for _ in range(4):
        site.publish(handle)
    place.subscribe("later", _spec(handle))
    place.wait_up_to_date("later", 7)
    assert _downloads(site, handle) == 7


def test_a_ledger_deleted_under_a_living_subscription(place: Place, site: StandIn, handle: str) -> None:
    """`kubectl delete configmap -l …`: the next look brings it back, without a launch."""
    site.add_channel(handle=handle, videos=40)
    place.subscribe("alive", _spec(handle))
    place.wait_up_to_date("alive", 3)
    launches = place.launches("alive")
    k.delete("-n", place.namespace, "configmap", "-l", "trawler.dev/subscription=alive")
    place.check("alive", "look")
    _wait_rebuilt(place, "alive", 3)
    assert place.launches("alive") == launches
    assert _downloads(site, handle) == 3


@pytest.mark.disruptive
def test_a_history_of_several_chunks_survives_the_operator(
    place: Place, site: StandIn, handle: str, operator: OperatorPod
) -> None:
    """2,500 videos, every second one removed by hand; the operator dies after the first chunk, and none is missing."""
    site.add_channel(handle=handle, videos=1)
    keys = Volume(place.library).write_manifests(2500, SubscriptionRef(namespace=place.namespace, name="large"))
    kept = sorted(keys)[::2]
    (place.library / "c").mkdir()
    for key in kept:
        (place.library / f"c/{key}.mp4").write_bytes(b"0123456789")
    subprocess.run(["chmod", "-R", "a+rwX", place.library], check=True)
    place.subscribe("large", _spec(handle))
    until("the first chunk is in the ledger", lambda: _last_read(place, "large"), bool)
    operator.kill()
    place.wait_up_to_date("large", len(kept) + 1, timeout=400)
    ledger = place.ledger("large")
    assert {key for key, entry in ledger.items() if entry.get("path", "").startswith("c/")} == keys
    assert {key for key in keys if ledger[key]["state"] == "Succeeded"} == set(kept)
    assert {ledger[key]["reason"] for key in keys.difference(kept)} == {"RemovedByUser"}
    assert len(place.jobs("large")) == 1


def _last_read(place: Place, name: str) -> str | None:
    """The key up to which an unfinished inventory has come."""
    shards = objects.items("configmaps", namespace=place.namespace, labels=f"trawler.dev/subscription={name}")
    marks = [shard["metadata"].get("annotations", {}).get("trawler.dev/inventory", "") for shard in shards]
    return next((json.loads(mark).get("after") for mark in marks if mark.startswith("{")), None)
