"""Identities: of a video, and of a listing that can have a first-run window.

A key must be usable as a ConfigMap key (`[-._a-zA-Z0-9]`, at most 253 characters), as part of a file name on any NAS,
and must be the same whichever program computes it.
"""

from __future__ import annotations

import hashlib
import re

MAX_ID_LENGTH = 150
"""Longer ids are hashed: a key must leave room for a file suffix in 255 bytes."""

_PLAIN_ID = re.compile(rf"[-._a-zA-Z0-9]{{1,{MAX_ID_LENGTH}}}")


def _plain_or_hashed(text: str) -> str:
    if _PLAIN_ID.fullmatch(text) and text not in {".", ".."}:
        return text
    return "sha256-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def video_key(extractor: str, video_id: str) -> str:
    """The key of a video, e.g. `youtube.dQw4w9WgXcQ`.

    Args:
        extractor: yt-dlp's `ie_key` or `extractor_key` in any case, e.g. `Youtube`.
        video_id: the id as the extractor gives it; one with other characters than `[-._a-zA-Z0-9]` is hashed.
    """
    return f"{_plain_or_hashed(extractor.lower())}.{_plain_or_hashed(video_id)}"


def source_key(extractor: str, source_id: str, tab: str = "") -> str:
    """The key of one listing of a source, e.g. `youtubetab.UCxyz.videos` or `youtubetab.PLxyz`.

    Built from the canonical id, never from a handle or URL: a renamed channel is the same source.
    """
    parts = [_plain_or_hashed(extractor.lower()), _plain_or_hashed(source_id)]
    if tab:
        parts.append(_plain_or_hashed(tab))
    return ".".join(parts)
