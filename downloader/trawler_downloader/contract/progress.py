"""The progress line: one JSON object per line in a download pod's log, at most one per PROGRESS_INTERVAL_SECONDS."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from trawler_downloader.contract.message import Message

PROGRESS_INTERVAL_SECONDS = 2.0


class Phase(StrEnum):
    """Steps of a launch, in their order."""

    PREPARING = "preparing"
    DOWNLOADING = "downloading"
    PROCESSING = "processing"
    VERIFYING = "verifying"
    PUBLISHING = "publishing"


class Progress(Message):
    """How far a download is; over all streams of the video together."""

    v: Literal[1] = 1
    phase: Phase
    done: int | None = None
    """Bytes."""
    total: int | None = None
    """Bytes, as far as the site announced them."""
    speed: int | None = None
    """Bytes per second."""
    eta: int | None = None
    """Seconds."""
    stream: str | None = None
    """What is being fetched, e.g. `video` or `audio`."""
