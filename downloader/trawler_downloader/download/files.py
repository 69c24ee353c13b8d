"""Every change of ours to the volume, one operation at a time.

The one seam between the program and the disk: a test makes the process die before any of the operations, and what it
knows about real NAS servers (no links, refused chmod, replayed renames, folders that cannot be synced) is in one place.
Never uses hard links, locks, chmod, chown or utime, and relies on O_EXCL for nothing. ESTALE is not answered by another
try: the kernel has looked names up anew by then, and of an open file it means that the server lost it, data included.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from trawler_downloader.library.space import Room

_CANNOT_SYNC_FOLDERS = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What SMB and some FUSE file systems answer to fsync of a folder. Of a file, these are errors."""
_TEMPORARY = ".tmp"
_TELLS_NO_NUMBERS = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})


class Files:
    """Operations on the volume. All raise OSError."""

    def step(self, operation: str, path: Path) -> None:
        """Called before each operation; a place for tests to end the process."""

    def make_folder(self, path: Path) -> None:
        """Makes the folder and what is above it, each on its own; existing ones are fine."""
        missing = []
        while not path.is_dir():
            missing.append(path)
            path = path.parent
        for folder in reversed(missing):
            self.step("mkdir", folder)
            folder.mkdir(exist_ok=True)

    def create(self, path: Path, data: bytes, prepared: Path) -> bool:
        """Makes the file, alone in a folder of its own, unless it is there: of many who try at once, one is told True.

        The folder is made under the name `prepared` and renamed, so it appears with its content or not at all: a file
        made with O_EXCL is empty at first, and who reads it then does not learn whose it is.
        """
        if path.exists():
            return False
        self.make_folder(prepared)
        try:
            self.write(prepared / path.name, data)
            self.sync_folder(prepared)
            self.make_folder(path.parent.parent)
            created = self.move_folder(prepared, path.parent)
        except OSError:
            self.remove_tree(prepared)
            raise
        if created:
            self.sync_folder(path.parent.parent)
        else:
            self.remove_tree(prepared)
        return created

    def write(self, path: Path, data: bytes) -> None:
        """Writes the file through to the disk; dying in between leaves a part of it."""
        self.step("open", path)
        self._fill(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), path, data)

    def replace(self, path: Path, data: bytes) -> None:
        """Gives the file this content, or leaves the one it had: never a part.

        Removes what a process left that died in here: one launch at a time works on a video.
        """
        prefix = f".{path.name[:200]}."
        for left in path.parent.iterdir():
            if left.name.startswith(prefix) and left.suffix == _TEMPORARY:
                self.remove(left)
        temporary = path.with_name(f"{prefix}{os.urandom(8).hex()}{_TEMPORARY}")
        try:
            self.write(temporary, data)
            self.move(temporary, path)
        except OSError:
            with suppress(OSError):  # the first error tells more
                temporary.unlink()
            raise
        self.sync_folder(path.parent)

    def move(self, source: Path, target: Path) -> None:
        """Renames within the volume, replacing what is there.

        An error is believed only when the disk agrees: NFS servers answer ENOENT to a rename that they carried out
        when the first answer got lost and the client asked again.
        """
        before = source.stat()
        self.step("rename", target)
        try:
            source.rename(target)
        except OSError:
            if not _moved(before, source, target):
                raise

    def move_folder(self, source: Path, target: Path) -> bool:
        """Renames a folder to a name that must be free or an empty folder: of many who try at once, one is told True.

        rename(2) refuses to replace a folder that holds something, so unlike O_EXCL it lets a name appear together
        with all its content.
        """
        before = source.stat()
        self.step("rename", target)
        try:
            source.rename(target)
        except OSError as error:
            if not source.exists() and target.exists() and target.stat().st_ino == before.st_ino:
                return True
            if target.exists() or error.errno in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOENT}:
                return False
            raise
        return True

    def sync_file(self, path: Path) -> None:
        """Brings the file's content to the disk.

        Opened for writing: Linux' SMB client asks the server to flush for such a file only.
        """
        self.step("fsync", path)
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def sync_folder(self, path: Path) -> None:
        """Brings the folder's entries to the disk, where the file system knows how to."""
        self.step("fsync folder", path)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno not in _CANNOT_SYNC_FOLDERS:
                raise

    def room(self, path: Path) -> Room | None:
        """How large the file system is and how much is left; None where it tells no numbers."""
        self.step("statvfs", path)
        try:
            told = os.statvfs(path)
        except OSError as error:
            if error.errno in _TELLS_NO_NUMBERS:
                return None
            raise
        unit = told.f_frsize or told.f_bsize
        return Room(told.f_bavail * unit, told.f_blocks * unit) if told.f_blocks else None

    def remove(self, path: Path) -> None:
        """Removes a file; one that is not there is fine."""
        self.step("unlink", path)
        path.unlink(missing_ok=True)

    def remove_tree(self, path: Path) -> None:
        """Removes a folder with all it holds, as far as possible: what stays is swept by a later launch."""
        self.step("rmtree", path)
        shutil.rmtree(path, ignore_errors=True)

    def _fill(self, descriptor: int, path: Path, data: bytes) -> None:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            self.step("write", path)
            left = memoryview(data)
            while left:  # a disk that has room for a part takes that part, without an error
                left = left[file.write(left) :]
            self.step("fsync", path)
            os.fsync(file.fileno())


def _moved(before: os.stat_result, source: Path, target: Path) -> bool:
    try:
        after = target.stat()
    except OSError:
        return False
    # FUSE file systems may number files anew, so the same size counts too: the source is gone in any case.
    return not source.exists() and (after.st_ino == before.st_ino or after.st_size == before.st_size)
