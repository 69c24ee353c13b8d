"""Downloads from the stand-in site with the real yt-dlp, deno and ffmpeg: challenge solved, two streams merged."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yt_dlp

from local import LocalStandIn, running

pytestmark = [
    pytest.mark.image,
    pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStandIn]:
    with running(tmp_path_factory.mktemp("standin")) as site:
        yield site


@pytest.fixture
def site(started: LocalStandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalStandIn]:
    monkeypatch.setenv("SSL_CERT_FILE", str(started.ca_file))
    started.control.reset_counts()
    yield started
    started.control.clear_faults()


def _download(site: LocalStandIn, folder: Path, url: str, **options: Any) -> dict[str, Any]:
    quiet = {"quiet": True, "no_warnings": True, "noprogress": True, "cachedir": False, "retries": 0}
    names = {"outtmpl": str(folder / "%(id)s.%(ext)s"), "overwrites": True}
    with yt_dlp.YoutubeDL({**quiet, **names, **site.ytdlp_options(), **options}) as ydl:
        info: dict[str, Any] = ydl.extract_info(url)
        return info


def _probe(path: Path) -> tuple[dict[str, int | None], float]:
    """Height per kind of stream (None for sound), and the duration in seconds."""
    command = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_type,height:format=duration", "-of", "json"]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True)
    probed = json.loads(done.stdout)
    streams = {stream["codec_type"]: stream.get("height") for stream in probed["streams"]}
    return streams, float(probed["format"]["duration"])


def test_a_download_solves_the_challenge_and_merges(site: LocalStandIn, tmp_path: Path) -> None:
    """Only whoever ran the player's script gets 1080 lines; each stream is served once, whole."""
    video = site.control.videos("@trawler")[0]
    _download(site, tmp_path, f"https://www.youtube.com/watch?v={video['id']}")
    streams, duration = _probe(tmp_path / f"{video['id']}.mp4")
    assert streams == {"video": 1080, "audio": None}
    assert video["duration"] == pytest.approx(duration, abs=0.3)
    assert site.control.served(video["id"]) == {"video": 1, "audio": 1}
    assert all(
        (count["full"], count["partial"], count["bytes"]) == (1, 0, count["size"])
        for count in site.control.counts()["media"][video["id"]].values()
    )


def test_without_a_javascript_runtime_the_picture_is_small(site: LocalStandIn, tmp_path: Path) -> None:
    """What the client without the challenge is given: so the test above cannot pass without deno."""
    video = site.control.videos("@trawler")[1]
    _download(site, tmp_path, f"https://www.youtube.com/watch?v={video['id']}", js_runtimes={})
    assert _probe(tmp_path / f"{video['id']}.mp4")[0] == {"video": 360, "audio": None}


def test_an_unsolved_address_is_refused(site: LocalStandIn, tmp_path: Path) -> None:
    """The media host answers 403 to a signature that was not unscrambled."""
    video = site.control.videos("@trawler")[2]
    info = _download(site, tmp_path, f"https://www.youtube.com/watch?v={video['id']}", simulate=True)
    address = info["requested_formats"][0]["url"]
    with yt_dlp.YoutubeDL({"quiet": True, **site.ytdlp_options()}) as ydl:
        assert ydl.urlopen(address).status == 200
        for name in ("n", "sig"):
            solved = yt_dlp.utils.parse_qs(address)[name][0]
            with pytest.raises(yt_dlp.networking.exceptions.HTTPError, match="403"):
                ydl.urlopen(yt_dlp.utils.update_url_query(address, {name: solved[::-1]}))


def test_thumbnail_and_description_come_along(site: LocalStandIn, tmp_path: Path) -> None:
    """A JPEG and the text of the video."""
    (video,) = site.control.publish("@harbour", videos=[{"description": "From the quay."}])
    extras = {"writethumbnail": True, "writedescription": True}
    _download(site, tmp_path, f"https://www.youtube.com/watch?v={video['id']}", **extras)
    assert (tmp_path / f"{video['id']}.jpg").read_bytes().startswith(b"\xff\xd8\xff")
    assert (tmp_path / f"{video['id']}.description").read_text() == "From the quay."


def test_a_big_video_is_served_in_ranges(site: LocalStandIn, tmp_path: Path) -> None:
    """25 MB in requests of 10 MiB: many partial answers, and still each byte once."""
    (video,) = site.control.publish("@harbour", videos=[{"size_bytes": 25_000_000}])
    _download(site, tmp_path, f"https://www.youtube.com/watch?v={video['id']}")
    streams, duration = _probe(tmp_path / f"{video['id']}.mp4")
    assert set(streams) == {"video", "audio"}
    assert video["duration"] == pytest.approx(duration, abs=0.3)
    assert site.control.served(video["id"]) == {"video": 1, "audio": 1}
    assert site.control.counts()["media"][video["id"]]["video"]["partial"] > 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        pytest.param({"kind": "status", "status": 403}, "HTTP Error 403: Forbidden", id="forbidden"),
        pytest.param({"kind": "status", "status": 429}, "HTTP Error 429: Too Many Requests", id="rate limited"),
        pytest.param({"kind": "status", "status": 503}, "HTTP Error 503: Service Unavailable", id="broken"),
        pytest.param({"kind": "truncate"}, "more expected", id="cut short"),
        pytest.param({"kind": "reset"}, "Got error", id="connection cut"),
        pytest.param({"kind": "corrupt"}, "Invalid data found when processing input", id="not the file it says"),
    ],
)
def test_media_can_fail(site: LocalStandIn, tmp_path: Path, fault: dict[str, Any], message: str) -> None:
    """The errors are those that yt-dlp and ffmpeg make of such answers; without the fault the video lands."""
    video = site.control.videos("@trawler")[3]
    url = f"https://www.youtube.com/watch?v={video['id']}"
    site.control.fault(endpoint="media", video=video["id"], **fault)
    with pytest.raises(yt_dlp.utils.DownloadError, match=message):
        _download(site, tmp_path / "bad", url)
    site.control.clear_faults()
    _download(site, tmp_path / "good", url)
    assert (tmp_path / "good" / f"{video['id']}.mp4").exists()


def test_a_stream_on_air_never_ends(site: LocalStandIn) -> None:
    """A live video is announced as such and has a playlist without an end."""
    (video,) = site.control.publish("@harbour", tab="streams", videos=[{"state": "live"}])
    options = {"quiet": True, "cachedir": False, **site.ytdlp_options()}
    with yt_dlp.YoutubeDL(options) as ydl:
        info = ydl.extract_info(f"https://www.youtube.com/watch?v={video['id']}", download=False)
        playlist = ydl.urlopen(info["url"]).read().decode()
    assert info["live_status"] == "is_live"
    assert "#EXTINF" in playlist
    assert "#EXT-X-ENDLIST" not in playlist


def test_the_tools_of_the_image_are_there() -> None:
    """Where these tests run, ffmpeg, ffprobe and deno are on PATH."""
    assert all(shutil.which(tool) for tool in ("ffmpeg", "ffprobe", "deno"))
