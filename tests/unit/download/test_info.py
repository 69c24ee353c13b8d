"""What is made of yt-dlp's information about a video."""

from __future__ import annotations

import json
from datetime import date

import pytest

from trawler_downloader.contract.download import DownloadRequest, MediaType, MediaWish, SubscriptionRef, VideoRef
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.download.info import (
    copies_of,
    facts_of,
    info_json,
    refuse_unfinished,
    stream_sizes,
    thumbnail_urls,
)
from trawler_downloader.library.manifest import VideoFacts

TODAY = date(2026, 11, 21)
REQUEST = DownloadRequest(
    subscription=SubscriptionRef(namespace="tv", name="one"),
    video=VideoRef(key="youtube.a", extractor="Youtube", id="a", url="https://x.test/a", title="Listed"),
    launch=1,
)


@pytest.mark.parametrize(
    ("info", "published", "named_after"),
    [
        pytest.param({"upload_date": "20241225"}, date(2024, 12, 25), date(2024, 12, 25), id="the upload's"),
        pytest.param({"release_date": "20241226"}, date(2024, 12, 26), date(2024, 12, 26), id="else the release's"),
        pytest.param({}, None, TODAY, id="else today"),
        pytest.param({"upload_date": "soon"}, None, TODAY, id="what is no date"),
    ],
)
def test_the_date_in_names(info, published, named_after):
    facts = facts_of(info, REQUEST, TODAY)
    assert (published, named_after) == (facts.published, facts.named_after)


def test_what_the_site_does_not_tell_comes_from_the_listing():
    facts = facts_of({"duration": 0}, REQUEST, TODAY)
    assert (facts.id, facts.title, facts.extractor, facts.url) == ("a", "Listed", "Youtube", "https://x.test/a")
    assert (facts.channel, facts.duration_seconds, facts.has_video) == (None, None, None)


@pytest.mark.parametrize(
    ("formats", "has_video", "has_audio"),
    [
        pytest.param(
            [{"vcodec": "avc1", "acodec": "none"}, {"vcodec": "none", "acodec": "opus"}], True, True, id="both"
        ),
        pytest.param([{"vcodec": "avc1", "acodec": "none"}], True, False, id="a silent film"),
        pytest.param([{"vcodec": "none", "acodec": "mp3"}], False, True, id="a podcast"),
        pytest.param([{}], None, None, id="a plain file"),
    ],
)
def test_which_streams_exist(formats, has_video, has_audio):
    facts = facts_of({"formats": formats}, REQUEST, TODAY)
    assert (has_video, has_audio) == (facts.has_video, facts.has_audio)


@pytest.mark.parametrize(
    ("info", "reason", "retry_at"),
    [
        pytest.param(
            {"live_status": "is_upcoming", "release_timestamp": 99}, "Upcoming", 99, id="a premiere with a time"
        ),
        pytest.param({"live_status": "is_upcoming"}, "Upcoming", None, id="a premiere without"),
        pytest.param({"live_status": "is_live", "release_timestamp": 99}, "Live", None, id="live now"),
        pytest.param({"live_status": "post_live"}, "PostLive", None, id="its recording is being processed"),
    ],
)
def test_what_is_not_there_yet_is_not_downloaded(info, reason, retry_at):
    with pytest.raises(LaunchError) as raised:
        refuse_unfinished(info)
    assert (OutcomeClass.NOT_YET, reason, retry_at) == (
        raised.value.outcome,
        raised.value.reason,
        raised.value.retry_at,
    )


@pytest.mark.parametrize("status", [None, "not_live", "was_live"])
def test_what_is_there_is_downloaded(status):
    refuse_unfinished({"live_status": status})


def test_pictures_are_tried_best_first_and_only_from_the_web():
    info = {
        "thumbnails": [{"url": f"https://i.test/{n}"} for n in range(7)]
        + [{"url": "file:///etc/passwd"}, {"url": "http://[x/"}, {}],
        "thumbnail": "https://i.test/6",
    }
    best = ["http://[x/", *(f"https://i.test/{n}" for n in (6, 5, 4, 3))]
    assert thumbnail_urls(info) == best, "one that cannot be fetched fails by itself"
    assert thumbnail_urls({}) == []


def test_info_json_keeps_no_secrets_and_no_addresses_of_today():
    info = {
        "id": "a",
        "title": "ü",
        "url": "https://signed.test/?ip=192.0.2.1",
        "formats": [
            {"format_id": "1", "url": "https://signed.test/1", "cookies": "c", "http_headers": {}, "height": 720},
            {
                "format_id": "2",
                "hls_media_playlist_data": "#EXTM3U\nhttps://signed.test/2",
                "extra_param_to_segment_url": "token=secret",
                "extra_param_to_key_url": "token=secret",
                "hls_aes": {"key": "secret"},
                "request_data": "token=secret",
                "downloader_options": {"ffmpeg_args": ["-headers", "Cookie: secret"]},
            },
        ],
        "extra_param_to_segment_url": "token=secret",
        "automatic_captions": {"en": []},
        "requested_downloads": [{"filepath": "/library/x"}],
    }
    told = json.loads(info_json(info))
    assert told["formats"] == [{"format_id": "1", "height": 720}, {"format_id": "2"}]
    assert (told["id"], told["title"]) == ("a", "ü")
    assert not {"url", "automatic_captions", "requested_downloads", "extra_param_to_segment_url"} & set(told)


def test_half_characters_of_a_site_do_not_cost_the_video():
    """JavaScript cuts texts in the middle of an emoji; no JSON and no file name can hold what is left."""
    half = "\ud83d"
    info = {"id": f"a{half}", "title": f"b{half}", "channel": f"c{half}", "description": f"d{half}", "duration": 1}
    facts = facts_of(info, REQUEST, TODAY)
    assert (facts.id, facts.title, facts.channel, facts.description) == ("a?", "b?", "c?", "d?")
    assert facts == VideoFacts.model_validate_json(facts.model_dump_json())


def test_a_duration_or_a_time_without_end_is_none():
    info = {"id": "a", "duration": float("inf"), "live_status": "is_upcoming", "release_timestamp": float("nan")}
    assert facts_of(info, REQUEST, TODAY).duration_seconds is None
    with pytest.raises(LaunchError) as raised:
        refuse_unfinished(info)
    assert raised.value.retry_at is None


@pytest.mark.parametrize(
    ("info", "sizes"),
    [
        pytest.param({"requested_formats": [{"filesize": 7}, {"filesize_approx": 8.5}]}, [7, 8], id="two streams"),
        pytest.param({"filesize": 7, "filesize_approx": 9}, [7], id="one file"),
        pytest.param({"requested_formats": [{"filesize": 7}, {}]}, [7, None], id="one of two is told"),
        pytest.param({}, [None], id="nothing is told"),
        pytest.param({"filesize_approx": float("nan")}, [None], id="an estimate that went wrong"),
    ],
)
def test_sizes_are_those_of_the_chosen_streams(info, sizes):
    assert stream_sizes(info) == sizes


FILE = {"ext": "mp4", "protocol": "https"}


@pytest.mark.parametrize(
    ("info", "wish", "copies"),
    [
        pytest.param(FILE, MediaWish(), 1, id="a whole file"),
        pytest.param({**FILE, "requested_formats": [{}, {}]}, MediaWish(), 2, id="merged"),
        pytest.param(FILE, MediaWish(container="mkv"), 2, id="another container"),
        pytest.param({**FILE, "protocol": "m3u8_native"}, MediaWish(), 2, id="in parts: ffmpeg puts them right"),
        pytest.param({"ext": "mp4"}, MediaWish(), 2, id="nobody knows how it comes"),
        pytest.param({**FILE, "ext": "m4a"}, MediaWish(type=MediaType.AUDIO), 2, id="the sound is taken out"),
    ],
)
def test_room_is_needed_for_what_is_there_at_once(info, wish, copies):
    assert copies_of(info, wish) == copies
