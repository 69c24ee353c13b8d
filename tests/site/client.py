"""The stand-in's control API in Python: at an address, or in a cluster through its own `kubectl port-forward`."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]
NAMESPACE = "standin"
SERVICE = "standin"
CLUSTER_URL = f"http://{SERVICE}.{NAMESPACE}"
"""Feed and files for pods (`/feeds/<handle without @>.rss`); port 8080 of the same name is also a CONNECT proxy."""
_TIMEOUT_SECONDS = 60
_MATCH = frozenset({"endpoint", "video", "channel", "tab", "playlist", "page", "stream", "client"})
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class StandInError(AssertionError):
    """The control API refused; the text is its own."""


class StandIn:
    """Publish, break and count. Bodies and answers are those of the README next to this file."""

    def __init__(self, base_url: str, reconnect: Callable[[], str] | None = None) -> None:
        self._base_url = base_url
        self._reconnect = reconnect

    @classmethod
    @contextlib.contextmanager
    def in_cluster(cls, namespace: str = NAMESPACE) -> Iterator[StandIn]:
        """The stand-in of the current KUBECONFIG's cluster, for as long as the context lasts."""
        forward = _Forward(namespace)
        try:
            yield cls(forward.start(), reconnect=forward.start)
        finally:
            forward.stop()

    def add_channel(self, **spec: Any) -> Json:
        """A channel: `handle`, `title`, `description`, how many `videos`, `shorts`, `streams`, `published` in full.

        One that is there already is replaced with its videos and their counts.
        """
        return self._object("POST", "/channels", spec)

    def change_channel(self, name: str, **fields: str) -> Json:
        """Another `handle`, `title` or `description`; the id stays."""
        return self._object("POST", f"/channels/{name}", fields)

    def videos(self, channel: str, tab: str = "videos") -> list[Json]:
        """What a tab lists, newest first."""
        return self._list("GET", f"/channels/{channel}/{tab}")

    def publish(
        self, channel: str, count: int = 1, tab: str = "videos", videos: list[Json] | None = None
    ) -> list[Json]:
        """Publish `count` generated videos, or the given ones; the last of them is the newest."""
        what: Json = {"count": count} if videos is None else {"videos": videos}
        return self._list("POST", "/videos", {"channel": channel, "tab": tab, **what})

    def video(self, video_id: str) -> Json:
        """One video."""
        return self._object("GET", f"/videos/{video_id}")

    def change_video(self, video_id: str, **fields: Any) -> Json:
        """Change a video: `title`, `state`, `listed`, `starts_at` and so on."""
        return self._object("POST", f"/videos/{video_id}", fields)

    def remove_video(self, video_id: str) -> None:
        """The uploader removes it."""
        self._call("DELETE", f"/videos/{video_id}")

    def add_playlist(self, **spec: Any) -> Json:
        """A playlist: `name`, `owner`, and `videos` or `from`, `count`, `order`."""
        return self._object("POST", "/playlists", spec)

    def playlist(self, playlist_id: str) -> Json:
        """A playlist with its videos in order; automatic ones (`UU…`) too."""
        return self._object("GET", f"/playlists/{playlist_id}")

    def change_playlist(self, playlist_id: str, **change: Any) -> Json:
        """`videos`, `add`, `remove` and then `order`."""
        return self._object("POST", f"/playlists/{playlist_id}", change)

    def fault(self, kind: str, **fields: Any) -> int:
        """Put a fault into force and return its id; what it matches and what it does stand side by side.

        For example `fault("status", endpoint="media", video=id, status=503, times=2)`.
        """
        match = {name: fields.pop(name) for name in list(fields) if name in _MATCH}
        return int(self._object("POST", "/faults", {"kind": kind, "match": match, **fields})["id"])

    def faults(self) -> list[Json]:
        """The faults in force; `struck` says how often each has."""
        return self._list("GET", "/faults")

    def clear_faults(self, fault_id: int | None = None) -> None:
        """End one fault, or all."""
        self._call("DELETE", "/faults" if fault_id is None else f"/faults/{fault_id}")

    def counts(self) -> Json:
        """All counters."""
        return self._object("GET", "/counts")

    def reset_counts(self) -> None:
        """Start counting anew."""
        self._call("DELETE", "/counts")

    def recent_requests(self) -> list[Json]:
        """The last requests to the youtube hosts and the feed, oldest first."""
        return self._list("GET", "/requests")

    def requests(self, channel: str) -> int:
        """How many requests there were for listings of this channel: its pages, their continuations, look-ups."""
        counts = self.counts()
        return sum(
            number
            for endpoint in ("channel_page", "browse", "resolve")
            for subject, number in counts.get(endpoint, {}).items()
            if subject.startswith(f"{channel}/")
        )

    def served(self, video_id: str) -> dict[str, int]:
        """How many times each stream of a video was transferred, a begun transfer counted as one.

        Served exactly once means that exactly as many bytes went out as the stream has.
        """
        streams = self.counts()["media"].get(video_id, {})
        once = {"video": 0, "audio": 0}
        return once | {stream: -(-count["bytes"] // count["size"]) for stream, count in streams.items()}

    def _object(self, method: str, path: str, body: Json | None = None) -> Json:
        answer = self._call(method, path, body)
        assert isinstance(answer, dict)
        return answer

    def _list(self, method: str, path: str, body: Json | None = None) -> list[Json]:
        answer = self._call(method, path, body)
        assert isinstance(answer, list)
        return answer

    def _call(self, method: str, path: str, body: Json | None = None) -> object:
        try:
            return self._once(method, path, body)
        except (urllib.error.URLError, ConnectionError):
            if self._reconnect is None:
                raise
            # A forward ends with its pod; nothing of the request has been done then.
            self._base_url = self._reconnect()
            return self._once(method, path, body)

    def _once(self, method: str, path: str, body: Json | None) -> object:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._base_url}/_control{path}", data=data, method=method)
        try:
            with _DIRECT.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode(errors="replace")
            raise StandInError(f"{method} {path}: {text}") from None


class _Forward:
    """A `kubectl port-forward` to the stand-in's control port, on a free port of the loopback."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Start (or start again, for 30 s at most) and return the base URL."""
        last = ""
        for _ in range(30):
            self.stop()
            command = ["kubectl", "-n", self._namespace, "port-forward", f"service/{SERVICE}", ":8080"]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self._process = process
            assert process.stdout is not None
            last = process.stdout.readline()
            if match := re.search(r"Forwarding from 127\.0\.0\.1:(\d+)", last):
                return f"http://127.0.0.1:{match[1]}"
            time.sleep(1)
        self.stop()
        raise StandInError(f"cannot reach service {SERVICE} in namespace {self._namespace}: {last.strip()}")

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None
