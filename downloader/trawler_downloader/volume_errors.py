"""What the system's error numbers mean where a file of the library is read or written."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from types import MappingProxyType

from trawler_downloader.contract.reasons import Reason

_NO_RIGHT = (
    "the volume refuses {} to this user; see spec.job.runAsUser, spec.job.fsGroup and who owns spec.library.path"
)

VOLUME_ERRORS: Mapping[int, tuple[Reason, str]] = MappingProxyType(
    {
        errno.ENOSPC: (Reason.NO_SPACE, "the volume is full"),
        errno.EDQUOT: (Reason.NO_SPACE, "the quota on the volume is used up"),
        errno.EFBIG: (
            Reason.FILE_TOO_LARGE,
            "the volume's file system takes no file of that size; a lower media.maxHeight makes a smaller one",
        ),
        errno.EROFS: (Reason.READ_ONLY, "the volume is mounted read-only"),
        errno.EACCES: (Reason.PERMISSION_DENIED, _NO_RIGHT.format("access")),
        errno.EPERM: (Reason.PERMISSION_DENIED, _NO_RIGHT.format("the operation")),
        errno.ESTALE: (Reason.STALE_VOLUME, "the volume's server lost the file handle"),
        errno.ENOTCONN: (Reason.STALE_VOLUME, "the volume is not connected"),
        errno.ETIMEDOUT: (Reason.VOLUME_ERROR, "the volume's server does not answer"),
        errno.EIO: (Reason.VOLUME_ERROR, "the volume reported an input/output error"),
    }
)
"""Reason, and words for people."""
