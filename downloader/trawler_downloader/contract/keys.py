"""Identities: of a video, and of a listing that can have a first-run window.

A key must be usable as a ConfigMap key (`[-._a-zA-Z0-9]`, at most 253 characters), as part of a file name on any NAS,
and must be the same whichever program computes it.
"""

from __future__ import annotations

import hashlib
import re

MAX_KEY_LENGTH = 253
"""Of a ConfigMap's key; the parts below stay under it together."""
MAX_ID_LENGTH = 150
"""Longer ids are hashed: a key must leave room for a file suffix in 255 bytes."""
MAX_EXTRACTOR_LENGTH = 64
"""Twice as long as the longest of yt-dlp 2026.10.26."""
_MAX_TAB_LENGTH = 32
KEY_PATTERN = rf"^[-_a-zA-Z0-9][-._a-zA-Z0-9]{{0,{MAX_KEY_LENGTH - 1}}}$"
"""Of all keys. Kubernetes takes none that begins with two dots (IsConfigMapKey), a file system hides one."""

_PLAIN = re.compile(r"[-._a-zA-Z0-9]+")


def _plain_or_hashed(text: str, longest: int = MAX_ID_LENGTH) -> str:
    if _PLAIN.fullmatch(text) and len(text) <= longest and text not in {".", ".."}:
        return text
    return _hashed(text)


def _hashed(text: str) -> str:
    return "sha256-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def video_key(extractor: str, video_id: str) -> str:
    """The key of a video, e.g. `youtube.dQw4w9WgXcQ`.

    Args:
        extractor: yt-dlp's `ie_key` or `extractor_key` in any case, e.g. `Youtube`.
        video_id: the id as the extractor gives it; one with other characters than `[-._a-zA-Z0-9]` is hashed.
    """
    return f"{_extractor(extractor)}.{_plain_or_hashed(video_id)}"


def source_key(extractor: str, source_id: str, tab: str = "") -> str:
    """The key of one listing of a source, e.g. `youtubetab.UCxyz.videos` or `youtubetab.PLxyz`.

    Built from the canonical id, never from a handle or URL: a renamed channel is the same source.
    """
    parts = [_extractor(extractor), _plain_or_hashed(source_id)]
    if tab:
        parts.append(_plain_or_hashed(tab, _MAX_TAB_LENGTH))
    return ".".join(parts)


def _extractor(name: str) -> str:
    """The first part of a key."""
    lowered = name.lower()
    return _hashed(lowered) if lowered.startswith(".") else _plain_or_hashed(lowered, MAX_EXTRACTOR_LENGTH)
