"""Does the volume take files?

Asked before anything is asked of a site, and again when a launch fails without a clear cause: yt-dlp and ffmpeg often
tell no more than that something went wrong.
"""

from __future__ import annotations

import os

from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.download.files import Files
from trawler_downloader.library.state import ClaimPaths

PROBE = "probe-"
"""Prefix of the probe's folder, among the staging folders: it is swept when its launch dies."""
SMALL_BYTES = 64
"""Enough to learn whether this user may write."""
LARGE_BYTES = 4 * 2**20
"""yt-dlp's largest block: where as much can be written, it was not the room that lacked. A full file system often still
takes a few bytes."""


def probe(files: Files, paths: ClaimPaths, size: int = SMALL_BYTES) -> None:
    """Creates, writes, syncs, renames, reads and removes a file in the Subscription's own folder.

    Args:
        files: operations.
        paths: of the claim, which has its state folder.
        size: of the file, in bytes.

    Raises:
        OSError: what the volume refused.
        LaunchError: Environment, it gives back something else than was written.
    """
    folder = paths.stagings / f"{PROBE}{os.urandom(8).hex()}"
    written, renamed = folder / "written", folder / "renamed"
    content = os.urandom(size)
    try:
        files.make_folder(folder)
        files.write(written, content)
        files.move(written, renamed)
        files.sync_folder(folder)
        if renamed.read_bytes() != content:
            raise LaunchError(
                Reason.VOLUME_ERROR, f"the volume gives back something else than was written to {renamed}"
            )
        files.remove(renamed)
    finally:
        files.remove_tree(folder)
