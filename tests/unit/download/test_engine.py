"""What is asked of yt-dlp, and what is taken for the video."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import pytest
import yt_dlp
from yt_dlp.downloader.external import FFmpegFD
from yt_dlp.downloader.hls import HlsFD

from trawler_downloader.access.guard import ConnectGuard
from trawler_downloader.access.redaction import Redactor
from trawler_downloader.contract.download import DownloadRequest, MediaType, MediaWish, SubscriptionRef, VideoRef
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.download.engine import open_engine
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.download.media import MediaFacts, problem
from trawler_downloader.download.options import format_of, format_sort_of, parameters
from trawler_downloader.download.progress import ProgressReporter
from trawler_downloader.download.site_access import CookieUse, SiteAccess
from trawler_downloader.download.stall import Watch
from trawler_downloader.library.manifest import VideoFacts

TODAY = date(2026, 11, 21)
VIDEO = MediaType.VIDEO
AUDIO = MediaType.AUDIO


def request_for(url="https://x.test/a", **media):
    return DownloadRequest(
        subscription=SubscriptionRef(namespace="tv", name="one"),
        video=VideoRef(key="youtube.a", extractor="Youtube", id="a", url=url, title="Listed"),
        launch=1,
        media=MediaWish(**media),
    )


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        pytest.param(MediaWish(), ["lang", "res", "fps", "ext:mp4"], id="the default"),
        pytest.param(MediaWish(max_height=720), ["lang", "res:720", "fps", "ext:mp4"], id="a height is a preference"),
        pytest.param(MediaWish(container="mkv"), ["lang", "res", "fps"], id="mkv holds whatever is best"),
        pytest.param(MediaWish(type=AUDIO), ["lang", "quality", "aext:m4a"], id="sound"),
        pytest.param(
            MediaWish(type=AUDIO, container="opus"), ["lang", "quality", "aext:webm"], id="opus comes in webm"
        ),
        pytest.param(MediaWish(type=AUDIO, container="flac"), ["lang"], id="what no site has"),
    ],
)
def test_wishes_are_preferences(wish, expected):
    assert expected == format_sort_of(wish)


def test_there_is_always_a_fallback():
    assert format_of(MediaWish()).split("/")[-1] == "bestvideo*"
    assert format_of(MediaWish(type=AUDIO)).split("/")[-1] == "best[acodec!=?none]"


def test_nothing_of_yt_dlp_reads_files_or_leaves_its_own_downloaders():
    asked = parameters(request_for(), None)
    assert "ratelimit" not in asked
    assert asked["external_downloader"] == {"default": "native"}
    assert asked["allowed_extractors"] == ["default", "-generic"]
    assert asked["cachedir"] is False
    assert asked["skip_unavailable_fragments"] is False
    assert asked["compat_opts"] == {"no-certifi"}
    assert asked["merge_output_format"] == "mp4/mkv"
    assert "proxy" not in asked
    assert not {"cookiefile", "exec_cmd", "config_locations", "plugin_dirs"} & set(asked)


@pytest.mark.parametrize(
    ("patience", "block"),
    [
        pytest.param(600, 600 * 512, id="the default"),
        pytest.param(30, 30 * 512, id="the least that a Subscription may ask for"),
        pytest.param(1, 1024, id="a second"),
        pytest.param(86_400, 512 * 1024, id="a day"),
    ],
)
def test_a_block_arrives_within_the_stall_timeout(patience, block):
    """Progress is told per block, and who gets half a kibibyte per second has not stalled."""
    asked = parameters(request_for().model_copy(update={"stall_timeout_seconds": patience}), None)
    assert (asked["buffersize"], asked["noresizebuffer"]) == (block, True)


def test_a_proxy_a_rate_and_the_generic_extractor_are_asked_for():
    request = request_for().model_copy(update={"allow_generic": True, "rate_limit_bytes_per_second": 4096})
    asked = parameters(request, "http://proxy:1")
    assert (asked["proxy"], asked["allowed_extractors"], asked["ratelimit"]) == ("http://proxy:1", ["default"], 4096)


def test_sound_is_extracted():
    asked = parameters(request_for(type=AUDIO, container="mp3"), None)
    assert asked["postprocessors"] == [{"key": "FFmpegExtractAudio", "preferredcodec": "mp3", "preferredquality": "0"}]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ytsearch:x", "ftp://x.test/a", ""])
def test_only_web_addresses_are_fetched(url):
    with pytest.raises(LaunchError) as raised, open_engine(request_for(url), None, None, None):
        pass
    assert (raised.value.outcome, raised.value.reason) == (OutcomeClass.CONFIGURATION, "UnsupportedUrl")


def facts(**fields):
    return VideoFacts(extractor="Youtube", id="a", url="u", title="t", named_after=TODAY, **fields)


FILM = facts(has_video=True, has_audio=True, duration_seconds=1000.0)


@pytest.mark.parametrize(
    ("found", "about", "kind", "expected"),
    [
        pytest.param(MediaFacts(("h264",), ("aac",), 1000.0), FILM, VIDEO, None, id="whole"),
        pytest.param(MediaFacts(("h264",), ("aac",), 981.0), FILM, VIDEO, None, id="two per cent shorter"),
        pytest.param(
            MediaFacts(("h264",), ("aac",), 979.0), FILM, VIDEO, "979 s, the site announced 1000", id="cut off"
        ),
        pytest.param(MediaFacts(("h264",), ("aac",), 1021.0), FILM, VIDEO, "1021 s", id="too long"),
        pytest.param(MediaFacts(("h264",), ("aac",), None), FILM, VIDEO, None, id="it does not tell how long it is"),
        pytest.param(None, FILM, VIDEO, "cannot be opened", id="garbage"),
        pytest.param(MediaFacts(("h264",), (), 1000.0), FILM, VIDEO, "no sound", id="the sound is missing"),
        pytest.param(MediaFacts((), ("aac",), 1000.0), FILM, VIDEO, "no picture", id="the picture is missing"),
        pytest.param(MediaFacts((), ("aac",), 1000.0), FILM, AUDIO, None, id="only sound was wanted"),
        pytest.param(MediaFacts(("h264",), (), 1000.0), FILM, AUDIO, "no sound", id="sound was wanted"),
        pytest.param(MediaFacts(("h264",), (), 9.0), facts(has_audio=False), VIDEO, None, id="a silent film"),
        pytest.param(MediaFacts((), ("mp3",), 9.0), facts(has_video=False), VIDEO, None, id="a podcast"),
        pytest.param(MediaFacts((), ("mp3",), 9.0), facts(), VIDEO, None, id="the site tells nothing"),
        pytest.param(MediaFacts((), (), 9.0), facts(), VIDEO, "no picture", id="neither"),
        pytest.param(
            MediaFacts(("h264",), ("aac",), 8.0), facts(duration_seconds=4.0), VIDEO, None, id="a short one, rounded"
        ),
    ],
)
def test_a_file_that_is_not_the_video_is_found(found, about, kind, expected):
    why = problem(found, about, MediaWish(type=kind))
    assert why is None if expected is None else expected in str(why)


def test_ffmpeg_never_gets_a_stream_from_the_network(monkeypatch, tmp_path):
    """A playlist that yt-dlp's own downloader cannot read is handed to ffmpeg, past every option: there it ends."""
    monkeypatch.setattr(FFmpegFD, "real_download", FFmpegFD.real_download)  # put back afterwards
    monkeypatch.setattr("trawler_downloader.download.engine.require_tools", lambda: None)
    monkeypatch.setattr(ConnectGuard, "install", lambda _guard: None)  # for the rest of the process's life
    playlist = '#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI="https://x.test/key"\n#EXTINF:1,\nhttps://x.test/1.ts\n'
    info = {"id": "a", "url": "https://x.test/a.m3u8", "ext": "mp4", "hls_media_playlist_data": playlist}
    request = request_for()
    watch = Watch(600, tmp_path, tmp_path, lambda error: None)
    access = SiteAccess(request, Path("cookies.txt"), Path("proxy"), Redactor(), CookieUse())
    with (
        open_engine(request, ProgressReporter(io.StringIO(), float), watch, access),
        yt_dlp.YoutubeDL(parameters(request, None)) as engine,
        pytest.raises(LaunchError, match="only ffmpeg could fetch") as raised,
    ):
        HlsFD(engine, engine.params).real_download("a.mp4", info)
    assert raised.value.reason == "UnsupportedStream"
