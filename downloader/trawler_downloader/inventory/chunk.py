"""One chunk of a Subscription's manifests, in the order of their folders and keys.

Reads one manifest at a time and remembers none, so a hundred thousand cost no more memory than one. What cannot be read
is counted and named in the trailer and does not stop the rest; but where the volume itself does not answer, there is no
trailer, and so no chunk: a file that could not be looked at must never pass for one that is gone.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pydantic import ValidationError

from trawler_downloader.contract.inventory import (
    MAX_CHUNK_BYTES,
    MAX_RECORD_BYTES,
    MAX_TITLE_BYTES,
    MAX_UNREADABLE_NAMED,
    ChunkSum,
    ChunkTrailerLine,
    HeaderLine,
    InventoryRequest,
    RecordLine,
)
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError, raise_volume_error
from trawler_downloader.download.volume import look
from trawler_downloader.library.manifest import Manifest, ManifestError, decode_manifest
from trawler_downloader.library.names import cut
from trawler_downloader.library.state import ClaimPaths

MAX_MANIFEST_BYTES = 2**20
"""A hundred times the longest that is ever written: what is longer is none, and is not read into memory."""
MAX_PROBLEM_BYTES = 300
LAST_MOMENT = 1e11
"""Unix seconds that no clock shows."""

_FOLDER = re.compile(r"[0-9a-f]{2}")
_MANIFEST = re.compile(r"(?!\.)([-._a-zA-Z0-9]{1,253})\.json")
"""Not hidden: those are manifests being written, and what macOS leaves beside files on a share."""
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR})
_NO_PATH = frozenset({errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP})
"""Answers that are about the path itself, not about the volume."""


def write_chunk(request: InventoryRequest, paths: ClaimPaths, output: BinaryIO, monotonic: Callable[[], float]) -> None:
    """Write the chunk, header to trailer.

    Args:
        request: which part.
        paths: of the claim.
        output: takes the lines.
        monotonic: seconds of a clock that never jumps.

    Raises:
        LaunchError: Environment: the volume does not answer, or is not the one that was expected.
    """
    try:
        _write_chunk(request, paths, output, monotonic)
    except OSError as error:
        raise_volume_error(error)


def _write_chunk(
    request: InventoryRequest, paths: ClaimPaths, output: BinaryIO, monotonic: Callable[[], float]
) -> None:
    stop_at = monotonic() + request.max_seconds
    volume_id = _volume_id(paths, request.volume_id)
    header = HeaderLine(subscription=request.subscription, after=request.after, volume_id=volume_id)
    output.write(header.to_json().encode() + b"\n")
    total = ChunkSum()
    unreadable: list[str] = []
    unreadable_count = 0
    last: str | None = None
    next_after: str | None = None
    for cursor, path in manifests(paths, request.after):
        full = total.count >= request.limit or total.bytes > MAX_CHUNK_BYTES - MAX_RECORD_BYTES
        if last is not None and (full or monotonic() >= stop_at):
            next_after = last
            break
        last = cursor
        try:
            line = _record(paths, path)
        except ManifestError as error:
            unreadable_count += 1
            if len(unreadable) < MAX_UNREADABLE_NAMED:
                unreadable.append(cut(f"{cursor}.json: {error}", MAX_PROBLEM_BYTES))
            continue
        if line is not None:
            total.add(line)
            output.write(line + b"\n")
    trailer = ChunkTrailerLine(
        count=total.count,
        sha256=total.sha256,
        next_after=next_after,
        unreadable=unreadable_count,
        unreadable_names=tuple(unreadable),
    )
    output.write(trailer.to_json().encode() + b"\n")
    output.flush()


def manifests(paths: ClaimPaths, after: str) -> Iterator[tuple[str, Path]]:
    """The Subscription's manifests that come after a cursor, each with its own cursor, in order."""
    videos = paths.own / "videos"
    first_folder, _, first_key = after.partition("/")
    for folder in sorted(name for name in _names(videos) if _FOLDER.fullmatch(name)):
        if folder < first_folder:
            continue
        for key in sorted(match[1] for name in _names(videos / folder) if (match := _MANIFEST.fullmatch(name))):
            if folder > first_folder or key > first_key:
                yield f"{folder}/{key}", videos / folder / f"{key}.json"


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names alone are wanted
    except OSError as error:
        if error.errno in _GONE:
            return []
        raise


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


def _record(paths: ClaimPaths, path: Path) -> bytes | None:
    """The record's line; None: no video has landed by this manifest (yet), or it was removed at this moment.

    Raises:
        ManifestError: it cannot be read, or not be told.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_MANIFEST_BYTES + 1)
            written_at = os.fstat(file.fileno()).st_mtime
    except OSError as error:
        if error.errno in _GONE:
            return None
        if error.errno == errno.EISDIR:
            raise ManifestError("it is a folder") from error
        raise
    if len(text) > MAX_MANIFEST_BYTES:
        raise ManifestError(f"it is longer than {MAX_MANIFEST_BYTES} bytes")
    manifest = decode_manifest(text)
    if paths.manifest(manifest.key) != path:
        raise ManifestError(f"key: it is about another video, {cut(manifest.key, 100)}")
    if not manifest.committed:
        return None
    line = _record_line(manifest, _size(paths.root, manifest.media.path), written_at).to_json().encode()
    if len(line) >= MAX_RECORD_BYTES:
        raise ManifestError(f"url and path are too long: a record takes {MAX_RECORD_BYTES} bytes at most")
    return line


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
        if error.errno in _GONE:
            return None
        if error.errno in _NO_PATH:
            raise ManifestError(f"files: the media file's path cannot be one: {error.strerror}") from error
        raise
    return found.st_size if stat.S_ISREG(found.st_mode) else None
