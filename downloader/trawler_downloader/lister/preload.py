"""Imported once by the fork server, so that a listing starts warm: its child needs 0.05 CPU-seconds instead of 0.6.

Loads yt-dlp, compiles the URL patterns of all its extractors by matching one URL, and loads the real class of the
extractor that nearly every listing uses. Must start no thread: children are forked from here.
"""

from __future__ import annotations

import gc

from yt_dlp.extractor.youtube import YoutubeTabIE

import trawler_downloader.lister.worker  # noqa: F401 - loaded for the children
from trawler_downloader.access.confine import confine
from trawler_downloader.contract.listing import ListRequest
from trawler_downloader.lister.engine import Engine, enabled_extractors

_UNKNOWN_TO_ALL = "https://trawler.invalid/"


def _warm_up() -> None:
    confine()  # before the first engine is made, which would load plugins
    for extractor in enabled_extractors():
        extractor.suitable(_UNKNOWN_TO_ALL)
    with Engine(ListRequest(url=_UNKNOWN_TO_ALL), before_request=lambda: None) as engine:
        engine.get_info_extractor(YoutubeTabIE.ie_key())
    # The patterns above are those of lazily loaded stand-ins; the real class compiles its own, 15 ms of CPU (measured).
    YoutubeTabIE.get_temp_id("https://www.youtube.com/@x/videos")
    # What is loaded now lives as long as the process: out of the garbage collector's sight it is neither scanned by
    # every child nor copied into it.
    gc.collect()
    gc.freeze()


_warm_up()
