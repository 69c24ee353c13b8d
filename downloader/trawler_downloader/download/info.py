"""What yt-dlp's information about a video says: its name and times, its sizes, its pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import yt_dlp

from trawler_downloader.contract.download import DownloadRequest, MediaType, MediaWish
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.download.options import container_of
from trawler_downloader.library.manifest import VideoFacts

PICTURES_TRIED = 5
"""Best first: sites announce sizes that they do not have."""
_NOT_YET = {
    "is_upcoming": (Reason.UPCOMING, "the video is not published yet"),
    "is_live": (Reason.LIVE, "the video is live now: it is fetched when it is over"),
    "post_live": (Reason.POST_LIVE, "the live stream is over and its recording is still being processed"),
}
_PRIVATE_OF_A_FORMAT = frozenset(
    {"url", "manifest_url", "fragments", "fragment_base_url", "hls_media_playlist_data", "player_url", "page_url"}
    | {"app", "play_path", "tc_url", "rtmp_conn"}
    | {"cookies", "http_headers", "request_data", "downloader_options"}
    | {"extra_param_to_segment_url", "extra_param_to_key_url", "hls_aes"}
)
"""How yt-dlp asks for it: signed addresses that name the user's IP address, cookies, tokens and keys. Of no use in a
library."""
_BULKY = frozenset({"automatic_captions", "subtitles", "requested_subtitles"})


def refuse_unfinished(info: Mapping[str, Any]) -> None:
    """Raises NotYet for a premiere, a live stream, or a recording in the making."""
    status = info.get("live_status")
    if status in _NOT_YET:
        reason, message = _NOT_YET[status]
        raise LaunchError(reason, message, announced_start(info))


def announced_start(info: Mapping[str, Any]) -> int | None:
    """When a premiere or live stream to come begins, in Unix seconds, as far as the site tells."""
    at = info.get("release_timestamp")
    if info.get("live_status") != "is_upcoming" or not isinstance(at, int | float) or not math.isfinite(at):
        return None
    return int(at)


def facts_of(info: Mapping[str, Any], request: DownloadRequest, today: date) -> VideoFacts:
    """What of yt-dlp's information names and describes the video.

    The date in names is the upload's (UTC, as yt-dlp gives it), else the release's, else the day of the download.
    """
    video_id = _clean(info.get("id") or request.video.id)
    published = _day(info.get("upload_date")) or _day(info.get("release_date"))
    duration = info.get("duration")
    formats = info.get("formats") or [info]
    return VideoFacts(
        extractor=_clean(info.get("extractor_key") or request.video.extractor or "unknown"),
        id=video_id,
        url=_clean(info.get("webpage_url") or request.video.url),
        title=_clean(info.get("title") or request.video.title or video_id),
        channel=_text(info.get("channel")) or _text(info.get("uploader")) or _text(info.get("creator")),
        published=published,
        named_after=published or today,
        duration_seconds=float(duration) if isinstance(duration, int | float) and 0 < duration < math.inf else None,
        description=_clean(info.get("description") or ""),
        has_video=_has(formats, "vcodec"),
        has_audio=_has(formats, "acodec"),
    )


def stream_sizes(info: Mapping[str, Any]) -> list[int | None]:
    """Bytes of each stream that was chosen: told, or estimated from its bit rate; None where neither can be had."""
    sizes = [form.get("filesize") or form.get("filesize_approx") for form in info.get("requested_formats") or [info]]
    return [int(size) if isinstance(size, int | float) and math.isfinite(size) else None for size in sizes]


def copies_of(info: Mapping[str, Any], wish: MediaWish) -> int:
    """How many times a video is on the disk at once, at most.

    Merging writes the finished file beside its streams; a change of the container, taking out the sound, and yt-dlp's
    corrections of streams in parts write a second file beside the first.
    """
    whole = (
        wish.type is MediaType.VIDEO
        and not info.get("requested_formats")
        and info.get("ext") == container_of(wish)
        and info.get("protocol") in {"http", "https"}
    )
    return 1 if whole else 2


def thumbnail_urls(info: Mapping[str, Any]) -> list[str]:
    """Web addresses of pictures, best first."""
    listed = [thumbnail.get("url") for thumbnail in reversed(info.get("thumbnails") or [])]
    urls = [url for url in [*listed, info.get("thumbnail")] if url and is_web(url)]
    return list(dict.fromkeys(urls))[:PICTURES_TRIED]


def info_json(info: dict[str, Any]) -> bytes:
    """yt-dlp's information without what is private, bulky or out of date tomorrow."""
    clean = yt_dlp.YoutubeDL.sanitize_info(info, remove_private_keys=True)
    kept = {key: value for key, value in clean.items() if key not in _BULKY | _PRIVATE_OF_A_FORMAT}
    kept["formats"] = [
        {key: value for key, value in form.items() if key not in _PRIVATE_OF_A_FORMAT}
        for form in clean.get("formats") or []
    ]
    return json.dumps(kept, ensure_ascii=False, indent=1).encode("utf-8", "replace") + b"\n"


def is_web(url: str) -> bool:
    """Whether it is an address of http or https."""
    return url.lower().startswith(("https://", "http://"))


def _clean(value: object) -> str:
    """Text without lone surrogates: sites cut texts in the middle of characters, and no JSON holds the halves."""
    return str(value).encode("utf-8", "replace").decode()


def _has(formats: list[Mapping[str, Any]], codec: str) -> bool | None:
    """Whether any format has that stream; None when no format tells and one leaves it open."""
    said = [form.get(codec) for form in formats]
    if any(value not in (None, "none") for value in said):
        return True
    return None if None in said else False


def _day(value: object) -> date | None:
    try:
        return datetime.strptime(str(value), "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None


def _text(value: object) -> str | None:
    return _clean(value).strip() or None if isinstance(value, str) else None
