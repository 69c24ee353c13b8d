"""What is true outside the cluster: channels with videos of every fate, sites with their moods, and volumes.

The downloader is modelled by what it promises: a file is published once per Subscription and video, whoever asks again
is told that it stands there, a volume that is away is noticed before the site is asked, an inventory prints what has
landed, and a survey whose files have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

from builders import entry_line, source_line
from component.cluster import Clock, print_records
from trawler_downloader.contract.download import DownloadRequest, DownloadResult, FollowUpKind
from trawler_downloader.contract.inventory import InventoryRequest, RecordLine
from trawler_downloader.contract.listing import (
    CONSECUTIVE_KNOWN_TO_STOP,
    EntryLine,
    ListingEnd,
    ListRequest,
    TrailerLine,
)
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.survey import HistoryLine, SurveyRequest
from trawler_operator.reconcile.ports import ListerError, RawListing

ENGINE = "2026.10.26"
CHUNK = 3
"""Records that an inventory prints at most, so that a dozen videos make several chunks."""
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
    LATE_PICTURE = "its picture comes late"
    """Good, and its picture is there for the second look."""
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
    UNREACHABLE = "unreachable"


@dataclass
class Internet:
    """Sites, with their channels newest first; `reconcile.ports.Lister` in front of them.

    Args:
        clock: the time.
        sites: channel → registrable domain of its site.
    """

    clock: Clock
    sites: Mapping[str, str]
    channels: dict[str, list[Video]] = field(default_factory=dict)
    trouble: Trouble = Trouble.NONE
    limits: dict[str, str] = field(default_factory=dict)
    """Site → with which reason it tells everybody to slow down."""
    shown: dict[str, list[str]] = field(default_factory=dict)
    """Channel → keys of its last complete walk, newest first."""
    asked: Callable[[str], None] = lambda _: None
    """Is told of the channel of every listing that begins."""

    def publish(self, channel: str, video: Video) -> None:
        self.channels.setdefault(channel, []).insert(0, video)

    def find(self, key: str) -> Video:
        return next(video for videos in self.channels.values() for video in videos if video.key == key)

    def fails(self, channel: str) -> bool:
        """Whether its listing would not go well."""
        return self.trouble is not Trouble.NONE or self.sites[channel] in self.limits

    async def list(self, request: ListRequest) -> RawListing:
        """What the lister's workers do: newest first, to five known in a row or to the end."""
        channel = urlsplit(request.url).path.split("/")[1].removeprefix("@")
        source = f"youtubetab.{channel}.videos"
        self.asked(channel)
        await asyncio.sleep(0)
        if self.trouble in {Trouble.LISTER_DOWN, Trouble.CUT}:
            raise ListerError(self.trouble)
        limit = self.limits.get(self.sites[channel])
        if limit is not None:
            return _failed(OutcomeClass.RATE_LIMITED, limit)
        if self.trouble is Trouble.UNREACHABLE:
            return _failed(OutcomeClass.TRANSIENT, "Unreachable")
        walked = _walk(self.channels.get(channel, []), None if request.audit else request.known.get(source))
        if source not in request.known:
            self.shown[channel] = [video.key for video in walked]
        entries = tuple(self._line(channel, source, video) for video in walked)
        await asyncio.sleep(0)
        line = source_line(source).model_copy(update={"id": f"UC{channel}", "title": channel.title()})
        return RawListing(((line, entries),), TrailerLine(end=ListingEnd.STOPPED, requests=1, engine=ENGINE))

    def _line(self, channel: str, source: str, video: Video) -> EntryLine:
        url = f"https://www.{self.sites[channel]}/watch?v={video.name}"
        return entry_line(video.name).model_copy(update={"source": source, "url": url})


def _failed(outcome: OutcomeClass, reason: str) -> RawListing:
    trailer = TrailerLine(end=ListingEnd.ERROR, requests=1, outcome=outcome, reason=reason, engine=ENGINE)
    return RawListing((), trailer)


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
class Landed:
    """A file, and the manifest beside it.

    Args:
        record: what an inventory prints of it.
        looks_for_picture: how many more looks it takes until its picture is beside it.
        stands: nobody has removed the file.
    """

    record: RecordLine
    looks_for_picture: int = 0
    stands: bool = True


@dataclass
class Nas:
    """The volumes, and what download and inventory pods do with them.

    Args:
        internet: where downloads come from.
        clock: the time.
        claims: Subscription → claim that it writes to.
    """

    internet: Internet
    clock: Clock
    claims: Mapping[str, str]
    away: set[str] = field(default_factory=set)
    """Claims whose volume does not answer."""
    marked: set[str] = field(default_factory=set)
    """Claims whose volume has been written to."""
    landed: dict[Identity, Landed] = field(default_factory=dict)

    def has(self, identity: Identity) -> bool:
        """Whether its file stands there."""
        return identity in self.landed and self.landed[identity].stands

    def download(self, request: DownloadRequest) -> DownloadResult:
        """One launch, to its end."""
        reference = request.subscription
        claim = self.claims[reference.name]
        identity = (reference.namespace, reference.name, request.video.key)
        if claim in self.away:
            return DownloadResult(outcome=OutcomeClass.ENVIRONMENT, reason="VolumeMissing", engine=ENGINE)
        self.marked.add(claim)
        if request.follow_up is not None and not self.has(identity):
            return self._ended(claim, OutcomeClass.TERMINAL, "FileGone")
        if self.has(identity) and (request.follow_up is None or not self.landed[identity].looks_for_picture):
            return self._published(identity, "AlreadyPublished")
        limit = self.internet.limits.get(self.internet.sites[reference.name])
        if limit is not None:
            return self._ended(claim, OutcomeClass.RATE_LIMITED, limit)
        video = self.internet.find(request.video.key)
        match video.fate:
            case Fate.REMOVED:
                return self._ended(claim, OutcomeClass.TERMINAL, "Removed")
            case Fate.MEMBERS:
                return self._ended(claim, OutcomeClass.NEEDS_ACCESS, "MembersOnly")
            case Fate.PREMIERE if video.ready_at is not None and self.clock.now() < video.ready_at:
                at = int(video.ready_at.timestamp())
                return self._ended(claim, OutcomeClass.NOT_YET, "Premiere").model_copy(update={"retry_at": at})
            case Fate.FLAKY if video.failures_left > 0:
                video.failures_left -= 1
                return self._ended(claim, OutcomeClass.TRANSIENT, "ServerError")
            case _ if request.follow_up is not None:
                self.landed[identity].looks_for_picture -= 1
                is_missing = self.landed[identity].looks_for_picture
                return self._published(identity, "StillMissing" if is_missing else "Published")
            case fate:
                looks = 2 if fate is Fate.LATE_PICTURE else 0
                self.landed[identity] = Landed(self._record(request), looks)
                return self._published(identity, "Published")

    def print(self, request: InventoryRequest) -> bytes | DownloadResult:
        """One inventory, to its end."""
        reference = request.subscription
        claim = self.claims[reference.name]
        if claim in self.away:
            return DownloadResult(outcome=OutcomeClass.ENVIRONMENT, reason="VolumeMissing", engine=ENGINE)
        cursors = {
            f"00/{key}": landed
            for (namespace, name, key), landed in sorted(self.landed.items())
            if (namespace, name) == (reference.namespace, reference.name)
        }
        left = [cursor for cursor in cursors if cursor > request.after]
        chunk = left[: min(CHUNK, request.limit)]
        records = [
            landed.record.model_copy(update={"present_bytes": landed.record.bytes if landed.stands else None})
            for landed in (cursors[cursor] for cursor in chunk)
        ]
        volume = _volume(claim) if claim in self.marked else None
        return print_records(request, records, volume, chunk[-1] if len(left) > len(chunk) else None)

    def survey(self, request: SurveyRequest, claim: str) -> bytes | DownloadResult:
        """One survey of a claim, to its end; it names one history at a time, so that two make two parts."""
        if claim in self.away:
            return DownloadResult(outcome=OutcomeClass.ENVIRONMENT, reason="VolumeMissing", engine=ENGINE)
        owners = {(namespace, name) for namespace, name, _ in self.landed}
        left = sorted(
            name
            for namespace, name in owners
            if (namespace, self.claims[name]) == (request.namespace, claim) and name > request.after
        )
        records = [HistoryLine(name=name) for name in left[:1]]
        volume = _volume(claim) if claim in self.marked else None
        return print_records(request, records, volume, left[0] if len(left) > 1 else None)

    def _record(self, request: DownloadRequest) -> RecordLine:
        video = request.video
        return RecordLine(
            key=video.key,
            extractor=video.extractor,
            id=video.id,
            url=video.url,
            source=video.source,
            title=video.title or video.id,
            launch=request.launch,
            path=f"{request.subscription.name}/{video.id}.mp4",
            bytes=1000,
            engine=ENGINE,
            landed_at=int(self.clock.now().timestamp()),
        )

    def _published(self, identity: Identity, reason: str) -> DownloadResult:
        landed = self.landed[identity]
        result = self._ended(self.claims[identity[1]], OutcomeClass.PUBLISHED, reason)
        follow_up = FollowUpKind.THUMBNAIL if landed.looks_for_picture else None
        told = {"path": landed.record.path, "bytes": landed.record.bytes, "follow_up": follow_up}
        return result.model_copy(update=told)

    def _ended(self, claim: str, outcome: OutcomeClass, reason: str) -> DownloadResult:
        return DownloadResult(outcome=outcome, reason=reason, volume_id=_volume(claim), engine=ENGINE)


def _volume(claim: str) -> str:
    return f"volume-of-{claim}"
