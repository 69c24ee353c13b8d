"""Staging folders: where a launch keeps what has no final name yet, on the same volume as the library.

A folder is alive while its heartbeat is: a file that its launch writes anew every HEARTBEAT_SECONDS. Its age is the
difference of two times that the volume's server set, because clocks of nodes and NAS differ. The next launches of the
same Subscription sweep what is dead.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from trawler_downloader.contract.download import DownloadRequest
from trawler_downloader.download.files import Files
from trawler_downloader.download.volume import PREPARED
from trawler_downloader.library.manifest import ManifestError, StagingRecord, decode_manifest, decode_record
from trawler_downloader.library.state import HEARTBEAT, MEDIA_FOLDER, RECORD, VIDEO, ClaimPaths

HEARTBEAT_SECONDS = 30.0
DEAD_AFTER_SECONDS = 900.0
"""Thirty missed beats: an NFS server that fails over is silent for minutes."""
_DYING = "dead-"

LOG = logging.getLogger(__name__)


class Heartbeat:
    """Keeps a staging folder alive from a thread of its own, also while yt-dlp or ffmpeg holds the main one."""

    def __init__(self, folder: Path, seconds: float = HEARTBEAT_SECONDS) -> None:
        """Arguments: the staging folder, and the time between two beats."""
        self._file = folder / HEARTBEAT
        self._seconds = seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        """Starts beating."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops beating; a beat that hangs on the volume is left behind."""
        self._over.set()
        self._thread.join(timeout=1)

    def _beat(self) -> None:
        while not self._over.wait(self._seconds):
            with suppress(OSError):  # the folder is gone after publishing; a full disk ends the launch elsewhere
                beat(self._file)


def beat(file: Path) -> float:
    """Writes the file anew and returns the server's time of that, in Unix seconds."""
    with file.open("wb", buffering=0) as stream:
        stream.write(b"alive\n")  # a write of content: truncating alone need not change the time
    return file.stat().st_mtime


def own_folder(paths: ClaimPaths, request: DownloadRequest, pod: str) -> Path:
    """Where a launch keeps what has no final name yet."""
    return paths.stagings / f"{request.launch}-{pod}"


def open_staging(files: Files, paths: ClaimPaths, request: DownloadRequest, pod: str) -> Path:
    """The launch's staging folder: its own, a finished one that an earlier launch for this video left, or a new one."""
    folder = own_folder(paths, request, pod)
    if not folder.is_dir():
        files.make_folder(paths.stagings)
        for left in sorted(paths.stagings.iterdir()):
            if _usable(left, request) and files.move_folder(left, folder):
                LOG.info("continuing with what %s fetched", left.name)
                break
        else:
            files.make_folder(folder)
            files.write(folder / VIDEO, request.video.key.encode())
    files.step("heartbeat", folder)
    beat(folder / HEARTBEAT)
    return folder


def read_record(folder: Path, request: DownloadRequest) -> StagingRecord | None:
    """The folder's record, when it is about this very wish and its files are all there; else None."""
    try:
        record = decode_record((folder / RECORD).read_bytes())
    except (OSError, ManifestError):
        return None
    if (record.key, record.media, record.place) != (request.video.key, request.media, request.library):
        return None
    return record if all(_complete(folder / file.name, file.bytes) for file in record.files) else None


def clear(files: Files, folder: Path) -> Path:
    """Empties the place where the engine writes, and returns it."""
    media = folder / MEDIA_FOLDER
    files.remove(folder / RECORD)
    if media.exists():
        files.remove_tree(media)
    files.make_folder(media)
    return media


def sweep(files: Files, paths: ClaimPaths, own: Path) -> None:
    """Removes dead staging folders of this Subscription; never one that an uncommitted manifest names.

    Failing is harmless: the next launch tries again.
    """
    with suppress(OSError):
        # The earlier of two: a client that caches attributes may tell the time of its own clock for a file that it has
        # just written; that of a folder comes from the server.
        now = min(beat(own / HEARTBEAT), own.stat().st_mtime)
        for folder in paths.stagings.iterdir():
            if folder != own and folder.is_dir() and _dead(folder, now) and not _needed(paths, folder):
                _bury(files, folder)
        for folder in paths.root.glob(f"{PREPARED}*"):
            if now - folder.stat().st_mtime > DEAD_AFTER_SECONDS:
                files.remove_tree(folder)


def sweep_earlier(files: Files, paths: ClaimPaths, request: DownloadRequest) -> None:
    """Removes what earlier launches for this very video left in staging, however fresh.

    The operator begins a launch only when the one before is over, or will never be heard of again: what such a one
    still writes, on a node that is cut off, is of no use to anybody. Failing is harmless, as with `sweep`.
    """
    with suppress(OSError):
        for folder in paths.stagings.iterdir():
            launch = folder.name.partition("-")[0]
            earlier = launch.isdecimal() and int(launch) < request.launch
            if earlier and _is_for(folder, request.video.key) and not _needed(paths, folder):
                _bury(files, folder)


def _is_for(folder: Path, key: str) -> bool:
    try:
        return (folder / VIDEO).read_text() == key
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return False


def _bury(files: Files, folder: Path) -> None:
    dying = folder
    if not folder.name.startswith(_DYING):
        # Renamed first: a launch that takes it over at this moment wins or loses as a whole.
        dying = folder.with_name(f"{_DYING}{folder.name}")
        if not files.move_folder(folder, dying):
            return
    LOG.info("removing dead staging %s", folder.name)
    files.remove_tree(dying)


def _usable(folder: Path, request: DownloadRequest) -> bool:
    # The operator has one launch per video at a time, and renaming takes the folder from whoever else still lives.
    return not folder.name.startswith(_DYING) and read_record(folder, request) is not None


def _dead(folder: Path, now: float) -> bool:
    try:
        last = (folder / HEARTBEAT).stat().st_mtime
    except FileNotFoundError:
        last = folder.stat().st_mtime
    return now - last > DEAD_AFTER_SECONDS


def _needed(paths: ClaimPaths, folder: Path) -> bool:
    """Whether an uncommitted manifest names the folder. A manifest is only ever written after the folder's record."""
    try:
        record = decode_record((folder / RECORD).read_bytes())
        manifest = decode_manifest(paths.manifest(record.key).read_bytes())
    except FileNotFoundError:
        return False
    except ManifestError as error:
        LOG.warning("staging %s is kept: %s", folder.name, error)
        return True
    return not manifest.committed and manifest.staging == folder.name


def _complete(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False
