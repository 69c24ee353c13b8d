"""Is this the volume that the Subscription's history is about?

The state folder bears a marker with a random id. Where the NAS is not mounted, its mount point's bare folder has none:
a launch that expects one then writes nothing at all, instead of filling the node's own disk.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from trawler_downloader.contract.download import MAX_VOLUME_ID
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.download.files import Files
from trawler_downloader.library.state import ClaimPaths

PREPARED = ".trawler.new-"
"""Prefix of state folders that are being made; hidden, and swept when their maker died."""


def identify(files: Files, paths: ClaimPaths, expected: str | None) -> str:
    """The volume's id; makes marker and state folder at first use.

    Args:
        files: operations.
        paths: of the claim.
        expected: the id that the Subscription's history is about; None when there is no history yet.

    Raises:
        LaunchError: Environment, with nothing written: no volume, no marker or another one than expected.
    """
    return look(paths, expected) or _make(files, paths)


def look(paths: ClaimPaths, expected: str | None) -> str | None:
    """The volume's id, with nothing changed; None: it has no marker, and none is expected.

    Raises:
        LaunchError: Environment: no volume, no marker or another one than expected.
    """
    if not paths.root.is_dir():
        raise LaunchError(Reason.VOLUME_MISSING, f"there is no folder at {paths.root}: the claim is not mounted")
    found = _read(paths.marker)
    if found is None and expected is not None:
        raise LaunchError(
            Reason.VOLUME_MARKER_MISSING,
            f"the volume bears no .trawler/volume-id, {expected} was expected: mount the NAS on the node, or restore "
            "the file",
        )
    if expected not in (None, found):
        raise LaunchError(
            Reason.VOLUME_MARKER_MISMATCH,
            f"the volume's marker is {found}, {expected} was expected: mount the right volume, or use a Subscription "
            "of another name",
        )
    return found


def _read(marker: Path) -> str | None:
    try:
        text = marker.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        volume_id = json.loads(text)["id"]
    except (ValueError, KeyError, TypeError):
        volume_id = None
    if not isinstance(volume_id, str) or not 0 < len(volume_id) <= MAX_VOLUME_ID:
        raise LaunchError(Reason.VOLUME_MARKER_UNREADABLE, f"{marker} holds no id: restore it from a backup")
    return volume_id


def _make(files: Files, paths: ClaimPaths) -> str:
    """Makes the state folder under another name and renames it: it appears with its marker or not at all."""
    volume_id = str(uuid.uuid4())
    prepared = paths.root / f"{PREPARED}{volume_id}"
    files.make_folder(prepared)
    for name in (".ignore", ".plexignore"):
        files.write(prepared / name, b"*\n")
    about = {"v": 1, "id": volume_id, "about": "marks this volume for trawler; do not remove"}
    files.write(prepared / paths.marker.name, json.dumps(about, indent=2).encode() + b"\n")
    files.sync_folder(prepared)
    if files.move_folder(prepared, paths.state):
        files.sync_folder(paths.root)
    else:  # another launch was quicker
        files.remove_tree(prepared)
    made = _read(paths.marker)
    if made is None:
        raise LaunchError(
            Reason.VOLUME_MARKER_MISSING,
            "there is a folder .trawler without volume-id: restore the file, or remove the folder",
        )
    return made
