"""From an exception to its meaning.

yt-dlp wraps errors in several ways: `exc_info` of a DownloadError, `cause` of an ExtractorError, Python's own
`__cause__` and `__context__`; for HTTP errors the inner one is what carries the status. All of them are looked at.
"""

from __future__ import annotations

import math
import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType

from yt_dlp.networking.exceptions import CertificateVerifyError, HTTPError, RequestError
from yt_dlp.utils import (
    ExtractorError,
    GeoRestrictedError,
    PostProcessingError,
    UnsupportedError,
    UserNotLive,
    YoutubeDLError,
)

from trawler_downloader.access.guard import AddressRefusedError, ProxyNotAllowedError
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.outcomes.messages import clean_message, one_line, without_names
from trawler_downloader.outcomes.rows import (
    ASKED_TO_STOP,
    FORMATS_MISSED,
    NETWORK,
    OF_THIS_MACHINE,
    PROXY,
    SITUATIONS,
    Row,
)
from trawler_downloader.volume_errors import VOLUME_ERRORS

_RATE_LIMIT_SECONDS = 3600
"""YouTube's own words: "rate-limited for up to an hour"."""
_LONGEST_WAIT_SECONDS = 7 * 86_400
"""A site may ask for any time; what is longer is taken for this."""

_Finding = tuple[Reason, str | None]
"""A reason, and a message unless the error's own words say it best."""

_NETWORK_OS_ERRORS = (ConnectionError, TimeoutError, socket.gaierror, ssl.SSLError)
"""Are OSErrors too, and SSLError numbers its errors from 1, which is EPERM."""
_OF_MEDIA = re.compile(r"unable to download video data|\[download\] Got error", re.IGNORECASE)
_STATUS = re.compile(r"HTTP Error (\d{3})")
_CRASHED = re.compile(r"An extractor error has occurred")
_TOLD_BETTER_BY_WARNINGS = frozenset({Reason.NO_FORMATS, Reason.FORMAT_UNAVAILABLE})
"""With a player that did not answer, yt-dlp goes on with what it has, and ends with these."""
_TOLD_BY_WARNINGS = tuple(row for row in NETWORK if row.reason is not Reason.TRUNCATED)
"""Not what was cut short: yt-dlp asks again for that by other ways."""
_SPAN = re.compile(r"\bin (?:about )?(\d+|an?) (second|minute|hour|day|week)s?\b", re.IGNORECASE)
_SECONDS = MappingProxyType({"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800})


@dataclass(frozen=True)
class Classified:
    """What an error means."""

    reason: Reason
    message: str
    """For people: one line, at most MAX_MESSAGE characters, without secrets."""
    retry_at: int | None = None
    """Unix seconds, where the site told a time and the caller its own: with NotYet and RateLimited."""

    @property
    def outcome(self) -> OutcomeClass:
        """The reason's class."""
        return self.reason.outcome


def classify(
    exc: BaseException,
    warnings: Sequence[str] = (),
    *,
    refusals: Sequence[HTTPError] = (),
    proxied: bool = False,
    now: float | None = None,
) -> Classified:
    """What an exception means.

    Args:
        exc: as it was raised, by yt-dlp or anything below it.
        warnings: what yt-dlp warned about before; when a player request failed, the HTTP status is only there.
        refusals: answers of the site that asked for fewer requests; of a warning only its text is left, and how long
            to wait stands in the answer.
        proxied: a proxy is configured.
        now: Unix seconds; without it no `retry_at` is derived.
    """
    chain = tuple(_chain(exc))
    said = tuple(filter(None, map(_text, chain)))
    own_words = clean_message(said[0]) if said else type(exc).__name__
    texts, warnings = _searched(said), _searched(warnings)
    of_proxy = PROXY if proxied else ()
    found = (
        _by_table(ASKED_TO_STOP, texts)
        or _by_type(chain)
        or (None if _from_outside(chain, texts) else _by_table(OF_THIS_MACHINE, texts))
        or _by_table(of_proxy, texts)
        or _by_table(SITUATIONS, texts)
        or _by_status(chain, texts)
        or _by_connection(chain)
    )
    if found is None or found[0] in _TOLD_BETTER_BY_WARNINGS:
        found = _by_warnings(warnings, of_proxy, found) or found or _by_crash(chain, texts, own_words)
    if found is None:
        return Classified(Reason.UNKNOWN, own_words)
    reason, message = found
    if reason is Reason.UNREACHABLE and _of_media((*texts, *warnings)):
        reason = Reason.MEDIA_UNREACHABLE
    return Classified(reason, message or own_words, _retry_at(reason.outcome, (*chain, *refusals), texts, now))


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """The exception and everything that it wraps, each once, outermost first."""
    seen: set[int] = set()
    queue: list[object] = [exc]
    while queue:
        error = queue.pop(0)
        if not isinstance(error, BaseException) or id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        info = getattr(error, "exc_info", None)
        queue += [
            info[1] if isinstance(info, tuple) and len(info) > 1 else None,
            getattr(error, "cause", None),
            error.__cause__,
            error.__context__,
        ]


def _text(error: BaseException) -> str:
    return str(getattr(error, "orig_msg", None) or getattr(error, "msg", None) or error)


def _searched(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(without_names, texts)))


def _from_outside(chain: Sequence[BaseException], texts: Sequence[str]) -> bool:
    """Whether a site chose words of it, as of a status line or a player's answer.

    They may not tell of our volume: its trouble holds back everybody who downloads to it.
    """
    return any(isinstance(error, RequestError | ExtractorError) for error in chain) or _of_media(texts)


def _of_media(texts: Sequence[str]) -> bool:
    """Whether media were being downloaded, of which only the site's description of the video told the address."""
    return any(_OF_MEDIA.search(text) for text in texts)


def _by_table(rows: Sequence[Row], texts: Sequence[str]) -> _Finding | None:
    for row in rows:
        if any(row.pattern.search(text) for text in texts):
            return row.reason, row.message
    return None


def _by_type(chain: Sequence[BaseException]) -> _Finding | None:
    network = False
    for error in chain:
        # A connection's error, its number the same as a volume's, stands below what yt-dlp makes of it.
        network = network or isinstance(error, RequestError)
        match error:
            case ProxyNotAllowedError():
                return Reason.PROXY_NOT_ALLOWED, one_line(str(error.strerror))
            case AddressRefusedError():
                return Reason.ADDRESS_REFUSED, one_line(str(error.strerror))
            case HTTPError(status=429):
                return _meaning_of_status(429, of_media=False)
            case HTTPError(redirect_loop=True):
                return Reason.REDIRECT_LOOP, "The site redirects in circles."
            case OSError(errno=int(number)) if (
                number in VOLUME_ERRORS and not network and not isinstance(error, _NETWORK_OS_ERRORS)
            ):
                return VOLUME_ERRORS[number]
            case MemoryError():
                return Reason.OUT_OF_MEMORY, "The memory limit was reached."
            case CertificateVerifyError():
                return _by_table(NETWORK, ["CERTIFICATE_VERIFY_FAILED"])
            case UnsupportedError():
                return _by_table(SITUATIONS, ["Unsupported URL"])
            case UserNotLive():
                return _by_table(SITUATIONS, ["is not currently live"])
            case GeoRestrictedError():
                return _by_table(SITUATIONS, ["geo restricted"])
    return None


def _by_status(chain: Sequence[BaseException], texts: Sequence[str]) -> _Finding | None:
    of_media = _of_media(texts)
    for error in chain:
        if isinstance(error, HTTPError):
            return _meaning_of_status(int(error.status), of_media=of_media)
    return _by_text_status(texts, of_media=of_media)


def _by_text_status(texts: Sequence[str], *, of_media: bool) -> _Finding | None:
    """The downloader of yt-dlp gives up with the status in words only."""
    for text in texts:
        if match := _STATUS.search(text):
            return _meaning_of_status(int(match[1]), of_media=of_media)
    return None


def _by_connection(chain: Sequence[BaseException]) -> _Finding | None:
    """A connection that the system refused or lost in words that no table knows."""
    if any(isinstance(error, RequestError) for error in chain) and any(isinstance(error, OSError) for error in chain):
        return Reason.UNREACHABLE, None
    return None


def _by_warnings(warnings: Sequence[str], of_proxy: Sequence[Row], found: _Finding | None) -> _Finding | None:
    """What warnings tell of an error that tells nothing itself."""
    if found is not None and (better := _by_table(FORMATS_MISSED, warnings)):
        found = better
    return (
        _by_table(ASKED_TO_STOP, warnings)
        or _by_table(of_proxy, warnings)
        or _by_text_status(warnings, of_media=False)
        or _by_table(_TOLD_BY_WARNINGS, warnings)
        or found
    )


def _by_crash(chain: Sequence[BaseException], texts: Sequence[str], own_words: str) -> _Finding | None:
    """yt-dlp or ffmpeg failed by itself: what yt-dlp calls unexpected, or an exception that left its own code."""
    if any(isinstance(error, PostProcessingError) for error in chain):
        return Reason.PROCESSING_FAILED, None
    if not (any(_CRASHED.search(text) for text in texts) or _unexpected(chain)):
        return None
    causes = [error for error in chain if not isinstance(error, YoutubeDLError)]
    cause = f" ({type(causes[0]).__name__}: {causes[0]})" if causes else ""
    return Reason.EXTRACTOR_FAILED, one_line(
        f"yt-dlp could not read what the site answered: {own_words}{cause}. If it stays so, a newer yt-dlp may help."
    )


def _unexpected(chain: Sequence[BaseException]) -> bool:
    """What the outermost telling exception is decides: below it is what yt-dlp had already dealt with."""
    for error in chain:
        if isinstance(error, ExtractorError):
            return not error.expected
        if not isinstance(error, YoutubeDLError | OSError):
            return _left_yt_dlp(error)
    return False


def _left_yt_dlp(error: BaseException) -> bool:
    """Whether the exception was raised in yt-dlp's code, or below it."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] == "yt_dlp":
            return True
        trace = trace.tb_next
    return False


def _meaning_of_status(status: int, *, of_media: bool) -> _Finding:
    if status == 429:
        return Reason.RATE_LIMITED, "The site asked for fewer requests."
    if status in (404, 410):
        if of_media:
            return Reason.MEDIA_NOT_FOUND, f"The site does not have the media at their address (HTTP {status})."
        return Reason.NOT_FOUND, f"The site answered that there is nothing (HTTP {status})."
    if status == 451:
        return Reason.GEO_RESTRICTED, "The site may not give this out, for legal reasons (HTTP 451)."
    if status in (401, 403):
        if of_media:
            return Reason.MEDIA_FORBIDDEN, f"The site refused the media (HTTP {status}); a newer yt-dlp may be needed."
        return Reason.FORBIDDEN, f"The site refused the request (HTTP {status})."
    if status >= 500:
        return Reason.SERVER_ERROR, f"The site failed (HTTP {status})."
    return Reason.HTTP_ERROR, f"The site answered with HTTP {status}."


def _retry_at(
    outcome: OutcomeClass, errors: Sequence[BaseException], texts: Sequence[str], now: float | None
) -> int | None:
    if now is None:
        return None
    if outcome is OutcomeClass.RATE_LIMITED:
        wait = _retry_after(errors, now)
        if wait is None and any("up to an hour" in text for text in texts):
            wait = _RATE_LIMIT_SECONDS
        return None if wait is None else int(now) + min(wait, _LONGEST_WAIT_SECONDS)
    if outcome is OutcomeClass.NOT_YET:
        for text in texts:
            if match := _SPAN.search(text):
                count = int(match[1]) if match[1].isdigit() else 1
                return int(now) + count * _SECONDS[match[2].lower()]
    return None


def _retry_after(errors: Sequence[BaseException], now: float) -> int | None:
    """The largest Retry-After of the answers in seconds, told as such or as a date (RFC 9110, 10.2.3); None: none."""
    waits = [_seconds(error, now) for error in errors if isinstance(error, HTTPError)]
    return max((wait for wait in waits if wait is not None), default=None)


def _seconds(error: HTTPError, now: float) -> int | None:
    value = str(error.response.headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        return int(value[:10])
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    # "-0000" says that the zone is not known, and makes a time without one; HTTP's times are GMT.
    when = (date if date.tzinfo else date.replace(tzinfo=UTC)) - datetime.fromtimestamp(now, UTC)
    seconds = math.ceil(when.total_seconds())  # counted from the whole second that has begun: never before the date
    return seconds if seconds > 0 else None
