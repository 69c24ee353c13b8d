"""Streams in parts (HLS): one on air, whose playlist moves on with the clock and never ends, and a whole one. Pure."""

from __future__ import annotations

SEGMENT_SECONDS = 2
_WINDOW = 5
_PARTS = 3
MASTERS = {"live": "index.m3u8", "in_parts": "parts.m3u8"}
"""State of a video → name of its master playlist."""


def playlist(name: str, now: float) -> str:
    """The playlist of that name, at `now` (seconds)."""
    if name == "on-air.m3u8":
        return on_air(now)
    if name == "whole.m3u8":
        return whole()
    media = "on-air.m3u8" if name == MASTERS["live"] else "whole.m3u8"
    stream = 'BANDWIDTH=200000,CODECS="avc1.4d401e,mp4a.40.2",RESOLUTION=256x144,FRAME-RATE=10'
    return f"#EXTM3U\n#EXT-X-STREAM-INF:{stream}\n{media}\n"


def whole() -> str:
    """The media playlist of a video that is given in parts."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{SEGMENT_SECONDS}", "#EXT-X-MEDIA-SEQUENCE:1"]
    for number in range(1, _PARTS + 1):
        lines += ["#EXT-X-DISCONTINUITY", f"#EXTINF:{SEGMENT_SECONDS}.0,", f"{number}.ts"]
    return "\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n"


def on_air(now: float) -> str:
    """The media playlist at `now` (seconds): its last five segments; there is always a next one."""
    last = int(now // SEGMENT_SECONDS)
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{SEGMENT_SECONDS}"]
    lines.append(f"#EXT-X-MEDIA-SEQUENCE:{last - _WINDOW + 1}")
    for number in range(last - _WINDOW + 1, last + 1):
        lines += ["#EXT-X-DISCONTINUITY", f"#EXTINF:{SEGMENT_SECONDS}.0,", f"{number}.ts"]
    return "\n".join(lines) + "\n"
