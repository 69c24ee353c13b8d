"""The lister's protocol: one request, then JSON lines, the last of which is always a trailer.

`POST /list` over a Unix socket with a `ListRequest` as body. The answer is a stream of lines: for each listing (a tab,
a playlist) a `SourceLine`, followed by its `EntryLine`s in the site's order, and at the very end one `TrailerLine`.
A stream without a trailer was cut off: nothing of it may be written anywhere.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from trawler_downloader.contract.keys import KEY_PATTERN, MAX_EXTRACTOR_LENGTH
from trawler_downloader.contract.message import LARGEST, Message
from trawler_downloader.contract.outcomes import OutcomeClass

LIST_PATH = "/list"
HEALTH_PATH = "/healthz"
MAX_KNOWN_PER_SOURCE = 500
"""Newest known keys that a request carries per source: enough to meet five in a row on the first page."""
CONSECUTIVE_KNOWN_TO_STOP = 5
"""Not one: members-only, pinned and upcoming items break the strict order of a tab."""
MAX_ENTRIES = 50_000
"""A listing with more ends as `limit`."""
MAX_SOURCES = 16
"""Listings within one answer: a channel has three tabs."""
MAX_TITLE = 500
"""Characters."""
MAX_URL = 2048
"""Characters of a source's URL; a Subscription's may be as long."""
MAX_ID = 500
"""Characters of a source's id, where it is shown; its key is made of all of it."""
MAX_WORD = 64
"""Characters of yt-dlp's own words."""
MAX_IDENTITY_BYTES = 2048
"""Of what the ledger never cuts of an entry (URL, id, source), as JSON: the path of the file must fit beside it."""


REMOVED = "removed"
"""Our word beside yt-dlp's own of `availability`: the video is no more."""


class Kind(StrEnum):
    """What a channel's tabs hold."""

    VIDEO = "Video"
    SHORT = "Short"
    STREAM = "Stream"


class CookiesMode(StrEnum):
    """When the cookies of a Secret are sent."""

    ALWAYS = "Always"
    WHEN_NEEDED = "WhenNeeded"
    """First without them; where the site asks for a sign-in, once more with them."""


_Key = Annotated[str, Field(pattern=KEY_PATTERN)]
_Title = Annotated[str, Field(max_length=MAX_TITLE)]
_Word = Annotated[str, Field(max_length=MAX_WORD)]
_Time = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]


class ListRequest(Message):
    """What to list, and where to stop."""

    v: Literal[1] = 1
    url: str
    kinds: tuple[Kind, ...] = ()
    """Tabs wanted of a channel. Empty: what the URL itself names (a tab's own kind; of a bare channel, its videos)."""
    newest: Annotated[int, Field(ge=1)] = 52
    """First-run window: a source that is not in `known` is walked until this many entries, to the end of that page."""
    audit: bool = False
    """Walk everything, whatever is known."""
    known: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Source key → newest videos known to be listed by it (at most MAX_KNOWN_PER_SOURCE), whichever source told of them
    first. A source in it has had its first run."""
    proxy: str | None = None
    proxy_trusted: bool = False
    """Whoever runs the operator vouches for the proxy: it may have any address. Another one must have a public one."""
    ca_bundle: str | None = None
    """PEM text of extra certificate authorities."""
    cookies: str | None = Field(default=None, repr=False)
    """Text of a cookies.txt. A secret: goes into no log and no message."""
    cookies_mode: CookiesMode = CookiesMode.WHEN_NEEDED
    proxy_username: str | None = Field(default=None, repr=False)
    proxy_password: str | None = Field(default=None, repr=False)
    allow_generic: bool = False
    """yt-dlp's generic extractor may be used: it fetches any page."""
    allowed_cidrs: tuple[str, ...] = ()
    """Networks that may be reached although they are not public."""
    deadline_seconds: Annotated[int, Field(ge=1, le=3600)] = 300


class SourceLine(Message):
    """One listing begins: a channel's tab, a playlist, or the single video itself."""

    type: Literal["source"] = "source"
    key: _Key
    """`source_key(...)`."""
    title: _Title | None = None
    """Of the channel or playlist, for people and for folder names."""
    id: Annotated[str, Field(max_length=MAX_ID)]
    """Canonical id, e.g. UC… or PL…."""
    url: Annotated[str, Field(max_length=MAX_URL)] | None = None
    newest_first: bool
    """True: early stop is valid, and what is unknown below the last known entry is back catalogue."""


class EntryLine(Message):
    """One video of the listing that began last."""

    type: Literal["entry"] = "entry"
    source: _Key
    key: _Key
    """`video_key(...)`."""
    extractor: Annotated[str, Field(max_length=MAX_EXTRACTOR_LENGTH)]
    """yt-dlp's ie_key, e.g. `Youtube`; empty when only the URL tells."""
    id: str
    url: str
    title: _Title | None = None
    """None where the site tells none, or writes something else in its place (`[Private video]`)."""
    kind: Kind = Kind.VIDEO
    duration_seconds: Annotated[int, Field(ge=0, le=LARGEST)] | None = None
    timestamp: _Time | None = None
    """Unix seconds, approximate (a day or even a year wide): orders entries, never names a file."""
    live_status: _Word | None = None
    """yt-dlp's live_status: is_upcoming, is_live, post_live, was_live, not_live."""
    release_at: _Time | None = None
    """Unix seconds of the announced start of a premiere or live stream, where the site tells it in listings."""
    availability: _Word | None = None
    """yt-dlp's availability (private, premium_only, subscriber_only, needs_auth, unlisted, public), or REMOVED."""

    @property
    def fits(self) -> bool:
        """Whether the ledger can hold it: what identifies a video is never cut. One that does not fit is left out."""
        identity = json.dumps([self.url, self.id, self.source, self.extractor], ensure_ascii=False)
        return len(identity.encode("utf-8", "replace")) <= MAX_IDENTITY_BYTES


class ListingEnd(StrEnum):
    """How the walk ended."""

    COMPLETE = "complete"
    """Everything there is was listed."""
    STOPPED = "stopped"
    """Every listing ended at known entries or at its first-run window."""
    LIMIT = "limit"
    """MAX_ENTRIES reached."""
    ERROR = "error"
    """Nothing of this listing may be used; `outcome`, `reason`, `message` say why."""


class TrailerLine(Message):
    """The mandatory last line."""

    type: Literal["trailer"] = "trailer"
    end: ListingEnd
    outcome: OutcomeClass | None = None
    reason: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]{0,63}$")] | None = None
    """CamelCase, e.g. `RateLimited`, `Unreachable`, `UnsupportedUrl`, `NotFound`. Of a listing that went well,
    `CookiesMalformed` where it needed no cookies and those that it was given cannot be read."""
    message: Annotated[str, Field(max_length=1000)] | None = None
    """For people."""
    retry_at: _Time | None = None
    """Unix seconds; with RateLimited, when the site says that it may be asked again."""
    requests: Annotated[int, Field(ge=0, le=LARGEST)] = 0
    """Requests that yt-dlp made to the site."""
    cookies_used: bool = False
    """Cookies were sent to the site."""
    cookies_invalid: bool = False
    """And it no longer accepts them: they have to be exported anew."""
    omitted: Annotated[int, Field(ge=0, le=LARGEST)] = 0
    """Entries that were left out: their URL or id is too long to be kept (`EntryLine.fits`)."""
    omitted_example: Annotated[str, Field(max_length=MAX_TITLE)] | None = None
    """Title, id or URL of the first of them, for people."""
    engine: Annotated[str, Field(max_length=64)]
    """yt-dlp's version."""


ListingLine = Annotated[SourceLine | EntryLine | TrailerLine, Field(discriminator="type")]
LISTING_LINE: TypeAdapter[SourceLine | EntryLine | TrailerLine] = TypeAdapter(ListingLine)
