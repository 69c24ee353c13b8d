"""Mounts the NAS that misbehaves, in a process of its own, and takes it away again whatever happens."""

from __future__ import annotations

import ctypes.util
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cannot_run import cannot_run
from nas.faults import Faults

_PROGRAM = Path(__file__).with_name("filesystem.py")
_PATIENCE = 30.0
"""Seconds for the file system to appear, on a busy machine."""


class MountedNas:
    """A NAS over a folder, mounted in another."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "nas"
        """Where it is mounted: what a launch sees as its claim."""
        self.backing = folder / "nas.backing"
        """What is really there, whatever the NAS says."""
        self._switches = folder / "nas.json"
        self._log = folder / "nas.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.root.mkdir()
        self.backing.mkdir()
        self.heal()

    def behave(self, faults: Faults) -> None:
        """Misbehaves in these ways from now on."""
        new = self._switches.with_suffix(".new")
        new.write_text(faults.to_json())
        new.replace(self._switches)

    def heal(self) -> None:
        """Behaves like a local disk from now on."""
        self.behave(Faults())

    def mount(self) -> None:
        """Starts the file system."""
        arguments = [str(self.backing), str(self.root), str(self._switches)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([sys.executable, str(_PROGRAM), *arguments], stdout=log, stderr=log)
        end = time.monotonic() + _PATIENCE
        while not os.path.ismount(self.root):
            if self._process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"the file system did not mount:\n{self._log.read_text()}")
            time.sleep(0.01)

    def unmount(self) -> None:
        """Takes the mount away, also from a process that died or hangs, and from who still uses it."""
        subprocess.run(["fusermount3", "-u", "-z", str(self.root)], capture_output=True, check=False)
        if self._process is not None:
            try:
                self._process.wait(timeout=_PATIENCE)
            except subprocess.TimeoutExpired:
                self.vanish()

    def vanish(self) -> None:
        """The file system's process dies: whoever uses the mount gets ENOTCONN."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@contextmanager
def mounted(folder: Path) -> Iterator[MountedNas]:
    """A healthy NAS in the folder; skips the test where there can be none, and fails there in CI."""
    if (lacking := _missing()) is not None:
        cannot_run(lacking)
    nas = MountedNas(folder)
    try:
        nas.mount()
        yield nas
    finally:
        nas.unmount()


def _missing() -> str | None:
    """Why no FUSE file system can be mounted here; installs libfuse as root on Debian."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "no /dev/fuse that this user may open"
    if _has_libfuse():
        return None
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return "libfuse is missing: install Debian's fuse3"
    with Path(tempfile.gettempdir(), "trawler-tests-fuse.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several workers one installs
        if not _has_libfuse():
            subprocess.run(["apt-get", "update", "-qq"], check=False, capture_output=True)
            command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "fuse3"]
            environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if not _has_libfuse():
                return f"libfuse is missing, and apt-get install fuse3 failed: {done.stderr}"
    return None


def _has_libfuse() -> bool:
    return shutil.which("fusermount3") is not None and ctypes.util.find_library("fuse3") is not None
