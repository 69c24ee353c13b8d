"""From an exception to its meaning.

yt-dlp wraps errors in several ways: `exc_info` of a DownloadError, `cause` of an ExtractorError, Python's own
`__cause__` and `__context__`; for HTTP errors the inner one is what carries the status. All of them are looked at.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from yt_dlp.networking.exceptions import CertificateVerifyError, HTTPError
from yt_dlp.utils import GeoRestrictedError, UnsupportedError, UserNotLive

from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.outcomes.rows import ASKED_TO_STOP, SITUATIONS, Row

MAX_MESSAGE = 500
"""Characters of a message for people."""

_RATE_LIMIT_SECONDS = 3600
"""YouTube's own words: "rate-limited for up to an hour"."""

_VOLUME_ERRORS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        errno.ENOSPC: ("NoSpace", "The disk is full."),
        errno.EDQUOT: ("NoSpace", "The disk quota is used up."),
        errno.EROFS: ("ReadOnly", "The volume is read-only."),
        errno.ESTALE: ("StaleVolume", "The volume's server lost the file handle."),
        errno.EIO: ("VolumeError", "The volume reported an input/output error."),
        errno.EACCES: ("PermissionDenied", "The volume refuses access to this user."),
        errno.EPERM: ("PermissionDenied", "The volume refuses the operation to this user."),
        errno.ENOTCONN: ("StaleVolume", "The volume is not connected."),
    }
)

_Finding = tuple[OutcomeClass, str, str | None]
"""Outcome, reason, and a message unless the error's own words say it best."""

_NETWORK_OS_ERRORS = (ConnectionError, TimeoutError, socket.gaierror, ssl.SSLError)
"""Are OSErrors too, and SSLError numbers its errors from 1, which is EPERM."""

_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")
_NOISE = (
    re.compile(r"\x1b\[[0-9;]*m"),
    re.compile(r"^\s*ERROR:\s*"),
    re.compile(r"^\[[\w:.+-]+\]\s+(?:[^\s:]+:\s+)?"),
    re.compile(r"[;,]?\s*please report this issue on.*", re.DOTALL),
    re.compile(r"\s*Use --(?:cookies|username|list-formats).*", re.DOTALL),
    re.compile(r"\s*You might want to use a VPN.*", re.DOTALL),
    re.compile(r"\s*\(caused by .*", re.DOTALL),
)
_SPAN = re.compile(r"\bin (?:about )?(\d+|an?) (second|minute|hour|day|week)s?\b", re.IGNORECASE)
_SECONDS = MappingProxyType({"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800})


@dataclass(frozen=True)
class Classified:
    """What an error means."""

    outcome: OutcomeClass
    reason: str
    """CamelCase, for conditions and ledgers."""
    message: str
    """For people: one line, at most MAX_MESSAGE characters, without secrets."""
    retry_at: int | None = None
    """Unix seconds, where the site told a time and the caller its own."""


def classify(exc: BaseException, warnings: Sequence[str] = (), *, now: float | None = None) -> Classified:
    """What an exception means.

    Args:
        exc: as it was raised, by yt-dlp or anything below it.
        warnings: what yt-dlp warned about before; when a player request failed, the HTTP status is only there.
        now: Unix seconds; without it no `retry_at` is derived.
    """
    chain = tuple(_chain(exc))
    texts = tuple(dict.fromkeys(filter(None, (_text(error) for error in chain))))
    own_words = clean_message(texts[0]) if texts else type(exc).__name__
    found = (
        _by_table(ASKED_TO_STOP, texts)
        or _by_type(chain)
        or _by_table(SITUATIONS, texts)
        or _by_status(chain)
        or _by_text_status(texts)
        or _by_warnings(warnings)
    )
    if found is None:
        return Classified(OutcomeClass.TRANSIENT, "Unknown", own_words)
    outcome, reason, message = found
    return Classified(outcome, reason, message or own_words, _retry_at(outcome, chain, texts, now))


def clean_message(text: str) -> str:
    """One line for people: yt-dlp's prefixes, advice for its command line, bug-report texts and secrets taken out."""
    for noise in _NOISE:
        text = noise.sub("", text)
    # Without lone surrogates, which no JSON writer takes.
    text = without_secrets(" ".join(text.split())).encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


def without_secrets(text: str) -> str:
    """The text with the user and password of every URL taken out."""
    return _USERINFO.sub("", text)


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


def _by_table(rows: Sequence[Row], texts: Sequence[str]) -> _Finding | None:
    for row in rows:
        if any(row.pattern.search(text) for text in texts):
            return row.outcome, row.reason, row.message
    return None


def _by_type(chain: Sequence[BaseException]) -> _Finding | None:
    for error in chain:
        if isinstance(error, HTTPError) and error.status == 429:
            return OutcomeClass.RATE_LIMITED, "RateLimited", "The site asked for fewer requests."
        if isinstance(error, OSError) and not isinstance(error, _NETWORK_OS_ERRORS):
            known = _VOLUME_ERRORS.get(error.errno or 0)
            if known is not None:
                return OutcomeClass.ENVIRONMENT, *known
        if isinstance(error, MemoryError):
            return OutcomeClass.TRANSIENT, "OutOfMemory", "The memory limit was reached."
        if isinstance(error, CertificateVerifyError):
            return _by_table(SITUATIONS, ["CERTIFICATE_VERIFY_FAILED"])
        if isinstance(error, UnsupportedError):
            return _by_table(SITUATIONS, ["Unsupported URL"])
        if isinstance(error, UserNotLive):
            return _by_table(SITUATIONS, ["is not currently live"])
        if isinstance(error, GeoRestrictedError):
            return _by_table(SITUATIONS, ["geo restricted"])
    return None


def _by_status(chain: Sequence[BaseException]) -> _Finding | None:
    for error in chain:
        if isinstance(error, HTTPError):
            return _meaning_of_status(int(error.status))
    return None


def _by_text_status(texts: Sequence[str]) -> _Finding | None:
    """The downloader of yt-dlp gives up with the status in words only."""
    for text in texts:
        if match := re.search(r"HTTP Error (\d{3})", text):
            return _meaning_of_status(int(match[1]))
    return None


def _by_warnings(warnings: Sequence[str]) -> _Finding | None:
    return _by_table(ASKED_TO_STOP, warnings) or _by_text_status(warnings)


def _meaning_of_status(status: int) -> _Finding:
    if status == 429:
        return OutcomeClass.RATE_LIMITED, "RateLimited", "The site asked for fewer requests."
    if status in (404, 410):
        # Seen for channels that exist: never final at once, the tries decide.
        return OutcomeClass.TRANSIENT, "NotFound", f"The site answered that there is nothing (HTTP {status})."
    if status == 407:
        return OutcomeClass.CONFIGURATION, "ProxyRefused", "The proxy asks for a user and password (HTTP 407)."
    if status == 451:
        return OutcomeClass.NEEDS_ACCESS, "GeoRestricted", "Not available for legal reasons (HTTP 451)."
    if status in (401, 403):
        return OutcomeClass.TRANSIENT, "Forbidden", f"The site refused the request (HTTP {status})."
    if status >= 500:
        return OutcomeClass.TRANSIENT, "ServerError", f"The site failed (HTTP {status})."
    return OutcomeClass.TRANSIENT, "HttpError", f"The site answered with HTTP {status}."


def _retry_at(
    outcome: OutcomeClass, chain: Sequence[BaseException], texts: Sequence[str], now: float | None
) -> int | None:
    if now is None:
        return None
    if outcome is OutcomeClass.RATE_LIMITED:
        wait = _retry_after(chain) or (_RATE_LIMIT_SECONDS if any("up to an hour" in text for text in texts) else 0)
        return int(now) + wait if wait else None
    if outcome is OutcomeClass.NOT_YET:
        for text in texts:
            if match := _SPAN.search(text):
                count = int(match[1]) if match[1].isdigit() else 1
                return int(now) + count * _SECONDS[match[2].lower()]
    return None


def _retry_after(chain: Sequence[BaseException]) -> int:
    """The Retry-After header in seconds; 0 when absent or a date."""
    for error in chain:
        if isinstance(error, HTTPError):
            value = str(error.response.headers.get("Retry-After") or "")
            if value.isdigit():
                return int(value)
    return 0
