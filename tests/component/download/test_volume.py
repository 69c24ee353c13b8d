"""The volume's marker, staging folders, and file systems that behave like a NAS."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from component.landing import MEDIA, CountingFiles, FakeEngine, land, launch_of, next_launch, request_for, tree
from trawler_downloader.contract.download import LibraryPlace, SubscriptionRef
from trawler_downloader.contract.outcomes import VOLUME_REASONS, OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download import program
from trawler_downloader.download import staging as staging_module
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.download.files import Files
from trawler_downloader.download.staging import DEAD_AFTER_SECONDS, Heartbeat, beat
from trawler_downloader.download.volume import PREPARED, identify
from trawler_downloader.library.manifest import decode_manifest, encode
from trawler_downloader.library.state import HEARTBEAT, ClaimPaths

REQUEST = request_for()


def paths(root: Path) -> ClaimPaths:
    return ClaimPaths(root, REQUEST.subscription)


def everything(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def refused(request, root, files=None):
    with pytest.raises(LaunchError) as raised:
        land(request, root, FakeEngine(), files)
    return raised.value.outcome, raised.value.reason


def test_the_marker_is_made_once_and_told(tmp_path):
    first = land(REQUEST, tmp_path)
    second = land(request_for("bbbbbbbbbbb", volume_id=first.volume_id), tmp_path)
    assert first.volume_id == second.volume_id == json.loads(paths(tmp_path).marker.read_text())["id"]


def test_a_mount_point_without_its_volume_is_not_written_to(tmp_path):
    """The NAS is not mounted, only its folder on the node is there."""
    assert refused(request_for(volume_id="expected"), tmp_path) == (OutcomeClass.ENVIRONMENT, "VolumeMarkerMissing")
    assert everything(tmp_path) == []


def test_another_volume_than_expected_is_not_written_to(tmp_path):
    identify(Files(), paths(tmp_path), None)
    before = everything(tmp_path)
    assert refused(request_for(volume_id="expected"), tmp_path) == (OutcomeClass.ENVIRONMENT, "VolumeMarkerMismatch")
    assert everything(tmp_path) == before


def test_no_folder_at_all_is_no_volume(tmp_path):
    assert refused(REQUEST, tmp_path / "missing") == (OutcomeClass.ENVIRONMENT, "VolumeMissing")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": ""}', '{"id": 7}'])
def test_a_broken_marker_is_left_to_a_person(tmp_path, text):
    identify(Files(), paths(tmp_path), None)
    paths(tmp_path).marker.write_text(text)
    assert refused(REQUEST, tmp_path) == (OutcomeClass.ENVIRONMENT, "VolumeMarkerUnreadable")


def test_a_state_folder_without_its_marker_is_left_to_a_person(tmp_path):
    """A new marker would make strangers of all Subscriptions with history here."""
    identify(Files(), paths(tmp_path), None)
    paths(tmp_path).marker.unlink()
    assert refused(REQUEST, tmp_path) == (OutcomeClass.ENVIRONMENT, "VolumeMarkerMissing")
    assert list(tmp_path.iterdir()) == [paths(tmp_path).state]


def test_many_first_launches_agree_on_one_marker(tmp_path):
    together = threading.Barrier(8)
    found = []

    def one():
        together.wait()
        found.append(identify(Files(), paths(tmp_path), None))

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert list(tmp_path.iterdir()) == [paths(tmp_path).state]


def old(folder: Path, seconds: float = DEAD_AFTER_SECONDS + 60) -> None:
    """As if nobody had touched it for so long."""
    for path in (folder, folder / HEARTBEAT):
        if path.exists():
            then = path.stat().st_mtime - seconds
            os.utime(path, (then, then))


def test_dead_staging_is_swept_and_living_is_not(tmp_path):
    stagings = paths(tmp_path).stagings
    land(REQUEST, tmp_path)
    for name in ("7-dead", "8-alive", "9-without-a-heartbeat", "dead-6-already"):
        (stagings / name / "media").mkdir(parents=True)
        (stagings / name / "media/part").write_text("x")
    for name in ("7-dead", "8-alive"):
        beat(stagings / name / HEARTBEAT)
    for name in ("7-dead", "9-without-a-heartbeat", "dead-6-already"):
        old(stagings / name)
    leftover = tmp_path / f"{PREPARED}x"
    leftover.mkdir()
    old(leftover)
    land(request_for("bbbbbbbbbbb", launch=10), tmp_path)
    assert [path.name for path in stagings.iterdir()] == ["8-alive"]
    assert not leftover.exists()


@pytest.mark.parametrize(
    "landed_before", [pytest.param(False, id="this launch downloads"), pytest.param(True, id="the video has landed")]
)
def test_what_earlier_launches_for_the_same_video_left_is_swept_at_once(tmp_path, landed_before):
    """However fresh; a later launch's is left alone, and so is another video's."""
    stagings = paths(tmp_path).stagings
    land(request_for("aaaaaaaaaaa" if landed_before else "bbbbbbbbbbb", launch=1), tmp_path)
    for name, key in (("2-killed", REQUEST.video.key), ("2-other", "youtube.other"), ("4-later", REQUEST.video.key)):
        (stagings / name / "media").mkdir(parents=True)
        (stagings / name / "media/part").write_text("x")
        (stagings / name / "video").write_text(key)
        beat(stagings / name / HEARTBEAT)
    land(request_for(launch=3), tmp_path)
    assert sorted(path.name for path in stagings.iterdir()) == ["2-other", "4-later"]


def test_a_client_whose_clock_runs_ahead_of_the_servers_sweeps_nothing_that_lives(tmp_path, monkeypatch):
    """It caches attributes: of a file that it has just written it tells its own time."""
    land(REQUEST, tmp_path)
    living = paths(tmp_path).stagings / "8-alive"
    living.mkdir()
    beat(living / HEARTBEAT)
    monkeypatch.setattr(staging_module, "beat", lambda file: beat(file) + 2 * DEAD_AFTER_SECONDS)
    land(request_for("bbbbbbbbbbb", launch=10), tmp_path)
    assert living.is_dir()


def test_a_file_of_a_file_manager_does_not_keep_dead_staging(tmp_path):
    """Such as the Finder, which writes one into every folder that it shows."""
    stagings = paths(tmp_path).stagings
    land(REQUEST, tmp_path)
    (stagings / ".DS_Store").touch()
    (stagings / "7-dead").mkdir()
    old(stagings / "7-dead")
    land(request_for("bbbbbbbbbbb", launch=10), tmp_path)
    assert [path.name for path in stagings.iterdir()] == [".DS_Store"]


def test_staging_of_other_subscriptions_is_not_ours_to_sweep(tmp_path):
    other = ClaimPaths(tmp_path, request_for(subscription="two").subscription).stagings / "1-dead"
    other.mkdir(parents=True)
    old(other)
    identify_in = tmp_path / ".trawler/volume-id"
    identify_in.write_text('{"id": "v"}')
    land(REQUEST, tmp_path)
    assert other.is_dir()


def test_staging_that_an_uncommitted_manifest_names_is_kept(tmp_path):
    """However old: it may hold the only copy of what is half published."""
    first = launch_of(REQUEST, tmp_path)
    program.fetch(first)
    staging = next(paths(tmp_path).stagings.iterdir())
    land(request_for(subscription="two", launch=5), tmp_path)
    told = decode_manifest(
        ClaimPaths(tmp_path, request_for(subscription="two").subscription).manifest(REQUEST.video.key).read_bytes()
    )
    ours = paths(tmp_path).manifest(REQUEST.video.key)
    ours.parent.mkdir(parents=True)
    ours.write_bytes(encode(told.model_copy(update={"committed": False, "staging": staging.name})))
    old(staging)
    land(request_for("bbbbbbbbbbb", launch=2), tmp_path)
    assert staging.is_dir()
    ours.unlink()
    land(request_for("ccccccccccc", launch=3), tmp_path)
    assert not staging.is_dir()


def test_staging_is_kept_while_its_manifest_cannot_be_read(tmp_path):
    program.fetch(launch_of(REQUEST, tmp_path))
    staging = next(paths(tmp_path).stagings.iterdir())
    ours = paths(tmp_path).manifest(REQUEST.video.key)
    ours.parent.mkdir(parents=True)
    ours.write_text("{")
    old(staging)
    land(request_for("bbbbbbbbbbb", launch=2), tmp_path)
    assert staging.is_dir()


def test_a_heart_beats_by_itself(tmp_path, monkeypatch):
    written = threading.Event()
    monkeypatch.setattr(staging_module, "beat", lambda file: written.set())
    with Heartbeat(tmp_path, seconds=0.001):
        assert written.wait(timeout=5)


class NasFiles(Files):
    """Answers like a server that lost the first answer to a rename, and knows no fsync of folders."""

    def move(self, source, target):
        real = Path.rename

        def replayed(self, other):
            real(self, other)
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(self))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "rename", replayed)
            super().move(source, target)


def test_a_rename_that_was_carried_out_is_believed_whatever_the_server_answers(tmp_path):
    result = land(REQUEST, tmp_path, FakeEngine(), NasFiles())
    assert (tmp_path / str(result.path)).read_bytes() == MEDIA
    assert len(tree(tmp_path)) == 6


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_folders_that_cannot_be_synced_are_no_error(tmp_path, monkeypatch, number):
    real = os.fsync

    def refusing(descriptor):
        if Path(f"/proc/self/fd/{descriptor}").resolve().is_dir():
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", refusing)
    assert land(REQUEST, tmp_path).reason == "Published"


class FailingFiles(CountingFiles):
    """The disk fails from one operation on."""

    def __init__(self, operation: str, name: str, number: int) -> None:
        super().__init__()
        self.fails = (operation, name)
        self.number = number

    def step(self, operation, path):
        if (operation, path.name) == self.fails:
            raise OSError(self.number, os.strerror(self.number), str(path))


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        pytest.param(errno.ENOSPC, "NoSpace", id="a full disk"),
        pytest.param(errno.EDQUOT, "NoSpace", id="a used-up quota"),
        pytest.param(errno.EROFS, "ReadOnly", id="a read-only mount"),
        pytest.param(errno.EACCES, "PermissionDenied", id="the wrong user"),
        pytest.param(errno.ESTALE, "StaleVolume", id="a server that was restarted"),
        pytest.param(errno.EIO, "VolumeError", id="a broken disk"),
    ],
)
@pytest.mark.parametrize(
    "where",
    [
        pytest.param(("heartbeat", "1-pod-one-1"), id="before the download"),
        pytest.param(("fsync", "aaaaaaaaaaa.mp4"), id="at fsync of the media file"),
        pytest.param(("rename", "A title (S24E1225).mp4"), id="at the last rename"),
    ],
)
def test_what_the_volume_refuses_is_the_environments_fault_and_the_next_launch_lands(tmp_path, where, number, reason):
    files = FailingFiles(*where, number)
    assert refused(REQUEST, tmp_path, files) == (OutcomeClass.ENVIRONMENT, reason)
    assert [name for name in tree(tmp_path) if name.endswith(".mp4")] == []
    assert land(next_launch(REQUEST), tmp_path).path == "A channel/Season 24/A title (S24E1225).mp4"


def test_a_file_where_a_folder_of_the_library_belongs_is_one_subscriptions_trouble(tmp_path):
    """It is named, others on the claim go on, and what was downloaded is published once it is moved away."""
    for place, file in (
        (LibraryPlace(path="tim"), "tim"),
        (LibraryPlace(path="a/b"), "a"),
        (LibraryPlace(folder="A show"), "A show"),
    ):
        (tmp_path / file).write_text("x")
        request = request_for(place=place)
        with pytest.raises(LaunchError) as raised:
            land(request, tmp_path)
        assert raised.value.reason is Reason.LIBRARY_PATH_INVALID
        assert (
            f"spec.library leads to {tmp_path / file}, where something else stands: move it away"
            in raised.value.message
        )
        (tmp_path / file).unlink()
    assert Reason.LIBRARY_PATH_INVALID not in VOLUME_REASONS
    assert land(next_launch(request), tmp_path).reason == "Published"


def test_a_folder_where_the_video_belongs_is_named(tmp_path):
    final = tmp_path / "A channel/Season 24/A title (S24E1225).mp4"
    files = FailingFiles("rename", final.name, errno.EISDIR)
    with pytest.raises(LaunchError) as raised:
        land(REQUEST, tmp_path, files=files)
    assert raised.value.reason is Reason.LIBRARY_PATH_INVALID


def test_a_file_where_the_state_folder_belongs_is_everybodys_trouble(tmp_path):
    files = FailingFiles("heartbeat", "1-pod-one-1", errno.ENOTDIR)
    assert refused(REQUEST, tmp_path, files) == (OutcomeClass.ENVIRONMENT, "VolumeError")


def test_a_full_volume_is_seen_before_the_site_is_asked(tmp_path):
    downloads = tmp_path / "downloads"
    files = FailingFiles("heartbeat", "1-pod-one-1", errno.ENOSPC)
    with pytest.raises(LaunchError):
        land(REQUEST, tmp_path, FakeEngine(counter=downloads), files)
    assert not downloads.exists()


def test_a_half_written_reservation_is_taken_back(tmp_path):
    """A full disk leaves no reservation that nobody holds."""
    with pytest.raises(OSError, match="No space"):
        FailingFiles("write", "claim.json", errno.ENOSPC).create(tmp_path / "a/claim.json", b"{}", tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_rename_that_failed_is_an_error(tmp_path):
    (tmp_path / "a").write_text("x")
    with pytest.raises(NotADirectoryError):
        Files().move(tmp_path / "a", tmp_path / "a/b")
    assert (tmp_path / "a").read_text() == "x"


def test_a_subscription_of_any_name_leaves_the_marker_alone(tmp_path):
    """`json` in the namespace `volume`: its folder would be what the marker once might have been called."""
    request = request_for().model_copy(update={"subscription": SubscriptionRef(namespace="volume", name="json")})
    assert land(request, tmp_path).reason == "Published"
    assert "." not in paths(tmp_path).marker.name
