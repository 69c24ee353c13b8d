"""How a listing ends: the real program and yt-dlp against the stand-in, and what the operator makes of just that end.

Every row is literal: reason and class, the gate that closes, and when the next check is made. Each of them shows
`Ready=False` and, with the reason of the row, `SourceReachable=False`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

import pytest

from component.aftermath import ListingFate, prove_listing
from component.lister_harness import YOUTUBE, Lister, Standin
from component.proxies import answering_proxy
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.reasons import Reason

SEA = {"handle": "@sea", "title": "The Sea", "videos": 40, "published": [{"id": "abcdefghijk"}]}
CHANNEL = f"{YOUTUBE}/@sea/videos"
PLAYLIST = f"{YOUTUBE}/playlist?list=PLthereisnosuchone"
VIDEO = f"{YOUTUBE}/watch?v=abcdefghijk"
HOUR = 3600
AS_A_DATE = "as a date"
TERMINATED = (
    "This account has been terminated because we received multiple third-party claims of copyright infringement "
    "regarding material the user posted."
)
VISITOR, ADDRESS = "Cookies youtube.com", "Egress youtube.com"
"""Gates that a limit closes, and that a distrusted address does."""
SOON, AS_PLANNED = (60, 66), (3600, 3900)
"""The first pause of a failed check, and the schedule's hour; each with its jitter."""
A_QUARTER, AN_HOUR, TWO_HOURS = (900, 1080), (3600, 3660), (7200, 7260)
"""The gate's own first pause with its jitter; what the site asks for, counted from when it was asked."""


@dataclass(frozen=True)
class Row:
    """What the site does, and how the listing ends.

    Args:
        name: the situation.
        url: what is listed.
        says: part of the trailer's message.
        fault: of the stand-in; empty: none is needed.
        fate: all that follows.
        waits: seconds from now that the site asks for, as reported.
    """

    name: str
    url: str
    says: str
    fault: dict[str, Any]
    fate: ListingFate
    waits: float | None = None


def _status(status: int, endpoint: str = "listing", **more: Any) -> dict[str, Any]:
    return {"kind": "status", "status": status, "match": {"endpoint": endpoint}, **more}


def _alert(text: str) -> dict[str, Any]:
    return {"kind": "alert", "text": text}


def _page(kind: str) -> dict[str, Any]:
    return {"kind": kind, "match": {"page": 2}}


# fmt: off
ROWS = (
    # The source is not there, or says so: three checks in a row take it for gone (test_reconcile).
    Row("a channel that is not there", f"{YOUTUBE}/@nobody/videos", "HTTP 404", {},
        ListingFate("NotFound", "Transient", "open", SOON)),
    Row("404 of a channel", CHANNEL, "HTTP 404", _status(404), ListingFate("NotFound", "Transient", "open", SOON)),
    Row("410 of a channel", CHANNEL, "HTTP 410", _status(410), ListingFate("NotFound", "Transient", "open", SOON)),
    Row("led to the home page", CHANNEL, "does not exist", {"kind": "redirect_home"},
        ListingFate("SourceGone", "Terminal", "open", AS_PLANNED)),
    Row("a terminated channel", CHANNEL, "does not exist any more", _alert(TERMINATED),
        ListingFate("SourceGone", "Terminal", "open", AS_PLANNED)),
    Row("a channel's end in the site's words", CHANNEL, "does not exist", _alert("This channel does not exist."),
        ListingFate("SourceGone", "Terminal", "open", AS_PLANNED)),
    Row("a playlist that is not there", PLAYLIST, "does not exist", {},
        ListingFate("SourceGone", "Terminal", "open", AS_PLANNED)),
    # Not for us, or no listing.
    Row("a private playlist", PLAYLIST, "private", _alert("This playlist is private."),
        ListingFate("Private", "NeedsAccess", "open", AS_PLANNED)),
    Row("a playlist that cannot be read", PLAYLIST, "read nothing", _alert("This playlist type is unviewable."),
        ListingFate("UnsupportedUrl", "Configuration", "open", AS_PLANNED)),
    Row("a channel's live stream", f"{YOUTUBE}/@sea/live", "/streams", {},
        ListingFate("UnsupportedUrl", "Configuration", "open", AS_PLANNED)),
    Row("a site that yt-dlp does not know", "https://video.example.com/all", "read nothing", {},
        ListingFate("UnsupportedUrl", "Configuration", "open", AS_PLANNED)),
    # Worth another try.
    Row("403 of a channel", CHANNEL, "HTTP 403", _status(403), ListingFate("Forbidden", "Transient", "open", SOON)),
    Row("400 of a channel", CHANNEL, "HTTP 400", _status(400), ListingFate("HttpError", "Transient", "open", SOON)),
    Row("5xx of a channel", CHANNEL, "HTTP 503", _status(503), ListingFate("ServerError", "Transient", "open", SOON)),
    Row("a channel that leads in circles", CHANNEL, "circles", {"kind": "redirect", "location": CHANNEL},
        ListingFate("RedirectLoop", "Transient", "open", SOON)),
    Row("new words of the site", CHANNEL, "Out to lunch", _alert("Out to lunch."),
        ListingFate("Unknown", "Transient", "open", SOON)),
    Row("a page without content", CHANNEL, "cut short", _page("incomplete"),
        ListingFate("Truncated", "Transient", "open", SOON)),
    Row("a page that breaks off", CHANNEL, "cut short", _page("truncate"),
        ListingFate("Truncated", "Transient", "open", SOON)),
    Row("a page that is garbage", CHANNEL, "yt-dlp", _page("corrupt"),
        ListingFate("ExtractorFailed", "Transient", "open", SOON)),
    Row("connections that are cut", CHANNEL, "broke or timed out", {"kind": "reset"},
        ListingFate("Unreachable", "Transient", "open", SOON)),
    Row("5xx of the player alone", VIDEO, "HTTP 502", _status(502, "extraction"),
        ListingFate("ServerError", "Transient", "open", SOON)),
    # The site asks us to stop.
    Row("429", CHANNEL, "fewer requests", _status(429), ListingFate("RateLimited", "RateLimited", VISITOR, A_QUARTER)),
    Row("429 for less than the gate's own pause", CHANNEL, "fewer", _status(429, retry_after=120), waits=120,
        fate=ListingFate("RateLimited", "RateLimited", VISITOR, A_QUARTER)),
    Row("429 until a date", CHANNEL, "fewer requests", _status(429, retry_after=AS_A_DATE), waits=3600,
        fate=ListingFate("RateLimited", "RateLimited", VISITOR, AN_HOUR)),
    Row("429 of the player alone", VIDEO, "fewer requests", _status(429, "extraction", retry_after=7200), waits=7200,
        fate=ListingFate("RateLimited", "RateLimited", VISITOR, TWO_HOURS)),
    Row("a rate limit in words", VIDEO, "an hour", {"kind": "rate_limit"}, waits=3600,
        fate=ListingFate("RateLimited", "RateLimited", VISITOR, AN_HOUR)),
    Row("a bot check", VIDEO, "not a bot", {"kind": "bot_check"},
        ListingFate("BotCheck", "RateLimited", ADDRESS, A_QUARTER)),
    Row("a captcha", VIDEO, "captcha", {"kind": "captcha"},
        ListingFate("Captcha", "RateLimited", ADDRESS, A_QUARTER)),
    Row("the wrong video", VIDEO, "wrong videos", {"kind": "wrong_video"},
        ListingFate("AddressBlocked", "RateLimited", ADDRESS, A_QUARTER)),
)
# fmt: on


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
async def test_an_ending_of_a_listing(lister: Lister, standin: Standin, row: Row) -> None:
    """Class, reason, a sentence for people, how long the site asks to be left alone; then what the operator shows."""
    standin.load(SEA)
    before = time.time()
    fault = dict(row.fault)
    if fault.get("retry_after") == AS_A_DATE:
        fault["retry_after"] = formatdate(before + HOUR, usegmt=True)
    if fault:
        standin.site.faults.add(fault, standin.site.catalogue)
    listing = await lister.list(row.url, newest=500)
    trailer = listing.trailer
    assert trailer is not None
    assert row.says in (trailer.message or "")
    if row.waits is None:
        assert trailer.retry_at is None
    else:
        assert trailer.retry_at is not None
        assert before + row.waits - 2 <= trailer.retry_at <= time.time() + row.waits + 1
    await prove_listing(trailer, row.fate, before)


@pytest.mark.parametrize(
    ("answer", "fate"),
    [
        pytest.param(
            b"407 Proxy Authentication Required",
            ListingFate("ProxyLoginRefused", "Environment", "open", SOON),
            id="it wants a password",
        ),
        pytest.param(
            b"502 Bad Gateway", ListingFate("Unreachable", "Transient", "open", SOON), id="it cannot reach the site"
        ),
        pytest.param(b"403 Forbidden", ListingFate("Unreachable", "Transient", "open", SOON), id="it does not want to"),
    ],
)
async def test_a_proxy_that_does_not_connect(lister: Lister, answer: bytes, fate: ListingFate) -> None:
    """Only a password that is missing waits for a person."""
    before = time.time()
    with answering_proxy(b"HTTP/1.1 " + answer + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as proxy:
        listing = await lister.list(CHANNEL, proxy=proxy.replace("://", "://me:secret@"))
    assert listing.trailer is not None
    assert "secret" not in listing.trailer.to_json()
    await prove_listing(listing.trailer, fate, before)


async def test_an_authority_that_nobody_trusts(lister: Lister) -> None:
    """Nothing that another look mends: as planned, until a person acts."""
    before = time.time()
    listing = await lister.list(CHANNEL, ca_bundle=None)
    assert listing.trailer is not None
    await prove_listing(listing.trailer, ListingFate("TlsNotTrusted", "Configuration", "open", AS_PLANNED), before)


async def test_something_that_speaks_no_tls(lister: Lister) -> None:
    """A connection that is not encrypted is no matter of trust."""
    with answering_proxy(b"HTTP/1.1 200 OK\r\n\r\n") as proxy:
        listing = await lister.list(CHANNEL, proxy=proxy)
    assert (listing.reason, listing.trailer and listing.trailer.outcome) == (Reason.TLS_FAILED, OutcomeClass.TRANSIENT)


@pytest.mark.parametrize(
    ("state", "live_status", "release_at"),
    [
        pytest.param("premiere", "is_upcoming", 1_798_761_600, id="a premiere"),
        pytest.param("live_later", "is_upcoming", 1_798_761_600, id="a live stream to come"),
        pytest.param("live", "is_live", None, id="on air"),
        pytest.param("post_live", "post_live", None, id="just over"),
        pytest.param("was_live", "was_live", None, id="over"),
        pytest.param("ok", "not_live", None, id="an ordinary video"),
    ],
)
async def test_what_is_not_there_yet_is_listed_with_its_time(
    lister: Lister, standin: Standin, state: str, live_status: str, release_at: int | None
) -> None:
    """Of a single video the site tells more than its refusal does."""
    video = {"id": "abcdefghijk", "state": state, "starts_at": "2027-01-01T00:00:00Z"}
    standin.load({**SEA, "videos": 0, "published": [video]})
    (entry,) = (await lister.list(VIDEO)).entries
    assert (entry.live_status, entry.release_at) == (live_status, release_at)


async def test_a_playlist_tells_when_a_premiere_begins(lister: Lister, standin: Standin) -> None:
    """As exactly as the site does; a channel's tab does not tell."""
    video = {"id": "abcdefghijk", "state": "premiere", "starts_at": "2027-01-01T00:00:00Z"}
    playlist = {"name": "p", "owner": "@sea", "videos": ["abcdefghijk"]}
    standin.load({**SEA, "videos": 0, "published": [video]}, playlists=(playlist,))
    url = f"{YOUTUBE}/playlist?list={standin.site.catalogue.playlists()[0].id}"
    (entry,) = (await lister.list(url)).entries
    assert (entry.live_status, entry.release_at) == ("is_upcoming", 1_798_761_600)
    (on_the_tab,) = (await lister.list(CHANNEL)).entries
    assert (on_the_tab.live_status, on_the_tab.release_at) == ("is_upcoming", None)
