"""A NAS that misbehaves as NFS and SMB do: a FUSE file system over a folder.

Usage: python filesystem.py BACKING MOUNTPOINT SWITCHES
SWITCHES is a file with the JSON of `Faults`, looked at before each operation. Ends with its parent, or when unmounted.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import signal
import sys
import zlib
from pathlib import Path
from typing import Any, NoReturn

os.environ.setdefault("FUSE_LIBRARY_NAME", "fuse3")  # read by mfusepy when it is imported
import mfusepy

sys.path.insert(0, str(Path(__file__).parents[1]))
from nas.faults import Faults

_END_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_BLOCK = 512
_SHOWN = ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")


def refuse(number: int) -> NoReturn:
    """Answers with that errno."""
    raise OSError(number, os.strerror(number))


class Nas(mfusepy.Operations):
    """Everything goes to the folder behind, unless a switch says otherwise."""

    use_ns = True

    def __init__(self, backing: Path, switches: Path) -> None:
        self._backing = backing
        self._switches = switches
        self._seen: tuple[int, int] | None = None
        self._faults = Faults()
        self._limit: int | None = None
        self._written: set[int] = set()

    @property
    def faults(self) -> Faults:
        """The switches as they are now."""
        about = self._switches.stat()
        if (about.st_ino, about.st_mtime_ns) != self._seen:
            self._seen = about.st_ino, about.st_mtime_ns
            self._faults = Faults.from_json(self._switches.read_text())
            room = self._faults.room
            self._limit = None if room is None else self._used() + room
        return self._faults

    # Names.

    def mkdir(self, path: str, mode: int) -> int:
        self._changes(path)
        self._real(path).mkdir(mode)
        return self._answer(errno.EEXIST)

    def rmdir(self, path: str) -> int:
        self._changes()
        self._real(path).rmdir()
        return self._answer(errno.ENOENT)

    def unlink(self, path: str) -> int:
        self._changes()
        self._real(path).unlink()
        return self._answer(errno.ENOENT)

    def rename(self, old: str, new: str) -> int:
        self._changes(new)
        source, target = self._real(old), self._real(new)
        if self.faults.replaces_folders and source.is_dir() and target.is_dir():
            shutil.rmtree(target)
        source.rename(target)
        return self._answer(errno.ENOENT)

    def link(self, target: str, source: str) -> int:
        self._changes(target)
        if self.faults.no_links:
            refuse(errno.ENOTSUP)
        os.link(self._real(source), self._real(target))
        return self._answer(errno.EEXIST)

    def symlink(self, target: str, source: str) -> int:
        self._changes(target)
        self._real(target).symlink_to(source)
        return 0

    def readlink(self, path: str) -> str:
        return str(self._real(path).readlink())

    # Attributes.

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        faults = self.faults
        about = os.fstat(fh) if fh is not None else self._real(path).lstat()
        told: dict[str, Any] = {
            name: getattr(about, name) for name in ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks")
        }
        told["st_ino"] = zlib.crc32(path.encode(errors="surrogateescape")) if faults.renumbers else about.st_ino
        for name in _SHOWN:
            told[name.removesuffix("_ns")] = (
                0 if faults.frozen_times else getattr(about, name) + faults.clock_ahead * 10**9
            )
        return told

    def chmod(self, path: str, mode: int) -> int:
        self._changes_attributes()
        self._real(path).chmod(mode)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        self._changes_attributes()
        os.chown(self._real(path), uid, gid)
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        self._changes_attributes()
        os.utime(self._real(path), ns=times)
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        faults = self.faults
        if faults.no_numbers:
            return {}
        if self._limit is None:
            about = os.statvfs(self._backing)
            names = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_namemax")
            return {name: getattr(about, name) for name in names}
        free = max(0, self._limit - self._used()) // _BLOCK
        told = {"f_blocks": self._limit // _BLOCK + 1, "f_bfree": free, "f_bavail": free}
        return {"f_bsize": _BLOCK, "f_frsize": _BLOCK, "f_namemax": 255, **told}

    # Content.

    def create(self, path: str, mode: int, fi: object = None) -> int:
        self._changes(path)
        return os.open(self._real(path), os.O_RDWR | os.O_CREAT, mode)

    def open(self, path: str, flags: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            self._changes()
        return os.open(self._real(path), flags & ~os.O_EXCL & ~os.O_CREAT)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        if self.faults.broken:
            refuse(errno.EIO)
        self._uses(fh)
        content = os.pread(fh, size, offset)
        return bytes(len(content)) if self._faults.corrupts else content

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self._changes()
        self._uses(fh)
        self._written.add(fh)
        if self._limit is not None:
            growth = max(0, offset + len(data) - os.fstat(fh).st_size)
            room = max(0, self._limit - self._used())
            if growth > room:
                data = data[: len(data) - (growth - room)]
                if not data:
                    refuse(self._faults.full)
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        self._changes()
        if fh is not None:
            self._uses(fh)
        os.truncate(self._real(path) if fh is None else fh, length)
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._uses(fh)
        if self.faults.broken:
            refuse(errno.EIO)
        if self.faults.fsync_fails:
            refuse(self._faults.fsync_fails)
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        if self.faults.folder_sync_fails:
            refuse(self._faults.folder_sync_fails)
        return 0

    def flush(self, path: str, fh: int) -> int:
        if fh in self._written and self.faults.close_fails:
            refuse(self._faults.close_fails)
        return 0

    def release(self, path: str, fh: int) -> int:
        self._written.discard(fh)
        os.close(fh)
        return 0

    def readdir(self, path: str, fh: int) -> list[tuple[str, dict[str, int], int]]:
        # glibc skips entries without an inode number.
        shown = str.lower if self.faults.forgets_case else str
        found = [
            (shown(entry.name), {"st_mode": 0, "st_ino": entry.inode()}, 0) for entry in os.scandir(self._real(path))
        ]
        return [(name, {"st_mode": 0, "st_ino": 1}, 0) for name in (".", "..")] + found

    # What the switches do.

    def _changes(self, new_name: str | None = None) -> None:
        faults = self.faults
        if faults.read_only:
            refuse(errno.EROFS)
        if faults.broken:
            refuse(errno.EIO)
        if new_name is not None and faults.refused:
            name = new_name.rpartition("/")[2]
            if any(character in faults.refused for character in name) or name.endswith((".", " ")):
                refuse(errno.EINVAL)

    def _changes_attributes(self) -> None:
        self._changes()
        if self.faults.fixed_attributes:
            refuse(errno.EPERM)

    def _uses(self, fh: int) -> None:
        if self.faults.stale_handles:
            refuse(errno.ESTALE)

    def _answer(self, replayed: int) -> int:
        if self.faults.replays:
            refuse(replayed)
        return 0

    def _real(self, path: str) -> Path:
        real = self._backing
        for part in Path(path).parts[1:]:
            exact = real / part
            if self.faults.fixed_names and not os.path.lexists(exact) and real.is_dir():
                wanted = part.casefold()
                exact = next((there for there in real.iterdir() if there.name.casefold() == wanted), exact)
            real = exact
        return real

    def _used(self) -> int:
        return sum(path.lstat().st_size for path in self._backing.rglob("*") if path.is_file())


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGTERM)
    mfusepy.FUSE(
        Nas(Path(sys.argv[1]), Path(sys.argv[3])),
        sys.argv[2],
        foreground=True,
        nothreads=True,
        use_ino=True,
        hard_remove=True,
        attr_timeout=0,
        entry_timeout=0,
        negative_timeout=0,
    )
