"""Download Jobs as a cluster runs them, against the stand-in: one process per launch, and its termination message."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from component.lister_harness import ROOT, YOUTUBE, Standin, running_standin
from standin.media import HEIGHTS
from trawler_downloader.contract.download import (
    MAX_RESULT_BYTES,
    DownloadRequest,
    DownloadResult,
    SubscriptionRef,
    VideoRef,
)
from trawler_downloader.contract.outcomes import EXIT_CODES
from trawler_downloader.contract.progress import Progress

VIDEO = {
    "id": "aaaaaaaaaa1",
    "title": "Ein Titel: a/b",
    "description": "Was es ist",
    "published": "2024-12-25T20:00:00Z",
    "duration": 4,
}
NO_FILM = b"not a film, but it has bytes" * 4000
"""What a bare site serves as media: for launches that never look into them."""


@dataclass
class Job:
    """Download Jobs of one Subscription on one claim."""

    site: Standin
    folder: Path
    library: Path
    subscription: str = "one"
    launch: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    python: str = sys.executable
    inside: tuple[str, ...] = ()
    """A command that runs the program, such as in namespaces of its own."""

    def request(self, video_id: str = VIDEO["id"], url: str | None = None, **fields: Any) -> DownloadRequest:
        self.launch += 1
        video = VideoRef(
            key=f"youtube.{video_id}",
            extractor="Youtube",
            id=video_id,
            url=url or f"{YOUTUBE}/watch?v={video_id}",
            title="Old",
        )
        given: dict[str, Any] = {
            "subscription": SubscriptionRef(namespace="tv", name=self.subscription),
            "video": video,
            "launch": self.launch,
            "proxy": self.site.proxy,
            "proxy_trusted": True,
            "ca_bundle": True,
            "min_free_bytes": 0,  # whatever this machine's disk has left
        }
        return DownloadRequest.model_validate(given | fields)

    @property
    def temporary(self) -> Path:
        """Scratch space, which is memory in a pod."""
        return self.folder / "tmp"

    def start(self, request: DownloadRequest | str, *command: str) -> subprocess.Popen[str]:
        text = request if isinstance(request, str) else request.to_json()
        (self.folder / "termination-log").unlink(missing_ok=True)
        self.temporary.mkdir(exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "downloader"),
            "HOME": str(self.folder),
            "DENO_DIR": str(self.folder / "deno"),
            "TMPDIR": str(self.temporary),
            "TRAWLER_REQUEST": text,
            "TRAWLER_POD_UID": f"pod-{self.subscription}-{self.launch}",
            "TRAWLER_LIBRARY": str(self.library),
            "TRAWLER_TERMINATION_LOG": str(self.folder / "termination-log"),
            "TRAWLER_CA_FILE": str(self.folder / "ca.crt"),
            **self.environment,
        }
        return subprocess.Popen(
            [*self.inside, self.python, "-m", "trawler_downloader.download", *command],
            env=environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, request: DownloadRequest | str, *command: str) -> Ended:
        process = self.start(request, *command)
        out, log = process.communicate(timeout=50)
        return self.ended(process.returncode, out, log)

    def ended(self, code: int, out: str, log: str) -> Ended:
        message = self.folder / "termination-log"
        text = message.read_text() if message.exists() else None
        if text is not None:
            assert len(text.encode()) <= MAX_RESULT_BYTES
        result = None if text is None else DownloadResult.model_validate_json(text)
        if result is not None:
            assert code == EXIT_CODES[result.outcome], log
        return Ended(code, result, [Progress.model_validate_json(line) for line in out.splitlines()], log)

    def tree(self) -> list[str]:
        return sorted(
            str(path.relative_to(self.library))
            for path in self.library.rglob("*")
            if path.is_file() and ".trawler" not in path.parts
        )


@dataclass
class Ended:
    """How one launch ended."""

    code: int
    result: DownloadResult | None
    progress: list[Progress]
    log: str

    @property
    def told(self) -> DownloadResult:
        assert self.result is not None, self.log
        return self.result


def job_on(site: Standin, folder: Path, library: Path | None = None, **environment: str) -> Job:
    """Jobs that download VIDEO, all that the site shows; without a library elsewhere it is in the folder."""
    site.load({"handle": "@chan", "title": "A channel", "videos": 0, "published": [VIDEO]})
    (folder / "ca.crt").write_text(site.ca)
    if library is None:
        library = folder / "library"
        library.mkdir()
    return Job(site, folder, library, environment=environment)


@contextmanager
def running_bare_site(folder: Path) -> Iterator[Standin]:
    """A stand-in that takes no ffmpeg to serve its media."""
    media = folder / "media"
    media.mkdir()
    for height in HEIGHTS.values():
        (media / f"video-{height}-{VIDEO['duration']}s.mp4").write_bytes(NO_FILM)
    (media / f"audio-{VIDEO['duration']}s.m4a").write_bytes(NO_FILM)
    with running_standin(folder) as standin:
        yield standin


def job_with_idle_tools(site: Standin, folder: Path, library: Path | None = None) -> Job:
    """Jobs whose ffmpeg and ffprobe, in the folder `tools`, do nothing."""
    return job_on(site, folder, library, PATH=f"{idle_tools(folder / 'tools')}:{os.environ['PATH']}")


def idle_tools(folder: Path) -> Path:
    """A folder with an ffmpeg and an ffprobe that are there and do nothing: for launches that end before they would."""
    folder.mkdir()
    for tool in ("ffmpeg", "ffprobe"):
        (folder / tool).write_text(f"#!/bin/sh\necho {tool} version 9.9.9\n")
        (folder / tool).chmod(0o755)
    return folder
