"""A stream on air, as HLS: a playlist that moves on with the clock and never ends. Pure."""

from __future__ import annotations

SEGMENT_SECONDS = 2
_WINDOW = 5

MASTER = """#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=200000,CODECS="avc1.4d401e,mp4a.40.2",RESOLUTION=256x144,FRAME-RATE=10
on-air.m3u8
"""


def on_air(now: float) -> str:
    """The media playlist at `now` (seconds): its last five segments; there is always a next one."""
    last = int(now // SEGMENT_SECONDS)
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{SEGMENT_SECONDS}"]
    lines.append(f"#EXT-X-MEDIA-SEQUENCE:{last - _WINDOW + 1}")
    for number in range(last - _WINDOW + 1, last + 1):
        lines += ["#EXT-X-DISCONTINUITY", f"#EXTINF:{SEGMENT_SECONDS}.0,", f"{number}.ts"]
    return "\n".join(lines) + "\n"
