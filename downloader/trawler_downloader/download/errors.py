"""How a launch ends without a published file."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NoReturn

from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.library.layouts import STATE_FOLDER
from trawler_downloader.volume_errors import VOLUME_ERRORS

_REFUSED_NAMES = frozenset({errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG})
"""What a server answers to a name that it cannot hold. Of an operation on an open file they mean something else."""
_IN_THE_WAY = frozenset({errno.EEXIST, errno.ENOTDIR, errno.EISDIR})
"""Of a name in the library: a file stands where a folder belongs, or the other way round."""


class LaunchError(Exception):
    """The launch is over; says how."""

    def __init__(self, reason: Reason, message: str, retry_at: int | None = None) -> None:
        """Arguments: as in `DownloadResult`, whose class is the reason's."""
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_at = retry_at

    @property
    def outcome(self) -> OutcomeClass:
        """The reason's class."""
        return self.reason.outcome


class TerminatedError(BaseException):
    """SIGTERM arrived. No Exception: nothing that handles errors of a download may take it for one."""


def raise_volume_error(error: OSError) -> NoReturn:
    """Raises what an error of our own file operations means: all of them are on the volume."""
    reason, words = VOLUME_ERRORS.get(error.errno or 0, (Reason.VOLUME_ERROR, "an operation on the volume failed"))
    if error.filename and error.errno in _REFUSED_NAMES:
        reason, words = (
            Reason.NAME_REFUSED,
            "the volume refuses this name; see the mount's character set, or spec.library.folder",
        )
    path = error.filename2 or error.filename
    if error.errno in _IN_THE_WAY and _is_of_the_library(path):
        advice = "something else stands: move it away, or change spec.library.path or spec.library.folder"
        reason, words = Reason.LIBRARY_PATH_INVALID, f"spec.library leads to {os.fsdecode(path)}, where {advice}"
    where = f" ({error.strerror}: {error.filename})" if error.filename else f" ({error})"
    raise LaunchError(reason, words + where) from error


def _is_of_the_library(path: str | bytes | int | None) -> bool:
    """Whether the path is one that people chose, by library.path and folder, and not of the state folder."""
    return isinstance(path, str | bytes) and STATE_FOLDER not in Path(os.fsdecode(path)).parts
