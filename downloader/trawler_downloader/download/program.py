"""The order of a launch: what is already there, then the site, then the disk.

Everything with an outside is passed in, so this reads as the specification of a launch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from trawler_downloader.contract.download import DownloadRequest, DownloadResult, StepTimes
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.progress import Phase
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError, raise_volume_error
from trawler_downloader.download.files import Files
from trawler_downloader.download.probe import LARGE_BYTES, probe
from trawler_downloader.download.publish import Publisher
from trawler_downloader.download.reservations import Reservations, library_folder
from trawler_downloader.download.staging import Heartbeat, clear, open_staging, read_record, sweep, sweep_earlier
from trawler_downloader.download.volume import identify
from trawler_downloader.library.manifest import Manifest, Role, StagedFile, StagingRecord, VideoFacts, encode
from trawler_downloader.library.space import below_floor, no_room
from trawler_downloader.library.state import RECORD, ClaimPaths

LOG = logging.getLogger(__name__)


class Engine(Protocol):
    """One video at its site. Its methods raise LaunchError, and OSError for the disk."""

    @property
    def version(self) -> str:
        """Of what does the downloading."""

    def describe(self) -> VideoFacts:
        """What the site tells. Raises NotYet for what is not there yet; downloads nothing."""

    def announced_bytes(self) -> int | None:
        """Of all streams of the described video together; None where the site does not say."""

    def copies(self) -> int:
        """How many times the described video is in the folder at once, at most, while `fetch` puts it together."""

    def fetch(self, folder: Path) -> Path:
        """Downloads into the folder and returns the finished media file."""

    def verify(self, media: Path) -> None:
        """Raises Transient when the file is not what the site announced."""

    def sidecars(self, folder: Path) -> tuple[StagedFile, ...]:
        """Makes the files beside the media file that are wanted and can be had, in the folder."""


@dataclass(frozen=True)
class Launch:
    """One launch with all it needs of the outside."""

    request: DownloadRequest
    root: Path
    """Where the claim is mounted."""
    pod: str
    """The pod's uid: no two launches have the same."""
    engine: Callable[[], AbstractContextManager[Engine]]
    now: Callable[[], float]
    """Unix seconds."""
    report: Callable[[Phase], None]
    """Told when a phase begins."""
    probed: Callable[[str], None] = lambda _volume_id: None
    """Told the volume's id once the volume has proved to take files."""
    files: Files = field(default_factory=Files)

    @property
    def paths(self) -> ClaimPaths:
        """Paths on the claim."""
        return ClaimPaths(self.root, self.request.subscription)

    @property
    def publisher(self) -> Publisher:
        """Publishes this launch's video."""
        return Publisher(self.files, self.paths, self.request.video, self.now)

    def reservations(self, folder: PurePosixPath) -> Reservations:
        """The claims of this launch's video in that folder."""
        return Reservations(
            self.files,
            self.paths,
            self.request.video.key,
            self.request.media.type,
            self.request.library.layout,
            folder,
        )


def run(launch: Launch) -> DownloadResult:
    """Both commands, back to back."""
    return fetch(launch) or publish(launch)


def fetch(launch: Launch) -> DownloadResult | None:
    """Leaves the verified files and their record in staging; a result when the video has already landed.

    Raises:
        LaunchError: how the launch ends instead.
    """
    started = launch.now()
    try:
        return _fetch(launch, started)
    except OSError as error:
        raise_volume_error(error)


def publish(launch: Launch) -> DownloadResult:
    """Lands what `fetch` left in staging.

    Raises:
        LaunchError: how the launch ends instead.
    """
    try:
        return _publish(launch)
    except OSError as error:
        raise_volume_error(error)


def _fetch(launch: Launch, started: float) -> DownloadResult | None:
    request, files = launch.request, launch.files
    launch.report(Phase.PREPARING)
    volume_id = identify(files, launch.paths, request.volume_id)
    probe(files, launch.paths)
    launch.probed(volume_id)
    landed = launch.publisher.settle()
    if landed is not None:
        sweep_earlier(files, launch.paths, request)
        return _result(landed, volume_id, already=True)
    staging = open_staging(files, launch.paths, request, launch.pod)
    sweep_earlier(files, launch.paths, request)
    if read_record(staging, request) is not None:
        with Heartbeat(staging):
            sweep(files, launch.paths, staging)
        return None
    try:
        return _fill(launch, staging, started, volume_id)
    except Exception as error:
        try:
            if _unexplained(error):
                LOG.warning("looking at the volume, because: %s", error)
                probe(files, launch.paths, LARGE_BYTES)  # while what fills the volume is still there
        finally:
            # Of no use to the next launch, which on a full volume needs the room.
            files.remove_tree(staging)
        raise


def _unexplained(error: Exception) -> bool:
    """Whether it may be the volume's fault without saying so, as when ffmpeg fails on a full disk."""
    if isinstance(error, LaunchError):
        return error.outcome is OutcomeClass.TRANSIENT
    return not isinstance(error, OSError)


def _fill(launch: Launch, staging: Path, started: float, volume_id: str) -> DownloadResult | None:
    request, files = launch.request, launch.files
    with Heartbeat(staging):
        sweep(files, launch.paths, staging)
        media_folder = clear(files, staging)
        problem = below_floor(files.room(launch.root), request.min_free_bytes)
        if problem is not None:
            raise LaunchError(Reason.BELOW_MIN_FREE, problem)
        with launch.engine() as engine:
            facts = engine.describe()
            folder = library_folder(request.library, facts, request.source_title)
            known = launch.reservations(folder).find()
            if known is not None:
                shared = launch.publisher.adopt(facts, known, request.launch, engine.version)
                if shared is not None:
                    files.remove_tree(staging)
                    return _result(shared, volume_id, already=True)
            room = files.room(launch.root)
            problem = no_room(room, request.min_free_bytes, engine.announced_bytes(), engine.copies())
            if problem is not None:
                raise LaunchError(Reason.NOT_ENOUGH_SPACE, problem)
            launch.report(Phase.DOWNLOADING)
            media = engine.fetch(media_folder)
            fetched = launch.now()
            launch.report(Phase.VERIFYING)
            engine.verify(media)
            verified = launch.now()
            launch.report(Phase.PROCESSING)
            sidecars = engine.sidecars(staging)
        for file in (media, *(staging / sidecar.name for sidecar in sidecars)):
            # Before the record says that it is whole: after a power failure it is all that the next launch looks at.
            files.sync_file(file)
        record = StagingRecord(
            key=request.video.key,
            media=request.media,
            place=request.library,
            facts=facts,
            files=(
                StagedFile(role=Role.MEDIA, name=str(media.relative_to(staging)), bytes=media.stat().st_size),
                *sidecars,
            ),
            engine=engine.version,
            times=StepTimes(started=started, fetched=fetched, verified=verified),
        )
        files.replace(staging / RECORD, encode(record))
    return None


def _publish(launch: Launch) -> DownloadResult:
    request = launch.request
    volume_id = identify(launch.files, launch.paths, request.volume_id)
    landed = launch.publisher.settle()
    if landed is not None:
        return _result(landed, volume_id, already=True)
    staging = open_staging(launch.files, launch.paths, request, launch.pod)
    record = read_record(staging, request)
    if record is None:
        raise LaunchError(
            Reason.NOTHING_STAGED, f"{staging} holds no complete record of this video: run fetch before publish"
        )
    launch.report(Phase.PUBLISHING)
    with Heartbeat(staging):
        folder = library_folder(request.library, record.facts, request.source_title)
        placement = launch.reservations(folder).claim(record.facts)
        shared = launch.publisher.adopt(record.facts, placement, request.launch, record.engine)
        if shared is not None:  # another Subscription landed it while this one downloaded
            launch.files.remove_tree(staging)
            return _result(shared, volume_id, already=True)
        manifest = launch.publisher.publish(record, staging, placement, request.launch)
    return _result(manifest, volume_id, already=False)


def _result(manifest: Manifest, volume_id: str, *, already: bool) -> DownloadResult:
    media = manifest.media
    return DownloadResult(
        outcome=OutcomeClass.PUBLISHED,
        reason=Reason.ALREADY_PUBLISHED if already else Reason.PUBLISHED,
        path=media.path,
        bytes=media.bytes,
        title=manifest.title,
        published_date=None if manifest.published is None else manifest.published.isoformat(),
        duration_seconds=manifest.duration_seconds,
        volume_id=volume_id,
        engine=manifest.engine,
        times=manifest.times,
    )
