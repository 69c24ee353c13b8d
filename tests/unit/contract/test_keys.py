"""Identities of videos and sources."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trawler_downloader.contract.keys import KEY_PATTERN, source_key, video_key


@pytest.mark.parametrize(
    ("extractor", "video_id", "expected"),
    [
        pytest.param("Youtube", "dQw4w9WgXcQ", "youtube.dQw4w9WgXcQ", id="plain id"),
        pytest.param("youtube", "-_aB3", "youtube.-_aB3", id="every character a ConfigMap key may hold"),
        pytest.param(
            "generic",
            "https://x/é",
            "generic.sha256-",
            id="other characters are hashed",
        ),
        pytest.param("generic", "..", "generic.sha256-", id="a name that is a folder is hashed"),
        pytest.param("generic", "x" * 151, "generic.sha256-", id="a long id is hashed"),
        pytest.param("generic", "", "generic.sha256-", id="an empty id is hashed"),
        pytest.param("x" * 65, "a", "sha256-", id="a long extractor is hashed"),
        pytest.param("..x", "a", "sha256-", id="an extractor that begins with a dot is hashed"),
        pytest.param("", "a", "sha256-", id="no extractor"),
    ],
)
def test_a_video_key_is_a_configmap_key(extractor: str, video_id: str, expected: str) -> None:
    """Whatever the id, the key fits ConfigMaps and file names, and plain ids stay readable."""
    key = video_key(extractor, video_id)
    assert re.fullmatch(KEY_PATTERN, key)
    assert key == expected or (expected.endswith("sha256-") and key.startswith(expected))


@given(extractor=st.text(max_size=300), subject=st.text(max_size=300), tab=st.text(max_size=300))
def test_every_key_fits(extractor: str, subject: str, tab: str) -> None:
    """Whatever a site calls its things."""
    assert re.fullmatch(KEY_PATTERN, video_key(extractor, subject))
    assert re.fullmatch(KEY_PATTERN, source_key(extractor, subject, tab))


def test_different_ids_never_share_a_key() -> None:
    """Hashing keeps ids apart that differ in one character only."""
    assert video_key("generic", "a/b") != video_key("generic", "a/c")


def test_a_source_key_names_the_tab() -> None:
    """Tabs of one channel have windows of their own."""
    assert source_key("YoutubeTab", "UC1", "videos") == "youtubetab.UC1.videos"
    assert source_key("YoutubeTab", "PL1") == "youtubetab.PL1"
