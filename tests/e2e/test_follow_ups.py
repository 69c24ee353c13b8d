"""A thumbnail that the site did not have at the download, by the real Job and the real yt-dlp."""

from __future__ import annotations

import json
from typing import Any

from client import StandIn
from e2e import kubectl as k
from e2e import objects
from e2e.place import Place
from e2e.waiting import until

LONG_AGO = "2020-01-01T00:00:00Z"


def _make_due(place: Place, key: str, check: str) -> None:
    """A day passes, for the follow-up of a video: the line of the ledger is edited, and a check asked for, by hand."""
    (shard,) = objects.items("configmaps", namespace=place.namespace, labels="trawler.dev/subscription=late")
    entry = json.loads(shard["data"][key])
    entry["followUp"]["at"] = LONG_AGO
    patch = json.dumps({"data": {key: json.dumps(entry)}})
    k.kubectl("-n", place.namespace, "patch", "configmap", shard["metadata"]["name"], "--type=merge", "-p", patch)
    place.ask_for_check("late", check)


def _follow_up(place: Place, key: str) -> dict[str, Any]:
    found: dict[str, Any] = place.ledger("late")[key].get("followUp", {})
    return found


def test_a_late_thumbnail_is_added_beside_the_video(place: Place, site: StandIn, handle: str) -> None:
    """First it is still missing, then it is there; the video is downloaded once and shown as before."""
    site.add_channel(handle=handle, videos=1)
    video = site.videos(handle)[0]["id"]
    key = f"youtube.{video}"
    fault = site.fault("status", status=404, endpoint="thumbnail", video=video)
    place.subscribe("late", {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 1}})
    place.wait_up_to_date("late", 1)
    (media,) = place.media()
    file = place.library / media
    picture = file.with_name(f"{file.stem}-thumb.jpg")
    inode, shown = file.stat().st_ino, place.status("late")["recentVideos"]
    assert _follow_up(place, key)["kind"] == "Thumbnail"
    assert not picture.exists()

    _make_due(place, key, "1")
    until("it was looked for in vain", lambda: _follow_up(place, key), lambda found: found.get("tries") == 1)
    assert not picture.exists()

    site.clear_faults(fault)
    _make_due(place, key, "2")
    until("nothing is missing any more", lambda: _follow_up(place, key), lambda found: not found)

    assert picture.read_bytes()[:2] == b"\xff\xd8"
    assert (file.stat().st_ino, place.status("late")["recentVideos"]) == (inode, shown)
    assert place.launches("late") == 3
    texts = place.wait_events("FollowUpEnded", 2)
    assert any(text.endswith("it is there") for text in texts), texts
