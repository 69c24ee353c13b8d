"""Runs the checks in a folder of their own, which is gone afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from trawler_downloader.download.errors import LaunchError, raise_volume_error
from trawler_downloader.download.files import Files
from trawler_downloader.selftest.checks import CHECKS, Check
from trawler_downloader.selftest.findings import Finding, Level, failed, ok, warning

_DO: dict[str, str] = {
    "NoSpace": "Make room on the NAS, or raise the quota of this user.",
    "ReadOnly": "Mount the share for writing; look at the export's or share's rights, and at the disk's health.",
    "PermissionDenied": "Let this user or one of its groups write there, or run the downloads as one that may: "
    "job.runAsUser, job.runAsGroup, job.supplementalGroups. Kubernetes' fsGroup does nothing on NFS and SMB.",
    "StaleVolume": "Mount the share anew on the node: its server was restarted, or is away.",
    "NameRefused": "Mount with a character set that has all characters (SMB: iocharset=utf8).",
}


def run(path: Path, files: Files | None = None) -> Iterator[Finding]:
    """All findings, as they are found. A folder that cannot even be written to has one."""
    used = files or Files()
    folder = path / f".trawler-selftest-{os.urandom(4).hex()}"
    try:
        first = _named("folder", lambda: _folder(path, folder, used))
        yield first
        if first.level is not Level.FAILED:
            for number, (name, check) in enumerate(CHECKS):
                yield _named(name, partial(_apart, check, folder / str(number), used))
    finally:
        used.remove_tree(folder)
    if _is_left(folder):
        seen = f"{folder} could not be removed"
        yield replace(warning(seen, "It holds nothing of value.", "Remove it by hand."), check="cleaning up")


def _named(name: str, check: Callable[[], Finding]) -> Finding:
    """The check's finding; an error of the volume in the words with which a download would end."""
    try:
        return replace(check(), check=name)
    except OSError as error:
        try:
            raise_volume_error(error)
        except LaunchError as found:
            means = f"A download would end with {found.outcome}, {found.reason}: {found.message}."
            do = _DO.get(found.reason, "Look at the NAS, its logs, and the mount on the node.")
            return replace(failed(error.strerror or str(error), means, do), check=name)


def _folder(path: Path, folder: Path, files: Files) -> Finding:
    if not path.is_dir():
        return failed(
            f"there is no folder at {path}", "Nothing is mounted there.", "Mount the NAS, or correct the path."
        )
    files.make_folder(folder)
    return ok("it is there, and folders can be made in it")


def _apart(check: Check, folder: Path, files: Files) -> Finding:
    try:
        files.make_folder(folder)
        return check(folder, files)
    finally:
        files.remove_tree(folder)  # the next check may need the room


def _is_left(folder: Path) -> bool:
    try:
        folder.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True
