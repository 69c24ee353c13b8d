"""The API server is away while downloads end, and pods are gone before anybody read them: no outcome is lost."""

from __future__ import annotations

import time

import pytest

from client import StandIn
from e2e import kubectl as k
from e2e import node
from e2e.operator_pod import OperatorPod
from e2e.place import Place
from e2e.served import not_served_once
from e2e.waiting import until

OUTAGE_SECONDS = 90


@pytest.mark.disruptive
def test_downloads_that_end_while_the_api_server_is_away(
    place: Place, site: StandIn, handle: str, operator: OperatorPod
) -> None:
    """Three downloads end in the outage: each is settled afterwards, none is made again, and the queue goes on."""
    site.add_channel(handle=handle, videos=8)
    slow = [video["id"] for video in site.videos(handle)[0:3]]
    for video in slow:  # the first three in the queue: newest first; about a minute each
        site.fault("slow", endpoint="media", video=video, stream="video", bytes_per_second=10_000)
    place.subscribe(
        "outage",
        {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 8}, "job": {"parallelism": 3}},
    )
    until("three transfers are under way", place.staged, lambda staged: sum(p.suffix == ".part" for p in staged) >= 3)
    with node.without_api_server():
        before = place.media()
        time.sleep(OUTAGE_SECONDS)
        during = place.media()
    assert before == [], "no download should have ended before the outage"
    assert len(during) == 3, "the downloads should have ended in the outage, and no other begun"
    operator.wait_ready()
    place.wait_up_to_date("outage", 8, timeout=600)
    assert len(place.media()) == 8
    assert place.launches("outage") == 8
    assert not_served_once(site, [video["id"] for video in site.videos(handle)]) == {}


@pytest.mark.disruptive
def test_pods_deleted_before_they_were_read(place: Place, site: StandIn, handle: str, operator: OperatorPod) -> None:
    """With the operator away, one download is published and one finds its video removed; then both pods are deleted."""
    site.add_channel(handle=handle, videos=2)
    removed, published = (video["id"] for video in site.videos(handle))
    site.fault("removed", video=removed)
    for video in (removed, published):
        site.fault("slow", endpoint="watch", video=video, bytes_per_second=20_000, times=1)
    place.subscribe(
        "unread",
        {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 2}, "job": {"parallelism": 2}},
    )
    until("both Jobs are created", lambda: place.jobs("unread"), lambda jobs: len(jobs) == 2)
    k.kubectl("-n", operator.namespace, "scale", "deployment/trawler", "--replicas=0")
    try:
        until(
            "both Jobs have ended",
            lambda: [c["type"] for job in place.jobs("unread") for c in job["status"].get("conditions", [])],
            lambda kinds: {"Complete", "Failed"} <= set(kinds),
        )
        k.delete("-n", place.namespace, "pods", "-l", "trawler.dev/subscription=unread")
    finally:
        k.kubectl("-n", operator.namespace, "scale", "deployment/trawler", "--replicas=1")
    operator.wait_ready()
    place.wait_up_to_date("unread", 1, timeout=300)
    ledger = place.ledger("unread")
    assert ledger[f"youtube.{removed}"]["state"] == "DeadLetter"
    assert ledger[f"youtube.{removed}"]["outcome"] == "Terminal"
    assert ledger[f"youtube.{published}"]["path"] == str(place.media()[0])
    assert not_served_once(site, [published]) == {}
