"""What a site writes in the place of a title, where it tells that only in words.

yt-dlp's `availability` is a statement and comes first. YouTube's playlists keep videos that nobody may see any more: of
these yt-dlp's flat listing has the id and the words below, and nothing else (`_tab.py`, `_extract_video`: no badge, no
length). The words are English since yt-dlp asks for English (`hl=en`).

| in the place of the title | since | of |
|---|---|---|
| `[Private video]` | its owner made it private | playlists |
| `[Deleted video]` | it, or the account behind it, is gone | playlists |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trawler_downloader.contract.listing import REMOVED

PRIVATE = "private"
"""yt-dlp's word of `availability`."""
_AVAILABILITY: Mapping[str, str] = {"[Private video]": PRIVATE, "[Deleted video]": REMOVED}
_TOLD_OF_REAL_ONES = ("duration", "timestamp", "release_timestamp", "live_status", "availability", "channel_id")
"""A video that really bears such a title has one of these."""


def told_by_title(entry: Mapping[str, Any]) -> str | None:
    """The availability that a listed YouTube video's title stands for; None: it is a title."""
    title = entry.get("title")
    if not isinstance(title, str) or any(entry.get(name) is not None for name in _TOLD_OF_REAL_ONES):
        return None
    return _AVAILABILITY.get(title.strip())
