"""Which request is this: endpoint and subject of everything that reaches the youtube hosts. Pure.

Faults match on it and counts are kept by it, so it is decided in one place, before anything is answered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from standin.catalogue import TABS, Catalogue, UnknownThingError
from standin.hosts import AVATARS, IMAGES, MEDIA
from standin.media import AUDIO_ITAG, FILE_ITAG, HEIGHTS
from standin.pages import read_token

ENDPOINTS = (
    "channel_page", "playlist_page", "browse", "resolve", "watch", "next", "player", "client_config", "base_js",
    "media", "manifest", "segment", "thumbnail", "picture", "feed", "file", "other",
)  # fmt: skip
"""Where a request can go."""
LISTING = frozenset({"channel_page", "playlist_page", "browse", "resolve"})
EXTRACTION = frozenset({"watch", "player", "next", "client_config"})
GROUPS = {"listing": LISTING, "extraction": EXTRACTION, "any": frozenset(ENDPOINTS)}
"""What a fault may name instead of one endpoint."""
_CHANNEL_PATH = re.compile(r"/(?:channel/)?(?P<name>@[^/]+|UC[\w-]{22})(?:/(?P<tab>[^/]*))?")


@dataclass(frozen=True)
class Request:
    """One HTTP request as it arrived; names of headers as in `Content-Type`."""

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    proxied: bool = False

    def json(self) -> dict[str, Any]:
        """The body; an empty object when it is no JSON object."""
        try:
            parsed = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}


def request(
    method: str, host: str, target: str, headers: Mapping[str, str], body: bytes = b"", proxied: bool = False
) -> Request:
    """A request from what stood on the wire."""
    parts = urlsplit(target)
    name = (parts.hostname or host.partition(":")[0]).lower()
    return Request(method, name, parts.path or "/", dict(parse_qsl(parts.query)), headers, body, proxied)


@dataclass(frozen=True)
class Call:
    """What a request is about; None where it does not apply. `page` counts from 1."""

    endpoint: str
    video: str | None = None
    channel: str | None = None
    """The channel's id, also where the request named its handle."""
    tab: str | None = None
    playlist: str | None = None
    page: int = 1
    stream: str | None = None
    """`video`, `audio` or `muxed`."""
    client: str | None = None


def identify(asked: Request, catalogue: Catalogue) -> Call:
    """The call that a request makes."""
    if asked.host == MEDIA or asked.path == "/videoplayback":
        return _media(asked, catalogue)
    if asked.host in (IMAGES, AVATARS):
        return _image(asked)
    if asked.path.startswith("/youtubei/v1/"):
        return _api(asked, catalogue)
    if asked.path.startswith("/s/player/") or asked.path == "/iframe_api":
        return Call("base_js")
    return _page(asked, catalogue)


def channel_of_video(catalogue: Catalogue, video_id: str | None) -> str | None:
    """The id of a video's channel."""
    try:
        return catalogue.video(video_id or "").channel_id
    except UnknownThingError:
        return None


def stream_name(itag: str | None) -> str:
    """Which of a video's streams a format number names."""
    number = int(itag) if itag and itag.isdigit() else FILE_ITAG
    return "video" if number in HEIGHTS else "audio" if number == AUDIO_ITAG else "muxed"


def _media(asked: Request, catalogue: Catalogue) -> Call:
    video_id = asked.query.get("id")
    if asked.path.startswith("/api/manifest/"):
        video_id = asked.path.rstrip("/").rsplit("/", 2)[-2]
        endpoint = "segment" if asked.path.endswith(".ts") else "manifest"
        return Call(endpoint, video=video_id, channel=channel_of_video(catalogue, video_id))
    channel = channel_of_video(catalogue, video_id)
    return Call("media", video=video_id, channel=channel, stream=stream_name(asked.query.get("itag")))


def _image(asked: Request) -> Call:
    parts = asked.path.strip("/").split("/")
    if asked.host == IMAGES:
        return Call("thumbnail", video=parts[1] if len(parts) > 2 else None)
    return Call("picture", channel=parts[-1].partition("=")[0])


def _api(asked: Request, catalogue: Catalogue) -> Call:
    name, body = asked.path.removeprefix("/youtubei/v1/"), asked.json()
    context = body.get("context")
    client = context.get("client", {}).get("clientName") if isinstance(context, dict) else None
    if name in ("player", "next"):
        video_id = body.get("videoId")
        return Call(name, video=video_id, channel=channel_of_video(catalogue, video_id), client=client)
    if name == "navigation/resolve_url":
        inner = _page(request("GET", "", str(body.get("url", "")), {}), catalogue)
        return Call("resolve", channel=inner.channel, tab=inner.tab, playlist=inner.playlist, client=client)
    if name == "browse":
        return _browse(body, client)
    return Call("other", client=client)


def _browse(body: Mapping[str, Any], client: str | None) -> Call:
    if "continuation" in body:
        try:
            kind, subject, _, page = read_token(str(body["continuation"]))
        except ValueError:
            return Call("browse", client=client)
        if kind == "playlist":
            return Call("browse", playlist=subject, page=page, client=client)
        return Call("browse", channel=subject, tab=kind, page=page, client=client)
    browse_id = str(body.get("browseId", ""))
    if browse_id.startswith("VL"):
        return Call("browse", playlist=browse_id[2:], client=client)
    return Call("browse", channel=browse_id, tab=str(body.get("params") or "videos"), client=client)


def _page(asked: Request, catalogue: Catalogue) -> Call:
    path = asked.path
    if path == "/watch" or path.startswith(("/shorts/", "/embed/")) or asked.host == "youtu.be":
        video_id = asked.query.get("v") or path.rsplit("/", 1)[-1]
        endpoint = "client_config" if path.startswith("/embed/") else "watch"
        return Call(endpoint, video=video_id, channel=channel_of_video(catalogue, video_id))
    if path == "/playlist":
        return Call("playlist_page", playlist=asked.query.get("list"))
    if path in ("/tv", "/"):
        return Call("client_config")
    match = _CHANNEL_PATH.fullmatch(path)
    if match is None:
        return Call("other")
    tab = match["tab"] or "featured"
    try:
        channel_id = catalogue.channel(match["name"]).id
    except UnknownThingError:
        channel_id = match["name"]
    return Call("channel_page", channel=channel_id, tab=tab if tab in TABS else tab[:40])
