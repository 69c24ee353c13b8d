"""Deterministic names: the same specification gives the same ids, titles and numbers, on every machine, every time.

Ids look like the real ones (they may begin with `-`), so that whatever trips over real ids trips here.
"""

from __future__ import annotations

import base64
import hashlib

_SUBJECTS = (
    "tides", "harbours", "fog signals", "herring", "knots", "lighthouses", "nets", "currents", "sails", "moorings",
    "charts", "winches", "gulls", "storms", "night watches", "icebergs", "buoys", "anchors", "pilots", "rafts",
)  # fmt: skip
_OPENINGS = ("How", "Why", "Where", "When")
_VERBS = ("work", "fail", "began", "end", "surprise us", "change", "cost so much", "last")


def _digest(*parts: object) -> bytes:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).digest()


def _text(length: int, *parts: object) -> str:
    return base64.urlsafe_b64encode(_digest(*parts)).decode()[:length]


def video_id(*parts: object) -> str:
    """Eleven characters of `[A-Za-z0-9_-]`."""
    return _text(11, "video", *parts)


def channel_id(handle: str) -> str:
    """`UC` and 22 characters."""
    return "UC" + _text(22, "channel", handle)


def playlist_id(name: str) -> str:
    """`PL` and 32 characters."""
    return "PL" + _text(32, "playlist", name)


def number(low: int, high: int, *parts: object) -> int:
    """A number in `low..high`, both included."""
    return low + int.from_bytes(_digest("number", *parts)[:8], "big") % (high - low + 1)


def title(index: int, *parts: object) -> str:
    """A readable title; the index makes it unique within its channel tab."""
    subject = _SUBJECTS[number(0, len(_SUBJECTS) - 1, "subject", index, *parts)]
    opening = _OPENINGS[number(0, len(_OPENINGS) - 1, "opening", index, *parts)]
    verb = _VERBS[number(0, len(_VERBS) - 1, "verb", index, *parts)]
    return f"{opening} {subject} {verb}, part {index}"
