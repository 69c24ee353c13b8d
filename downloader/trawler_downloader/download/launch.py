"""A launch with all it needs of the outside, and how one that went well is told."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from trawler_downloader.contract.download import DownloadRequest, DownloadResult, FollowUpKind, Sidecar
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.progress import Phase
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.files import Files
from trawler_downloader.download.publish import Publisher
from trawler_downloader.download.reservations import Reservations
from trawler_downloader.library.manifest import Manifest, Role, StagedFile, VideoFacts
from trawler_downloader.library.state import ClaimPaths


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

    def sidecars(self, folder: Path, wanted: Collection[Sidecar]) -> tuple[StagedFile, ...]:
        """Makes those of the wanted files beside the media file that can be had, in the folder."""


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


def missing(request: DownloadRequest, manifest: Manifest) -> FollowUpKind | None:
    """What the request wants beside the video, does not stand there, and may come later."""
    has_thumbnail = any(file.role is Role.THUMBNAIL for file in manifest.files)
    wants_thumbnail = Sidecar.THUMBNAIL in request.media.sidecars
    return FollowUpKind.THUMBNAIL if wants_thumbnail and not has_thumbnail else None


def landed_result(request: DownloadRequest, manifest: Manifest, volume_id: str, reason: Reason) -> DownloadResult:
    """What is told of a video that stands on the volume."""
    media = manifest.media
    return DownloadResult(
        outcome=OutcomeClass.PUBLISHED,
        reason=reason,
        path=media.path,
        bytes=media.bytes,
        title=manifest.title,
        published_date=None if manifest.published is None else manifest.published.isoformat(),
        duration_seconds=manifest.duration_seconds,
        follow_up=missing(request, manifest),
        volume_id=volume_id,
        engine=manifest.engine,
        times=manifest.times,
    )
