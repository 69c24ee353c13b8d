"""How a download ends that a site refuses or spoils: the program as a Job runs it, with the real yt-dlp; what follows.

Every row is literal: reason, class and exit code of the program, then what the operator makes of just that report: the
state of the ledger's entry, the condition that changes, and when the next launch begins. What no site can cause stands
in test_download_causes. These endings come before ffmpeg has anything to do, so that it only has to be there; what it
makes of media is tested inside the image.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import pytest

from component.aftermath import A_DAY, A_MINUTE, A_QUARTER, ACCESS, AN_HOUR, GATE, NEVER, NONE, Again, Fate, prove
from component.download_job import Job
from component.lister_harness import YOUTUBE
from component.proxies import answering_proxy
from trawler_downloader.contract.download import MediaType, MediaWish

HOUR = 3600
AS_A_DATE = "as a date"


@dataclass(frozen=True)
class Row:
    """What the site does, and how the download ends.

    Args:
        name: the situation.
        says: part of the report's message.
        fault: of the stand-in; empty: none is needed.
        fate: all that follows.
        waits: seconds from now that the site asks for or announces, as reported.
        besides: another fault.
        url: that is downloaded instead of the video's.
        wish: what is wanted of it.
    """

    name: str
    says: str
    fault: dict[str, Any]
    fate: Fate
    waits: float | None = None
    besides: dict[str, Any] = field(default_factory=dict)
    url: str | None = None
    wish: MediaType = MediaType.VIDEO


def _state(kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, **more}


def _at(endpoint: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "match": {"endpoint": endpoint}, **more}


def _status(status: int, endpoint: str, **more: Any) -> dict[str, Any]:
    return _at(endpoint, "status", status=status, **more)


def _announced(seconds: float) -> Again:
    """What the site says, from when it was asked: up to a minute ago."""
    return (seconds, seconds + 60)


# fmt: off
ROWS = (
    # It will never be had.
    Row("removed by the uploader", "uploader removed", _state("removed"),
        Fate("VideoRemoved", "Terminal", 40, "DeadLetter", NONE, NEVER)),
    Row("account terminated", "account", _state("account_terminated"),
        Fate("AccountTerminated", "Terminal", 40, "DeadLetter", NONE, NEVER)),
    Row("copyright", "copyright claim", _state("copyright"),
        Fate("Copyright", "Terminal", 40, "DeadLetter", NONE, NEVER)),
    Row("payment", "costs money", _state("payment"), Fate("Payment", "Terminal", 40, "DeadLetter", NONE, NEVER)),
    Row("DRM", "DRM", _state("drm"), Fate("Drm", "Terminal", 40, "DeadLetter", NONE, NEVER)),
    # Not now.
    Row("premiere", "Premieres in", _state("premiere", seconds=10_800), waits=10_800,
        fate=Fate("Premiere", "NotYet", 41, "Waiting", NONE, _announced(10_860))),
    Row("live later", "will begin in", _state("live_later", seconds=180_000), waits=180_000,
        fate=Fate("LiveScheduled", "NotYet", 41, "Waiting", NONE, _announced(180_060))),
    Row("live", "live now", _state("live"), Fate("Live", "NotYet", 41, "Waiting", NONE, AN_HOUR)),
    Row("recording to come", "processed", _state("post_live"),
        Fate("PostLive", "NotYet", 41, "Waiting", NONE, AN_HOUR)),
    Row("recording to come, in the site's words", "recording", _state("no_recording"),
        Fate("RecordingNotReady", "NotYet", 41, "Waiting", NONE, AN_HOUR)),
    Row("new upload", "still processing", _state("processing"),
        Fate("Processing", "NotYet", 41, "Waiting", NONE, AN_HOUR)),
    Row("channel that is not live", "not live now", {}, url=f"{YOUTUBE}/@chan/live",
        fate=Fate("NotLive", "NotYet", 41, "Waiting", NONE, AN_HOUR)),
    # Not for us.
    Row("private", "private", _state("private"), Fate("Private", "NeedsAccess", 42, "Waiting", ACCESS, A_DAY)),
    Row("members only", "members", _state("members_only"),
        Fate("MembersOnly", "NeedsAccess", 42, "Waiting", ACCESS, A_DAY)),
    Row("members only, by level", "members", _state("members_by_level"),
        Fate("MembersOnly", "NeedsAccess", 42, "Waiting", ACCESS, A_DAY)),
    Row("age", "age", _state("age"), Fate("AgeRestricted", "NeedsAccess", 42, "Waiting", ACCESS, A_DAY)),
    Row("not in this country", "country", _state("geo"),
        Fate("GeoRestricted", "NeedsAccess", 42, "Waiting", ACCESS, A_DAY)),
    Row("sign-in", "sign-in", _state("sign_in"), Fate("LoginRequired", "NeedsAccess", 42, "Waiting", ACCESS, A_DAY)),
    # The site asks us to stop.
    Row("bot check", "not a bot", _state("bot_check"),
        Fate("BotCheck", "RateLimited", 43, "Pending", GATE, A_QUARTER)),
    Row("captcha", "captcha", _state("captcha"), Fate("Captcha", "RateLimited", 43, "Pending", GATE, A_QUARTER)),
    Row("wrong video", "wrong videos", _state("wrong_video"),
        Fate("AddressBlocked", "RateLimited", 43, "Pending", GATE, A_QUARTER)),
    Row("rate limit in words", "an hour", _state("rate_limit"), waits=3600,
        fate=Fate("RateLimited", "RateLimited", 43, "Pending", GATE, _announced(3600))),
    Row("429 of everything", "fewer requests", _status(429, "extraction"),
        Fate("RateLimited", "RateLimited", 43, "Pending", GATE, A_QUARTER)),
    Row("429 of the player alone", "fewer", _status(429, "player", retry_after=7200), waits=7200,
        fate=Fate("RateLimited", "RateLimited", 43, "Pending", GATE, _announced(7200))),
    Row("429 of media", "fewer requests", _status(429, "media"),
        Fate("RateLimited", "RateLimited", 43, "Pending", GATE, A_QUARTER)),
    Row("429 of media for less than the gate's own pause", "fewer", _status(429, "media", retry_after=120), waits=120,
        fate=Fate("RateLimited", "RateLimited", 43, "Pending", GATE, A_QUARTER)),
    Row("429 of media until a date", "fewer requests", _status(429, "media", retry_after=AS_A_DATE), waits=3600,
        fate=Fate("RateLimited", "RateLimited", 43, "Pending", GATE, _announced(3600))),
    # Worth another try.
    Row("not available", "not available", _state("not_available"),
        Fate("VideoUnavailable", "Transient", 44, "Failed", NONE, A_MINUTE)),
    Row("no formats", "no format", _state("no_formats"),
        Fate("NoFormats", "Transient", 44, "Failed", NONE, A_MINUTE)),
    Row("5xx of the player alone", "HTTP 502", _status(502, "player"),
        Fate("ServerError", "Transient", 44, "Failed", NONE, A_MINUTE)),
    Row("404 of the player alone", "HTTP 404", _status(404, "player"),
        Fate("NotFound", "Transient", 44, "Failed", NONE, A_MINUTE)),
    Row("403 of media", "HTTP 403", _status(403, "media"),
        Fate("MediaForbidden", "Transient", 44, "Failed", NONE, A_MINUTE)),
    Row("404 of media", "HTTP 404", _status(404, "media"),
        Fate("MediaNotFound", "Transient", 44, "Failed", NONE, A_MINUTE)),
    Row("5xx of media", "HTTP 503", _status(503, "media"),
        Fate("ServerError", "Transient", 44, "Failed", NONE, A_MINUTE)),
    Row("media that lead in circles", "circles", _at("media", "redirect", location="/videoplayback?again"),
        Fate("RedirectLoop", "Transient", 44, "Failed", NONE, A_MINUTE)),
    Row("media that are cut off", "broke", _at("media", "reset"),
        Fate("MediaUnreachable", "Transient", 44, "Failed", NONE, A_MINUTE)),
    Row("media that break off", "cut short", _at("media", "truncate"),
        Fate("Truncated", "Transient", 44, "Failed", NONE, A_MINUTE)),
    Row("no media at all", "cut", _at("media", "truncate", bytes=0),
        Fate("Truncated", "Transient", 44, "Failed", NONE, A_MINUTE)),
    Row("no part of a stream", "HTTP 404", _state("in_parts"), besides=_status(404, "segment"),
        fate=Fate("MediaNotFound", "Transient", 44, "Failed", NONE, A_MINUTE)),
    Row("part of a stream without content", "cut short", _state("in_parts"), besides=_at("segment", "blank"),
        fate=Fate("Truncated", "Transient", 44, "Failed", NONE, A_MINUTE)),
    Row("page for embedding garbled", "newer yt-dlp", _state("age"), besides=_at("client_config", "corrupt"),
        fate=Fate("ExtractorFailed", "Transient", 44, "Failed", NONE, A_MINUTE)),
    Row("player that is garbage", "newer yt-dlp", _at("extraction", "corrupt"),
        Fate("ExtractorFailed", "Transient", 44, "Failed", NONE, A_MINUTE)),
    # The Subscription asks for what cannot work.
    Row("silent film where sound is wanted", "media.type", _state("picture_only"), wish=MediaType.AUDIO,
        fate=Fate("FormatUnavailable", "Configuration", 46, "DeadLetter", NONE, NEVER)),
    Row("site that yt-dlp does not know", "read nothing", {}, url="https://video.example.com/1",
        fate=Fate("UnsupportedUrl", "Configuration", 46, "DeadLetter", NONE, NEVER)),
    Row("list where a video is wanted", "is a list", {}, url=f"{YOUTUBE}/@chan/videos",
        fate=Fate("NotAVideo", "Configuration", 46, "DeadLetter", NONE, NEVER)),
)
# fmt: on


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
async def test_an_ending_of_a_download(job: Job, row: Row) -> None:
    """Reason, class, exit code, a sentence for people; then entry, condition and next launch. Nothing stays behind."""
    fault = dict(row.fault)
    now = time.time()
    if fault.get("retry_after") == AS_A_DATE:
        fault["retry_after"] = formatdate(now + HOUR, usegmt=True)
    for each in filter(None, (fault, row.besides)):
        job.site.site.faults.add(each, job.site.site.catalogue)
    ended = job.run(job.request(url=row.url, media=MediaWish(type=row.wish)))
    told = ended.told
    assert row.says in told.message, told
    assert "\n" not in told.message
    assert job.tree() == []
    assert list(job.temporary.iterdir()) == []
    if row.waits is None:
        assert told.retry_at is None
    else:
        assert told.retry_at is not None
        assert now + row.waits - 2 <= told.retry_at <= time.time() + row.waits + 2
    await prove(ended, row.fate, now)


async def test_a_page_in_which_yt_dlp_finds_nothing(job: Job) -> None:
    """Of a song that is not to be had there: said in warnings alone, and no error follows."""
    page = b"<html><title>An album</title></html>"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\nConnection: close\r\n\r\n"
    now = time.time()
    with answering_proxy(head.encode() + page) as proxy:
        ended = job.run(job.request(url="http://myspace.com/band/music/song/a-title-1-2", proxy=proxy))
    assert "No downloadable song on this page" in ended.log
    await prove(ended, Fate("NothingExtracted", "Transient", 44, "Failed", NONE, A_MINUTE), now)
