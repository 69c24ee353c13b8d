"""A launch for a video that stands on the volume: adds beside it what could not be had at the download.

Whatever happens, the video stays as it is. The new file gets its name by one rename, and the manifest names it after
that. A launch that dies in between leaves a file that the next one finds beside the video, and notes.
"""

from __future__ import annotations

from pathlib import Path

from trawler_downloader.contract.download import DownloadResult, FollowUpKind, Sidecar
from trawler_downloader.contract.progress import Phase
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError, raise_volume_error
from trawler_downloader.download.launch import Launch, landed_result, missing
from trawler_downloader.download.probe import probe
from trawler_downloader.download.staging import Heartbeat, clear, open_staging, sweep, sweep_earlier
from trawler_downloader.download.volume import identify
from trawler_downloader.library.manifest import Manifest, Role
from trawler_downloader.library.space import below_floor

_SIDECARS = {FollowUpKind.THUMBNAIL: Sidecar.THUMBNAIL}
_ROLES = {FollowUpKind.THUMBNAIL: Role.THUMBNAIL}


def follow_up(launch: Launch) -> DownloadResult:
    """Adds what the request wants and is missing.

    Returns:
        Published, with the reason `AlreadyPublished` where the site did not have to be asked, and `StillMissing` where
        it still has not what is wanted.

    Raises:
        LaunchError: how the launch ends instead; Terminal (`FileGone`) where the video itself is not there.
    """
    try:
        return _follow_up(launch)
    except OSError as error:
        raise_volume_error(error)


def _follow_up(launch: Launch) -> DownloadResult:
    request, files = launch.request, launch.files
    launch.report(Phase.PREPARING)
    volume_id = identify(files, launch.paths, request.volume_id)
    probe(files, launch.paths)
    launch.probed(volume_id)
    sweep_earlier(files, launch.paths, request)
    publisher = launch.publisher
    manifest = publisher.settle()
    if manifest is None:
        raise LaunchError(Reason.FILE_GONE, f"{request.video.key} is not where it was put: nothing is added to it")
    wanted = missing(request, manifest)
    if wanted is not None:
        manifest = publisher.note_sidecar(manifest, _ROLES[wanted], request.launch)
    if wanted is None or missing(request, manifest) is None:
        return landed_result(request, manifest, volume_id, Reason.ALREADY_PUBLISHED)
    problem = below_floor(files.room(launch.root), request.min_free_bytes)
    if problem is not None:
        raise LaunchError(Reason.BELOW_MIN_FREE, problem)
    staging = open_staging(files, launch.paths, request, launch.pod)
    try:
        with Heartbeat(staging):
            sweep(files, launch.paths, staging)
            clear(files, staging)
            reason, manifest = _add(launch, manifest, wanted, staging)
    finally:
        files.remove_tree(staging)
    return landed_result(request, manifest, volume_id, reason)


def _add(launch: Launch, manifest: Manifest, wanted: FollowUpKind, staging: Path) -> tuple[Reason, Manifest]:
    with launch.engine() as engine:
        engine.describe()
        launch.report(Phase.PROCESSING)
        made = engine.sidecars(staging, (_SIDECARS[wanted],))
    publisher, role, number = launch.publisher, _ROLES[wanted], launch.request.launch
    manifest = publisher.note_sidecar(manifest, role, number)  # somebody may have put it there meanwhile: it stays
    if missing(launch.request, manifest) is None:
        return Reason.PUBLISHED, manifest
    if not made:
        return Reason.STILL_MISSING, manifest
    launch.report(Phase.PUBLISHING)
    for file in made:
        publisher.land_beside(manifest, file, staging)
    return Reason.PUBLISHED, publisher.note_sidecar(manifest, role, number)
