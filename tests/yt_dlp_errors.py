"""Errors as yt-dlp raises them."""

from __future__ import annotations

import io

from yt_dlp.networking import Response
from yt_dlp.networking.exceptions import HTTPError
from yt_dlp.utils import DownloadError, ExtractorError


def http_error(
    status: int, headers: dict[str, str] | None = None, *, reason: str | None = None, redirect_loop: bool = False
) -> HTTPError:
    """What a site answers."""
    answer = Response(io.BytesIO(), "https://site.test/x", headers or {}, status=status, reason=reason)
    return HTTPError(answer, redirect_loop)


def wrapped(inner: BaseException, *, message: str | None = None) -> DownloadError:
    """As YoutubeDL raises it: the cause only in `exc_info`."""
    return DownloadError(message or f"ERROR: {inner}", (type(inner), inner, None))


def said(text: str, *, expected: bool = True) -> DownloadError:
    """What an extractor read on a page, or did not understand."""
    return wrapped(ExtractorError(text, expected=expected, video_id="dQw4w9WgXcQ", ie="youtube"))
