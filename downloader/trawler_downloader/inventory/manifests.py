"""A Subscription's manifests as records, in the order of their folders and keys.

A file that could not be looked at must never pass for one that is gone: a volume that does not answer ends the work.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pydantic import ValidationError

from trawler_downloader.contract.inventory import MAX_TITLE_BYTES, InventoryRequest, RecordLine
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.download.volume import look
from trawler_downloader.library.manifest import Manifest, ManifestError, decode_manifest
from trawler_downloader.library.names import cut
from trawler_downloader.library.state import ClaimPaths
from trawler_downloader.volume_jobs.chunk import GONE, Item, UnreadableItemError, names_in, write_chunk

MAX_MANIFEST_BYTES = 2**20
"""A hundred times the longest that is ever written: what is longer is none, and is not read into memory."""
LAST_MOMENT = 1e11
"""Unix seconds that no clock shows."""

_FOLDER = re.compile(r"[0-9a-f]{2}")
_MANIFEST = re.compile(r"(?!\.)([-._a-zA-Z0-9]{1,253})\.json")
"""Not hidden: those are manifests being written, and what macOS leaves beside files on a share."""
_NO_PATH = frozenset({errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP})
"""Answers that are about the path itself, not about the volume."""


def print_inventory(request: InventoryRequest, claim: Path, output: BinaryIO, monotonic: Callable[[], float]) -> None:
    """Write the chunk, header to trailer.

    Args:
        request: which part.
        claim: root of the volume.
        output: takes the lines.
        monotonic: seconds of a clock that never jumps.

    Raises:
        LaunchError: Environment: the volume is not the one that was expected.
        OSError: the volume does not answer.
    """
    paths = ClaimPaths(claim, request.subscription)
    volume_id = _volume_id(paths, request.volume_id)
    write_chunk(request, volume_id, _items(paths, request.after), output, monotonic)


def has_manifests(paths: ClaimPaths) -> bool:
    """Whether any manifest of the Subscription lies on the volume, be it committed, readable or neither.

    Raises:
        OSError: the volume does not answer.
    """
    return next(_manifests(paths, ""), None) is not None


def _items(paths: ClaimPaths, after: str) -> Iterator[Item]:
    for cursor, path in _manifests(paths, after):
        yield Item(cursor, f"{cursor}.json", partial(_record, paths, path))


def _manifests(paths: ClaimPaths, after: str) -> Iterator[tuple[str, Path]]:
    """The Subscription's manifests that come after a cursor, each with its own cursor, in order."""
    videos = paths.own / "videos"
    first_folder, _, first_key = after.partition("/")
    for folder in sorted(name for name in names_in(videos) if _FOLDER.fullmatch(name)):
        if folder < first_folder:
            continue
        for key in sorted(match[1] for name in names_in(videos / folder) if (match := _MANIFEST.fullmatch(name))):
            if folder > first_folder or key > first_key:
                yield f"{folder}/{key}", videos / folder / f"{key}.json"


def _volume_id(paths: ClaimPaths, expected: str | None) -> str | None:
    found = look(paths, expected)
    if found is None and paths.own.is_dir():
        found = look(paths, expected)  # made at this very moment: the marker is there before anything else
        if found is None:
            raise LaunchError(
                Reason.VOLUME_MARKER_MISSING,
                f"there is a folder {paths.own.relative_to(paths.root)} and no volume-id beside it: restore the file",
            )
    return found


def _record(paths: ClaimPaths, path: Path) -> RecordLine | None:
    """The record; None: no video has landed by this manifest (yet), or it was removed at this moment.

    Raises:
        UnreadableItemError: it cannot be read, or not be told.
    """
    try:
        return _read_record(paths, path)
    except ManifestError as error:
        raise UnreadableItemError(str(error)) from error


def _read_record(paths: ClaimPaths, path: Path) -> RecordLine | None:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_MANIFEST_BYTES + 1)
            written_at = os.fstat(file.fileno()).st_mtime
    except OSError as error:
        if error.errno in GONE:
            return None
        if error.errno == errno.EISDIR:
            raise ManifestError("it is a folder") from error
        raise
    if len(text) > MAX_MANIFEST_BYTES:
        raise ManifestError(f"it is longer than {MAX_MANIFEST_BYTES} bytes")
    manifest = decode_manifest(text)
    if paths.manifest(manifest.key) != path:
        raise ManifestError(f"key: it is about another video, {cut(manifest.key, 100)}")
    return _record_line(manifest, _size(paths.root, manifest.media.path), written_at) if manifest.committed else None


def _record_line(manifest: Manifest, present_bytes: int | None, written_at: float) -> RecordLine:
    published = manifest.times.published
    if published is None or not 0 <= published < LAST_MOMENT:
        published = written_at
    try:
        return RecordLine(
            key=manifest.key,
            extractor=manifest.extractor,
            id=manifest.id,
            url=manifest.url,
            kind=manifest.kind,
            source=manifest.source,
            title=cut(manifest.title, MAX_TITLE_BYTES),
            published_date=None if manifest.published is None else manifest.published.isoformat(),
            duration_seconds=manifest.duration_seconds,
            launch=manifest.launch,
            path=manifest.media.path,
            bytes=manifest.media.bytes,
            present_bytes=present_bytes,
            engine=manifest.engine,
            landed_at=int(published),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise ManifestError(f"{first['loc'][0]}: {first['msg']}") from error


def _size(root: Path, name: str) -> int | None:
    """Bytes of the media file; None: there is no such file.

    Raises:
        ManifestError: that is no path of a file on this claim.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ManifestError("files: the media file's path leads out of the claim")
    try:
        found = (root / path).stat()
    except OSError as error:
        if error.errno in GONE:
            return None
        if error.errno in _NO_PATH:
            raise ManifestError(f"files: the media file's path cannot be one: {error.strerror}") from error
        raise
    return found.st_size if stat.S_ISREG(found.st_mode) else None
