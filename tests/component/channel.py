"""A channel and a playlist of some of its videos, walked as the lister walks them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from builders import entry_line
from trawler_downloader.contract.listing import (
    CONSECUTIVE_KNOWN_TO_STOP,
    EntryLine,
    ListingEnd,
    ListRequest,
    SourceLine,
    TrailerLine,
)
from trawler_operator.reconcile.ports import RawListing

PLAYLIST, CHANNEL = "https://www.youtube.com/playlist?list=PLbest", "https://www.youtube.com/@numberline/videos"
PAGE = 30


@dataclass
class Channel:
    """A channel of 200 videos, v0 the oldest, with a playlist of some of them; walked as the lister walks."""

    best: Sequence[int]
    pages: list[int] = field(default_factory=list)
    """Of each listing."""

    async def list(self, request: ListRequest) -> RawListing:
        is_channel = request.url == CHANNEL
        key = "youtubetab.UCnumber.videos" if is_channel else "youtubetab.PLbest"
        source = SourceLine(key=key, id=key, title="Numberline", newest_first=is_channel)
        everything = [self._line(number, key) for number in (range(199, -1, -1) if is_channel else self.best)]
        lines = everything if request.audit or not is_channel else self._walk(everything, request, key)
        self.pages.append(-(-len(lines) // PAGE))
        end = ListingEnd.COMPLETE if len(lines) == len(everything) else ListingEnd.STOPPED
        return RawListing(((source, tuple(lines)),), TrailerLine(end=end, requests=1, engine="2026.10.26"))

    def _walk(self, lines: list[EntryLine], request: ListRequest, key: str) -> list[EntryLine]:
        if key not in request.known:
            return lines[: -(-request.newest // PAGE) * PAGE]
        in_a_row = 0
        for place, line in enumerate(lines, start=1):
            in_a_row = in_a_row + 1 if line.key in request.known[key] else 0
            if in_a_row == CONSECUTIVE_KNOWN_TO_STOP:
                return lines[:place]
        return lines

    def _line(self, number: int, source: str) -> EntryLine:
        return entry_line(f"v{number}").model_copy(update={"source": source})
