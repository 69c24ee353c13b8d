"""The stand-in site, listed by the real yt-dlp: what it shows, how it pages, how it breaks, and what it counts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yt_dlp

from client import StandIn, StandInError
from local import LocalStandIn, running

# yt-dlp leaves the connection of a refused request to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
CHANNEL = "https://www.youtube.com/@trawler/videos"
RAISE_INCOMPLETE = {"extractor_args": {"youtube": {"raise_incomplete_data": [""]}}}


class _Quiet:
    def debug(self, message: str) -> None: ...
    def warning(self, message: str) -> None: ...
    def error(self, message: str) -> None: ...


@dataclass(frozen=True)
class Watched:
    """A running stand-in and a yt-dlp that takes it for YouTube (one for all tests: making one costs 0.2 s)."""

    local: LocalStandIn
    ydl: Any

    @property
    def control(self) -> StandIn:
        return self.local.control

    def list(self, url: str, **options: Any) -> dict[str, Any]:
        """The listing behind an address, whole; other options need a yt-dlp of their own."""
        if options:
            with _ytdlp(self.local, **options) as ydl:
                return _listed(ydl, url)
        return _listed(self.ydl, url)

    def video(self, video_id: str) -> dict[str, Any]:
        """What the extractor makes of a video's page and player, before formats are chosen."""
        url = f"https://www.youtube.com/watch?v={video_id}"
        info: dict[str, Any] = self.ydl.extract_info(url, download=False, process=False)
        return info


def _ytdlp(site: LocalStandIn, **options: Any) -> Any:
    quiet = {"quiet": True, "cachedir": False, "logger": _Quiet()}
    limits = {"extract_flat": True, "extractor_retries": 0, "socket_timeout": 20}
    return yt_dlp.YoutubeDL({**quiet, **limits, **site.ytdlp_options(), **options})


def _listed(ydl: Any, url: str) -> dict[str, Any]:
    listing: dict[str, Any] = ydl.extract_info(url, download=False)
    listing["entries"] = list(listing["entries"])
    return listing


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with running(tmp_path_factory.mktemp("standin")) as local, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(local.ca_file))
        with _ytdlp(local) as ydl:
            yield Watched(local, ydl)


@pytest.fixture
def site(started: Watched) -> Iterator[Watched]:
    started.control.reset_counts()
    yield started
    started.control.clear_faults()


def _ids(listing: dict[str, Any]) -> list[str]:
    return [entry["id"] for entry in listing["entries"]]


def test_a_channel_tab_is_listed_whole_and_newest_first(site: Watched) -> None:
    """All 120 videos come in pages of 30, in the order that the catalogue has."""
    listing = site.list(CHANNEL)
    assert [video["id"] for video in site.control.videos("@trawler")] == _ids(listing)
    assert (listing["channel"], listing["uploader_id"]) == ("Trawler Demo", "@trawler")
    counts = site.control.counts()
    assert counts["channel_page"] == {"@trawler/videos": 1}
    assert counts["browse"] == {"@trawler/videos": 3}


def test_entries_carry_what_a_lister_reads(site: Watched) -> None:
    """Title, duration and views of a tab's entry are those of the video."""
    newest = site.control.videos("@trawler")[0]
    entry = site.list(CHANNEL, playlistend=1)["entries"][0]
    assert (newest["title"], newest["duration"], newest["views"]) == (
        entry["title"],
        entry["duration"],
        entry["view_count"],
    )


def test_a_lazy_walk_that_stops_early_costs_one_request(site: Watched) -> None:
    """Whoever takes 30 entries or fewer of a tab asks for one page only."""
    listing = site.ydl.extract_info(CHANNEL, download=False, process=False)
    assert len(list(itertools.islice(listing["entries"], 30))) == 30
    assert site.control.requests("@trawler") == 1


def test_a_bare_channel_has_a_listing_per_tab(site: Watched) -> None:
    """Videos and shorts come as two nested listings."""
    tabs = site.list("https://www.youtube.com/@harbour")["entries"]
    assert [tab["title"] for tab in tabs] == ["Harbour Notes - Videos", "Harbour Notes - Shorts"]
    assert [len(list(tab["entries"])) for tab in tabs] == [40, 35]


def test_a_playlist_keeps_its_owners_order(site: Watched) -> None:
    """120 videos in pages of 100; a reordered playlist is listed in its new order."""
    url = "https://www.youtube.com/playlist?list=PLtrawlerdemoplaylist120"
    before = _ids(site.list(url))
    assert site.control.playlist("PLtrawlerdemoplaylist120")["videos"] == before
    assert len(before) == 120
    site.control.change_playlist("PLtrawlerdemoplaylist120", order="reversed")
    assert before[::-1] == _ids(site.list(url))


def test_a_channels_uploads_are_a_playlist_too(site: Watched) -> None:
    """`UU` and the channel's id without `UC` names all its uploads."""
    channel_id = site.list("https://www.youtube.com/@harbour/videos", playlistend=1)["channel_id"]
    assert len(_ids(site.list(f"https://www.youtube.com/playlist?list=UU{channel_id[2:]}"))) == 75


def test_a_thousand_videos_are_generated_the_same_every_time(site: Watched, tmp_path: Path) -> None:
    """Ids depend on the specification alone, so that a benchmark and its repetition see the same site."""
    site.control.add_channel(handle="@bench", videos=1000)
    with running(tmp_path) as other:
        other.control.add_channel(handle="@bench", videos=1000)
        assert site.control.videos("@bench") == other.control.videos("@bench")
    assert len({video["id"] for video in site.control.videos("@bench")}) == 1000


def test_published_videos_are_on_top(site: Watched) -> None:
    """The last of those published at once is listed first."""
    site.control.add_channel(handle="@fresh", videos=3)
    published = [video["id"] for video in site.control.publish("@fresh", count=2)]
    assert published[::-1] == _ids(site.list("https://www.youtube.com/@fresh/videos"))[:2]


def test_hidden_and_removed_videos_are_not_listed(site: Watched) -> None:
    """A video that is made public later appears at the place of its date."""
    site.control.add_channel(handle="@hidden", videos=3)
    newest, middle, oldest = (video["id"] for video in site.control.videos("@hidden"))
    site.control.change_video(middle, listed=False)
    site.control.remove_video(oldest)
    assert [newest] == _ids(site.list("https://www.youtube.com/@hidden/videos"))
    site.control.change_video(middle, listed=True)
    assert [newest, middle] == _ids(site.list("https://www.youtube.com/@hidden/videos"))


def test_a_renamed_channel_keeps_its_id(site: Watched) -> None:
    """The old handle is unknown then; the new one and the id lead to the same channel."""
    channel = site.control.add_channel(handle="@oldname", videos=2)
    site.control.change_channel("@oldname", handle="@newname")
    assert site.list("https://www.youtube.com/@newname/videos")["channel_id"] == channel["id"]
    assert len(_ids(site.list(f"https://www.youtube.com/channel/{channel['id']}/videos"))) == 2
    with pytest.raises(yt_dlp.utils.DownloadError, match="HTTP Error 404"):
        site.list("https://www.youtube.com/@oldname/videos")


def test_hostile_titles_arrive_as_they_are(site: Watched) -> None:
    """Nothing between the catalogue and the lister defuses a title: whoever names files has to."""
    titles = [entry["title"] for entry in site.list("https://www.youtube.com/@hostile/videos")["entries"]]
    assert [video["title"] for video in site.control.videos("@hostile")] == titles
    assert {"..", "é" * 300} <= set(titles)


@pytest.mark.parametrize(
    ("badge", "field", "value"),
    [
        pytest.param("premiere", "live_status", "is_upcoming", id="a premiere is upcoming"),
        pytest.param("live", "live_status", "is_live", id="a stream on air is live"),
        pytest.param("was_live", "live_status", "was_live", id="a past stream was live"),
        pytest.param("members_only", "availability", "subscriber_only", id="a members' video says so"),
    ],
)
def test_listings_show_the_state_of_a_video(site: Watched, badge: str, field: str, value: str) -> None:
    """What a listing can say of a video before anyone asks the player."""
    site.control.add_channel(handle="@states", videos=1)
    site.control.change_video(site.control.videos("@states")[0]["id"], state=badge)
    assert site.list("https://www.youtube.com/@states/videos")["entries"][0][field] == value


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("https://www.youtube.com/@nobody/videos", "HTTP Error 404: Not Found", id="no such channel"),
        pytest.param("https://www.youtube.com/@trawler/shorts", "does not have a shorts tab", id="no such tab"),
        pytest.param("https://www.youtube.com/@trawler/live", "not currently live", id="nothing on air"),
        pytest.param(
            "https://www.youtube.com/playlist?list=PLnosuchplaylist",
            "The playlist does not exist",
            id="no such playlist",
        ),
    ],
)
def test_what_does_not_exist_is_said_in_the_sites_words(site: Watched, url: str, message: str) -> None:
    """The messages are those that yt-dlp makes of the real site's answers."""
    with pytest.raises(yt_dlp.utils.DownloadError, match=message):
        site.list(url)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        pytest.param({"kind": "status", "status": 429}, "HTTP Error 429: Too Many Requests", id="rate limited"),
        pytest.param({"kind": "status", "status": 500}, "HTTP Error 500", id="broken"),
        pytest.param({"kind": "redirect_home"}, "redirected to youtube.com home page", id="gone, led to the home page"),
        pytest.param({"kind": "alert", "text": "This channel was removed."}, "This channel was removed", id="an alert"),
        pytest.param({"kind": "reset"}, "Unable to download API page", id="connection cut"),
    ],
)
def test_a_listing_can_fail(site: Watched, fault: dict[str, Any], message: str) -> None:
    """A fault on everything that lists a channel fails its listing, and no other channel's."""
    site.control.fault(endpoint="listing", channel="@trawler", **fault)
    with pytest.raises(yt_dlp.utils.DownloadError, match=message):
        site.list(CHANNEL)
    assert len(_ids(site.list("https://www.youtube.com/@harbour/videos"))) == 40


def test_page_two_fails_once(site: Watched) -> None:
    """A fault with `times` ends by itself."""
    fault = site.control.fault("status", endpoint="browse", channel="@trawler", page=2, status=500, times=1)
    with pytest.raises(yt_dlp.utils.DownloadError, match="HTTP Error 500"):
        site.list(CHANNEL)
    assert len(_ids(site.list(CHANNEL))) == 120
    assert [(fault, 1)] == [(f["id"], f["struck"]) for f in site.control.faults()]


def test_an_incomplete_page_cuts_a_listing_short_unless_asked_to_raise(site: Watched) -> None:
    """yt-dlp's default takes 30 of 120 for all there is; `raise_incomplete_data` makes it an error."""
    site.control.fault("incomplete", endpoint="browse", channel="@trawler", page=2)
    assert len(_ids(site.list(CHANNEL))) == 30
    with pytest.raises(yt_dlp.utils.DownloadError, match="Incomplete data received"):
        site.list(CHANNEL, **RAISE_INCOMPLETE)


def test_an_empty_page_cuts_a_listing_short_and_nobody_notices(site: Watched) -> None:
    """The one truncation that even `raise_incomplete_data` does not see."""
    site.control.fault("empty", endpoint="browse", channel="@trawler", page=2)
    assert len(_ids(site.list(CHANNEL, **RAISE_INCOMPLETE))) == 30


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("private", "Private video. Sign in if you've been granted access"),
        ("removed", "This video has been removed by the uploader"),
        ("account_terminated", "account associated with this video has been terminated"),
        ("copyright", "no longer available due to a copyright claim"),
        ("not_available", "Video unavailable. This video is not available"),
        ("geo", "not made this video available in your country"),
        ("members_only", "Join this channel to get access to members-only content"),
        ("age", "Sign in to confirm your age"),
        ("bot_check", "Sign in to confirm you’re not a bot"),
        ("rate_limit", "This content isn't available, try again later"),
        ("captcha", "YouTube is requiring a captcha challenge"),
        ("wrong_video", "Your IP is likely being blocked by Youtube"),
        ("premiere", "Premieres in 3 hours"),
        ("live_later", "This live event will begin in 3 hours"),
        ("payment", "This video requires payment to watch"),
        ("drm", "This video is DRM protected"),
        ("no_formats", "No video formats found!"),
    ],
)
def test_the_player_refuses_once_in_the_sites_words(site: Watched, state: str, message: str) -> None:
    """A player fault holds for one whole extraction, whichever clients yt-dlp asks as; the next one succeeds."""
    video = site.control.videos("@trawler")[0]["id"]
    site.control.fault(state, video=video, times=1)
    with pytest.raises(yt_dlp.utils.DownloadError, match=message):
        site.ydl.extract_info(f"https://www.youtube.com/watch?v={video}", download=False)
    assert site.video(video)["formats"]


def test_a_premiere_plays_when_its_time_has_come(site: Watched) -> None:
    """The state of an announced video follows the clock."""
    video = site.control.videos("@trawler")[1]["id"]
    site.control.change_video(video, state="premiere", starts_at="2026-01-01T00:00:00Z")
    assert site.video(video)["formats"]
    site.control.change_video(video, state="ok")


def test_the_player_tells_what_a_library_needs(site: Watched) -> None:
    """Publish time, description, channel and thumbnails of the video page."""
    video = site.control.publish(
        "@sameday", videos=[{"description": "Two\nlines", "published": "2026-05-04T09:00:00Z"}]
    )
    info = site.video(video[0]["id"])
    assert (
        info["description"],
        info["timestamp"],
        info["upload_date"],
        info["channel"],
        info["uploader_id"],
        info["availability"],
    ) == ("Two\nlines", 1777885200, "20260504", "Same Day", "@sameday", "public")


def test_a_feed_is_any_source(site: Watched) -> None:
    """The generic extractor reads a plain RSS feed whose entries are files."""
    listing = site.list(f"{site.local.base_url}/feeds/sameday.rss")
    assert listing["title"] == "Same Day"
    assert all("/files/" in entry["url"] for entry in listing["entries"])


def test_media_without_ffmpeg_say_so(site: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without ffmpeg can list; a file is refused with the reason."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with running(tmp_path / "standin") as bare:
        video = bare.control.videos("@trawler")[0]["id"]
        assert not bare.site.media.ffmpeg
        with _ytdlp(bare) as ydl, pytest.raises(yt_dlp.networking.exceptions.HTTPError) as refused:
            ydl.urlopen(f"{bare.base_url}/files/{video}.mp4")
        assert refused.value.status == 503
        assert b"there is no ffmpeg on PATH" in refused.value.response.read()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param({"kind": "nonsense"}, "field 'kind'", id="unknown kind"),
        pytest.param({"kind": "status"}, "field 'status' is missing", id="no status"),
        pytest.param({"kind": "redirect"}, "field 'location' is missing", id="no location"),
        pytest.param({"kind": "empty", "endpoint": "nowhere"}, "field 'match.endpoint'", id="unknown endpoint"),
        pytest.param({"kind": "empty", "colour": "red"}, "unknown field 'colour'", id="unknown field"),
        pytest.param({"kind": "empty", "channel": "@nobody"}, "no channel '@nobody'", id="unknown channel"),
    ],
)
def test_a_wrong_fault_is_refused_by_name(site: Watched, body: dict[str, Any], message: str) -> None:
    """The control API says which field of a fault it cannot understand."""
    with pytest.raises(StandInError, match=message):
        site.control.fault(**body)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param({"handle": "nohandle"}, "field 'handle'", id="handle without @"),
        pytest.param({"handle": "@x", "videos": "many"}, "field 'videos' must be int", id="count in words"),
        pytest.param({"handle": "@x", "clips": 3}, "unknown field 'clips'", id="unknown tab"),
        pytest.param({"handle": "@x", "published": [{"published": "soon"}]}, "field 'published'", id="no time"),
    ],
)
def test_a_wrong_channel_is_refused_by_name(site: Watched, spec: dict[str, Any], message: str) -> None:
    """The control API says which field of a channel it cannot understand."""
    with pytest.raises(StandInError, match=message):
        site.control.add_channel(**spec)


def test_the_proxy_leads_nowhere_else(site: Watched) -> None:
    """It is a stand-in for the hosts that it knows, not an open proxy."""
    with pytest.raises(yt_dlp.networking.exceptions.TransportError):
        site.ydl.urlopen("https://example.invalid/")


def test_a_page_is_rendered_once_until_the_catalogue_changes(site: Watched) -> None:
    """Asked for again it is the same bytes; after a publication it is not."""
    site.control.add_channel(handle="@cached", videos=40)
    url = "https://www.youtube.com/@cached/videos"
    first = site.ydl.urlopen(url).read()
    assert first == site.ydl.urlopen(url).read()
    site.control.publish("@cached")
    assert first != site.ydl.urlopen(url).read()
