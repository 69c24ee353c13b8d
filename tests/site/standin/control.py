"""The control API: JSON over plain HTTP, for tests to change the site and to read what was asked of it.

Documented in the README next to this package. Wrong bodies get 400 with the field's name, unknown things 404.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from standin import specs
from standin.answering import Site
from standin.calls import Request
from standin.catalogue import TABS, Catalogue, Channel, Playlist, UnknownThingError, Video
from standin.media import MediaUnavailableError
from standin.replies import Reply, error_reply, json_reply

Json = dict[str, Any]
PREFIX = "/_control"


class Control:
    """Answers requests under `/_control/` and `/healthz`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._routes: tuple[tuple[str, re.Pattern[str], Callable[..., Any]], ...] = tuple(
            (method, re.compile(PREFIX + pattern), action)
            for method, pattern, action in (
                ("GET", r"/catalogue", self._summary),
                ("POST", r"/catalogue", self._replace),
                ("POST", r"/channels", self._add_channel),
                ("POST", r"/channels/([^/]+)", self._change_channel),
                ("GET", r"/channels/([^/]+)/([a-z]+)", self._list),
                ("POST", r"/videos", self._publish),
                ("GET", r"/videos/([\w-]+)", self._video),
                ("POST", r"/videos/([\w-]+)", self._change_video),
                ("DELETE", r"/videos/([\w-]+)", self._remove_video),
                ("POST", r"/playlists", self._add_playlist),
                ("GET", r"/playlists/([\w-]+)", self._playlist),
                ("POST", r"/playlists/([\w-]+)", self._change_playlist),
                ("GET", r"/faults", self._faults),
                ("POST", r"/faults", self._add_fault),
                ("DELETE", r"/faults", self._clear_faults),
                ("DELETE", r"/faults/(\d+)", self._remove_fault),
                ("GET", r"/counts", self._counts),
                ("DELETE", r"/counts", self._reset),
                ("GET", r"/requests", self._requests),
            )
        )

    def answer(self, asked: Request) -> Reply:
        """The reply to a request of the control API."""
        if asked.path == "/healthz":
            return json_reply({"ok": True})
        for method, pattern, action in self._routes:
            match = pattern.fullmatch(asked.path)
            if match is None or method != asked.method:
                continue
            try:
                arguments = [*match.groups(), *([asked.json()] if method == "POST" else [])]
                return json_reply(action(*arguments))
            except UnknownThingError as error:
                return error_reply(404, str(error.args[0]))
            except ValueError as error:
                return error_reply(400, str(error))
            except MediaUnavailableError as error:
                return error_reply(503, str(error))
        return error_reply(404, f"the control API has no {asked.method} {asked.path}")

    @property
    def _catalogue(self) -> Catalogue:
        return self._site.catalogue

    def _summary(self) -> Json:
        catalogue = self._catalogue
        return {
            "channels": [
                {**channel_json(c), "videos": {t: len(catalogue.listing(c.id, (t,))) for t in c.tabs}}
                for c in catalogue.channels()
            ],
            "playlists": [{"id": p.id, "title": p.title, "videos": len(p.video_ids)} for p in catalogue.playlists()],
        }

    def _replace(self, spec: Json) -> Json:
        fresh = specs.load(spec)
        fresh.revision = self._catalogue.revision + 1
        self._site.catalogue = fresh
        return self._summary()

    def _add_channel(self, spec: Json) -> Json:
        channel = specs.add_channel(self._catalogue, spec)
        self._site.counts.forget_videos(v.id for v in self._catalogue.listing(channel.id, TABS))
        return channel_json(channel)

    def _change_channel(self, name: str, spec: Json) -> Json:
        channel = self._catalogue.channel(name)
        unknown = set(spec) - {"handle", "title", "description"}
        if unknown:
            raise ValueError(f"channel: field {min(unknown)!r} cannot be changed; handle, title, description can")
        fields = {k: specs.field_of(spec, k, str) for k in spec}
        self._catalogue.put_channel(replace(channel, **fields))
        return channel_json(self._catalogue.channel(channel.id))

    def _list(self, name: str, tab: str) -> list[Json]:
        if tab not in TABS:
            raise ValueError(f"tab {tab!r} is not one of {', '.join(TABS)}")
        return [video_json(v) for v in self._catalogue.listing(self._catalogue.channel(name).id, (tab,))]

    def _publish(self, spec: Json) -> list[Json]:
        given = [self._with_duration(fields) for fields in specs.field_of(spec, "videos", list, [])]
        spec = {**spec, "videos": given} if given else spec
        published = specs.publish(self._catalogue, spec, self._site.now())
        self._site.counts.forget_videos(video.id for video in published)  # a channel made anew repeats its ids
        for video in published:
            if video.size_bytes is not None:
                self._site.media.big(video)
        return [video_json(v) for v in published]

    def _with_duration(self, fields: Mapping[str, Any]) -> Json:
        size = specs.field_of(fields, "size_bytes", int, None)
        return dict(fields) if size is None else {**fields, "duration": self._site.media.big_duration(size)}

    def _video(self, video_id: str) -> Json:
        return video_json(self._catalogue.video(video_id))

    def _change_video(self, video_id: str, spec: Json) -> Json:
        if "id" in spec or "size_bytes" in spec:
            raise ValueError("fields 'id' and 'size_bytes' belong to a video for good; publish another one")
        changed = specs.changed_video(self._catalogue.video(video_id), spec)
        self._catalogue.put_videos([changed])
        return video_json(changed)

    def _remove_video(self, video_id: str) -> Json:
        self._catalogue.remove_video(video_id)
        return {"removed": video_id}

    def _add_playlist(self, spec: Json) -> Json:
        return playlist_json(specs.add_playlist(self._catalogue, spec))

    def _playlist(self, playlist_id: str) -> Json:
        playlist, videos = self._catalogue.playlist(playlist_id)
        return {**playlist_json(playlist), "videos": [v.id for v in videos]}

    def _change_playlist(self, playlist_id: str, spec: Json) -> Json:
        playlist = specs.changed_playlist(self._catalogue.playlist(playlist_id)[0], spec)
        self._catalogue.put_playlist(playlist)
        return playlist_json(playlist)

    def _faults(self) -> list[Json]:
        return [fault.as_json() for fault in self._site.faults.all()]

    def _add_fault(self, spec: Json) -> Json:
        return self._site.faults.add(spec, self._catalogue).as_json()

    def _clear_faults(self) -> Json:
        self._site.faults.remove()
        return {"cleared": True}

    def _remove_fault(self, fault_id: str) -> Json:
        self._site.faults.remove(int(fault_id))
        return {"removed": int(fault_id)}

    def _counts(self) -> Json:
        return self._site.counts.snapshot()

    def _reset(self) -> Json:
        self._site.counts.reset()
        return {"reset": True}

    def _requests(self) -> list[Json]:
        return self._site.counts.recent()


def channel_json(channel: Channel) -> Json:
    """A channel for the control API."""
    fields = ("id", "handle", "title", "description")
    return {**{f: getattr(channel, f) for f in fields}, "tabs": list(channel.tabs)}


def playlist_json(playlist: Playlist) -> Json:
    """A playlist for the control API."""
    return {"id": playlist.id, "title": playlist.title, "videos": list(playlist.video_ids)}


def video_json(video: Video) -> Json:
    """A video for the control API."""
    plain = ("id", "title", "description", "tab", "duration", "views", "state", "listed", "size_bytes")
    return {
        **{f: getattr(video, f) for f in plain},
        "channel": video.channel_id,
        "published": video.published.isoformat(),
        "starts_at": video.starts_at.isoformat() if video.starts_at else None,
    }
