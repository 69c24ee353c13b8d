"""SIGKILL anywhere: every video arrives, once, and whole."""

from __future__ import annotations

import pytest

from client import StandIn
from e2e import media, objects
from e2e.operator_pod import OperatorPod, kill_container
from e2e.place import Place
from e2e.served import not_served_once
from e2e.waiting import until


@pytest.mark.disruptive
def test_operator_killed_three_times_during_a_backfill(
    place: Place, site: StandIn, handle: str, operator: OperatorPod
) -> None:
    """Twenty files, each downloaded once, although the operator died after the 2nd, the 6th and the 12th."""
    site.add_channel(handle=handle, videos=30)
    place.subscribe(
        "backfill",
        {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 20}, "job": {"parallelism": 3}},
    )
    for landed in (2, 6, 12):
        until(
            f"{landed} videos have landed",
            lambda: len(place.media()),
            lambda n, landed=landed: n >= landed,
            timeout=300,
        )
        operator.kill()
    place.wait_up_to_date("backfill", 20, timeout=600)
    assert len(place.media()) == 20
    assert place.states("backfill")["Succeeded"] == 20
    newest = [video["id"] for video in site.videos(handle)[:20]]
    assert not_served_once(site, newest) == {}


def test_a_killed_download_pod_leaves_nothing_half_and_is_tried_again(place: Place, site: StandIn, handle: str) -> None:
    """Killed in the middle of a transfer: no final name appears; the retry ends with the complete file."""
    site.add_channel(handle=handle, videos=1)
    video = site.videos(handle)[0]["id"]
    site.fault(endpoint="media", video=video, kind="slow", bytes_per_second=2000)
    place.subscribe(
        "killed",
        {
            "url": f"https://www.youtube.com/{handle}/videos",
            "select": {"newest": 1},
            "job": {"stallTimeoutSeconds": 30},  # and so written to the disk in small pieces
        },
    )
    until("the transfer is under way", place.staged, lambda staged: any(p.suffix == ".part" for p in staged))
    pod = objects.items("pods", namespace=place.namespace, labels="trawler.dev/subscription=killed")[0]
    kill_container(pod["metadata"]["uid"], "download")
    assert place.media() == []
    site.clear_faults()
    place.wait_up_to_date("killed", 1, timeout=400)
    (landed,) = place.media()
    assert media.probe(place.library / landed).streams == {"video", "audio"}
    assert place.launches("killed") == 2


@pytest.mark.disruptive
def test_the_lister_dies_and_nobody_blames_the_source(
    place: Place, site: StandIn, handle: str, operator: OperatorPod
) -> None:
    """A lister that was killed is back by itself, and SourceReachable never says that the site was at fault."""
    site.add_channel(handle=handle, videos=3)
    place.subscribe("listed", {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 1}})
    place.wait_up_to_date("listed", 1)
    operator.kill("lister")
    place.check("listed", "after-the-lister-died")
    assert place.condition("listed", "SourceReachable")["status"] != "False"
    place.wait_condition("listed", "Ready", "True", "Watching")
