"""How often each endpoint was called, by subject, and how much of each stream was served.

`each media file served once` is provable from it: `full` counts answers that carried a whole stream, `partial` those
that carried less (yt-dlp asks in ranges of 10 MiB, so a large stream is served once in many), `bytes` all that was
sent: served once means `bytes == size`.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from typing import Any

from standin.calls import Call

_RECENT = 2000


class Counts:
    """Counters behind one lock; they start at zero with every `reset`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget everything counted so far."""
        with self._lock:
            self._endpoints: Counter[str] = Counter()
            self._subjects: dict[str, Counter[str]] = defaultdict(Counter)
            self._media: dict[str, dict[str, dict[str, int]]] = defaultdict(dict)
            self._recent: deque[dict[str, Any]] = deque(maxlen=_RECENT)
            self._proxied = 0

    def forget_videos(self, videos: Iterable[str]) -> None:
        """Forget what was counted of these videos."""
        with self._lock:
            for video in videos:
                self._media.pop(video, None)
                for subjects in self._subjects.values():
                    subjects.pop(video, None)

    def asked(self, call: Call, channel: str | None, proxied: bool) -> None:
        """A request came in; `channel` is the channel's handle at this moment."""
        subject = call.video or call.playlist or (f"{channel or call.channel}/{call.tab}" if call.channel else None)
        with self._lock:
            self._endpoints[call.endpoint] += 1
            self._proxied += proxied
            if subject is not None:
                self._subjects[call.endpoint][subject] += 1

    def answered(self, call: Call, host: str, path: str, status: int) -> None:
        """A request was answered (status 0: cut off on purpose)."""
        with self._lock:
            entry = {"endpoint": call.endpoint, "host": host, "path": path, "status": status, "page": call.page}
            self._recent.append(entry)

    def served(self, video: str, stream: str, sent: int, size: int, whole: bool) -> None:
        """Bytes of a stream went out; `whole` when this one answer carried all of it."""
        with self._lock:
            fresh = {"full": 0, "partial": 0, "bytes": 0, "size": size}
            count = self._media[video].setdefault(stream, fresh)
            count["full" if whole else "partial"] += 1
            count["bytes"] += sent
            count["size"] = size

    def snapshot(self) -> dict[str, Any]:
        """All counters, as JSON."""
        with self._lock:
            by_subject = {endpoint: dict(counter) for endpoint, counter in self._subjects.items()}
            return {
                **{endpoint: {} for endpoint in ("channel_page", "playlist_page", "browse", "watch", "player")},
                **by_subject,
                "endpoints": dict(self._endpoints),
                "total": self._endpoints.total(),
                "proxied": self._proxied,
                "media": {video: {s: dict(c) for s, c in streams.items()} for video, streams in self._media.items()},
            }

    def recent(self) -> list[dict[str, Any]]:
        """The last requests, oldest first."""
        with self._lock:
            return list(self._recent)
