"""Premieres and streams: waited for without a Job, and taken when they are there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from client import StandIn
from e2e.place import Place
from e2e.waiting import throughout, until


def _entry(place: Place, video: str) -> dict[str, Any]:
    return place.ledger("waits").get(f"youtube.{video}", {})


def _subscribe(place: Place, handle: str, path: str = "videos") -> None:
    place.subscribe("waits", {"url": f"https://www.youtube.com/{handle}/{path}", "select": {"newest": 1}})


def test_premiere(place: Place, site: StandIn, handle: str) -> None:
    """Listed as upcoming: no Job; listed as published: the next check queues it."""
    site.add_channel(handle=handle, videos=1)
    video = site.videos(handle)[0]["id"]
    starts = datetime.now(UTC) + timedelta(hours=30)
    site.change_video(video, state="premiere", starts_at=starts.isoformat())
    _subscribe(place, handle)
    until("it waits", lambda: _entry(place, video).get("state"), lambda state: state == "Waiting")
    entry = _entry(place, video)
    assert (entry["reason"], entry.get("launches", 0)) == ("Premiere", 0)
    # A channel's tab does not tell when it starts, so a Job asks the player in an hour.
    pause = datetime.fromisoformat(entry["retryAt"]) - datetime.now(UTC)
    assert timedelta(minutes=50) < pause < timedelta(minutes=75)
    place.wait_count("waits", "waiting", 1)
    throughout("no Job is made", lambda: place.jobs("waits"), lambda jobs: jobs == [], seconds=10)
    site.change_video(video, state="ok")
    place.check("waits", "after-the-premiere")
    place.wait_up_to_date("waits", 1)
    assert place.launches("waits") == 1


def test_stream_on_air(place: Place, site: StandIn, handle: str) -> None:
    """Live: no Job; over: the next check queues it."""
    site.add_channel(handle=handle, videos=0, streams=1)
    video = site.videos(handle, "streams")[0]["id"]
    site.change_video(video, state="live")
    _subscribe(place, handle, "streams")
    until("it waits", lambda: _entry(place, video).get("state"), lambda state: state == "Waiting")
    assert _entry(place, video)["reason"] == "Live"
    assert place.jobs("waits") == []
    site.change_video(video, state="was_live")
    place.check("waits", "after-the-stream")
    place.wait_up_to_date("waits", 1)
    assert place.launches("waits") == 1


def test_members_only(place: Place, site: StandIn, handle: str) -> None:
    """Listed as for members, and the spec has no cookies: no Job, and a day until it is looked at."""
    site.add_channel(handle=handle, videos=1)
    video = site.videos(handle)[0]["id"]
    site.change_video(video, state="members_only")
    _subscribe(place, handle)
    until("it waits", lambda: _entry(place, video).get("state"), lambda state: state == "Waiting")
    entry = _entry(place, video)
    assert (entry["reason"], entry.get("launches", 0)) == ("MembersOnly", 0)
    pause = datetime.fromisoformat(entry["retryAt"]) - datetime.now(UTC)
    assert timedelta(hours=23) < pause < timedelta(hours=29)
    place.wait_up_to_date("waits", 0)
