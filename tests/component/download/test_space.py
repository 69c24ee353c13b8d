"""Room on the volume, and whether it answers: looked at before the site is asked, and again when a launch fails."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from component.landing import CountingFiles, FakeEngine, land, next_launch, request_for, tree
from trawler_downloader.contract.download import REQUEST_ENV, DownloadResult
from trawler_downloader.contract.outcomes import VOLUME_REASONS, OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download import program
from trawler_downloader.download.command import command
from trawler_downloader.download.errors import LaunchError, raise_volume_error
from trawler_downloader.download.files import Files
from trawler_downloader.download.probe import LARGE_BYTES, probe
from trawler_downloader.library.space import Room
from trawler_downloader.library.state import ClaimPaths

GIB = 2**30


class RoomyFiles(CountingFiles):
    """A volume with so many bytes free."""

    def __init__(self, free: int | None, size: int = 2**50) -> None:
        super().__init__()
        self.told = None if free is None else Room(free, size)

    def room(self, path):
        return self.told


def end_of(root, files, engine=None, **fields):
    """How a launch on that volume ends."""
    try:
        return land(request_for().model_copy(update=fields), root, engine or FakeEngine(), files)
    except LaunchError as error:
        return error


def test_below_the_floor_the_site_is_not_asked(tmp_path):
    engine = FakeEngine(failure=LaunchError(Reason.UNKNOWN, "the site was asked"))
    end = end_of(tmp_path, RoomyFiles(GIB - 1), engine, min_free_bytes=GIB)
    assert (end.outcome, end.reason) == (OutcomeClass.ENVIRONMENT, "BelowMinFree")
    assert "1.0 GiB must stay free (spec.library.minFree)" in end.message


@pytest.mark.parametrize(
    ("size", "floor"),
    [
        pytest.param(100 * GIB, 5 * GIB, id="5 % of a small volume"),
        pytest.param(2**50, 50 * GIB, id="50 GiB of a large one"),
    ],
)
def test_where_the_request_says_nothing_the_floor_follows_from_the_volumes_size(tmp_path, size, floor):
    end = end_of(tmp_path, RoomyFiles(floor - 1, size), min_free_bytes=None)
    assert end.reason == "BelowMinFree"
    assert f"{floor // GIB}.0 GiB must stay free (spec.library.minFree is not set: " in end.message
    too_large = FakeEngine(announced=GIB)
    assert end_of(tmp_path, RoomyFiles(floor + GIB, size), too_large, min_free_bytes=None).reason == "NotEnoughSpace"
    assert end_of(tmp_path, RoomyFiles(floor, size), min_free_bytes=None).reason == "Published"


def test_a_video_that_does_not_fit_twice_above_the_floor_is_not_downloaded(tmp_path):
    downloads = tmp_path / "downloads"
    engine = FakeEngine(announced=GIB, counter=downloads)
    end = end_of(tmp_path, RoomyFiles(3 * GIB - 1), engine, min_free_bytes=GIB)
    assert (end.outcome, end.reason) == (OutcomeClass.ENVIRONMENT, "NotEnoughSpace")
    assert not downloads.exists()
    assert end_of(tmp_path, RoomyFiles(3 * GIB), engine, min_free_bytes=GIB).reason == "Published"


def test_a_video_that_needs_no_merging_must_fit_once(tmp_path):
    engine = FakeEngine(announced=GIB, copies_at_once=1)
    assert end_of(tmp_path, RoomyFiles(2 * GIB - 1), engine, min_free_bytes=GIB).reason == "NotEnoughSpace"
    assert end_of(tmp_path, RoomyFiles(2 * GIB), engine, min_free_bytes=GIB).reason == "Published"


def test_a_file_system_that_tells_no_numbers_is_not_refused(tmp_path):
    assert end_of(tmp_path, RoomyFiles(None), FakeEngine(announced=2**50)).reason == "Published"


def test_what_is_landed_or_fetched_needs_no_room(tmp_path):
    """A full volume does not keep a finished launch from being told, nor a fetched video from its name."""
    land(request_for(), tmp_path)
    assert end_of(tmp_path, RoomyFiles(0), launch=2).reason == "AlreadyPublished"


@pytest.mark.parametrize(
    ("blocks", "available", "size", "room"),
    [
        pytest.param(100, 7, 4096, Room(7 * 4096, 100 * 4096), id="what root may still write does not count"),
        pytest.param(0, 0, 4096, None, id="no numbers"),
    ],
)
def test_free_space_is_that_of_an_ordinary_user(monkeypatch, blocks, available, size, room):
    told = os.statvfs_result((4096, size, blocks, 50, available, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _path: told)
    assert Files().room(Path("/")) == room


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_without_statfs_tells_no_numbers(monkeypatch, number):
    def refuse(_path):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "statvfs", refuse)
    assert Files().room(Path("/")) is None


def test_a_volume_that_does_not_answer_tells_no_free_space_but_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Files().room(tmp_path / "gone")


def test_the_probe_leaves_nothing(tmp_path):
    paths = ClaimPaths(tmp_path, request_for().subscription)
    probe(Files(), paths)
    assert list(paths.stagings.iterdir()) == []


def test_a_volume_that_gives_back_something_else_is_refused(tmp_path, monkeypatch):
    class Corrupting(Files):
        def move(self, source, target):
            super().move(source, target)
            target.write_bytes(b"\0")

    with pytest.raises(LaunchError, match="something else") as raised:
        probe(Corrupting(), ClaimPaths(tmp_path, request_for().subscription))
    assert (raised.value.outcome, raised.value.reason) == (OutcomeClass.ENVIRONMENT, "VolumeError")


class FullFiles(Files):
    """Takes small files and no large ones, as a full file system often does."""

    def write(self, path, data):
        if len(data) > 4096:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        super().write(path, data)


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(LaunchError(Reason.UNKNOWN, "Conversion failed!"), id="ffmpeg without a cause"),
        pytest.param(RuntimeError("something"), id="an error that nobody knows"),
    ],
)
def test_a_failure_without_a_cause_on_a_full_volume_is_the_volumes(tmp_path, failure):
    end = end_of(tmp_path, FullFiles(), FakeEngine(failure=failure))
    assert (end.outcome, end.reason) == (OutcomeClass.ENVIRONMENT, "NoSpace")
    assert list(ClaimPaths(tmp_path, request_for().subscription).stagings.iterdir()) == []


def test_a_failure_without_a_cause_on_a_healthy_volume_stays_what_it_was(tmp_path):
    end = end_of(tmp_path, Files(), FakeEngine(failure=LaunchError(Reason.UNKNOWN, "why?")))
    assert (end.outcome, end.reason) == (OutcomeClass.TRANSIENT, "Unknown")


def test_a_video_that_is_gone_needs_no_look_at_the_volume(tmp_path, monkeypatch):
    sizes = []
    monkeypatch.setattr(program, "probe", lambda _f, _p, size=0: sizes.append(size))
    end = end_of(tmp_path, Files(), FakeEngine(failure=LaunchError(Reason.VIDEO_REMOVED, "gone")))
    assert end.reason == "VideoRemoved"
    assert LARGE_BYTES not in sizes


class ShortWritingFile:
    """A disk with room for a part: write(2) takes that and says how much."""

    def __init__(self, file) -> None:
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def fileno(self):
        return self.file.fileno()

    def write(self, data):
        return self.file.write(bytes(data)[:3])


def test_a_disk_that_takes_a_part_of_a_write_gets_the_rest(tmp_path, monkeypatch):
    real = os.fdopen
    monkeypatch.setattr(os, "fdopen", lambda *args, **kwargs: ShortWritingFile(real(*args, **kwargs)))
    Files().write(tmp_path / "file", b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_what_a_process_left_that_died_while_replacing_is_removed_by_the_next(tmp_path):
    left, other = tmp_path / ".a.json.0011223344556677.tmp", tmp_path / ".b.json.0011223344556677.tmp"
    left.touch()
    other.touch()
    Files().replace(tmp_path / "a.json", b"{}")
    assert sorted(path.name for path in tmp_path.iterdir()) == [other.name, "a.json"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(
            OSError(errno.EINVAL, "Invalid argument", "/library/a:b"), "NameRefused", id="a name with a colon"
        ),
        pytest.param(OSError(errno.EILSEQ, "Illegal byte", "/library/é"), "NameRefused", id="a character set"),
        pytest.param(OSError(errno.EINVAL, "Invalid argument"), "VolumeError", id="an open file"),
        pytest.param(OSError(errno.EFBIG, "File too large"), "FileTooLarge", id="four gibibytes on FAT"),
        pytest.param(OSError(errno.ETIMEDOUT, "Timed out", "/library"), "VolumeError", id="a server that is away"),
        pytest.param(OSError(errno.EDQUOT, "Disk quota exceeded"), "NoSpace", id="a quota"),
    ],
)
def test_what_one_video_meets_does_not_close_the_volume_for_all(error, reason):
    with pytest.raises(LaunchError) as raised:
        raise_volume_error(error)
    assert (raised.value.outcome, raised.value.reason) == (Reason(reason).outcome, reason)
    assert (reason in VOLUME_REASONS) is (reason in {"VolumeError", "NoSpace"})


def test_a_manifest_of_an_id_in_another_case_is_not_taken_for_ours(tmp_path):
    """On a volume that takes names that differ in case only for one."""
    upper, lower = request_for("AAAAAAAAAAA"), request_for("aaaaaaaaaaa")
    land(upper, tmp_path)
    theirs = ClaimPaths(tmp_path, upper.subscription).manifest(upper.video.key)
    ours = ClaimPaths(tmp_path, lower.subscription).manifest(lower.video.key)
    ours.parent.mkdir(exist_ok=True)
    ours.write_bytes(theirs.read_bytes())
    with pytest.raises(LaunchError, match="differ in case only") as raised:
        land(lower, tmp_path)
    assert raised.value.reason == "ManifestUnreadable"
    assert len([name for name in tree(tmp_path) if name.endswith(".mp4")]) == 1


@pytest.fixture(name="told")
def _told(tmp_path):
    """What the program reports of a request, in a library of its own."""
    before = os.umask(0o022)

    def told(library: Path, **fields) -> DownloadResult:
        request = next_launch(request_for()).model_copy(update=fields)
        environment = {
            REQUEST_ENV: request.to_json(),
            "TRAWLER_LIBRARY": str(library),
            "TRAWLER_TERMINATION_LOG": str(tmp_path / "termination-log"),
        }
        command([], environment)
        return DownloadResult.model_validate_json((tmp_path / "termination-log").read_text())

    yield told
    os.umask(before)


def test_a_failure_after_the_probe_tells_the_volumes_id(tmp_path, told):
    """The volume answers, whatever came of the video."""
    library = tmp_path / "library"
    library.mkdir()
    video = request_for().video.model_copy(update={"url": "ftp://x.test/a"})
    result = told(library, video=video)
    assert (result.outcome, result.reason) == (OutcomeClass.CONFIGURATION, "UnsupportedUrl")
    assert result.volume_id == json.loads((library / ".trawler/volume-id").read_text())["id"]


def test_a_failure_of_the_probe_tells_no_id(tmp_path, told, monkeypatch):
    def refuse(_files, _paths):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(program, "probe", refuse)
    result = told(tmp_path)
    assert (result.outcome, result.reason) == (OutcomeClass.ENVIRONMENT, "ReadOnly")
    assert result.volume_id is None
