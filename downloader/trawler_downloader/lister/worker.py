"""What runs in a forked child: limits, one listing, lines into a pipe, a trailer, and out.

Must not outlive its request: it heads a process group that the parent kills, an alarm ends it when the parent is gone,
and it leaves by `os._exit`, for whatever yt-dlp registered at exit is not ours to wait for.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from multiprocessing.connection import Connection
from typing import BinaryIO, NoReturn

from trawler_downloader.access.confine import confine
from trawler_downloader.access.errors import AccessError
from trawler_downloader.access.guard import ConnectGuard
from trawler_downloader.access.trust import trust
from trawler_downloader.contract.listing import EntryLine, ListingEnd, ListRequest, SourceLine, TrailerLine
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.lister.attempts import Attempts
from trawler_downloader.lister.child import Limits
from trawler_downloader.lister.engine import Engine
from trawler_downloader.lister.sources import NotAListingError
from trawler_downloader.lister.walk import RedirectError
from trawler_downloader.outcomes import Classified, classify

ALARM_GRACE_SECONDS = 10
"""Beyond the deadline that the parent watches: only counts when the parent is gone."""
PIPE_BUFFER_BYTES = 64 * 1024


def run(pipe: Connection, body: bytes, engine_version: str, limits: Limits) -> NoReturn:
    """Answer one request, given as JSON, into the pipe; never returns."""
    os.setsid()
    request = ListRequest.model_validate_json(body)
    signal.alarm(request.deadline_seconds + ALARM_GRACE_SECONDS)
    # Data and not address space: mapped libraries and reserved arenas of the allocator do not count.
    resource.setrlimit(resource.RLIMIT_DATA, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    status = 1
    try:
        with os.fdopen(os.dup(pipe.fileno()), "wb", PIPE_BUFFER_BYTES) as out:
            trailer = _listing(request, out, engine_version)
            out.write(trailer.to_json().encode() + b"\n")
        status = 0
    except BrokenPipeError:
        pass  # nobody listens any more
    finally:
        os._exit(status)


def _listing(request: ListRequest, out: BinaryIO, engine_version: str) -> TrailerLine:
    def emit(line: SourceLine | EntryLine) -> None:
        out.write(line.to_json().encode() + b"\n")

    attempts = Attempts(request, emit, out.flush)
    try:
        trust(request.ca_bundle)
        ConnectGuard(request.allowed_cidrs, request.proxy, proxy_trusted=request.proxy_trusted).install()
        confine()
        end, found = attempts.run(), None
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a site makes yt-dlp raise is an outcome of this listing
        end, found = ListingEnd.ERROR, _meaning(error, attempts.engine, request.proxy)
    unread = attempts.unreadable_cookies
    told = found or (unread and Classified(unread.reason, unread.message))
    return TrailerLine(
        end=end,
        outcome=found.outcome if found else None,
        reason=told.reason if told else None,
        message=attempts.redact(told.message) if told else None,
        retry_at=found.retry_at if found and found.outcome is OutcomeClass.RATE_LIMITED else None,
        requests=attempts.requests,
        cookies_used=attempts.cookies_used,
        cookies_invalid=attempts.cookies_refused,
        omitted=attempts.progress.omitted,
        omitted_example=attempts.progress.omitted_example,
        engine=engine_version,
    )


def _meaning(error: Exception, engine: Engine | None, proxy: str | None) -> Classified:
    match error:
        case NotAListingError():
            return Classified(Reason.UNSUPPORTED_URL, str(error))
        case AccessError():
            return Classified(error.reason, error.message)
        case RedirectError():
            return Classified(Reason.REDIRECT_LOOP, str(error))
        case _:
            if engine is None:
                return classify(error)
            warnings, refusals = engine.log.warnings, engine.refusals
            return classify(error, warnings, refusals=refusals, proxied=proxy is not None, now=time.time())
