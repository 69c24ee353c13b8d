"""A plain RSS 2.0 feed with a file per entry: the `any source that yt-dlp reads` case, for the generic extractor.

`/feeds/<channel handle without @>.rss` and `/files/<video id>.mp4`, on every host and port of the stand-in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.utils import format_datetime
from xml.sax.saxutils import escape

from standin.answering import Site
from standin.calls import Call, Request
from standin.catalogue import Channel, UnknownThingError, Video
from standin.media import FILE_ITAG, MediaUnavailableError
from standin.replies import Reply, error_reply, file_reply

_FEED = re.compile(r"/feeds/(?P<name>[\w.-]+)\.rss")
_FILE = re.compile(r"/files/(?P<id>[\w-]{11})\.mp4")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
FEED_LENGTH = 50


def identify(asked: Request) -> Call | None:
    """The call, when the request is for a feed or a file of one."""
    if match := _FEED.fullmatch(asked.path):
        return Call("feed", channel=f"@{match['name']}", tab="feed")
    if match := _FILE.fullmatch(asked.path):
        return Call("file", video=match["id"], stream="muxed")
    return None


def answer(site: Site, call: Call, asked: Request) -> Reply:
    """The feed or the file."""
    try:
        if call.endpoint == "file":
            path = site.media.stream(site.catalogue.video(call.video or ""), FILE_ITAG)
            return file_reply(path, "video/mp4", asked.headers.get("Range"))
        channel = site.catalogue.channel(call.channel or "")
        base = f"http://{asked.headers.get('Host', asked.host)}"
        feed = rss(channel, site.catalogue.listing(channel.id, ("videos",))[:FEED_LENGTH], base)
        return Reply(200, "application/rss+xml; charset=utf-8", feed.encode())
    except UnknownThingError as error:
        return error_reply(404, str(error.args[0]))
    except MediaUnavailableError as error:
        return error_reply(503, str(error))


def _text(value: str) -> str:
    return escape(_NOT_XML.sub("", value))


def rss(channel: Channel, videos: Sequence[Video], base: str) -> str:
    """An RSS 2.0 document, newest entry first."""
    items = "".join(
        f"<item><title>{_text(v.title)}</title><guid isPermaLink='false'>{v.id}</guid>"
        f"<description>{_text(v.description)}</description><pubDate>{format_datetime(v.published)}</pubDate>"
        f"<link>{base}/files/{v.id}.mp4</link></item>"
        for v in videos
    )
    head = f"<title>{_text(channel.title)}</title><description>{_text(channel.description)}</description>"
    return f"<?xml version='1.0'?><rss version='2.0'><channel>{head}{items}</channel></rss>"
