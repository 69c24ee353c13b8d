"""What can be subscribed to, and how its files are laid out."""

from __future__ import annotations

from client import StandIn
from e2e import media
from e2e.place import Place


def test_a_single_video(place: Place, site: StandIn, handle: str) -> None:
    """The URL of one video is a subscription of one; checks after it ask the site for nothing."""
    site.add_channel(handle=handle, title="Solo", videos=3)
    video = site.videos(handle)[1]["id"]
    place.subscribe("single", {"url": f"https://www.youtube.com/watch?v={video}"})
    place.wait_up_to_date("single", 1)
    assert [path.parts[0] for path in place.media()] == ["Solo"]
    place.check("single", "again")
    assert place.launches("single") == 1


def test_a_bare_channel_with_two_tabs(place: Place, site: StandIn, handle: str) -> None:
    """The window counts per tab; a tab that was not asked for stays out."""
    site.add_channel(handle=handle, videos=40, shorts=35, streams=3)
    place.subscribe(
        "tabs",
        {"url": f"https://www.youtube.com/{handle}", "select": {"newest": 2, "kinds": ["Video", "Short"]}},
    )
    place.wait_up_to_date("tabs", 4)
    wanted = {v["id"] for tab in ("videos", "shorts") for v in site.videos(handle, tab=tab)[:2]}
    assert {
        key.removeprefix("youtube.") for key, e in place.ledger("tabs").items() if e["state"] == "Succeeded"
    } == wanted


def test_two_videos_of_one_day_with_one_title(place: Place, site: StandIn, handle: str) -> None:
    """Landing at the same moment they get different episode numbers and both stay."""
    site.add_channel(
        handle=handle,
        title="Twins",
        videos=0,
        published=[
            {"title": "Weekly report", "published": "2026-05-04T09:00:00Z"},
            {"title": "Weekly report", "published": "2026-05-04T17:00:00Z"},
        ],
    )
    place.subscribe("twins", {"url": f"https://www.youtube.com/{handle}/videos", "job": {"parallelism": 2}})
    place.wait_up_to_date("twins", 2)
    assert [str(path) for path in place.media()] == [
        "Twins/Season 26/Weekly report (S26E0504).mp4",
        "Twins/Season 26/Weekly report (S26E050402).mp4",
    ]


def test_hostile_titles_stay_under_the_root(place: Place, site: StandIn, handle: str) -> None:
    """`..`, 300 × é, emoji, slashes, right-to-left override: a safe file each, all inside the claim."""
    titles = ["..", "é" * 300, "🐟 fish 👩‍👩‍👧‍👦", "a/b\\c:d*e?", "harmless\u202e4pm.exe", ".hidden", "CON"]
    site.add_channel(
        handle=handle,
        title="..",
        videos=0,
        published=[{"title": t, "published": f"2026-03-{n:02d}T08:00:00Z"} for n, t in enumerate(titles, start=1)],
    )
    place.subscribe("hostile", {"url": f"https://www.youtube.com/{handle}/videos"})
    place.wait_up_to_date("hostile", len(titles))
    names = place.media()
    assert len(names) == len(titles)
    for name in names:
        assert len(name.parts) == 3
        assert not any(part.startswith(".") or len(part.encode()) > 255 for part in name.parts)
        assert "\u202e" not in str(name)
    assert {path.name for path in place.nas.iterdir() if path.is_file()} == set()


def test_flat_audio_in_a_folder_of_its_own(place: Place, site: StandIn, handle: str) -> None:
    """Audio only, flat names, another folder and section: `media` and `library` do what they say."""
    site.add_channel(handle=handle, videos=2)
    place.subscribe(
        "audio",
        {
            "url": f"https://www.youtube.com/{handle}/videos",
            "media": {"type": "Audio", "container": "m4a", "sidecars": ["InfoJson"]},
            "library": {"path": "music/tim", "layout": "Flat", "folder": "Own name"},
        },
    )
    place.wait_up_to_date("audio", 2)
    names = place.media()
    assert [path.parent.as_posix() for path in names] == ["music/tim/Own name"] * 2
    assert all(media.probe(place.library / path).streams == {"audio"} for path in names)
    assert sorted(p.suffix for p in place.files()) == [".json", ".json", ".m4a", ".m4a"]
