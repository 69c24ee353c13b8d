"""From yt-dlp's errors to outcome classes."""

import pytest

from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.outcomes import classify
from yt_dlp_errors import said


@pytest.mark.parametrize(
    ("text", "outcome", "reason"),
    [
        pytest.param(
            "Private video. Sign in if you've been granted access to this video. Use --cookies-from-browser",
            OutcomeClass.NEEDS_ACCESS,
            "Private",
            id="private",
        ),
        pytest.param(
            "Video unavailable. This video has been removed by the uploader",
            OutcomeClass.TERMINAL,
            "VideoRemoved",
            id="removed by uploader",
        ),
        pytest.param(
            "Video unavailable. This video is no longer available because the YouTube account associated with this "
            "video has been terminated.",
            OutcomeClass.TERMINAL,
            "AccountTerminated",
            id="account terminated",
        ),
        pytest.param(
            "Video unavailable. This video is no longer available due to a copyright claim by X",
            OutcomeClass.TERMINAL,
            "Copyright",
            id="copyright",
        ),
        pytest.param(
            "Video unavailable. This video is not available",
            OutcomeClass.TRANSIENT,
            "VideoUnavailable",
            id="not available: the tries decide",
        ),
        pytest.param(
            "Join this channel to get access to members-only content like this video, and other exclusive perks.",
            OutcomeClass.NEEDS_ACCESS,
            "MembersOnly",
            id="members only",
        ),
        pytest.param(
            "This video is available to this channel's members on level: Fan (or any higher level).",
            OutcomeClass.NEEDS_ACCESS,
            "MembersOnly",
            id="members only, by level",
        ),
        pytest.param(
            "Sign in to confirm your age. This video may be inappropriate for some users. Use --cookies",
            OutcomeClass.NEEDS_ACCESS,
            "AgeRestricted",
            id="age",
        ),
        pytest.param(
            "Sign in to confirm you’re not a bot. Use --cookies", OutcomeClass.RATE_LIMITED, "BotCheck", id="bot check"
        ),
        pytest.param(
            "Video unavailable. This content isn't available, try again later. The current session has been "
            "rate-limited by YouTube for up to an hour.",
            OutcomeClass.RATE_LIMITED,
            "RateLimited",
            id="rate limit inside of 'Video unavailable'",
        ),
        pytest.param(
            "Video unavailable. YouTube is requiring a captcha challenge before playback",
            OutcomeClass.RATE_LIMITED,
            "Captcha",
            id="captcha",
        ),
        pytest.param(
            "All player responses are invalid. Your IP is likely being blocked by Youtube",
            OutcomeClass.RATE_LIMITED,
            "AddressBlocked",
            id="wrong video served",
        ),
        pytest.param("Premieres in 3 hours", OutcomeClass.NOT_YET, "Premiere", id="premiere"),
        pytest.param("This live event will begin in 2 days.", OutcomeClass.NOT_YET, "LiveScheduled", id="live later"),
        pytest.param("This video requires payment to watch.", OutcomeClass.TERMINAL, "Payment", id="payment"),
        pytest.param("This video is DRM protected", OutcomeClass.TERMINAL, "Drm", id="DRM"),
        pytest.param(
            "Requested format is not available.", OutcomeClass.CONFIGURATION, "FormatUnavailable", id="format"
        ),
        pytest.param(
            "This channel does not have a shorts tab", OutcomeClass.CONFIGURATION, "NoSuchTab", id="missing tab"
        ),
        pytest.param(
            "The channel/playlist does not exist and the URL redirected to youtube.com home page",
            OutcomeClass.TERMINAL,
            "SourceGone",
            id="channel gone",
        ),
        pytest.param(
            "YouTube said: The playlist does not exist.", OutcomeClass.TERMINAL, "SourceGone", id="playlist gone"
        ),
        pytest.param(
            "YouTube said: This account has been terminated because we received multiple third-party claims of "
            "copyright infringement regarding material the user posted.",
            OutcomeClass.TERMINAL,
            "SourceGone",
            id="channel terminated for its copyright infringements",
        ),
        pytest.param(
            "YouTube said: This channel was removed because it violated our Community Guidelines.",
            OutcomeClass.TERMINAL,
            "SourceGone",
            id="channel removed",
        ),
        pytest.param(
            "YouTube said: This playlist is private.", OutcomeClass.NEEDS_ACCESS, "Private", id="private playlist"
        ),
        pytest.param(
            "YouTube said: This playlist type is unviewable.",
            OutcomeClass.CONFIGURATION,
            "UnsupportedUrl",
            id="a playlist of another kind",
        ),
        pytest.param(
            "Video unavailable. This video contains content from X, who has blocked it in your country on copyright "
            "grounds",
            OutcomeClass.NEEDS_ACCESS,
            "GeoRestricted",
            id="blocked in the country on copyright grounds",
        ),
        pytest.param(
            "Video unavailable. This video has been removed for violating YouTube's Terms of Service",
            OutcomeClass.TERMINAL,
            "VideoRemoved",
            id="removed by the site",
        ),
        pytest.param(
            "Video unavailable. This video is no longer available because the uploader has closed their account.",
            OutcomeClass.TERMINAL,
            "AccountTerminated",
            id="account closed",
        ),
        pytest.param(
            "This video is only available to Music Premium members", OutcomeClass.TERMINAL, "Payment", id="Premium"
        ),
        pytest.param(
            "The requested site is known to use DRM protection. It will NOT be supported.",
            OutcomeClass.TERMINAL,
            "Drm",
            id="a site of DRM",
        ),
        pytest.param(
            "This live stream recording is not available.",
            OutcomeClass.NOT_YET,
            "RecordingNotReady",
            id="recording to come",
        ),
        pytest.param(
            "We're processing this video. Check back later.", OutcomeClass.NOT_YET, "Processing", id="still processed"
        ),
        pytest.param(
            "This video is only available for registered users. Use --cookies, --cookies-from-browser",
            OutcomeClass.NEEDS_ACCESS,
            "LoginRequired",
            id="registered users",
        ),
        pytest.param("Incomplete data received", OutcomeClass.TRANSIENT, "Truncated", id="truncated listing"),
        pytest.param(
            "fragment 3 not found, unable to continue", OutcomeClass.TRANSIENT, "FragmentMissing", id="fragment"
        ),
        pytest.param("The downloaded file is empty", OutcomeClass.TRANSIENT, "Truncated", id="empty"),
        pytest.param(
            "content too short (expected 9 bytes and served 2)", OutcomeClass.TRANSIENT, "Truncated", id="too short"
        ),
        pytest.param("No video formats found!", OutcomeClass.TRANSIENT, "NoFormats", id="no formats"),
        pytest.param("Something nobody has seen", OutcomeClass.TRANSIENT, "Unknown", id="unknown"),
    ],
)
def test_what_a_site_says(text: str, outcome: OutcomeClass, reason: str) -> None:
    """Every situation of the table has its class and its name."""
    found = classify(said(text))
    assert (outcome, reason) == (found.outcome, found.reason)
