"""A NAS that fills up, turns read-only, breaks, freezes or is not there: nothing half, nothing lost, back by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from cannot_run import cannot_run
from client import StandIn
from e2e import kubectl as k
from e2e import media, objects
from e2e.loop_disk import LoopDisk, loop_disk
from e2e.place import Place
from e2e.waiting import until

LARGE = 60_000_000
"""Bytes of a video that takes a while and leaves room for two on the disk."""


@pytest.fixture
def disk(place: Place) -> Iterator[LoopDisk]:
    """The place's library is a small disk of its own."""
    if "SHARED_NAS" not in os.environ:
        cannot_run("mounts under the NAS's folder do not reach the node: that takes root on Linux")
    with loop_disk(place.library) as small:
        yield small


def _spec(handle: str, newest: int = 1) -> dict[str, object]:
    return {
        "url": f"https://www.youtube.com/{handle}/videos",
        "select": {"newest": newest},
        "library": {"minFree": "0"},
        "job": {"stallTimeoutSeconds": 30},
    }


def _transfer_under_way(place: Place) -> None:
    until("the transfer is under way", place.staged, lambda staged: any(p.suffix == ".part" for p in staged))


def _lands_whole(place: Place, name: str, downloaded: int) -> None:
    """All that is wanted is there once, playable, without a try having been spent and without leftovers."""
    place.wait_up_to_date(name, downloaded, timeout=400)
    landed = place.media()
    assert len(landed) == downloaded
    for file in landed:
        media.probe(place.library / file)
    assert [entry.get("failures", 0) for entry in place.ledger(name).values() if entry["state"] == "Succeeded"] == (
        [0] * downloaded
    )
    until("no staging is left", place.staged, lambda staged: staged == [])


def _slow_large_video(site: StandIn, handle: str) -> str:
    site.add_channel(handle=handle, videos=0)
    video: str = site.publish(channel=handle, videos=[{"title": "Large", "size_bytes": LARGE}])[0]["id"]
    site.fault("slow", endpoint="media", video=video, bytes_per_second=2_000_000)
    return video


@pytest.mark.lengthy
def test_a_disk_that_fills_up_in_the_middle(place: Place, site: StandIn, handle: str, disk: LoopDisk) -> None:
    """The download ends, its part is removed, the gate says so; with room again it goes on by itself."""
    _slow_large_video(site, handle)
    place.subscribe("full", _spec(handle))
    _transfer_under_way(place)
    disk.fill()
    shown = place.wait_condition("full", "Ready", "False", "VolumeGateClosed")
    assert "NoSpace" in shown["message"]
    assert place.media() == []
    site.clear_faults()
    disk.make_room()
    _lands_whole(place, "full", 1)


def test_a_video_that_does_not_fit_is_not_begun(place: Place, site: StandIn, handle: str, disk: LoopDisk) -> None:
    """Its announced size and the room to be kept free are compared first; a smaller video still lands."""
    site.add_channel(handle=handle, videos=1)
    site.publish(channel=handle, videos=[{"title": "Larger than the disk", "size_bytes": 250_000_000}])
    place.subscribe("tight", _spec(handle, newest=2))
    until("the small one has landed", lambda: len(place.media()), lambda n: n == 1, timeout=300)
    entry = until(
        "the large one says why it waits",
        lambda: next(e for e in place.ledger("tight").values() if e["state"] != "Succeeded"),
        lambda e: e.get("reason") == "NotEnoughSpace",
    )
    assert entry["state"] == "Pending"
    assert entry.get("failures", 0) == 0


@pytest.mark.lengthy
def test_a_disk_that_turns_read_only_under_an_open_file(
    place: Place, site: StandIn, handle: str, disk: LoopDisk
) -> None:
    """Nothing gets its final name; repaired, the video lands."""
    _slow_large_video(site, handle)
    place.subscribe("read-only", _spec(handle))
    _transfer_under_way(place)
    disk.turn_read_only()
    place.wait_condition("read-only", "Ready", "False", "VolumeGateClosed")
    assert place.media() == []
    site.clear_faults()
    disk.repair()
    _lands_whole(place, "read-only", 1)


@pytest.mark.lengthy
def test_a_disk_that_breaks_under_an_open_file(place: Place, site: StandIn, handle: str, disk: LoopDisk) -> None:
    """Input/output errors cost no try; with the disk repaired, the video lands."""
    _slow_large_video(site, handle)
    place.subscribe("broken", _spec(handle))
    _transfer_under_way(place)
    disk.break_down()
    place.wait_condition("broken", "Ready", "False", "VolumeGateClosed")
    site.clear_faults()
    disk.repair()
    assert place.media() == []
    _lands_whole(place, "broken", 1)


@pytest.mark.disruptive
def test_a_disk_that_freezes(place: Place, site: StandIn, handle: str, disk: LoopDisk) -> None:
    """A pod that cannot be killed is given up, and neither doubles nor loses the video; thawed, everything lands."""
    large = f"youtube.{_slow_large_video(site, handle)}"
    site.publish(channel=handle, count=2)
    place.subscribe("frozen", _spec(handle, newest=3))
    _transfer_under_way(place)
    disk.freeze()
    try:
        pods = ["pods", "-l", "app.kubernetes.io/component=download", "--grace-period=1"]
        k.delete("-n", place.namespace, *pods, wait=False)
        shown = place.wait_condition("frozen", "Ready", "False", "DownloadNotStarting", timeout=300)
        assert "its volume does not answer" in shown["message"]
        entry = until(
            "the launch is given up",
            lambda: place.ledger("frozen")[large],
            lambda entry: entry.get("reason") == "NotTerminating",
            timeout=300,
        )
        assert (entry["outcome"], entry.get("failures", 0)) == ("Terminated", 0)
    finally:
        disk.thaw()
    site.clear_faults()
    _lands_whole(place, "frozen", 3)
    phases = {pod["status"]["phase"] for pod in objects.items("pods", namespace=place.namespace)}
    assert phases.isdisjoint({"Pending", "Running"})


def _landed_once(place: Place, site: StandIn, handle: str) -> None:
    site.add_channel(handle=handle, videos=1)
    place.subscribe("unplugged", _spec(handle))
    place.wait_up_to_date("unplugged", 1)
    site.publish(channel=handle, count=1)


@pytest.mark.lengthy
def test_a_disk_that_is_not_mounted_on_its_folder(place: Place, site: StandIn, handle: str, disk: LoopDisk) -> None:
    """The bare folder gets nothing written into it: the volume's marker is missing there."""
    _landed_once(place, site, handle)
    disk.unmount()
    place.ask_for_check("unplugged", "without-the-disk")
    shown = place.wait_condition("unplugged", "Ready", "False", "SubscriptionGateClosed")
    assert "VolumeMarkerMissing" in shown["message"]
    assert list(place.library.iterdir()) == []
    disk.mount()
    _lands_whole(place, "unplugged", 2)


@pytest.mark.lengthy
def test_a_folder_that_is_not_there(place: Place, site: StandIn, handle: str, disk: LoopDisk) -> None:
    """The pod's mount never comes: the launch is ended without costing a try, and the gate closes."""
    _landed_once(place, site, handle)
    disk.unmount()
    place.library.rmdir()
    place.ask_for_check("unplugged", "without-the-folder")
    shown = place.wait_condition("unplugged", "Ready", "False", "VolumeGateClosed", timeout=400)
    assert "MountFailed" in shown["message"]
    disk.mount()
    _lands_whole(place, "unplugged", 2)
