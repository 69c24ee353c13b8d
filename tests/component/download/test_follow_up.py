"""What could not be had at the download is added later, and the video stays as it is whatever happens."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

import pytest

from component.landing import (
    EPISODE,
    KILLED,
    MEDIA,
    WHOLE,
    CountingFiles,
    FakeEngine,
    land,
    land_and_die,
    request_for,
    tree,
)
from trawler_downloader.contract.download import DownloadRequest, FollowUpKind, MediaWish, Sidecar
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.library.manifest import Manifest, StagedFile, decode_manifest

PICTURE = f"{EPISODE}-thumb.jpg"
BARE = [name for name in WHOLE if name != PICTURE]


def follow_up(launch: int = 2) -> DownloadRequest:
    return request_for(launch=launch).model_copy(update={"follow_up": FollowUpKind.THUMBNAIL})


def without_picture() -> FakeEngine:
    return FakeEngine(has_thumbnail=False)


def manifest(root: Path) -> Manifest:
    (path,) = (root / ".trawler/tv.one/videos").rglob("*.json")
    return decode_manifest(path.read_bytes())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A claim on which the video stands without its thumbnail."""
    root = tmp_path / "claim"
    root.mkdir()
    told = land(request_for(), root, without_picture())
    assert told.follow_up is FollowUpKind.THUMBNAIL
    assert tree(root) == BARE
    return root


def test_a_download_with_its_picture_asks_for_nothing_more(tmp_path: Path) -> None:
    """Nor does one that wants none."""
    wanted = land(request_for(), tmp_path)
    other = request_for("bbbbbbbbbbb", media=MediaWish(sidecars=(Sidecar.NFO,)))
    unwanted = land(other, tmp_path, FakeEngine(video_id="bbbbbbbbbbb", has_thumbnail=False))
    assert (wanted.follow_up, unwanted.follow_up) == (None, None)


def test_the_picture_is_added(root: Path) -> None:
    """Beside the video, which is not fetched again; the manifest names it, and staging is empty."""
    before, engine = manifest(root), FakeEngine(counter=root.parent / "downloads")
    told = land(follow_up(), root, engine)
    assert (told.reason, told.path, told.follow_up) == (Reason.PUBLISHED, f"{EPISODE}.mp4", None)
    assert tree(root) == WHOLE
    assert engine.asked_for == [(Sidecar.THUMBNAIL,)]
    assert not (root.parent / "downloads").exists()
    after = manifest(root)
    assert {file.path for file in after.files} - {file.path for file in before.files} == {PICTURE}
    assert (after.committed, after.times, after.launch) == (True, before.times, 2)
    assert list((root / ".trawler/tv.one/staging").iterdir()) == []


def test_a_picture_that_is_still_missing(root: Path) -> None:
    """Nothing changes, and it is worth another look."""
    before = manifest(root)
    told = land(follow_up(), root, without_picture())
    assert (told.reason, told.follow_up) == (Reason.STILL_MISSING, FollowUpKind.THUMBNAIL)
    assert (tree(root), manifest(root)) == (BARE, before)


def test_a_picture_that_somebody_put_there(root: Path) -> None:
    """It is taken as it is; the site is not asked."""
    (root / PICTURE).write_bytes(b"mine")
    told = land(follow_up(), root, FakeEngine(failure=LaunchError(Reason.RATE_LIMITED, "asked")))
    assert (told.reason, told.follow_up) == (Reason.ALREADY_PUBLISHED, None)
    assert (root / PICTURE).read_bytes() == b"mine"
    assert PICTURE in {file.path for file in manifest(root).files}


@pytest.mark.parametrize("has_thumbnail", [True, False], ids=["the site has one now", "the site still has none"])
def test_a_picture_that_somebody_puts_there_meanwhile(root: Path, has_thumbnail: bool) -> None:
    """While the site is asked: it stays, and nothing is missing any more."""

    class Slow(FakeEngine):
        def sidecars(self, folder: Path, wanted: Collection[Sidecar]) -> tuple[StagedFile, ...]:
            (root / PICTURE).write_bytes(b"mine")
            return super().sidecars(folder, wanted)

    told = land(follow_up(), root, Slow(has_thumbnail=has_thumbnail))
    assert (told.reason, told.follow_up) == (Reason.PUBLISHED, None)
    assert (root / PICTURE).read_bytes() == b"mine"
    assert tree(root) == WHOLE


def test_a_file_of_a_media_server_is_none_of_ours(tmp_path: Path) -> None:
    """It stands beside the video under a name that we would use, and the manifest does not take it for ours."""
    bare = request_for(media=MediaWish(sidecars=(Sidecar.THUMBNAIL,)))
    land(bare, tmp_path, without_picture())
    (tmp_path / f"{EPISODE}.nfo").write_bytes(b"by a media server")
    land(bare.model_copy(update={"launch": 2, "follow_up": FollowUpKind.THUMBNAIL}), tmp_path, FakeEngine())
    assert {Path(file.path).name for file in manifest(tmp_path).files} == {
        Path(f"{EPISODE}.mp4").name,
        Path(PICTURE).name,
    }


def test_a_video_that_was_removed(root: Path) -> None:
    """It is not downloaded again for its picture's sake."""
    (root / f"{EPISODE}.mp4").unlink()
    with pytest.raises(LaunchError) as ended:
        land(follow_up(), root, FakeEngine())
    assert ended.value.reason is Reason.FILE_GONE
    assert f"{EPISODE}.mp4" not in tree(root)


def test_a_site_that_refuses_leaves_all_as_it_is(root: Path) -> None:
    """The ending is the site's."""
    with pytest.raises(LaunchError) as ended:
        land(follow_up(), root, FakeEngine(failure=LaunchError(Reason.PRIVATE, "it is private")))
    assert ended.value.reason is Reason.PRIVATE
    assert tree(root) == BARE
    assert list((root / ".trawler/tv.one/staging").iterdir()) == []


def test_too_little_room(root: Path) -> None:
    """A full NAS harms more than a missing picture."""
    request = follow_up().model_copy(update={"min_free_bytes": 2**60})
    with pytest.raises(LaunchError) as ended:
        land(request, root, FakeEngine())
    assert ended.value.reason is Reason.BELOW_MIN_FREE


def test_a_folder_that_leads_out_of_the_claim(root: Path, tmp_path: Path) -> None:
    """Nothing is written there."""
    season = root / Path(EPISODE).parent
    outside = tmp_path / "outside"
    season.rename(outside)
    season.symlink_to(outside)
    with pytest.raises(LaunchError) as ended:
        land(follow_up(), root, FakeEngine())
    assert ended.value.reason is Reason.OUTSIDE_LIBRARY
    assert not (outside / Path(PICTURE).name).exists()


def test_another_subscriptions_copy_gets_its_picture_once(root: Path) -> None:
    """Both name the one file; who comes second finds the picture there."""
    other = request_for(subscription="two")
    assert land(other, root, without_picture()).follow_up is FollowUpKind.THUMBNAIL
    land(follow_up(), root, FakeEngine())
    asked = FakeEngine(failure=LaunchError(Reason.RATE_LIMITED, "asked"))
    told = land(other.model_copy(update={"launch": 2, "follow_up": FollowUpKind.THUMBNAIL}), root, asked)
    assert (told.reason, told.follow_up) == (Reason.ALREADY_PUBLISHED, None)


def test_every_operation_can_be_the_last_one(root: Path) -> None:
    """Killed before each in turn: the video stands throughout, and the next launch ends with the whole."""
    files = CountingFiles()
    land(follow_up(), _copy(root, "counted"), FakeEngine(), files)
    assert len(files.operations) > 20
    for point, operation in enumerate(files.operations):
        claim = _copy(root, f"claim-{point}")
        assert land_and_die(follow_up(), claim, FakeEngine(), point) == KILLED, operation
        assert (claim / f"{EPISODE}.mp4").read_bytes() == MEDIA, operation
        assert manifest(claim).committed, operation

        told = land(follow_up(3), claim, FakeEngine())

        assert (tree(claim), told.follow_up) == (WHOLE, None), operation
        assert (claim / PICTURE).read_bytes() == b"Thumbnail", operation
        assert PICTURE in {file.path for file in manifest(claim).files}, operation
        named = [video.read_text() for video in (claim / ".trawler/tv.one/staging").glob("*/video")]
        assert follow_up().video.key not in named, operation  # what does not say whose it is goes once it is old


def _copy(root: Path, name: str) -> Path:
    return shutil.copytree(root, root.parent / name, symlinks=True)
