"""Folders and stems."""

from datetime import date
from itertools import islice
from pathlib import PurePosixPath

import pytest

from trawler_downloader.contract.download import Layout, LibraryPlace
from trawler_downloader.library.layouts import (
    MAX_COMPONENT_BYTES,
    SUFFIX_ROOM,
    EpisodeNumber,
    LibraryPathError,
    folder_of,
    reservation_name,
    section,
    short_id,
    stems,
)

CHRISTMAS = date(2024, 12, 25)
FOLDER = PurePosixPath("tim/A channel")


@pytest.mark.parametrize(
    ("number", "label", "season", "episode"),
    [
        pytest.param(EpisodeNumber(CHRISTMAS), "S24E1225", 24, 1225, id="the day's first upload"),
        pytest.param(EpisodeNumber(CHRISTMAS, 2), "S24E122502", 24, 122502, id="the second"),
        pytest.param(EpisodeNumber(CHRISTMAS, 10), "S24E122510", 24, 122510, id="the tenth"),
        pytest.param(EpisodeNumber(CHRISTMAS, 100), "S24E1225100", 24, 1225100, id="the hundredth"),
        pytest.param(EpisodeNumber(date(2009, 1, 2)), "S09E0102", 9, 102, id="leading zeros"),
    ],
)
def test_an_episode_is_a_day_of_a_year(number, label, season, episode):
    assert (label, season, episode) == (number.label, number.season, number.episode)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("", ".", id="the root"),
        pytest.param("tim", "tim", id="one folder"),
        pytest.param("tim/kids//", "tim/kids", id="two, with needless slashes"),
    ],
)
def test_a_section_is_a_relative_path(path, expected):
    assert PurePosixPath(expected) == section(path)


@pytest.mark.parametrize(
    ("path", "named"),
    [
        pytest.param("/etc", "relative", id="absolute"),
        pytest.param("a/../../b", "'..'", id="out of the root"),
        pytest.param("./a", "'.'", id="the folder itself"),
        pytest.param(".trawler/x", "'.trawler'", id="the state folder"),
        pytest.param("a/.hidden", "'.hidden'", id="hidden"),
        pytest.param("a\x00b", "'a b' would be one", id="a control character"),
        pytest.param("x" * 256, "not a folder name", id="too long"),
        pytest.param("what?", "'what' would be one", id="a character of Windows"),
    ],
)
def test_a_bad_section_is_refused_by_name(path, named):
    with pytest.raises(LibraryPathError, match=r"library\.path") as raised:
        section(path)
    assert named in str(raised.value)


@pytest.mark.parametrize(
    ("folder", "channel", "source", "expected"),
    [
        pytest.param("Mine", "Its", "Listing", "tim/Mine", id="the Subscription's own name wins"),
        pytest.param(None, "Its", "Listing", "tim/Its", id="the channel's name"),
        pytest.param(None, None, "Listing", "tim/Listing", id="the listing's title"),
        pytest.param(None, " ", "", "tim/Youtube", id="the site's name"),
        pytest.param("..", None, None, "tim/Youtube", id="a name of dots"),
        pytest.param("a/b", None, None, "tim/a-b", id="a folder is one component"),
    ],
)
def test_the_folder_is_named_by_the_first_that_has_a_name(folder, channel, source, expected):
    place = LibraryPlace(path="tim", folder=folder)
    assert PurePosixPath(expected) == folder_of(place, channel, source, "Youtube")


def first_stems(layout, title="A title", video_id="dQw4w9WgXcQ", number=None, count=3):
    return [str(stem) for stem in islice(stems(layout, FOLDER, title, video_id, number), count)]


def test_a_show_has_seasons_and_numbered_episodes():
    """The id, then a count, tell equal names apart."""
    assert first_stems(Layout.SHOW, number=EpisodeNumber(CHRISTMAS)) == [
        "tim/A channel/Season 24/A title (S24E1225)",
        "tim/A channel/Season 24/A title (S24E1225) [dQw4w9WgXcQ]",
        "tim/A channel/Season 24/A title (S24E1225) [dQw4w9WgXcQ] 2",
    ]


def test_a_flat_folder_tells_videos_apart_by_their_id():
    assert first_stems(Layout.FLAT, count=2) == [
        "tim/A channel/A title [dQw4w9WgXcQ]",
        "tim/A channel/A title [dQw4w9WgXcQ] 2",
    ]


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("title", ["é" * 300, "💥" * 200, "x" * 1000, "..", ""])
def test_every_title_leaves_room_for_every_suffix(layout, title):
    """Also of an id that is long and full of slashes."""
    number = EpisodeNumber(CHRISTMAS, 2)
    for stem in stems(layout, FOLDER, title, "../" * 100, number):
        assert len(stem.name.encode()) <= MAX_COMPONENT_BYTES - SUFFIX_ROOM
        assert stem.is_relative_to(FOLDER)
        assert ".." not in stem.parts


def test_a_title_of_nothing_is_the_id():
    assert first_stems(Layout.FLAT, title="..", count=1) == ["tim/A channel/dQw4w9WgXcQ [dQw4w9WgXcQ]"]


@pytest.mark.parametrize(
    ("video_id", "expected"),
    [
        pytest.param("dQw4w9WgXcQ", "dQw4w9WgXcQ", id="a plain id"),
        pytest.param("a/b", "a-b-c14cddc033f6", id="a slash: told apart from a-b by a hash"),
        pytest.param(
            "x" * 100,
            "x" * 51 + "-" + "09ecb6ebc8bcefc733f6f2ec44f791abeed6a99edf0cc31519637898aebd52d8"[:12],
            id="a long id",
        ),
    ],
)
def test_an_id_in_a_name_is_short_and_unique(video_id, expected):
    assert short_id(video_id)[:40] == expected[:40]
    assert len(short_id(video_id).encode()) <= 64


def test_reservations_are_one_where_a_nas_sees_one_name():
    assert reservation_name("stem", "A/b") == reservation_name("stem", "a/B")
    assert reservation_name("stem", "a") != reservation_name("episode", "a")
    assert reservation_name("stem", "a", "b") != reservation_name("stem", "ab")
