"""How a listing ends, for every row of the table of outcomes: the real program and yt-dlp, against the stand-in."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import pytest

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


@dataclass(frozen=True)
class Row:
    """What the site does, and how the listing ends.

    Args:
        name: the situation.
        url: what is listed.
        fault: of the stand-in; empty: none is needed.
        reason: of the trailer.
        says: part of its message.
        waits: seconds from now that the site asks for.
    """

    name: str
    url: str
    reason: Reason
    says: str
    fault: dict[str, Any] = field(default_factory=dict)
    waits: float | None = None


def _status(status: int, endpoint: str = "listing", **more: Any) -> dict[str, Any]:
    return {"kind": "status", "status": status, "match": {"endpoint": endpoint}, **more}


def _alert(text: str) -> dict[str, Any]:
    return {"kind": "alert", "text": text}


ROWS = (
    Row("a channel that is not there", f"{YOUTUBE}/@nobody/videos", Reason.NOT_FOUND, "HTTP 404"),
    Row("404 of a channel", CHANNEL, Reason.NOT_FOUND, "HTTP 404", _status(404)),
    Row("410 of a channel", CHANNEL, Reason.NOT_FOUND, "HTTP 410", _status(410)),
    Row("403 of a channel", CHANNEL, Reason.FORBIDDEN, "HTTP 403", _status(403)),
    Row("400 of a channel", CHANNEL, Reason.HTTP_ERROR, "HTTP 400", _status(400)),
    Row("5xx of a channel", CHANNEL, Reason.SERVER_ERROR, "HTTP 503", _status(503)),
    Row("429", CHANNEL, Reason.RATE_LIMITED, "fewer requests", _status(429)),
    Row("429 for a time", CHANNEL, Reason.RATE_LIMITED, "fewer", _status(429, retry_after=120), waits=120),
    Row(
        "429 until a date",
        CHANNEL,
        Reason.RATE_LIMITED,
        "fewer requests",
        _status(429, retry_after=AS_A_DATE),
        waits=HOUR,
    ),
    Row("led to the home page", CHANNEL, Reason.SOURCE_GONE, "does not exist", {"kind": "redirect_home"}),
    Row(
        "a terminated channel",
        CHANNEL,
        Reason.SOURCE_GONE,
        "does not exist any more",
        _alert(
            "This account has been terminated because we received multiple third-party claims of copyright "
            "infringement regarding material the user posted."
        ),
    ),
    Row("a channel's end in the site's words", CHANNEL, Reason.SOURCE_GONE, "", _alert("This channel does not exist.")),
    Row("a playlist that is not there", PLAYLIST, Reason.SOURCE_GONE, "does not exist"),
    Row("a private playlist", PLAYLIST, Reason.PRIVATE, "private", _alert("This playlist is private.")),
    Row(
        "a playlist that cannot be read",
        PLAYLIST,
        Reason.UNSUPPORTED_URL,
        "read nothing",
        _alert("This playlist type is unviewable."),
    ),
    Row("new words of the site", CHANNEL, Reason.UNKNOWN, "Out to lunch", _alert("Out to lunch.")),
    Row("a page without content", CHANNEL, Reason.TRUNCATED, "cut short", {"kind": "incomplete", "match": {"page": 2}}),
    Row("a page that breaks off", CHANNEL, Reason.TRUNCATED, "cut short", {"kind": "truncate", "match": {"page": 2}}),
    Row(
        "a page that is garbage", CHANNEL, Reason.EXTRACTOR_FAILED, "yt-dlp", {"kind": "corrupt", "match": {"page": 2}}
    ),
    Row("connections that are cut", CHANNEL, Reason.UNREACHABLE, "broke or timed out", {"kind": "reset"}),
    Row("a channel's live stream", f"{YOUTUBE}/@sea/live", Reason.UNSUPPORTED_URL, "/streams"),
    Row("a bot check", VIDEO, Reason.BOT_CHECK, "not a bot", {"kind": "bot_check"}),
    Row("a rate limit in words", VIDEO, Reason.RATE_LIMITED, "an hour", {"kind": "rate_limit"}, waits=HOUR),
    Row("a captcha", VIDEO, Reason.CAPTCHA, "captcha", {"kind": "captcha"}),
    Row("the wrong video", VIDEO, Reason.ADDRESS_BLOCKED, "wrong videos", {"kind": "wrong_video"}),
    Row(
        "429 of the player alone",
        VIDEO,
        Reason.RATE_LIMITED,
        "fewer requests",
        _status(429, "extraction", retry_after=90),
        waits=90,
    ),
    Row("5xx of the player alone", VIDEO, Reason.SERVER_ERROR, "HTTP 502", _status(502, "extraction")),
)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
async def test_an_ending_of_a_listing(lister: Lister, standin: Standin, row: Row) -> None:
    """Class, reason, a sentence for people, and how long the site asks to be left alone."""
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
    assert (listing.end, trailer.reason, trailer.outcome) == ("error", row.reason, row.reason.outcome), trailer
    assert row.says in (trailer.message or "")
    if row.waits is None:
        assert trailer.retry_at is None
    else:
        assert trailer.retry_at is not None
        assert before + row.waits - 2 <= trailer.retry_at <= time.time() + row.waits + 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(b"407 Proxy Authentication Required", Reason.PROXY_REFUSED, id="it wants a password"),
        pytest.param(b"502 Bad Gateway", Reason.UNREACHABLE, id="it cannot reach the site"),
        pytest.param(b"403 Forbidden", Reason.UNREACHABLE, id="it does not want to"),
    ],
)
async def test_a_proxy_that_does_not_connect(lister: Lister, answer: bytes, reason: Reason) -> None:
    """Only a password that is missing waits for a person."""
    with answering_proxy(b"HTTP/1.1 " + answer + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as proxy:
        listing = await lister.list(CHANNEL, proxy=proxy.replace("://", "://me:secret@"))
    assert listing.trailer is not None
    assert (listing.trailer.outcome, listing.reason) == (reason.outcome, reason), listing.trailer
    assert "secret" not in listing.trailer.to_json()


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
