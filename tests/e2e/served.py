"""Was a video downloaded exactly once? Asked of the stand-in, which counts what it serves."""

from __future__ import annotations

from collections.abc import Iterable

from client import StandIn

ONCE = {"video": 1, "audio": 1}


def not_served_once(site: StandIn, videos: Iterable[str]) -> dict[str, dict[str, int]]:
    """Those videos whose two streams were not each transferred exactly once, with how often they were."""
    served = {video: site.served(video) for video in videos}
    return {video: counts for video, counts in served.items() if counts != ONCE}
