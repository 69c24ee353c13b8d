"""Deleting, and coming back: files stay, history stays, and nothing is downloaded again."""

from __future__ import annotations

from typing import Any

from client import StandIn
from e2e import kubectl as k
from e2e import objects
from e2e.place import Place
from e2e.waiting import until


def _spec(handle: str, **more: Any) -> dict[str, Any]:
    return {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 3}, **more}


def _downloads(site: StandIn, handle: str) -> int:
    return sum(site.served(video["id"])["video"] for video in site.videos(handle))


def test_a_deleted_subscription_comes_back_without_a_download(place: Place, site: StandIn, handle: str) -> None:
    """Its Jobs go, files and ledger stay; applied again it adopts the ledger."""
    site.add_channel(handle=handle, videos=40)
    place.subscribe("back", _spec(handle))
    place.wait_up_to_date("back", 3)
    files, ledger = place.files(), place.ledger("back")

    k.delete("-n", place.namespace, "ytsub", "back")
    until("its Jobs are gone", lambda: place.jobs("back"), lambda jobs: jobs == [])
    assert place.files() == files
    assert place.ledger("back") == ledger

    place.subscribe("back", _spec(handle))
    place.wait_up_to_date("back", 3)
    assert place.files() == files
    assert _downloads(site, handle) == 3
    assert place.launches("back") == 3


def test_a_lost_ledger_is_rebuilt_from_the_volume(place: Place, site: StandIn, handle: str) -> None:
    """With the ledger deleted as well the manifests tell: the same files, zero downloads, and no Job for any video."""
    site.add_channel(handle=handle, videos=40)
    place.subscribe("lost", _spec(handle))
    place.wait_up_to_date("lost", 3)
    files = place.files()

    k.delete("-n", place.namespace, "ytsub", "lost")
    k.delete("-n", place.namespace, "configmap", "-l", "trawler.dev/subscription=lost")
    until("its Jobs are gone", lambda: place.jobs("lost"), lambda jobs: jobs == [])
    place.subscribe("lost", _spec(handle))
    place.wait_up_to_date("lost", 3)
    assert place.jobs("lost") == []
    assert place.files() == files
    assert _downloads(site, handle) == 3
    assert {entry["reason"] for entry in place.ledger("lost").values() if entry["state"] == "Succeeded"} == {
        "AlreadyPublished"
    }


def test_ledger_policy_delete_takes_the_history_along(place: Place, site: StandIn, handle: str) -> None:
    """`ledgerPolicy: Delete`: the ledger goes with the Subscription, the files stay."""
    site.add_channel(handle=handle, videos=40)
    place.subscribe("gone", _spec(handle, ledgerPolicy="Delete"))
    place.wait_up_to_date("gone", 3)
    files = place.files()
    k.delete("-n", place.namespace, "ytsub", "gone")
    until("the ledger is gone", lambda: place.ledger_versions("gone"), lambda shards: shards == {})
    assert place.files() == files


def test_deleted_and_applied_again_while_pods_still_end(place: Place, site: StandIn, handle: str) -> None:
    """With `ledgerPolicy: Delete` and downloads under way: the new one waits for their end, then has all files."""
    site.add_channel(handle=handle, videos=40)
    for video in site.videos(handle)[:3]:
        site.fault(endpoint="media", video=video["id"], kind="slow", bytes_per_second=4000)
    spec = _spec(handle, ledgerPolicy="Delete", job={"parallelism": 3})
    place.subscribe("again", spec)
    until("downloads run", lambda: place.status("again").get("counts", {}).get("running", 0), lambda n: n >= 2)
    k.kubectl("-n", place.namespace, "delete", "ytsub", "again", "--wait=false")
    until(
        "the old one is gone",
        lambda: k.kubectl("-n", place.namespace, "get", "ytsub", "again", "--ignore-not-found"),
        lambda shown: shown == "",
    )
    place.subscribe("again", spec)
    site.clear_faults()
    place.wait_up_to_date("again", 3, timeout=400)
    assert len(place.media()) == 3
    uid = objects.get("subscriptions", "again", namespace=place.namespace)["metadata"]["uid"]
    shards = objects.items("configmaps", namespace=place.namespace, labels="trawler.dev/subscription=again")
    assert {owner["uid"] for shard in shards for owner in shard["metadata"]["ownerReferences"]} == {uid}
