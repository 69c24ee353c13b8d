"""How the NAS of the tests misbehaves: every way can be switched on and off while it is mounted."""

from __future__ import annotations

import errno
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Faults:
    """What the file system does otherwise than a local disk. Nothing, by default."""

    no_links: bool = False
    """Hard links: ENOTSUP."""
    fixed_attributes: bool = False
    """chmod, chown and utime: EPERM."""
    replays: bool = False
    """Every change of a name is carried out and answered as the client's second request would be: ENOENT to rename,
    unlink and rmdir, EEXIST to mkdir. NFS over a network that loses answers."""
    renumbers: bool = False
    """A renamed file has another inode number than before."""
    stale_handles: bool = False
    """Reading, writing and syncing an open file: ESTALE. An NFS server that was restarted with another export."""
    fsync_fails: int = 0
    """The errno of fsync of a file; 0 for none."""
    close_fails: int = 0
    """The errno of closing a file that was written to; 0 for none."""
    folder_sync_fails: int = 0
    """The errno of fsync of a folder; 0 for none."""
    room: int | None = None
    """Bytes that can be written from now on; what is removed can be written again. None: as many as the disk has."""
    full: int = errno.ENOSPC
    """The errno of writing without room."""
    read_only: bool = False
    """Every change: EROFS."""
    broken: bool = False
    """Every change, and reading: EIO."""
    fixed_names: bool = False
    """Names in another case are the same name; what is there keeps its case. SMB."""
    refused: str = ""
    """Characters that no new name may hold, EINVAL; with any, no name may end with a dot or a blank. SMB."""
    forgets_case: bool = False
    """Names are listed in lower case, whatever they were given."""
    replaces_folders: bool = False
    """A folder may be renamed over one that holds something."""
    frozen_times: bool = False
    """Files keep the time that they were made at."""
    corrupts: bool = False
    """What is read is not what was written."""
    no_numbers: bool = False
    """statfs tells zeros."""
    clock_ahead: int = 0
    """Seconds by which the server's clock is ahead of ours."""

    def to_json(self) -> str:
        """For the file system's process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Faults:
        """What `to_json` wrote."""
        return cls(**json.loads(text))
