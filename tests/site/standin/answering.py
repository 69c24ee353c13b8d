"""The youtube hosts: from a call to the reply that the catalogue, or a listing or player fault, gives.

Rendered listings are kept until the catalogue changes (or an hour has passed, for the sake of `3 days ago`), so that a
measured check costs the site next to nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from standin import live, pages, player
from standin.calls import Call, Request
from standin.catalogue import TABS, Catalogue, UnknownThingError, Video
from standin.counts import Counts
from standin.faults import Fault, Faults
from standin.media import AUDIO_ITAG, MediaStore, MediaUnavailableError
from standin.playability import playability
from standin.replies import Reply, error_reply, file_reply, html_reply, json_reply

Json = dict[str, Any]
_CACHE_LIMIT = 5000


@dataclass
class Site:
    """Everything that one stand-in is made of."""

    catalogue: Catalogue
    media: MediaStore
    faults: Faults = field(default_factory=Faults)
    counts: Counts = field(default_factory=Counts)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _cache: dict[tuple[object, ...], bytes] = field(default_factory=dict)

    def answer(self, call: Call, asked: Request, fault: Fault | None) -> Reply:
        """The reply to a call of a youtube host."""
        answer = _ANSWERS.get(call.endpoint)
        if answer is None:
            return error_reply(404, f"the stand-in has no {asked.path}")
        try:
            return answer(self, call, asked, fault)
        except UnknownThingError as error:
            return error_reply(404, str(error.args[0]))
        except MediaUnavailableError as error:
            return error_reply(503, str(error))

    def rendered(self, key: tuple[object, ...], data: Callable[[datetime], Json], as_html: bool) -> Reply:
        """A listing, from the cache when it has not changed."""
        full_key = (self.catalogue.revision, int(time.time() // 3600), as_html, *key)
        body = self._cache.get(full_key)
        if body is None:
            shown = data(self.now())
            body = pages.html(player.config(), ytInitialData=shown) if as_html else json.dumps(shown).encode()
            if len(self._cache) >= _CACHE_LIMIT:
                self._cache.clear()
            self._cache[full_key] = body
        return html_reply(body) if as_html else Reply(200, body=body)


def _listing_fault(fault: Fault, call: Call, as_html: bool) -> Reply:
    if fault.kind == "empty":
        data = pages.continuation_data([])
    elif fault.kind == "alert":
        data = pages.alert_data(str(fault.spec.get("text", "The playlist does not exist.")))
    elif fault.kind == "redirect_home":
        data = pages.home_data()
    else:
        data = {"responseContext": {}}
    return html_reply(pages.html(player.config(), ytInitialData=data)) if as_html else json_reply(data)


def _channel_page(site: Site, call: Call, asked: Request, fault: Fault | None) -> Reply:
    if fault is not None:
        return _listing_fault(fault, call, as_html=True)
    channel = site.catalogue.channel(call.channel or "")
    tab = call.tab or "featured"
    return site.rendered((channel.id, tab), lambda now: pages.channel_data(site.catalogue, channel, tab, now), True)


def _playlist_page(site: Site, call: Call, asked: Request, fault: Fault | None) -> Reply:
    if fault is not None:
        return _listing_fault(fault, call, as_html=True)
    return _playlist(site, call.playlist or "", as_html=True)


def _playlist(site: Site, playlist_id: str, as_html: bool) -> Reply:
    try:
        playlist, videos = site.catalogue.playlist(playlist_id)
    except UnknownThingError:
        data = pages.alert_data("The playlist does not exist.")
        return html_reply(pages.html(player.config(), ytInitialData=data)) if as_html else json_reply(data)
    key = (playlist_id,)
    return site.rendered(key, lambda now: pages.playlist_data(site.catalogue, playlist, videos, now), as_html)


def _browse(site: Site, call: Call, asked: Request, fault: Fault | None) -> Reply:
    if fault is not None:
        return _listing_fault(fault, call, as_html=False)
    token = asked.json().get("continuation")
    if token is None and call.playlist is not None:
        return _playlist(site, call.playlist, as_html=False)
    if token is None:
        channel = site.catalogue.channel(call.channel or "")
        tab = call.tab or "featured"
        return site.rendered(
            (channel.id, tab), lambda now: pages.channel_data(site.catalogue, channel, tab, now), as_html=False
        )
    try:
        kind, name, offset, page = pages.read_token(str(token))
    except ValueError:
        return error_reply(400, "Request contains an invalid argument.")
    return site.rendered((token,), lambda now: _continued(site, kind, name, offset, page, now), as_html=False)


def _continued(site: Site, kind: str, name: str, offset: int, page: int, now: datetime) -> Json:
    if kind in TABS:
        channel = site.catalogue.channel(name)
        videos = site.catalogue.listing(channel.id, (kind,))
        return pages.continuation_data(pages.tab_items(channel, kind, videos, offset, page, now))
    _, videos = site.catalogue.playlist(name)
    return pages.continuation_data(pages.playlist_items(site.catalogue, name, videos, offset, page, now))


def _resolve(site: Site, call: Call, asked: Request, fault: Fault | None) -> Reply:
    if fault is not None:
        return _listing_fault(fault, call, as_html=False)
    if call.playlist is not None:
        return json_reply({"endpoint": {"browseEndpoint": {"browseId": f"VL{call.playlist}"}}})
    channel = site.catalogue.channel(call.channel or "")
    return json_reply({"endpoint": {"browseEndpoint": {"browseId": channel.id, "params": call.tab}}})


def _state(site: Site, video: Video, fault: Fault | None) -> tuple[str, datetime | None]:
    if fault is None:
        return video.state_at(site.now()), video.starts_at
    starts_at = site.now() + timedelta(seconds=fault.number("seconds", 3 * 3600))
    return fault.kind, starts_at


def _response(site: Site, call: Call, fault: Fault | None, client: str) -> Json:
    try:
        video = site.catalogue.video(call.video or "")
    except UnknownThingError:
        missing = {"videoDetails": {"videoId": call.video}}
        return {"playabilityStatus": playability("not_available", None, site.now()), **missing}
    state, starts_at = _state(site, video, fault)
    channel = site.catalogue.channel(video.channel_id)
    return player.player_response(video, channel, state, client, site.media, site.now(), starts_at)


def _around(site: Site, call: Call) -> Json:
    try:
        video = site.catalogue.video(call.video or "")
    except UnknownThingError:
        return {"contents": {"twoColumnWatchNextResults": {}}}
    return player.next_data(video, site.catalogue.channel(video.channel_id))


def _watch(site: Site, call: Call, asked: Request, fault: Fault | None) -> Reply:
    response = _response(site, call, fault, "WEB")
    return html_reply(pages.html(player.config(), ytInitialPlayerResponse=response, ytInitialData=_around(site, call)))


def _player(site: Site, call: Call, asked: Request, fault: Fault | None) -> Reply:
    return json_reply(_response(site, call, fault, call.client or "WEB"))


def _next(site: Site, call: Call, asked: Request, fault: Fault | None) -> Reply:
    return json_reply(_around(site, call))


def _client_config(site: Site, call: Call, asked: Request, fault: Fault | None) -> Reply:
    return html_reply(pages.html(player.config()))


def _base_js(site: Site, call: Call, asked: Request, fault: Fault | None) -> Reply:
    if asked.path == "/iframe_api":
        return Reply(200, "text/javascript", player.IFRAME_API.encode())
    return Reply(200, "text/javascript", player.BASE_JS)


def _media(site: Site, call: Call, asked: Request, fault: Fault | None) -> Reply:
    address = player.address_of(asked.query)
    if address is None or not address.allows(asked.query, time.time()):
        return Reply(403, "text/plain", b"")
    video = site.catalogue.video(address.video_id)
    try:
        path = site.media.stream(video, address.itag)
    except KeyError:
        return Reply(404, "text/plain", b"")
    kind = "audio/mp4" if address.itag == AUDIO_ITAG else "video/mp4"
    return file_reply(path, kind, asked.headers.get("Range"))


def _manifest(site: Site, call: Call, asked: Request, fault: Fault | None) -> Reply:
    playlist = live.playlist(asked.path.rsplit("/", 1)[-1], time.time())
    return Reply(200, "application/vnd.apple.mpegurl", playlist.encode())


def _segment(site: Site, call: Call, asked: Request, fault: Fault | None) -> Reply:
    return file_reply(site.media.segment(), "video/mp2t", asked.headers.get("Range"))


def _thumbnail(site: Site, call: Call, asked: Request, fault: Fault | None) -> Reply:
    video = site.catalogue.video(call.video or "")
    return _picture(site, asked.path.rsplit("/", 1)[-1], ".jpg", video.id)


def _channel_picture(site: Site, call: Call, asked: Request, fault: Fault | None) -> Reply:
    channel = site.catalogue.channel(call.channel or "")
    return _picture(site, asked.path.strip("/").partition("/")[0], "", channel.id)


def _picture(site: Site, file_name: str, suffix: str, name: str) -> Reply:
    if not file_name.endswith(suffix):
        return Reply(404, "text/plain", b"")
    try:
        return file_reply(site.media.picture(file_name.removesuffix(suffix), name), "image/jpeg", None)
    except KeyError:
        return Reply(404, "text/plain", b"")


_Answer = Callable[[Site, Call, Request, Fault | None], Reply]
_ANSWERS: dict[str, _Answer] = {
    "channel_page": _channel_page,
    "playlist_page": _playlist_page,
    "browse": _browse,
    "resolve": _resolve,
    "watch": _watch,
    "player": _player,
    "next": _next,
    "client_config": _client_config,
    "base_js": _base_js,
    "media": _media,
    "manifest": _manifest,
    "segment": _segment,
    "thumbnail": _thumbnail,
    "picture": _channel_picture,
}
