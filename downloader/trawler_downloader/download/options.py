"""yt-dlp's parameters for a download. The only module that knows them.

No configuration files (the API reads none), no plugins, no cache, nothing named by a stranger, and no network for
anything but yt-dlp's own downloaders.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trawler_downloader.contract.download import DownloadRequest, MediaType, MediaWish

SOCKET_TIMEOUT_SECONDS = 20
RETRIES = 3
"""Of a request or segment inside a launch. Small: a failed launch is repeated later, with a growing pause."""
SLOWEST_BYTES_PER_SECOND = 512
"""Slower than this for the whole stall timeout counts as not moving; half of the slowest rate limit."""
MIN_BLOCK_BYTES = 1024
MAX_BLOCK_BYTES = 512 * 1024
_AUDIO_EXTENSION = {"m4a": "m4a", "opus": "webm", "mp3": "mp3"}
"""In which extension sites offer a codec."""


def container_of(wish: MediaWish) -> str:
    """The wished container, or the usual one."""
    return wish.container or ("mp4" if wish.type is MediaType.VIDEO else "m4a")


def format_of(wish: MediaWish) -> str:
    """The format expression: the best there is, with sound and picture where both exist."""
    # Of a silent film yt-dlp would take the picture for the best there is, and fail only when it takes out the sound.
    return "bestvideo*+bestaudio/best/bestvideo*" if wish.type is MediaType.VIDEO else "bestaudio/best[acodec!=?none]"


def format_sort_of(wish: MediaWish) -> list[str]:
    """What is better. Height and container are preferences: with nothing that fits, the nearest is taken.

    The language stays above the container: a dubbed track in the wished container must not win over the original.
    """
    container = container_of(wish)
    if wish.type is MediaType.AUDIO:
        return ["lang", "quality", f"aext:{_AUDIO_EXTENSION[container]}"] if container in _AUDIO_EXTENSION else ["lang"]
    resolution = f"res:{wish.max_height}" if wish.max_height is not None else "res"
    # mkv holds whatever is best.
    return ["lang", resolution, "fps", *([f"ext:{container}"] if container != "mkv" else [])]


def block_bytes(stall_timeout_seconds: int) -> int:
    """How much is read at once: at SLOWEST_BYTES_PER_SECOND, a block takes the stall timeout."""
    return max(MIN_BLOCK_BYTES, min(MAX_BLOCK_BYTES, SLOWEST_BYTES_PER_SECOND * stall_timeout_seconds))


def parameters(request: DownloadRequest, proxy: str | None) -> dict[str, Any]:
    """Everything but the hooks, the logger, the cookies and the folder; the proxy is given with user and password."""
    wish = request.media
    chosen: dict[str, Any] = {
        "format": format_of(wish),
        "format_sort": format_sort_of(wish),
        "outtmpl": {"default": "video.%(ext)s"},
        "overwrites": True,
        "quiet": True,
        "noprogress": True,
        "color": {"stdout": "no_color", "stderr": "no_color"},
        "cachedir": False,
        "updatetime": False,
        "noplaylist": True,
        "extract_flat": "in_playlist",  # a playlist where a video was expected is refused, not downloaded
        "allowed_extractors": ["default"] if request.allow_generic else ["default", "-generic"],
        "compat_opts": {"no-certifi"},  # see trust
        "socket_timeout": SOCKET_TIMEOUT_SECONDS,
        "retries": RETRIES,
        "fragment_retries": RETRIES,
        # Progress is told per block: one must not take longer than the patience with silence.
        "buffersize": block_bytes(request.stall_timeout_seconds),
        "noresizebuffer": True,
        "extractor_retries": RETRIES,
        "skip_unavailable_fragments": False,  # the default makes a film with holes and calls it done
        "hls_prefer_native": True,
        "external_downloader": {"default": "native"},
        "postprocessors": [],
    }
    if wish.type is MediaType.VIDEO:
        # Two streams whose codecs do not fit into the wished container go into mkv.
        chosen["merge_output_format"] = "/".join(dict.fromkeys([container_of(wish), "mkv"]))
    else:
        codec = container_of(wish)
        chosen["postprocessors"] = [{"key": "FFmpegExtractAudio", "preferredcodec": codec, "preferredquality": "0"}]
    if request.rate_limit_bytes_per_second is not None:
        chosen["ratelimit"] = request.rate_limit_bytes_per_second
    if proxy is not None:
        chosen["proxy"] = proxy
    return chosen


def in_folder(chosen: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The parameters with the folder that yt-dlp may write to."""
    return {**chosen, "paths": {"home": str(folder)}}
