"""From yt-dlp's errors to outcome classes."""

import errno
import io
import ssl

import pytest
from yt_dlp.networking import Response
from yt_dlp.networking.exceptions import CertificateVerifyError, HTTPError, TransportError
from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError, UnsupportedError, UserNotLive

from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.outcomes import MAX_MESSAGE, Classified, classify, without_secrets


def _http_error(status: int, headers: dict[str, str] | None = None) -> HTTPError:
    return HTTPError(Response(io.BytesIO(), "https://site.test/x", headers or {}, status=status))


def _raised(inner: BaseException, *, message: str | None = None) -> DownloadError:
    """As YoutubeDL raises it: the cause only in `exc_info`."""
    return DownloadError(message or f"ERROR: {inner}", (type(inner), inner, None))


def _said(text: str, *, expected: bool = True) -> DownloadError:
    return _raised(ExtractorError(text, expected=expected, video_id="dQw4w9WgXcQ", ie="youtube"))


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
        pytest.param("Incomplete data received", OutcomeClass.TRANSIENT, "Truncated", id="truncated listing"),
        pytest.param("No video formats found!", OutcomeClass.TRANSIENT, "NoFormats", id="no formats"),
        pytest.param("Something nobody has seen", OutcomeClass.TRANSIENT, "Unknown", id="unknown"),
    ],
)
def test_what_a_site_says(text: str, outcome: OutcomeClass, reason: str) -> None:
    """Every situation of the table has its class and its name."""
    found = classify(_said(text))
    assert (outcome, reason) == (found.outcome, found.reason)


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        pytest.param(_raised(_http_error(429)), OutcomeClass.RATE_LIMITED, "RateLimited", id="429 of a listing"),
        pytest.param(_raised(_http_error(503)), OutcomeClass.TRANSIENT, "ServerError", id="5xx of a listing"),
        pytest.param(_raised(_http_error(404)), OutcomeClass.TRANSIENT, "NotFound", id="404 of a channel"),
        pytest.param(_raised(_http_error(403)), OutcomeClass.TRANSIENT, "Forbidden", id="403 of media"),
        pytest.param(
            ExtractorError("Unable to download API page", cause=_http_error(429), expected=True),
            OutcomeClass.RATE_LIMITED,
            "RateLimited",
            id="429 as the cause only",
        ),
        pytest.param(
            DownloadError("[download] Got error: HTTP Error 503: Service Unavailable. Giving up after 3 retries"),
            OutcomeClass.TRANSIENT,
            "ServerError",
            id="status in words only",
        ),
        pytest.param(
            DownloadError("unable to download video data: HTTP Error 429: Too Many Requests"),
            OutcomeClass.RATE_LIMITED,
            "RateLimited",
            id="429 of media",
        ),
        pytest.param(
            _raised(UnsupportedError("https://site.test/")),
            OutcomeClass.CONFIGURATION,
            "UnsupportedUrl",
            id="no extractor",
        ),
        pytest.param(
            _raised(GeoRestrictedError("The uploader has not made this video available in your country")),
            OutcomeClass.NEEDS_ACCESS,
            "GeoRestricted",
            id="country",
        ),
        pytest.param(_raised(UserNotLive(video_id="x")), OutcomeClass.NOT_YET, "NotLive", id="not live"),
        pytest.param(
            _raised(CertificateVerifyError("certificate verify failed")),
            OutcomeClass.CONFIGURATION,
            "TlsNotTrusted",
            id="TLS",
        ),
        pytest.param(
            _raised(TransportError("Failed to resolve 'h' ([Errno -2] Name or service not known)")),
            OutcomeClass.TRANSIENT,
            "Unreachable",
            id="DNS",
        ),
        pytest.param(
            _raised(TransportError("[Errno 111] Connection refused")),
            OutcomeClass.TRANSIENT,
            "Unreachable",
            id="refused",
        ),
        pytest.param(
            _raised(TransportError("broken", cause=ssl.SSLError(1, "wrong version number"))),
            OutcomeClass.TRANSIENT,
            "Unknown",
            id="a TLS error's number is not an errno",
        ),
        pytest.param(OSError(errno.ENOSPC, "No space left"), OutcomeClass.ENVIRONMENT, "NoSpace", id="disk full"),
        pytest.param(OSError(errno.ESTALE, "Stale"), OutcomeClass.ENVIRONMENT, "StaleVolume", id="stale NFS"),
        pytest.param(PermissionError(errno.EPERM, "chmod"), OutcomeClass.ENVIRONMENT, "PermissionDenied", id="SMB"),
        pytest.param(
            DownloadError("unable to write data: [Errno 28] No space left on device"),
            OutcomeClass.ENVIRONMENT,
            "NoSpace",
            id="disk full, in words only",
        ),
        pytest.param(
            DownloadError("You have requested merging of multiple formats but ffmpeg is not installed. Aborting"),
            OutcomeClass.ENVIRONMENT,
            "NoFfmpeg",
            id="no ffmpeg",
        ),
        pytest.param(MemoryError(), OutcomeClass.TRANSIENT, "OutOfMemory", id="memory limit"),
    ],
)
def test_what_an_exception_is(error: BaseException, outcome: OutcomeClass, reason: str) -> None:
    """The class is found wherever in the chain the telling exception sits."""
    found = classify(error)
    assert (outcome, reason) == (found.outcome, found.reason)


@pytest.mark.parametrize(
    ("warning", "outcome", "reason"),
    [
        pytest.param("HTTP Error 429: Too Many Requests", OutcomeClass.RATE_LIMITED, "RateLimited", id="429"),
        pytest.param("Unable to download API page: HTTP Error 502", OutcomeClass.TRANSIENT, "ServerError", id="5xx"),
        pytest.param("Some other warning", OutcomeClass.TRANSIENT, "Unknown", id="nothing of use"),
    ],
)
def test_warnings_tell_what_the_error_does_not(warning: str, outcome: OutcomeClass, reason: str) -> None:
    """For a failed player request the status is in yt-dlp's warnings only."""
    found = classify(_said("Failed to extract any player response", expected=False), [warning])
    assert (outcome, reason) == (found.outcome, found.reason)


def test_a_warning_never_outweighs_the_error() -> None:
    """A rate limit that was survived does not hide that the video is private."""
    found = classify(_said("Private video."), ["HTTP Error 429: Too Many Requests"])
    assert found.outcome is OutcomeClass.NEEDS_ACCESS


def test_an_unknown_error_keeps_its_own_words() -> None:
    """What yt-dlp adds for its command line and its bug tracker is not for our users."""
    found = classify(_said("Something odd happened; please report this issue on  https://site.test , filling out"))
    assert found == Classified(OutcomeClass.TRANSIENT, "Unknown", "Something odd happened")


def test_a_message_is_short() -> None:
    """A site cannot fill a condition with a page of text."""
    assert len(classify(_said("x" * 5000)).message) == MAX_MESSAGE


def test_a_message_holds_no_password() -> None:
    """A proxy's user and password never reach a message."""
    found = classify(TransportError("odd answer of http://me:secret@proxy.test:3128/ received"))
    assert found.message == "odd answer of http://proxy.test:3128/ received"
    assert without_secrets("socks5://a:b@c:1") == "socks5://c:1"


def test_a_cycle_in_the_chain_ends() -> None:
    """Exceptions that name each other as context are looked at once."""
    first, second = ValueError("a"), ValueError("b")
    first.__context__, second.__context__ = second, first
    assert classify(first).reason == "Unknown"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(_said("Premieres in 3 hours"), 1_000 + 3 * 3600, id="premiere in hours"),
        pytest.param(_said("This live event will begin in a day."), 1_000 + 86_400, id="live in a day"),
        pytest.param(_said("Premieres shortly"), None, id="no time told"),
        pytest.param(_raised(_http_error(429, {"Retry-After": "120"})), 1_120, id="Retry-After"),
        pytest.param(_raised(_http_error(429)), None, id="429 without a time"),
        pytest.param(
            _said("The current session has been rate-limited by YouTube for up to an hour."), 4_600, id="hour"
        ),
        pytest.param(_said("Private video."), None, id="not a matter of time"),
    ],
)
def test_when_to_try_again(error: BaseException, expected: int | None) -> None:
    """A time that the site told is passed on, counted from the caller's clock."""
    assert expected == classify(error, now=1_000).retry_at


def test_no_time_without_a_clock() -> None:
    """Without the caller's clock there is no point in time."""
    assert classify(_said("Premieres in 3 hours")).retry_at is None


def test_half_a_character_in_a_message_is_replaced() -> None:
    """No JSON writer takes it, and the ending would get lost with it."""
    assert classify(_said("Premieres soon \ud83d")).message == "Premieres soon ?"
