"""A claim in a folder, an engine without a site, and launches that can be killed at any operation on the disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path, PurePosixPath

from trawler_downloader.contract.download import (
    DownloadRequest,
    DownloadResult,
    LibraryPlace,
    MediaWish,
    Sidecar,
    SubscriptionRef,
    VideoRef,
)
from trawler_downloader.download import program
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.download.files import Files
from trawler_downloader.download.launch import Launch
from trawler_downloader.library.layouts import EpisodeNumber, stems
from trawler_downloader.library.manifest import Role, StagedFile, VideoFacts

MEDIA = b"a whole film, " * 1000
EPISODE = "A channel/Season 24/A title (S24E1225)"
"""Where the stand-in engine's video lands, without the suffix."""
WHOLE = sorted(
    ["A channel/tvshow.nfo"]
    + [f"{EPISODE}{suffix}" for suffix in ("-thumb.jpg", ".description", ".info.json", ".mp4", ".nfo")]
)
"""The library with that video and all that belongs to it."""
KILLED = 137


def request_for(
    video_id: str = "aaaaaaaaaaa",
    *,
    subscription: str = "one",
    launch: int = 1,
    place: LibraryPlace | None = None,
    volume_id: str | None = None,
    media: MediaWish | None = None,
) -> DownloadRequest:
    """A request for one video of the stand-in engine."""
    return DownloadRequest(
        subscription=SubscriptionRef(namespace="tv", name=subscription),
        video=VideoRef(
            key=f"youtube.{video_id}",
            extractor="Youtube",
            id=video_id,
            url=f"https://x.test/{video_id}",
            source="youtubetab.UCnumber.videos",
        ),
        launch=launch,
        media=media or MediaWish(sidecars=tuple(Sidecar)),
        library=place or LibraryPlace(),
        volume_id=volume_id,
        min_free_bytes=0,  # whatever this machine's disk has left
    )


@dataclass
class FakeEngine:
    """Answers what yt-dlp would; counts its downloads in a file, so that children of a fork count too."""

    video_id: str = "aaaaaaaaaaa"
    title: str = "A title"
    channel: str = "A channel"
    published: date = date(2024, 12, 25)
    suffix: str = ".mp4"
    version: str = "2026.01.01"
    counter: Path | None = None
    failure: LaunchError | None = None
    announced: int | None = None
    copies_at_once: int = 2
    has_thumbnail: bool = True
    asked_for: list[tuple[Sidecar, ...]] = field(default_factory=list)
    before_fetch: Callable[[], None] = field(default=lambda: None)

    def describe(self) -> VideoFacts:
        """Facts without a site."""
        if self.failure is not None:
            raise self.failure
        return VideoFacts(
            extractor="Youtube",
            id=self.video_id,
            url=f"https://x.test/{self.video_id}",
            title=self.title,
            channel=self.channel,
            published=self.published,
            named_after=self.published,
            duration_seconds=60.0,
            description="What it is about",
            has_video=True,
            has_audio=True,
        )

    def announced_bytes(self) -> int | None:
        """As a site tells it."""
        return self.announced

    def copies(self) -> int:
        """Of a video that is merged, unless told otherwise."""
        return self.copies_at_once

    def fetch(self, folder: Path) -> Path:
        """Bytes without a network."""
        self.before_fetch()
        if self.counter is not None:
            with self.counter.open("a") as file:
                file.write(f"{self.video_id}\n")
        path = folder / f"{self.video_id}{self.suffix}"
        path.write_bytes(MEDIA)
        return path

    def verify(self, media: Path) -> None:
        """The test reads the landed file itself."""

    def sidecars(self, folder: Path, wanted: Collection[Sidecar]) -> tuple[StagedFile, ...]:
        """One file per wanted sidecar that needs no episode number."""
        self.asked_for.append(tuple(wanted))
        made = []
        for role in (Role.THUMBNAIL, Role.DESCRIPTION, Role.INFO_JSON):
            if role.value not in wanted or (role is Role.THUMBNAIL and not self.has_thumbnail):
                continue
            (folder / role.value).write_bytes(role.value.encode())
            made.append(StagedFile(role=role, name=role.value, bytes=len(role.value)))
        return tuple(made)


class DyingFiles(Files):
    """The process dies, as by SIGKILL, right before the operation of that number (from 0)."""

    def __init__(self, dies_before: int) -> None:
        self.left = dies_before

    def step(self, operation: str, path: Path) -> None:
        if self.left == 0:
            os._exit(KILLED)
        self.left -= 1


class CountingFiles(Files):
    """Remembers the operations."""

    def __init__(self) -> None:
        self.operations: list[tuple[str, str]] = []

    def step(self, operation: str, path: Path) -> None:
        self.operations.append((operation, path.name))


def launch_of(
    request: DownloadRequest, root: Path, engine: FakeEngine | None = None, files: Files | None = None, pod: str = ""
) -> Launch:
    """A launch over the claim in `root`."""
    used = engine or FakeEngine(video_id=request.video.id)

    @contextmanager
    def opened() -> Iterator[FakeEngine]:
        yield used

    return Launch(
        request=request,
        root=root,
        pod=pod or f"pod-{request.subscription.name}-{request.launch}",
        engine=opened,
        now=lambda: 1_700_000_000.0,
        report=lambda _phase: None,
        files=files or Files(),
    )


def land(
    request: DownloadRequest, root: Path, engine: FakeEngine | None = None, files: Files | None = None, pod: str = ""
) -> DownloadResult:
    """Runs a launch in this process."""
    return program.run(launch_of(request, root, engine, files, pod))


def land_and_die(request: DownloadRequest, root: Path, engine: FakeEngine, dies_before: int) -> int:
    """Runs a launch in a process that dies before that operation; the exit code, 0 when it ended before."""
    child = os.fork()
    if child == 0:
        try:
            land(request, root, engine, DyingFiles(dies_before))
        except BaseException:  # noqa: BLE001 - the child must never return into pytest
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def take_all_names(root: Path, request: DownloadRequest, engine: FakeEngine) -> list[Path]:
    """Files of somebody else's under every name that the engine's video may have as the first one of its day."""
    number = EpisodeNumber(engine.published)
    names = stems(request.library.layout, PurePosixPath(engine.channel), engine.title, engine.video_id, number)
    files = [root / f"{stem}.mkv" for stem in names]
    files[0].parent.mkdir(parents=True)
    for file in files:
        file.write_text("mine")
    return files


def tree(root: Path) -> list[str]:
    """The library's files, without the state folder."""
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and not path.relative_to(root).parts[0].startswith(".trawler")
    )


def next_launch(request: DownloadRequest) -> DownloadRequest:
    """The request of the retry."""
    return request.model_copy(update={"launch": request.launch + 1})
