"""The lister's protocol: one request, then JSON lines, the last of which is always a trailer.

`POST /list` over a Unix socket with a `ListRequest` as body. The answer is a stream of lines: for each listing (a tab,
a playlist) a `SourceLine`, followed by its `EntryLine`s in the site's order, and at the very end one `TrailerLine`.
A stream without a trailer was cut off: nothing of it may be written anywhere.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from trawler_downloader.contract.message import Message
from trawler_downloader.contract.outcomes import OutcomeClass

LIST_PATH = "/list"
HEALTH_PATH = "/healthz"
MAX_KNOWN_PER_SOURCE = 500
"""Newest known keys that a request carries per source: enough to meet five in a row on the first page."""
CONSECUTIVE_KNOWN_TO_STOP = 5
"""Not one: members-only, pinned and upcoming items break the strict order of a tab."""
MAX_ENTRIES = 50_000
"""A listing with more ends as `limit`."""


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
    """Source key → newest known video keys (at most MAX_KNOWN_PER_SOURCE). A source in it has had its first run."""
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
    key: str
    """`source_key(...)`."""
    title: str | None = None
    """Of the channel or playlist, for people and for folder names."""
    id: str
    """Canonical id, e.g. UC… or PL…."""
    url: str | None = None
    newest_first: bool
    """True: early stop is valid, and what is unknown below the last known entry is back catalogue."""


class EntryLine(Message):
    """One video of the listing that began last."""

    type: Literal["entry"] = "entry"
    source: str
    key: str
    """`video_key(...)`."""
    extractor: str
    """yt-dlp's ie_key, e.g. `Youtube`; empty when only the URL tells."""
    id: str
    url: str
    title: str | None = None
    kind: Kind = Kind.VIDEO
    duration_seconds: Annotated[int, Field(ge=0)] | None = None
    timestamp: int | None = None
    """Unix seconds, approximate (a day or even a year wide): orders entries, never names a file."""
    live_status: str | None = None
    """yt-dlp's live_status: is_upcoming, is_live, post_live, was_live, not_live."""
    release_at: int | None = None
    """Unix seconds of the announced start of a premiere or live stream, where the site tells it in listings."""
    availability: str | None = None
    """yt-dlp's availability, e.g. subscriber_only."""


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
    reason: str | None = None
    """CamelCase, e.g. `RateLimited`, `Unreachable`, `UnsupportedUrl`, `NotFound`. Of a listing that went well,
    `CookiesMalformed` where it needed no cookies and those that it was given cannot be read."""
    message: str | None = None
    """For people, at most 500 characters."""
    retry_at: int | None = None
    """Unix seconds; with RateLimited, when the site says that it may be asked again."""
    requests: int = 0
    """Requests that yt-dlp made to the site."""
    cookies_used: bool = False
    """Cookies were sent to the site."""
    cookies_invalid: bool = False
    """And it no longer accepts them: they have to be exported anew."""
    engine: str
    """yt-dlp's version."""


ListingLine = Annotated[SourceLine | EntryLine | TrailerLine, Field(discriminator="type")]
LISTING_LINE: TypeAdapter[SourceLine | EntryLine | TrailerLine] = TypeAdapter(ListingLine)
