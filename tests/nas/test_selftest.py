"""The self-test tells people what their NAS does: on a plain folder, and on one that misbehaves in every way."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import PurePosixPath

import pytest

from nas.faults import Faults
from nas.mount import mounted
from trawler_downloader.download.files import Files
from trawler_downloader.selftest.__main__ import main
from trawler_downloader.selftest.checks import CHECKS
from trawler_downloader.selftest.findings import Finding, Level
from trawler_downloader.selftest.mounts import Mount, holding
from trawler_downloader.selftest.run import run
from trawler_downloader.selftest.table import LONGEST_NAME, WIDTH, row, verdict, worst


@pytest.fixture(autouse=True)
def _healthy(request):
    yield
    if "nas" in request.fixturenames:
        nas = request.getfixturevalue("nas")
        nas.heal()
        assert list(nas.root.iterdir()) == [], "the self-test cleans up after itself"


def not_ok(findings: Iterable[Finding]) -> dict[str, Level]:
    """What is to be said of the volume. Who runs the tests is left out."""
    return {f.check: f.level for f in findings if f.level is not Level.OK and f.check not in {"user", "free space"}}


def test_a_plain_folder_has_all_that_is_needed(tmp_path):
    assert not_ok(run(tmp_path)) == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        pytest.param(Faults(), {}, id="a healthy NAS"),
        pytest.param(Faults(no_links=True, fixed_attributes=True), {}, id="no links, chmod and utime"),
        pytest.param(Faults(fixed_names=True, refused='<>:"|?*\\', renumbers=True), {}, id="names without case"),
        pytest.param(Faults(replays=True), {"answers": Level.WARNING}, id="answers that got lost"),
        pytest.param(
            Faults(folder_sync_fails=errno.EINVAL), {"sync of folders": Level.WARNING}, id="folders without fsync"
        ),
        pytest.param(
            Faults(folder_sync_fails=errno.EIO),
            dict.fromkeys(("replacing", "sync of folders"), Level.FAILED),
            id="folders whose fsync fails",
        ),
        pytest.param(Faults(clock_ahead=3600), {"clock": Level.WARNING}, id="a clock that is ahead"),
        pytest.param(Faults(clock_ahead=-3600), {"clock": Level.WARNING}, id="a clock that is behind"),
        pytest.param(Faults(read_only=True), {"folder": Level.FAILED}, id="a read-only mount"),
        pytest.param(Faults(refused="🐟"), {"names": Level.FAILED}, id="a character set without emoji"),
        pytest.param(Faults(forgets_case=True, fixed_names=True), {"names": Level.FAILED}, id="names that change"),
        pytest.param(Faults(replaces_folders=True), {"reserving": Level.FAILED}, id="folders that are replaced"),
        pytest.param(
            Faults(frozen_times=True), {"heartbeat": Level.FAILED, "clock": Level.WARNING}, id="times that stand still"
        ),
        pytest.param(
            Faults(corrupts=True),
            dict.fromkeys(("writing", "speed", "replacing", "reserving"), Level.FAILED),
            id="a disk that changes what it holds",
        ),
    ],
)
def test_each_misbehaviour_is_found(nas, faults, expected):
    nas.behave(faults)
    assert not_ok(run(nas.root)) == expected


@pytest.mark.parametrize(
    ("faults", "seen", "reason"),
    [
        pytest.param(Faults(fsync_fails=errno.ENOSPC), "No space left on device", "NoSpace", id="full at fsync"),
        pytest.param(Faults(close_fails=errno.EDQUOT), "Disk quota exceeded", "NoSpace", id="a quota at close"),
        pytest.param(Faults(fsync_fails=errno.EIO), "Input/output error", "VolumeError", id="broken at fsync"),
        pytest.param(Faults(stale_handles=True), "Stale file handle", "StaleVolume", id="a server that was restarted"),
    ],
)
def test_trouble_while_writing_is_told_in_the_words_of_a_download(nas, faults, seen, reason):
    nas.behave(faults)
    finding = next(finding for finding in run(nas.root) if finding.check == "writing")
    assert (finding.level, finding.seen) == (Level.FAILED, seen)
    assert f"Environment, {reason}" in finding.means
    assert finding.do


def test_a_disk_that_is_nearly_full_is_found_by_the_larger_file(nas):
    nas.behave(Faults(room=2**20))
    found = not_ok(run(nas.root))
    assert found == {"speed": Level.FAILED}


@pytest.mark.parametrize(
    ("faults", "seen"),
    [
        pytest.param(Faults(no_numbers=True), "the file system tells no numbers", id="no numbers"),
        pytest.param(Faults(room=2**20), "1.0 MiB are free", id="less than the usual floor of 2 MiB"),
    ],
)
def test_free_space_is_looked_at(nas, faults, seen):
    others = nas.backing / "of somebody else"
    others.write_bytes(bytes(39 * 2**20))
    nas.behave(faults)
    finding = next(finding for finding in run(nas.root) if finding.check == "free space")
    others.unlink()
    assert (finding.level, finding.seen) == (Level.WARNING, seen)


@pytest.mark.parametrize(
    ("ahead", "seen"),
    [
        pytest.param(0, "the server's clock shows this machine's time", id="the same time"),
        pytest.param(30, "the server's clock is 30 s ahead", id="half a minute"),
    ],
)
def test_clocks_are_compared(nas, ahead, seen):
    nas.behave(Faults(clock_ahead=ahead))
    finding = next(finding for finding in run(nas.root) if finding.check == "clock")
    assert (finding.level, finding.seen) == (Level.OK, seen)


def test_what_cannot_be_removed_is_told(tmp_path):
    class Keeping(Files):
        def remove_tree(self, path):
            """As on a volume that breaks meanwhile."""

    assert not_ok(run(tmp_path, Keeping())) == {"cleaning up": Level.WARNING}


def test_a_path_without_a_folder_fails(tmp_path, capsys):
    assert main([str(tmp_path / "missing")]) == 1
    assert "Mount the NAS, or correct the path." in capsys.readouterr().out


def test_a_nas_that_vanished_fails(tmp_path):
    with mounted(tmp_path) as nas:
        nas.vanish()
        findings = list(run(nas.root))
    assert [(finding.check, finding.level) for finding in findings if finding.level is Level.FAILED] == [
        ("folder", Level.FAILED)
    ]
    assert "StaleVolume" in findings[0].means


def test_the_command_prints_a_table_and_ends_well(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "trawler_downloader.selftest", str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"Has {tmp_path} what trawler needs?"
    assert all(len(line) <= WIDTH for line in lines[1:])
    assert "ok       heartbeat " in done.stdout
    assert lines[-1].startswith("trawler can use this volume")


def test_a_pod_that_is_deleted_meanwhile_cleans_up(tmp_path):
    """The heartbeat is waited for on a file system whose times stand still: long enough to be stopped."""
    with mounted(tmp_path) as nas:
        nas.behave(Faults(frozen_times=True))
        process = subprocess.Popen(
            [sys.executable, "-m", "trawler_downloader.selftest", str(nas.root)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.DEVNULL,
        )
        while not list(nas.backing.glob(".trawler-selftest-*/*/heartbeat")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM
        assert list(nas.backing.iterdir()) == []


def test_a_row_says_what_it_means_and_what_to_do():
    text = row(Finding(Level.FAILED, "not fine", "It means " + "a lot " * 30, "Mend it.", check="two"))
    assert text.startswith("FAILED   two                   not fine\n")
    assert "means: It means" in text
    assert "do:    Mend it.\n" in text


def test_the_worst_finding_is_the_verdict():
    levels = [Level.OK, Level.FAILED, Level.WARNING]
    assert worst(Finding(level, "") for level in levels) is Level.FAILED
    assert verdict(Level.FAILED) == "trawler cannot use this volume as it is: see what FAILED.\n"


def test_every_name_fits_its_column():
    assert max(len(name) for name, _ in CHECKS) == LONGEST_NAME


MOUNTINFO = """\
20 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 20 0:40 / /mnt/my\\040nas rw,nosuid shared:2 - nfs4 nas:/volume1 rw,vers=4.1,soft,password=secret
32 20 0:41 / /mnt/my\\040nas rw - cifs //nas/media rw,username=me
33 20 0:42 / /mnt/my rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        pytest.param("/home", "ext4", id="the root"),
        pytest.param("/mnt/my nas/films", "cifs", id="the upper one of two mounts at a place with a blank"),
        pytest.param("/mnt/my", "tmpfs", id="a place whose name begins another's"),
    ],
)
def test_the_mount_of_a_folder_is_found(folder, kind):
    found = holding(PurePosixPath(folder), MOUNTINFO)
    assert found is not None
    assert found.kind == kind
    assert "secret" not in str(found)
    assert "username" not in str(found)


def test_a_soft_mount_is_warned_of(tmp_path, monkeypatch):
    soft = Mount(PurePosixPath("/"), "nfs4", "nas:/volume1", ("rw", "soft"))
    monkeypatch.setattr("trawler_downloader.selftest.checks.mount_of", lambda _folder: soft)
    finding = next(finding for finding in run(tmp_path) if finding.check == "mount")
    assert finding.level is Level.WARNING
    assert finding.seen == "nfs4 from nas:/volume1 (rw,soft)"
    assert "hard" in finding.do
