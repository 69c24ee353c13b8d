"""What the claim remembers."""

import json
from datetime import date
from pathlib import Path

import pytest

from trawler_downloader.contract.download import LibraryPlace, MediaWish, StepTimes, SubscriptionRef
from trawler_downloader.library.manifest import (
    LandedFile,
    Manifest,
    ManifestError,
    Role,
    StagedFile,
    StagingRecord,
    VideoFacts,
    decode_manifest,
    decode_record,
    encode,
)
from trawler_downloader.library.state import ClaimPaths

MANIFEST = Manifest(
    key="youtube.a",
    extractor="Youtube",
    id="a",
    url="https://x.test/a",
    title="Ein Titel mit ü",
    published=date(2024, 12, 25),
    launch=1,
    season=24,
    episode=1225,
    files=(
        LandedFile(role=Role.NFO, path="c/t.nfo", bytes=1, staged="Nfo"),
        LandedFile(role=Role.MEDIA, path="c/t.mp4", bytes=2, staged="media/a.mp4"),
    ),
    staging="1-pod",
    engine="2026.10.26",
)
RECORD = StagingRecord(
    key="youtube.a",
    media=MediaWish(),
    place=LibraryPlace(),
    facts=VideoFacts(extractor="Youtube", id="a", url="u", title="t", named_after=date(2024, 12, 25)),
    files=(StagedFile(role=Role.MEDIA, name="media/a.mp4", bytes=2),),
    engine="2026.10.26",
    times=StepTimes(started=1.0),
)


def test_what_is_written_is_read_back():
    assert decode_manifest(encode(MANIFEST)) == MANIFEST
    assert decode_record(encode(RECORD)) == RECORD


def test_a_manifest_names_its_media_file():
    assert MANIFEST.media.path == "c/t.mp4"


def test_people_can_read_a_manifest():
    """Indented, not escaped, nothing absent."""
    text = encode(MANIFEST).decode()
    assert '\n  "title": "Ein Titel mit ü"' in text
    assert "durationSeconds" not in text


def test_fields_of_a_newer_release_are_ignored():
    assert decode_manifest(json.dumps(json.loads(encode(MANIFEST)) | {"newer": 1}).encode()) == MANIFEST


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param(b"", "the file: ", id="empty"),
        pytest.param(b"{", "the file: ", id="torn"),
        pytest.param(json.dumps(json.loads(encode(MANIFEST)) | {"v": 2}).encode(), "v: ", id="another version"),
        pytest.param(
            json.dumps(json.loads(encode(MANIFEST)) | {"launch": "x"}).encode(), "launch: ", id="a wrong value"
        ),
        pytest.param(json.dumps(json.loads(encode(MANIFEST)) | {"files": []}).encode(), "files: ", id="no media file"),
    ],
)
def test_a_broken_manifest_names_what_is_wrong(text, named):
    with pytest.raises(ManifestError, match=rf"^{named}"):
        decode_manifest(text)


def test_paths_on_a_claim():
    paths = ClaimPaths(Path("/library"), SubscriptionRef(namespace="tv", name="one"))
    assert paths.marker == Path("/library/.trawler/volume-id")
    assert paths.stagings == Path("/library/.trawler/tv.one/staging")
    assert paths.manifest("youtube.a") == Path("/library/.trawler/tv.one/videos/41/youtube.a.json")
    assert paths.reservation("abcdef") == Path("/library/.trawler/names/ab/abcdef/claim.json")
