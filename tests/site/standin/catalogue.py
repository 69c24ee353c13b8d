"""What the stand-in shows: channels with tabs, playlists in their owner's order, videos, and the rules of their order.

Plain data behind one lock. It does not know how pages look (pages.py) nor what goes wrong (faults.py).
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

TABS = ("videos", "shorts", "streams")
UPLOADS_PREFIXES = {"UULF": ("videos",), "UUSH": ("shorts",), "UULV": ("streams",), "UU": TABS}
"""Automatic playlists of a channel: prefix + channel id without `UC`. Longest prefix first."""
STATES = (
    "ok", "was_live", "premiere", "live_later", "live", "post_live", "private", "removed", "account_terminated",
    "copyright", "not_available", "geo", "members_only", "age", "bot_check", "rate_limit", "captcha", "wrong_video",
    "payment", "drm", "no_formats", "members_by_level", "sign_in", "processing", "no_recording", "picture_only",
    "in_parts", "wrong_length",
)  # fmt: skip
"""What the player says of a video; playability.py has the words."""


class UnknownThingError(LookupError):
    """A name that is not in the catalogue."""


@dataclass(frozen=True)
class Video:
    """One video. `duration` in seconds, `published` with a time zone, `starts_at` for what is still to come."""

    id: str
    channel_id: str
    tab: str
    title: str
    published: datetime
    description: str = ""
    duration: int = 3
    views: int = 0
    state: str = "ok"
    starts_at: datetime | None = None
    listed: bool = True
    size_bytes: int | None = None
    """About how large the video stream is; None for the usual tiny one."""
    serial: int = 0
    """Order of arrival: of two videos published in the same second the later one is listed first."""

    def state_at(self, now: datetime) -> str:
        """The state now: what was announced for a time that has come plays (a premiere) or is on air (a stream)."""
        if self.starts_at is not None and now >= self.starts_at:
            return {"premiere": "ok", "live_later": "live"}.get(self.state, self.state)
        return self.state


@dataclass(frozen=True)
class Channel:
    """A channel; the id never changes, the handle may."""

    id: str
    handle: str
    title: str
    description: str = ""
    tabs: tuple[str, ...] = ("videos",)


@dataclass(frozen=True)
class Playlist:
    """A playlist in its owner's order."""

    id: str
    title: str
    owner_id: str
    description: str = ""
    video_ids: tuple[str, ...] = ()


@dataclass
class Catalogue:
    """All of it. `revision` grows with every change, so that rendered pages can be kept until then."""

    revision: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _channels: dict[str, Channel] = field(default_factory=dict)
    _videos: dict[str, Video] = field(default_factory=dict)
    _playlists: dict[str, Playlist] = field(default_factory=dict)
    _listings: dict[tuple[str, tuple[str, ...]], tuple[Video, ...]] = field(default_factory=dict)
    _serial: int = 0

    def _changed(self) -> None:
        self.revision += 1
        self._listings.clear()

    def channels(self) -> tuple[Channel, ...]:
        """Every channel."""
        with self._lock:
            return tuple(self._channels.values())

    def playlists(self) -> tuple[Playlist, ...]:
        """Every playlist that someone made (the automatic ones are not stored)."""
        with self._lock:
            return tuple(self._playlists.values())

    def channel(self, name: str) -> Channel:
        """By id (`UC…`) or by handle (`@x`, letter case does not matter).

        Raises:
            UnknownThingError: there is none.
        """
        with self._lock:
            if name in self._channels:
                return self._channels[name]
            wanted = name.casefold()
            for channel in self._channels.values():
                if channel.handle.casefold() == wanted:
                    return channel
        raise UnknownThingError(f"no channel {name!r}")

    def video(self, video_id: str) -> Video:
        """By id, also when it is not listed.

        Raises:
            UnknownThingError: there is none.
        """
        with self._lock:
            if video_id not in self._videos:
                raise UnknownThingError(f"no video {video_id!r}")
            return self._videos[video_id]

    def listing(self, channel_id: str, tabs: Sequence[str]) -> tuple[Video, ...]:
        """What these tabs of a channel show, newest first."""
        with self._lock:
            key = (channel_id, tuple(tabs))
            if key not in self._listings:
                found = [v for v in self._videos.values() if v.channel_id == channel_id and v.tab in tabs and v.listed]
                found.sort(key=lambda v: (v.published, v.serial), reverse=True)
                self._listings[key] = tuple(found)
            return self._listings[key]

    def playlist(self, playlist_id: str) -> tuple[Playlist, tuple[Video, ...]]:
        """A playlist and its videos: one that someone made, or the automatic one of a channel's uploads.

        Raises:
            UnknownThingError: there is none.
        """
        with self._lock:
            if playlist_id in self._playlists:
                made = self._playlists[playlist_id]
                videos = (self._videos[i] for i in made.video_ids if i in self._videos)
                return made, tuple(v for v in videos if v.listed)
            for prefix, tabs in UPLOADS_PREFIXES.items():
                channel = self._channels.get(f"UC{playlist_id.removeprefix(prefix)}")
                if playlist_id.startswith(prefix) and channel is not None:
                    title = f"Uploads from {channel.title}"
                    return Playlist(playlist_id, title, channel.id), self.listing(channel.id, tabs)
        raise UnknownThingError(f"no playlist {playlist_id!r}")

    def put_channel(self, channel: Channel) -> None:
        """Add a channel or change one (same id).

        Raises:
            ValueError: another channel has this handle.
        """
        with self._lock:
            for other in self._channels.values():
                if other.id != channel.id and other.handle.casefold() == channel.handle.casefold():
                    raise ValueError(f"handle {channel.handle!r} belongs to channel {other.id}")
            self._channels[channel.id] = channel
            self._changed()

    def drop_channel(self, channel_id: str) -> tuple[str, ...]:
        """Forget a channel and its videos, as if they had never been; returns the videos' ids."""
        with self._lock:
            gone = tuple(v.id for v in self._videos.values() if v.channel_id == channel_id)
            for video_id in gone:
                del self._videos[video_id]
            self._channels.pop(channel_id, None)
            self._changed()
        return gone

    def put_videos(self, videos: Iterable[Video]) -> tuple[Video, ...]:
        """Publish videos (or change ones with the same id); returns them with their place in the order of arrival."""
        put = []
        with self._lock:
            for video in videos:
                known = self._videos.get(video.id)
                if known is None:
                    self._serial += 1
                placed = replace(video, serial=known.serial if known else self._serial)
                self._videos[video.id] = placed
                put.append(placed)
                channel = self._channels[video.channel_id]
                if video.tab not in channel.tabs:
                    tabs = tuple(t for t in TABS if t in channel.tabs or t == video.tab)
                    self._channels[channel.id] = replace(channel, tabs=tabs)
            self._changed()
        return tuple(put)

    def remove_video(self, video_id: str) -> None:
        """Take a video off the site; its player then says that the uploader removed it."""
        with self._lock:
            self._videos[video_id] = replace(self.video(video_id), listed=False, state="removed")
            self._changed()

    def put_playlist(self, playlist: Playlist) -> None:
        """Add a playlist or change one (same id).

        Raises:
            UnknownThingError: one of its videos is not in the catalogue.
        """
        with self._lock:
            for video_id in playlist.video_ids:
                self.video(video_id)
            self._playlists[playlist.id] = playlist
            self._changed()

    def count_videos(self, channel_id: str, tab: str) -> int:
        """How many videos a tab ever had, hidden and removed ones too: the next index of a generated one."""
        with self._lock:
            return sum(1 for v in self._videos.values() if v.channel_id == channel_id and v.tab == tab)


def ordered(videos: Sequence[str], order: str, seed: str) -> tuple[str, ...]:
    """Put ids, given newest first, into an owner's order.

    Raises:
        ValueError: an order that is not `newest_first`, `oldest_first`, `reversed` or `shuffled`.
    """
    if order == "newest_first":
        return tuple(videos)
    if order in ("oldest_first", "reversed"):
        return tuple(reversed(videos))
    if order == "shuffled":
        shuffled = list(videos)
        random.Random(seed).shuffle(shuffled)
        return tuple(shuffled)
    raise ValueError(f"order {order!r}: use newest_first, oldest_first, reversed or shuffled")


def parse_time(text: str) -> datetime:
    """An ISO 8601 time; without an offset it is UTC.

    Raises:
        ValueError: it is not one.
    """
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
