"""A Subscription with an URL and a window becomes exactly the newest videos, finished and well named."""

from __future__ import annotations

import re

import pytest

from client import StandIn
from e2e import kubectl as k
from e2e import media
from e2e.place import Place
from e2e.served import not_served_once

SHOW_NAME = re.compile(r"[^/]+/Season \d{2}/.+ \(S\d{2}E\d{4}(\d{2})?\)\.mp4")


def test_newest_five_of_a_channel(place: Place, site: StandIn, handle: str) -> None:
    """`url` and `select.newest: 5` alone: five Jobs, five playable files with sidecars, each served once."""
    site.add_channel(handle=handle, title="Five", videos=120)
    place.subscribe("five", {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 5}})
    place.wait_up_to_date("five", 5)

    videos = place.media()
    assert len(videos) == 5
    for video in videos:
        assert SHOW_NAME.fullmatch(str(video)), video
        assert str(video).startswith("Five/")
        found = media.probe(place.library / video)
        assert found.streams == {"video", "audio"}
        assert found.seconds > 2
        stem = (place.library / video).with_suffix("")
        assert {p.suffix for p in stem.parent.iterdir() if p.name.startswith(stem.name)} == {
            ".mp4", ".jpg", ".description", ".nfo",
        }  # fmt: skip

    assert place.states("five") == {"Succeeded": 5, "Skipped": 25}
    assert place.launches("five") == 5
    newest = [video["id"] for video in site.videos(handle)[:5]]
    assert {key for key, entry in place.ledger("five").items() if entry["state"] == "Succeeded"} == {
        f"youtube.{video}" for video in newest
    }
    assert not_served_once(site, newest) == {}
    row = k.kubectl("-n", place.namespace, "get", "subscriptions").splitlines()[1].split()
    assert row[:3] == ["five", "True", "Watching"]
    assert row[3] == "5"
    place.wait_events("VideoPublished", 5)


@pytest.mark.parametrize("newest", [1, 3])
def test_a_small_window_leaves_the_back_catalogue_alone(place: Place, site: StandIn, handle: str, newest: int) -> None:
    """Neither the first check nor the ones after it take more than the window."""
    channel = "@" + re.sub(r"[^a-z0-9]+", "", handle)
    site.add_channel(handle=channel, videos=120)
    place.subscribe("small", {"url": f"https://www.youtube.com/{channel}/videos", "select": {"newest": newest}})
    place.wait_up_to_date("small", newest)
    for number in (1, 2):
        place.check("small", f"again-{number}")
    assert len(place.media()) == newest
    assert place.launches("small") == newest


def test_a_window_on_a_playlist(place: Place, site: StandIn, handle: str) -> None:
    """Of a playlist of 120 the window is taken, the rest is known and stays away, also when its owner reorders it."""
    site.add_channel(handle=handle, videos=120)
    playlist = site.add_playlist(name=handle, owner=handle, **{"from": f"{handle}/videos"}, count=120, order="shuffled")
    place.subscribe("list", {"url": f"https://www.youtube.com/playlist?list={playlist['id']}", "select": {"newest": 5}})
    place.wait_up_to_date("list", 5)
    assert place.states("list") == {"Succeeded": 5, "Skipped": 115}

    site.change_playlist(playlist["id"], order="oldest_first")
    place.check("list", "reordered")
    assert place.states("list") == {"Succeeded": 5, "Skipped": 115}
    assert len(place.media()) == 5
