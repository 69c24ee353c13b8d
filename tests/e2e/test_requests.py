"""Retry, skip and cancel by annotation, as a user types them."""

from __future__ import annotations

from typing import Any

from client import StandIn
from e2e import kubectl as k
from e2e.operator_pod import OperatorPod
from e2e.place import Place
from e2e.waiting import throughout, until


def _ask(place: Place, verb: str, value: str) -> dict[str, Any]:
    """Annotate as a user does, and wait until it was handled."""
    k.kubectl("-n", place.namespace, "annotate", "--overwrite", "ytsub", "asked", f"trawler.dev/{verb}={value}")
    return until(
        f"{verb} {value} is handled",
        lambda: place.status("asked").get("lastHandled", {}).get(verb, {}),
        lambda handled: handled.get("id") == value.partition(";")[0],
    )


def _subscribe(place: Place, site: StandIn, handle: str, newest: int = 1, **more: Any) -> list[str]:
    """A channel of three videos. Returns the ids of the wanted ones, newest first."""
    site.add_channel(handle=handle, videos=3)
    place.subscribe("asked", {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": newest}, **more})
    return [video["id"] for video in site.videos(handle)[:newest]]


def _state(place: Place, video: str) -> str:
    return str(place.ledger("asked").get(f"youtube.{video}", {}).get("state"))


def test_dead_letter_is_retried(place: Place, site: StandIn, handle: str, operator: OperatorPod) -> None:
    """Given up while the site said that it was removed, and counted by reason; asked for again, it is downloaded."""
    site.add_channel(handle=handle, videos=1)
    video = site.videos(handle)[0]["id"]
    fault = site.fault(video=video, kind="removed")
    place.subscribe("asked", {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 1}})
    until("it is given up", lambda: _state(place, video), lambda state: state == "DeadLetter", timeout=240)
    place.wait_count("asked", "deadLetter", 1)
    reason = place.ledger("asked")[f"youtube.{video}"]["reason"]
    mine = {"namespace": place.namespace, "name": "asked", "reason": reason}
    until("metrics show it", lambda: operator.metric("trawler_dead_letters", **mine), lambda value: value == 1)
    site.clear_faults(fault)
    handled = _ask(place, "retry", "1")
    assert (handled["accepted"], handled["unknown"]) == (1, 0)
    place.wait_up_to_date("asked", 1)
    assert place.launches("asked") == 2
    until("metrics do not", lambda: operator.metric("trawler_dead_letters", **mine), lambda value: value is None)


def test_old_video_is_asked_for_by_name(place: Place, site: StandIn, handle: str) -> None:
    """What the first check left out can be had all the same, by its key; a key that nobody knows is counted."""
    _subscribe(place, site, handle)
    place.wait_up_to_date("asked", 1)
    oldest = site.videos(handle)[-1]["id"]
    handled = _ask(place, "retry", f"1;keys=youtube.{oldest},youtube.no-such-video")
    assert (handled["accepted"], handled["unknown"]) == (1, 1)
    place.wait_up_to_date("asked", 2)
    assert _state(place, oldest) == "Succeeded"


def test_download_is_cancelled(place: Place, site: StandIn, handle: str) -> None:
    """The Job goes with its pod, nothing is left under a final name, and it does not come back."""
    (video,) = _subscribe(place, site, handle, suspend=True, job={"stallTimeoutSeconds": 30})
    site.fault(endpoint="media", video=video, kind="slow", bytes_per_second=2000)
    k.kubectl("-n", place.namespace, "patch", "ytsub", "asked", "--type=merge", "-p", '{"spec": {"suspend": false}}')
    until("the transfer is under way", place.staged, lambda staged: any(p.suffix == ".part" for p in staged))
    handled = _ask(place, "cancel", f"1;keys=youtube.{video}")
    assert handled["accepted"] == 1
    entry = place.ledger("asked")[f"youtube.{video}"]
    assert (entry["state"], entry["reason"]) == ("Skipped", "CancelledByUser")
    until("its Job is gone", lambda: place.jobs("asked"), lambda jobs: jobs == [])
    site.clear_faults()
    throughout("it does not come back", lambda: place.jobs("asked"), lambda jobs: jobs == [], seconds=10)
    assert place.media() == []


def test_queued_videos_are_skipped(place: Place, site: StandIn, handle: str) -> None:
    """What waits for its turn is left out; what runs goes on."""
    newest, *_ = _subscribe(place, site, handle, newest=3, suspend=True)
    oldest = site.videos(handle)[-1]["id"]
    site.fault(endpoint="media", video=newest, kind="slow", bytes_per_second=2000)
    k.kubectl("-n", place.namespace, "patch", "ytsub", "asked", "--type=merge", "-p", '{"spec": {"suspend": false}}')
    until("the first one runs", lambda: _state(place, newest), lambda state: state == "Running")
    handled = _ask(place, "skip", "1;state=Pending")
    assert handled["accepted"] == 2
    site.clear_faults()
    place.wait_up_to_date("asked", 1, timeout=400)
    assert _state(place, oldest) == "Skipped"
    assert place.launches("asked") == 1


def test_value_that_cannot_be_understood(place: Place, site: StandIn, handle: str) -> None:
    """Said in the status and in an Event, with the annotation's name."""
    _subscribe(place, site, handle)
    place.wait_up_to_date("asked", 1)
    handled = _ask(place, "skip", "1;sate=Pending")
    assert handled["accepted"] == 0
    assert "trawler.dev/skip" in handled["message"]
    (told,) = place.wait_events("RequestRefused")
    assert handled["message"] in told
