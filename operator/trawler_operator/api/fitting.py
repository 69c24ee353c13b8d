"""Texts of strangers, made to fit into what Kubernetes stores.

Sites, pods, API servers and users write them. They may be of any length, hold halves of characters (which no UTF-8
writer takes), and control characters (which a terminal obeys).
"""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def plain(text: str) -> str:
    """The text on one line: control characters become a blank, halves of characters a question mark."""
    return _CONTROL.sub(" ", text).encode("utf-8", "replace").decode()


def cut_characters(text: str, limit: int) -> str:
    """The plain text, in at most `limit` characters; an ellipsis shows that it was longer."""
    text = plain(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def cut_bytes(text: str | None, limit: int) -> str | None:
    """The plain text, in at most `limit` bytes of UTF-8, cut at a character's border; None if nothing is left."""
    if text is None:
        return None
    return plain(text).encode()[:limit].decode("utf-8", "ignore") or None
