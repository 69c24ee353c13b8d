"""What is true outside the cluster: channels with videos of every fate, a site's moods, and the NAS.

The downloader is modelled by what it promises: a file is published once per Subscription and video, whoever asks again
is told that it stands there, and a volume that is away is noticed before the site is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

from builders import entry_line, source_line
from component.cluster import Clock
from trawler_downloader.contract.download import DownloadRequest, DownloadResult
from trawler_downloader.contract.listing import (
    CONSECUTIVE_KNOWN_TO_STOP,
    EntryLine,
    ListingEnd,
    ListRequest,
    TrailerLine,
)
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.reconcile.ports import ListerError, RawListing

ENGINE = "2026.10.26"
VOLUME = "volume-1"
Identity = tuple[str, str, str]
"""(namespace, Subscription, video key): whose file it is."""


class Fate(StrEnum):
    """What becomes of whoever asks for a video."""

    GOOD = "good"
    FLAKY = "flaky"
    """Fails a few times, then is good."""
    PREMIERE = "premiere"
    """Good from a time on."""
    MEMBERS = "members"
    """Not for us, until it is opened to everyone."""
    REMOVED = "removed"


@dataclass
class Video:
    """One video, as the site has it."""

    name: str
    fate: Fate
    failures_left: int = 0
    ready_at: datetime | None = None

    @property
    def key(self) -> str:
        return f"youtube.{self.name}"


class Trouble(StrEnum):
    """What the lister and the site may do instead of listing."""

    NONE = "none"
    LISTER_DOWN = "lister down"
    CUT = "cut"
    """The stream ends without its trailer."""
    RATE_LIMITED = "rate limited"
    UNREACHABLE = "unreachable"


@dataclass
class Internet:
    """The site, with its channels newest first; `reconcile.ports.Lister` in front of it."""

    clock: Clock
    channels: dict[str, list[Video]] = field(default_factory=dict)
    trouble: Trouble = Trouble.NONE
    rate_limited: bool = False
    """Downloads are told to slow down."""
    shown: dict[str, list[str]] = field(default_factory=dict)
    """Channel → keys of its last complete walk, newest first."""
    between: Callable[[], None] = lambda: None

    def publish(self, channel: str, video: Video) -> None:
        self.channels.setdefault(channel, []).insert(0, video)

    def find(self, key: str) -> Video:
        return next(video for videos in self.channels.values() for video in videos if video.key == key)

    async def list(self, request: ListRequest) -> RawListing:
        """What the lister's workers do: newest first, to five known in a row or to the end."""
        channel = urlsplit(request.url).path.split("/")[1].removeprefix("@")
        source = f"youtubetab.{channel}.videos"
        await asyncio.sleep(0)
        if self.trouble in {Trouble.LISTER_DOWN, Trouble.CUT}:
            raise ListerError(self.trouble)
        if self.trouble is not Trouble.NONE:
            limited = self.trouble is Trouble.RATE_LIMITED
            return RawListing(
                (),
                TrailerLine(
                    end=ListingEnd.ERROR,
                    outcome=OutcomeClass.RATE_LIMITED if limited else OutcomeClass.TRANSIENT,
                    reason="RateLimited" if limited else "Unreachable",
                    engine=ENGINE,
                ),
            )
        walked = _walk(self.channels.get(channel, []), None if request.audit else request.known.get(source))
        if source not in request.known:
            self.shown[channel] = [video.key for video in walked]
        entries = tuple(self._line(source, video) for video in walked)
        await asyncio.sleep(0)
        line = source_line(source).model_copy(update={"id": f"UC{channel}", "title": channel.title()})
        return RawListing(((line, entries),), TrailerLine(end=ListingEnd.STOPPED, requests=1, engine=ENGINE))

    def _line(self, source: str, video: Video) -> EntryLine:
        return entry_line(video.name).model_copy(update={"source": source})


def _walk(videos: Sequence[Video], known: Sequence[str] | None) -> list[Video]:
    walked: list[Video] = []
    in_a_row = 0
    for video in videos:
        walked.append(video)
        in_a_row = in_a_row + 1 if known is not None and video.key in known else 0
        if in_a_row == CONSECUTIVE_KNOWN_TO_STOP:
            break
    return walked


@dataclass
class Nas:
    """The volume, and what download pods do with it."""

    internet: Internet
    clock: Clock
    away: bool = False
    files: dict[Identity, str] = field(default_factory=dict)

    def download(self, request: DownloadRequest) -> DownloadResult:
        """One launch, to its end."""
        reference = request.subscription
        identity = (reference.namespace, reference.name, request.video.key)
        if self.away:
            return DownloadResult(outcome=OutcomeClass.ENVIRONMENT, reason="VolumeMissing", engine=ENGINE)
        if identity in self.files:
            return self._published(identity, "AlreadyPublished")
        if self.internet.rate_limited:
            return self._ended(OutcomeClass.RATE_LIMITED, "BotCheck")
        video = self.internet.find(request.video.key)
        match video.fate:
            case Fate.REMOVED:
                return self._ended(OutcomeClass.TERMINAL, "Removed")
            case Fate.MEMBERS:
                return self._ended(OutcomeClass.NEEDS_ACCESS, "MembersOnly")
            case Fate.PREMIERE if video.ready_at is not None and self.clock.now() < video.ready_at:
                at = int(video.ready_at.timestamp())
                return self._ended(OutcomeClass.NOT_YET, "Premiere").model_copy(update={"retry_at": at})
            case Fate.FLAKY if video.failures_left > 0:
                video.failures_left -= 1
                return self._ended(OutcomeClass.TRANSIENT, "Unreachable")
            case _:
                self.files[identity] = f"{reference.name}/{request.video.id}.mp4"
                return self._published(identity, "Published")

    def _published(self, identity: Identity, reason: str) -> DownloadResult:
        result = self._ended(OutcomeClass.PUBLISHED, reason)
        return result.model_copy(update={"path": self.files[identity], "bytes": 1000})

    def _ended(self, outcome: OutcomeClass, reason: str) -> DownloadResult:
        return DownloadResult(outcome=outcome, reason=reason, volume_id=VOLUME, engine=ENGINE)
