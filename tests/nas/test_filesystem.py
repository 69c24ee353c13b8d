"""The NAS of the tests misbehaves as it is told: otherwise the tests on it would prove nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nas.faults import Faults
from nas.mount import mounted


@pytest.fixture(autouse=True)
def _fresh(nas):
    nas.heal()
    (nas.root / "folder").mkdir()
    (nas.root / "file").write_text("content")
    yield
    nas.heal()
    for path in nas.root.iterdir():
        path.rmdir() if path.is_dir() else path.unlink()


def sync_folder(root: Path) -> None:
    descriptor = os.open(root, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync(root: Path) -> None:
    with (root / "file").open("rb") as file:
        os.fsync(file.fileno())


def rename(root: Path) -> None:
    (root / "file").rename(root / "renamed")


@pytest.mark.parametrize(
    ("faults", "operation", "number"),
    [
        pytest.param(Faults(no_links=True), lambda r: os.link(r / "file", r / "link"), errno.ENOTSUP, id="links"),
        pytest.param(Faults(fixed_attributes=True), lambda r: (r / "file").chmod(0o600), errno.EPERM, id="chmod"),
        pytest.param(Faults(fixed_attributes=True), lambda r: os.utime(r / "file"), errno.EPERM, id="utime"),
        pytest.param(Faults(fixed_attributes=True), lambda r: os.chown(r / "file", 1, 1), errno.EPERM, id="chown"),
        pytest.param(Faults(replays=True), rename, errno.ENOENT, id="rename"),
        pytest.param(Faults(replays=True), lambda r: (r / "new").mkdir(), errno.EEXIST, id="mkdir"),
        pytest.param(Faults(replays=True), lambda r: (r / "file").unlink(), errno.ENOENT, id="unlink"),
        pytest.param(Faults(replays=True), lambda r: (r / "folder").rmdir(), errno.ENOENT, id="rmdir"),
        pytest.param(Faults(stale_handles=True), lambda r: (r / "file").read_text(), errno.ESTALE, id="a stale handle"),
        pytest.param(Faults(fsync_fails=errno.EIO), sync, errno.EIO, id="fsync"),
        pytest.param(
            Faults(close_fails=errno.ENOSPC), lambda r: (r / "file").write_text("x"), errno.ENOSPC, id="close"
        ),
        pytest.param(Faults(folder_sync_fails=errno.EINVAL), sync_folder, errno.EINVAL, id="fsync of a folder"),
        pytest.param(Faults(room=0), lambda r: (r / "new").write_text("x"), errno.ENOSPC, id="a full disk"),
        pytest.param(
            Faults(room=0, full=errno.EDQUOT), lambda r: (r / "new").write_text("x"), errno.EDQUOT, id="a quota"
        ),
        pytest.param(Faults(read_only=True), lambda r: (r / "new").mkdir(), errno.EROFS, id="read-only"),
        pytest.param(Faults(broken=True), lambda r: (r / "file").read_text(), errno.EIO, id="a broken disk"),
        pytest.param(Faults(refused=":"), lambda r: (r / "a:b").touch(), errno.EINVAL, id="a character"),
        pytest.param(Faults(refused=":"), lambda r: (r / "ab.").mkdir(), errno.EINVAL, id="a dot at the end"),
    ],
)
def test_each_switch_refuses_its_operation(nas, faults, operation, number):
    nas.behave(faults)
    with pytest.raises(OSError) as raised:
        operation(nas.root)
    assert raised.value.errno == number


def test_a_replayed_rename_was_carried_out(nas):
    nas.behave(Faults(replays=True))
    with pytest.raises(FileNotFoundError):
        rename(nas.root)
    assert sorted(path.name for path in nas.root.iterdir()) == ["folder", "renamed"]


def test_a_renamed_file_may_get_another_number(nas):
    before = (nas.root / "file").stat().st_ino
    rename(nas.root)
    assert (nas.root / "renamed").stat().st_ino == before
    nas.behave(Faults(renumbers=True))
    assert (nas.root / "renamed").stat().st_ino != before


def test_a_disk_with_room_for_a_part_takes_a_part(nas):
    nas.behave(Faults(room=3))
    descriptor = os.open(nas.root / "new", os.O_WRONLY | os.O_CREAT)
    try:
        assert os.write(descriptor, b"0123456789") == 3
    finally:
        os.close(descriptor)
    (nas.root / "new").unlink()


def test_free_space_is_told_as_it_is_or_not_at_all(nas):
    nas.behave(Faults(room=512 * 10))
    assert os.statvfs(nas.root).f_bavail * 512 == pytest.approx(512 * 10, abs=512)
    nas.behave(Faults(no_numbers=True))
    assert os.statvfs(nas.root).f_blocks == 0


def test_names_in_another_case_are_the_same(nas):
    nas.behave(Faults(fixed_names=True))
    assert (nas.root / "FILE").read_text() == "content"
    (nas.root / "File").write_text("other")
    assert sorted(path.name for path in nas.root.iterdir()) == ["file", "folder"]


def test_a_server_may_do_what_no_server_should(nas):
    """Only a check of the volume can tell."""
    (nas.root / "folder/inside").touch()
    (nas.root / "other").mkdir()
    nas.behave(Faults(replaces_folders=True, frozen_times=True, corrupts=True, forgets_case=True))
    (nas.root / "other").rename(nas.root / "folder")
    assert list((nas.root / "folder").iterdir()) == []
    assert (nas.root / "file").stat().st_mtime == 0
    assert (nas.root / "file").read_bytes() == bytes(len("content"))
    (nas.root / "FILE").touch()
    assert [path.name for path in nas.root.iterdir()].count("file") == 2
    nas.heal()


def test_the_servers_clock_may_be_ahead(nas):
    before = (nas.root / "file").stat().st_mtime
    nas.behave(Faults(clock_ahead=3600))
    assert (nas.root / "file").stat().st_mtime == pytest.approx(before + 3600)


def test_a_nas_that_vanished_is_not_connected_and_can_come_back(tmp_path):
    """And the mount is gone afterwards, whatever became of the process."""
    with mounted(tmp_path) as nas:
        (nas.root / "file").touch()
        nas.vanish()
        with pytest.raises(OSError) as raised:
            list(nas.root.iterdir())
        assert raised.value.errno == errno.ENOTCONN
        nas.unmount()
        nas.mount()
        assert [path.name for path in nas.root.iterdir()] == ["file"]
        nas.vanish()
    assert not os.path.ismount(nas.root)
