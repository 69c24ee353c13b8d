"""From yt-dlp's results to the protocol's lines, and where to stop.

Everything that a site sent is checked here: what leaves are validated lines with clean text. Pages are fetched only
when the walk asks for the next entry, so stopping early is what makes a nothing-new check cost one request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from yt_dlp.extractor.youtube import YoutubeIE, YoutubeTabIE
from yt_dlp.utils import PagedList, unsmuggle_url

from trawler_downloader.contract.keys import MAX_EXTRACTOR_LENGTH, source_key, video_key
from trawler_downloader.contract.listing import (
    CONSECUTIVE_KNOWN_TO_STOP,
    MAX_ENTRIES,
    MAX_ID,
    MAX_TITLE,
    MAX_URL,
    MAX_WORD,
    EntryLine,
    Kind,
    ListingEnd,
    ListRequest,
    SourceLine,
)
from trawler_downloader.contract.message import LARGEST
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.lister.engine import Engine, Extractor, PageEndError
from trawler_downloader.lister.placeholders import told_by_title
from trawler_downloader.lister.sources import NotAListingError, Planned, plan_listings, web_address
from trawler_downloader.outcomes import Classified, classify

MAX_REDIRECTS = 5
_UPLOADS_PREFIX = "UU"
_UPLOADS_KINDS: Mapping[str, Kind] = {"UULF": Kind.VIDEO, "UUSH": Kind.SHORT, "UULV": Kind.STREAM}
_STREAM_STATUSES = frozenset({"is_live", "was_live", "post_live"})
_LIST_EXTRACTORS = frozenset({"YoutubeTab", "YoutubePlaylist"})


class RedirectError(Exception):
    """The site redirects in circles, or to something that is no web address."""


@dataclass
class Progress:
    """How a request went so far."""

    entries: int = 0
    stopped: bool = False
    omitted: int = 0
    """Entries that fit in no ledger."""
    omitted_example: str | None = None

    def omit(self, entry: Mapping[str, Any]) -> None:
        """Count an entry that is left out."""
        self.omitted += 1
        names = (_text(entry.get(name)) for name in ("title", "id", "url"))
        self.omitted_example = self.omitted_example or next((name for name in names if name), None)


Emit = Callable[[SourceLine | EntryLine], None]


def walk(request: ListRequest, engine: Engine, emit: Emit, progress: Progress) -> ListingEnd:
    """List everything that a request means.

    Args:
        request: what to list, and where to stop.
        engine: makes the requests.
        emit: takes each line as soon as it is known.
        progress: a new one; tells how far the walk came, whatever its end.

    Returns:
        COMPLETE, STOPPED or LIMIT.

    Raises:
        NotAListingError: the URL names nothing to subscribe to.
        Exception: whatever yt-dlp raised; see `outcomes.classify`.
    """
    web_address(request.url)  # before yt-dlp's extractors look at it
    extractor = engine.extractor_for(request.url)
    is_channel = extractor is not None and extractor.ie_key() == YoutubeTabIE.ie_key()
    planned_listings = plan_listings(request.url, request.kinds, is_channel=is_channel)
    if extractor is not None and not is_channel and _known_video(request, extractor, emit):
        return ListingEnd.STOPPED
    for planned in planned_listings:
        engine.no_more_requests = False
        try:
            result = _result(engine, planned.url)
        except Exception as error:
            if planned.tab and classify(error).reason is Reason.NO_SUCH_TAB:
                continue  # a tab appears with its first video: until then it is an empty listing
            bare = _bare_video(extractor, planned.url)
            if is_channel or bare is None:
                raise
            found = classify(error, engine.log.warnings)
            if not _download_may_tell(found):
                raise
            result = (_announced(engine, planned.url) if found.outcome is OutcomeClass.NOT_YET else None) or bare
        if "entries" not in result or result.get("_type") == "multi_video":
            _emit_video(result, planned.url, emit)
            continue
        _walk_one(request, engine, planned, result, emit, progress)
        if progress.entries >= MAX_ENTRIES:
            return ListingEnd.LIMIT
    return ListingEnd.STOPPED if progress.stopped else ListingEnd.COMPLETE


def _result(engine: Engine, url: str) -> dict[str, Any]:
    """The result behind redirects."""
    result = engine.extract(url)
    for _ in range(MAX_REDIRECTS):
        if result.get("_type") not in {"url", "url_transparent"}:
            return result
        target = str(result.get("url"))
        if urlsplit(target).scheme not in {"http", "https"}:
            break
        result = engine.extract(target, result.get("ie_key"))
    if result.get("_type") not in {"url", "url_transparent"}:
        return result
    msg = f"{url} does not lead to a listing within {MAX_REDIRECTS} redirects"
    raise RedirectError(msg)


def _walk_one(
    request: ListRequest, engine: Engine, planned: Planned, result: dict[str, Any], emit: Emit, progress: Progress
) -> None:
    source = _source(planned, result)
    emit(source)
    had_first_run = source.key in request.known
    known = frozenset(request.known.get(source.key, ()))
    stops = source.newest_first and not request.audit
    seen: set[str] = set()
    known_in_a_row = 0
    try:
        for entry in _flattened(result.get("entries")):
            line = _entry(source, planned, result, entry)
            if line is None or line.key in seen:
                continue
            if not line.fits:
                progress.omit(entry)
                continue
            seen.add(line.key)
            emit(line)
            progress.entries += 1
            if progress.entries >= MAX_ENTRIES:
                return
            known_in_a_row = known_in_a_row + 1 if line.key in known else 0
            if stops and had_first_run and known_in_a_row >= CONSECUTIVE_KNOWN_TO_STOP:
                progress.stopped = True
                return
            if stops and not had_first_run and len(seen) >= request.newest:
                # The rest of the page is here already: listed, it becomes known, and later checks stop at it.
                engine.no_more_requests = True
    except PageEndError:
        progress.stopped = True


def _source(planned: Planned, result: dict[str, Any]) -> SourceLine:
    extractor = _text(result.get("extractor_key")) or "Generic"
    url = _text(result.get("webpage_url"), MAX_URL) or planned.url
    if planned.tab:
        source_id = _text(result.get("channel_id"), None) or _text(result.get("id"), None) or url
        title = _text(result.get("channel")) or _text(result.get("title"))
    else:
        source_id = _text(result.get("id"), None) or url
        title = _text(result.get("title"))
    is_uploads = extractor == YoutubeTabIE.ie_key() and source_id.startswith(_UPLOADS_PREFIX)
    return SourceLine(
        key=source_key(extractor, source_id, planned.tab),
        title=title,
        id=source_id[:MAX_ID],
        url=url,
        newest_first=bool(planned.tab) or is_uploads,
    )


def _flattened(entries: object) -> Iterator[dict[str, Any]]:
    """Entries of nested playlists too, lazily."""
    for entry in entries if isinstance(entries, Iterable | PagedList) else ():
        if not isinstance(entry, dict):
            continue
        if "entries" in entry:
            yield from _flattened(entry["entries"])
        elif entry.get("ie_key") not in _LIST_EXTRACTORS:
            yield entry


def _entry(source: SourceLine, planned: Planned, result: dict[str, Any], entry: dict[str, Any]) -> EntryLine | None:
    raw_url = _text(entry.get("url") or entry.get("webpage_url"), None) or ""
    extractor = _text(entry.get("ie_key") or entry.get("extractor_key"), MAX_EXTRACTOR_LENGTH) or ""
    url, smuggled = unsmuggle_url(raw_url, {})
    video_id = _text(entry.get("id"), None) or _text(smuggled.get("force_videoid"), None)
    if extractor == YoutubeIE.ie_key() and video_id and not _is_web(url):
        url = f"https://www.youtube.com/watch?v={video_id}"
    if not _is_web(url):
        return None
    video_id = video_id or hashlib.sha256(url.encode()).hexdigest()[:40]
    live_status = _live_status(entry)
    in_words = told_by_title(entry) if extractor == YoutubeIE.ie_key() else None
    return EntryLine(
        source=source.key,
        key=video_key(extractor or _text(result.get("extractor_key")) or "Generic", video_id),
        extractor=extractor,
        id=video_id,
        url=url,
        title=None if in_words else _text(entry.get("title")),
        kind=planned.kind or _kind(source.id, url, live_status),
        duration_seconds=_whole(entry.get("duration"), at_least=0),
        timestamp=_whole(entry.get("timestamp")),
        live_status=live_status,
        release_at=_whole(entry.get("release_timestamp")) if live_status == "is_upcoming" else None,
        availability=in_words or _text(entry.get("availability"), MAX_WORD),
    )


def _live_status(entry: dict[str, Any]) -> str | None:
    """As yt-dlp fills it in where an extractor leaves it open (YoutubeDL.process_video_result)."""
    told = _text(entry.get("live_status"), MAX_WORD)
    if told is not None or entry.get("is_live"):
        return told or "is_live"
    if entry.get("was_live"):
        return "was_live"
    return "not_live" if entry.get("is_live") is False and entry.get("was_live") is False else None


def _kind(source_id: str, url: str, live_status: str | None) -> Kind:
    if source_id[:4] in _UPLOADS_KINDS:
        return _UPLOADS_KINDS[source_id[:4]]
    if "/shorts/" in url:
        return Kind.SHORT
    return Kind.STREAM if live_status in _STREAM_STATUSES else Kind.VIDEO


# A single video: it is its own listing.


def _known_video(request: ListRequest, extractor: Extractor, emit: Emit) -> bool:
    """A video whose URL tells its id, and that is known, needs no request at all."""
    result = _bare_video(extractor, request.url)
    if result is None:
        return False
    extractor_key, video_id = result["extractor_key"], result["id"]
    if request.audit or video_key(extractor_key, video_id) not in request.known.get(
        source_key(extractor_key, video_id), ()
    ):
        return False
    _emit_video(result, request.url, emit)
    return True


def _bare_video(extractor: Extractor | None, url: str) -> dict[str, Any] | None:
    """What a URL tells about its video without a request."""
    if extractor is None:
        return None
    video_id = extractor.get_temp_id(url)
    if not video_id or extractor.is_single_video(url) is False:
        return None
    return {"extractor_key": extractor.ie_key(), "id": video_id, "webpage_url": url}


def _download_may_tell(found: Classified) -> bool:
    """Private, premiere, removed: said of the video, so its download says it again, and better than a listing can."""
    return found.outcome in {
        OutcomeClass.NOT_YET,
        OutcomeClass.NEEDS_ACCESS,
        OutcomeClass.TERMINAL,
    } or found.reason in {
        Reason.VIDEO_UNAVAILABLE,
        Reason.NO_FORMATS,
    }


def _announced(engine: Engine, url: str) -> dict[str, Any] | None:
    """What the site tells of a video that is not there yet: the error that said so held no time."""
    try:
        result = engine.extract_announced(url)
    except Exception:  # noqa: BLE001 - the first answer is enough to know that there is a video
        return None
    return result if "entries" not in result else None


def _emit_video(result: dict[str, Any], url: str, emit: Emit) -> None:
    extractor = _text(result.get("extractor_key")) or "Generic"
    web_url = _text(result.get("webpage_url"), MAX_URL) or url
    video_id = _text(result.get("id"), None) or hashlib.sha256(web_url.encode()).hexdigest()[:40]
    source = SourceLine(
        key=source_key(extractor, video_id),
        title=_text(result.get("title")),
        id=video_id[:MAX_ID],
        url=web_url,
        newest_first=False,
    )
    emit(source)
    entry = _entry(source, Planned(url), result, {**result, "id": video_id, "url": web_url})
    if entry is None:
        msg = f"{web_url} is no web address"
        raise NotAListingError(msg)
    if not entry.fits:
        msg = "its URL and id are too long to be kept"
        raise NotAListingError(msg)
    emit(entry)


# Clean values from a site's answers.


def _is_web(url: str) -> bool:
    return url.startswith(("https://", "http://"))


def _text(value: object, limit: int | None = MAX_TITLE) -> str | None:
    """Text without lone surrogates, which no JSON writer takes; None for everything else and for nothing."""
    if not isinstance(value, str) or not value:
        return None
    return value[:limit].encode("utf-8", "replace").decode()


def _whole(value: object, at_least: int | None = None) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        return None
    number = int(value)
    return number if at_least is None or number >= at_least else None
