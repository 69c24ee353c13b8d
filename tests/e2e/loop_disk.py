"""A small disk that tests break: an ext4 image on a loop device, mounted on a folder of the NAS.

The folder is a shared mount (`NAS_DIR` of hack/kind/up), so what happens to the disk here happens in the node and in
every pod that has it mounted. Needs root on Linux.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DISK_MIB = 200
_EXT4_IOC_SHUTDOWN = 0x8004587D
"""_IOR('X', 125, __u32) of the kernel's ext4: every later operation fails with EIO."""
_SHUTDOWN_NO_LOG_FLUSH = struct.pack("I", 2)


def _run(*command: str | Path) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr.strip()}"
    return done.stdout.strip()


@dataclass(frozen=True)
class LoopDisk:
    """The disk, and what can happen to one."""

    image: Path
    folder: Path
    """Where it is mounted."""

    @property
    def mounted(self) -> bool:
        """Whether the disk is on its folder; without it the folder is one of the machine's own disk."""
        return self.folder.is_mount()

    def mount(self) -> None:
        """Plug it in, repaired if need be; writable for everyone."""
        self.folder.mkdir(exist_ok=True)
        # 0: clean, 1: repaired.
        check = subprocess.run(["e2fsck", "-p", self.image], capture_output=True, text=True, timeout=60, check=False)
        assert check.returncode in {0, 1}, check.stdout + check.stderr
        _run("mount", "-o", "loop,errors=remount-ro", self.image, self.folder)
        self.folder.chmod(0o777)

    def unmount(self) -> None:
        """Pull it: at once out of sight, although files of it may be open."""
        _run("umount", "-l", self.folder)

    def fill(self) -> None:
        """Leave no room at all."""
        with contextlib.suppress(OSError), (self.folder / "filler").open("wb", buffering=0) as filler:
            while filler.write(bytes(2**20)):
                pass
        # What 1 MiB does not fit into still takes a small file.
        with contextlib.suppress(OSError), (self.folder / "filler").open("ab", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass

    def make_room(self) -> None:
        """Take away what `fill` wrote."""
        (self.folder / "filler").unlink()

    def turn_read_only(self) -> None:
        """As the kernel does after an error of the disk, files open for writing or not."""
        device = Path(_run("findmnt", "-n", "-o", "SOURCE", "-M", self.folder)).name
        Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1")

    def break_down(self) -> None:
        """Every operation fails with EIO from now on, until it is mounted anew."""
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _EXT4_IOC_SHUTDOWN, _SHUTDOWN_NO_LOG_FLUSH)
        finally:
            os.close(handle)

    def repair(self) -> None:
        """Unplug it, check it, plug it in."""
        self.unmount()
        self.mount()

    def freeze(self) -> None:
        """Whoever writes hangs, and cannot be killed, until `thaw`: as with a hard mount whose server is gone."""
        _run("fsfreeze", "-f", self.folder)

    def thaw(self) -> None:
        """The server is back."""
        _run("fsfreeze", "-u", self.folder)


@contextlib.contextmanager
def loop_disk(folder: Path) -> Iterator[LoopDisk]:
    """A fresh disk on a folder, until the context ends."""
    with tempfile.TemporaryDirectory(prefix="trawler-disk-") as place:
        image = Path(place) / "disk.img"
        with image.open("wb") as file:
            file.truncate(DISK_MIB * 2**20)
        _run("mkfs.ext4", "-q", "-m", "0", image)
        disk = LoopDisk(image, folder)
        disk.mount()
        try:
            yield disk
        finally:
            subprocess.run(["fsfreeze", "-u", folder], capture_output=True, timeout=60, check=False)
            while disk.mounted:
                disk.unmount()
