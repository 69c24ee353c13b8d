"""From JSON to the catalogue: the catalogue file and the bodies of the control API, checked field by field.

Every error names the field, because these bodies are written by hand in tests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from standin import seeds
from standin.catalogue import STATES, TABS, Catalogue, Channel, Playlist, Video, ordered, parse_time

DURATIONS = (3, 4, 6)
"""Seconds; generated videos have one of these, and their media are prepared beforehand."""
DEFAULT_CATALOGUE = Path(__file__).with_name("default.json")
NEWEST = "2026-10-30T12:00:00+00:00"
_VIDEO_FIELDS = frozenset(
    {"id", "title", "description", "published", "duration", "views", "state", "starts_at", "listed", "size_bytes"}
)
_CHANNEL_FIELDS = frozenset({"handle", "id", "title", "description", "newest", "every_hours", "published", *TABS})
_PLAYLIST_FIELDS = frozenset({"id", "name", "title", "description", "owner", "videos", "from", "count", "order"})


class SpecError(ValueError):
    """A field that cannot be understood; the text names it."""


def _only(spec: Mapping[str, Any], allowed: frozenset[str], what: str) -> None:
    unknown = sorted(set(spec) - allowed)
    if unknown:
        raise SpecError(f"{what}: unknown field {unknown[0]!r}; there are {', '.join(sorted(allowed))}")


def field_of(spec: Mapping[str, Any], name: str, kind: type, default: Any = ...) -> Any:
    """One field of a JSON object, of the given type.

    Raises:
        SpecError: it is missing and there is no default, or it has another type.
    """
    value = spec.get(name, default)
    if value is ...:
        raise SpecError(f"field {name!r} is missing")
    if value is default and name not in spec:
        return value
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise SpecError(f"field {name!r} must be {kind.__name__}, not {value!r}")
    return value


def time_of(spec: Mapping[str, Any], name: str, default: datetime | None) -> datetime | None:
    """A time of a JSON object.

    Raises:
        SpecError: it is not a time.
    """
    text = field_of(spec, name, str, None)
    if text is None:
        return default
    try:
        return parse_time(text)
    except ValueError as error:
        raise SpecError(f"field {name!r}: {error}") from error


def changed_video(video: Video, spec: Mapping[str, Any]) -> Video:
    """The video with the fields of `spec`.

    Raises:
        SpecError: a field cannot be understood.
    """
    _only(spec, _VIDEO_FIELDS, "video")
    state = field_of(spec, "state", str, video.state)
    if state not in STATES:
        raise SpecError(f"field 'state': {state!r} is not one of {', '.join(STATES)}")
    published = time_of(spec, "published", video.published)
    assert published is not None
    identity = field_of(spec, "id", str, video.id)
    if not re.fullmatch(r"[\w-]{11}", identity, re.ASCII):
        raise SpecError(f"field 'id': {identity!r} does not have eleven characters of A-Z a-z 0-9 _ -")
    return replace(
        video,
        id=identity,
        title=field_of(spec, "title", str, video.title),
        description=field_of(spec, "description", str, video.description),
        published=published,
        duration=field_of(spec, "duration", int, video.duration),
        views=field_of(spec, "views", int, video.views),
        state=state,
        starts_at=time_of(spec, "starts_at", video.starts_at),
        listed=field_of(spec, "listed", bool, video.listed),
        size_bytes=field_of(spec, "size_bytes", int, video.size_bytes),
    )


def generated_video(channel: Channel, tab: str, index: int, published: datetime) -> Video:
    """Video number `index` (from 1, the oldest) of a tab, made from the channel's id alone."""
    key = (channel.id, tab, index)
    title = seeds.title(index, channel.id, tab)
    return Video(
        id=seeds.video_id(*key),
        channel_id=channel.id,
        tab=tab,
        title=title,
        description=f"{title}.\n\nNumber {index} of {channel.title} ({channel.handle}).",
        published=published.replace(microsecond=0),
        duration=DURATIONS[seeds.number(0, len(DURATIONS) - 1, *key)],
        views=seeds.number(10, 900_000, *key),
        state="was_live" if tab == "streams" else "ok",
    )


def add_channel(catalogue: Catalogue, spec: Mapping[str, Any]) -> Channel:
    """Add a channel with so many generated videos per tab, and with those that `published` gives in full.

    A channel that is there already, by its id, is replaced with all its videos.

    Raises:
        SpecError: a field cannot be understood.
    """
    _only(spec, _CHANNEL_FIELDS, "channel")
    handle = field_of(spec, "handle", str)
    if not re.fullmatch(r"@[\w.-]+", handle):
        raise SpecError(f"field 'handle': {handle!r} does not look like @name")
    channel = Channel(
        id=field_of(spec, "id", str, seeds.channel_id(handle)),
        handle=handle,
        title=field_of(spec, "title", str, handle[1:]),
        description=field_of(spec, "description", str, ""),
        tabs=tuple(tab for tab in TABS if tab in spec) or ("videos",),
    )
    newest = time_of(spec, "newest", parse_time(NEWEST))
    assert newest is not None
    step = timedelta(hours=field_of(spec, "every_hours", int, 24))
    videos: list[Video] = []
    for tab in TABS:
        count = field_of(spec, tab, int, 0)
        videos += (generated_video(channel, tab, n, newest - (count - n) * step) for n in range(1, count + 1))
    catalogue.drop_channel(channel.id)
    catalogue.put_channel(channel)
    catalogue.put_videos(videos)
    for each in field_of(spec, "published", list, []):
        if "size_bytes" in each:
            raise SpecError("field 'size_bytes': publish such a video over the control API, which makes its media")
        publish(catalogue, {"channel": handle, "videos": [each]}, newest)
    return catalogue.channel(channel.id)


def publish(catalogue: Catalogue, spec: Mapping[str, Any], now: datetime) -> tuple[Video, ...]:
    """Publish `count` generated videos, or those that `videos` gives, on a tab of a channel; the last is the newest.

    Raises:
        SpecError: a field cannot be understood.
    """
    _only(spec, frozenset({"channel", "tab", "count", "videos"}), "publication")
    channel = catalogue.channel(field_of(spec, "channel", str))
    tab = field_of(spec, "tab", str, "videos")
    if tab not in TABS:
        raise SpecError(f"field 'tab': {tab!r} is not one of {', '.join(TABS)}")
    given: list[Mapping[str, Any]] = field_of(spec, "videos", list, None) or [{}] * field_of(spec, "count", int, 1)
    first = catalogue.count_videos(channel.id, tab) + 1
    made = [
        changed_video(generated_video(channel, tab, first + n, now.astimezone(UTC)), fields)
        for n, fields in enumerate(given)
    ]
    return catalogue.put_videos(made)


def add_playlist(catalogue: Catalogue, spec: Mapping[str, Any]) -> Playlist:
    """Add a playlist: the given ids, or `count` of a channel's newest (`from: @x/videos`) in an `order`.

    Raises:
        SpecError: a field cannot be understood.
    """
    _only(spec, _PLAYLIST_FIELDS, "playlist")
    name = field_of(spec, "name", str, field_of(spec, "title", str, "playlist"))
    identity = field_of(spec, "id", str, seeds.playlist_id(name))
    if not re.fullmatch(r"PL[\w-]{10,}", identity, re.ASCII):
        raise SpecError(f"field 'id': {identity!r} does not look like PL and ten or more characters")
    if "from" in spec:
        handle, _, tab = field_of(spec, "from", str).partition("/")
        channel = catalogue.channel(handle)
        source = [v.id for v in catalogue.listing(channel.id, (tab or "videos",))]
        picked = source[: field_of(spec, "count", int, len(source))]
        video_ids = ordered(picked, field_of(spec, "order", str, "newest_first"), identity)
    else:
        video_ids = tuple(field_of(spec, "videos", list, []))
    playlist = Playlist(
        id=identity,
        title=field_of(spec, "title", str, name),
        owner_id=catalogue.channel(field_of(spec, "owner", str)).id,
        description=field_of(spec, "description", str, ""),
        video_ids=video_ids,
    )
    catalogue.put_playlist(playlist)
    return playlist


def changed_playlist(playlist: Playlist, spec: Mapping[str, Any]) -> Playlist:
    """The playlist with videos replaced, added at the end, removed, and then put into an order.

    Raises:
        SpecError: a field cannot be understood.
    """
    _only(spec, frozenset({"title", "videos", "add", "remove", "order"}), "playlist")
    video_ids = [*field_of(spec, "videos", list, list(playlist.video_ids)), *field_of(spec, "add", list, [])]
    gone = set(field_of(spec, "remove", list, []))
    kept = [i for i in video_ids if i not in gone]
    arranged = ordered(kept, field_of(spec, "order", str, "newest_first"), f"{playlist.id}{len(kept)}")
    return replace(playlist, title=field_of(spec, "title", str, playlist.title), video_ids=arranged)


def load(spec: Mapping[str, Any]) -> Catalogue:
    """A catalogue of `channels` and `playlists`.

    Raises:
        SpecError: a field cannot be understood.
    """
    _only(spec, frozenset({"channels", "playlists"}), "catalogue")
    catalogue = Catalogue()
    for channel in field_of(spec, "channels", list, []):
        add_channel(catalogue, channel)
    for playlist in field_of(spec, "playlists", list, []):
        add_playlist(catalogue, playlist)
    return catalogue


def load_file(path: Path) -> Catalogue:
    """A catalogue file.

    Raises:
        SpecError: it is not JSON, or a field cannot be understood.
        OSError: it cannot be read.
    """
    try:
        return load(json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, LookupError, ValueError) as error:
        raise SpecError(f"{path}: {error}") from error
