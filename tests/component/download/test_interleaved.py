"""Two launches on one claim, one of them in the middle of the other: at every operation on the disk in turn."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from component.landing import MEDIA, CountingFiles, FakeEngine, land, launch_of, next_launch, request_for, tree
from trawler_downloader.contract.download import DownloadRequest, DownloadResult, MediaWish
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.download import program
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.download.files import Files
from trawler_downloader.library.manifest import decode_manifest
from trawler_downloader.library.state import ClaimPaths


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at here is the order of things."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


class InterruptedFiles(Files):
    """Right before the operation of that number (from 0), somebody else does something on the same claim."""

    def __init__(self, at: int, meanwhile: Callable[[], object]) -> None:
        self.left = at
        self.meanwhile = meanwhile

    def step(self, operation: str, path: Path) -> None:
        if self.left == 0:
            self.meanwhile()
        self.left -= 1


def interleavings(
    tmp_path: Path, one: tuple[DownloadRequest, FakeEngine], two: tuple[DownloadRequest, FakeEngine]
) -> list[tuple[Path, DownloadResult | LaunchError, DownloadResult]]:
    """The claim and how both ended, for each operation of `one` at which the whole of `two` may happen."""
    ends = []
    operations = CountingFiles()
    (tmp_path / "counted").mkdir()
    land(one[0], tmp_path / "counted", one[1], operations)
    for point, operation in enumerate(operations.operations):
        if operation[0] == "rename" and operation[1].endswith(".mp4"):
            continue  # between the last look at the final name and the rename there is no room to look again
        root = tmp_path / f"claim-{point}"
        root.mkdir()
        seconds: list[DownloadResult] = []
        files = InterruptedFiles(
            point, lambda root=root, seconds=seconds: seconds.append(land(two[0], root, two[1], pod="other"))
        )
        try:
            first: DownloadResult | LaunchError = land(one[0], root, one[1], files)
        except LaunchError as error:
            first = error
        ends.append((root, first, seconds[0]))
    return ends


def media_files(root: Path) -> list[str]:
    return [name for name in tree(root) if name.endswith((".mp4", ".mkv"))]


def plain(video_id: str, subscription: str) -> DownloadRequest:
    return request_for(video_id, subscription=subscription, media=MediaWish())


def bare(**fields: object) -> FakeEngine:
    engine = FakeEngine(**fields)  # type: ignore[arg-type]
    engine.sidecars = lambda _folder, _wanted: ()  # type: ignore[method-assign]
    return engine


@pytest.mark.parametrize(
    "differently",
    [
        pytest.param({}, id="the same"),
        pytest.param({"title": "A title that was changed"}, id="under a changed title"),
        pytest.param({"suffix": ".mkv"}, id="in another container"),
    ],
)
def test_one_video_in_one_folder_is_one_file_however_two_subscriptions_interleave(tmp_path, differently):
    one, two = plain("aaaaaaaaaaa", "one"), plain("aaaaaaaaaaa", "two")
    ends = interleavings(tmp_path, (one, bare()), (two, bare(**differently)))
    assert len(ends) > 40
    for point, (root, first, second) in enumerate(ends):
        assert isinstance(first, DownloadResult), point
        assert [first.path] == [second.path] == media_files(root), point
        assert (root / str(first.path)).read_bytes() == MEDIA
        for request in (one, two):
            manifest = decode_manifest(ClaimPaths(root, request.subscription).manifest(request.video.key).read_bytes())
            assert (manifest.committed, manifest.media.path) == (True, first.path), point


def test_two_videos_of_one_day_with_one_title_are_two_files_however_they_interleave(tmp_path):
    one, two = plain("aaaaaaaaaaa", "one"), plain("bbbbbbbbbbb", "one")
    ends = interleavings(tmp_path, (one, bare()), (two, bare(video_id="bbbbbbbbbbb")))
    for point, (root, first, second) in enumerate(ends):
        assert isinstance(first, DownloadResult), point
        assert first.path != second.path, point
        assert sorted([first.path, second.path]) == media_files(root), point


def test_a_launch_that_was_given_up_and_lives_does_no_harm_to_the_next_one(tmp_path):
    """A node that was cut off: its pod goes on while the next launch lands the video."""
    one = plain("aaaaaaaaaaa", "one")
    ends = interleavings(tmp_path, (one, bare()), (next_launch(one), bare()))
    for point, (root, first, second) in enumerate(ends):
        if isinstance(first, LaunchError):
            assert first.outcome is OutcomeClass.ENVIRONMENT, point
        assert media_files(root) == [second.path], point
        assert (root / str(second.path)).read_bytes() == MEDIA
        again = program.run(launch_of(next_launch(next_launch(one)), root))
        assert (again.reason, again.path) == ("AlreadyPublished", second.path), point
