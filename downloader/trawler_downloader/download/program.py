"""The order of a launch: what is already there, then the site, then the disk.

Everything with an outside is passed in, so this reads as the specification of a launch.
"""

from __future__ import annotations

import logging
from pathlib import Path

from trawler_downloader.contract.download import DownloadResult, StepTimes
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.progress import Phase
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError, raise_volume_error
from trawler_downloader.download.follow_up import follow_up
from trawler_downloader.download.launch import Launch, landed_result
from trawler_downloader.download.probe import LARGE_BYTES, probe
from trawler_downloader.download.reservations import library_folder
from trawler_downloader.download.staging import Heartbeat, clear, open_staging, read_record, sweep, sweep_earlier
from trawler_downloader.download.volume import identify
from trawler_downloader.library.manifest import Role, StagedFile, StagingRecord, encode
from trawler_downloader.library.space import below_floor, no_room
from trawler_downloader.library.state import RECORD

LOG = logging.getLogger(__name__)


def run(launch: Launch) -> DownloadResult:
    """Both commands, back to back; of a video that stands there already, what is to be added to it."""
    if launch.request.follow_up is not None:
        return follow_up(launch)
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
        return landed_result(request, landed, volume_id, Reason.ALREADY_PUBLISHED)
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
                    return landed_result(request, shared, volume_id, Reason.ALREADY_PUBLISHED)
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
            sidecars = engine.sidecars(staging, request.media.sidecars)
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
        return landed_result(request, landed, volume_id, Reason.ALREADY_PUBLISHED)
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
            return landed_result(request, shared, volume_id, Reason.ALREADY_PUBLISHED)
        manifest = launch.publisher.publish(record, staging, placement, request.launch)
    return landed_result(request, manifest, volume_id, Reason.PUBLISHED)
