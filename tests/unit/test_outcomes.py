"""From yt-dlp's errors to outcome classes."""

import errno
import io
import re
import ssl
from collections.abc import Callable

import pytest
from yt_dlp.networking import Response
from yt_dlp.networking.exceptions import CertificateVerifyError, HTTPError, ProxyError, TransportError
from yt_dlp.utils import (
    DownloadError,
    ExtractorError,
    GeoRestrictedError,
    LazyList,
    PostProcessingError,
    UnsupportedError,
    UserNotLive,
)

from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.outcomes import MAX_MESSAGE, Classified, classify, without_secrets


def _http_error(
    status: int, headers: dict[str, str] | None = None, *, reason: str | None = None, redirect_loop: bool = False
) -> HTTPError:
    answer = Response(io.BytesIO(), "https://site.test/x", headers or {}, status=status, reason=reason)
    return HTTPError(answer, redirect_loop)


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
    found = classify(_said(text))
    assert (outcome, reason) == (found.outcome, found.reason)


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        pytest.param(_raised(_http_error(429)), OutcomeClass.RATE_LIMITED, "RateLimited", id="429 of a listing"),
        pytest.param(_raised(_http_error(503)), OutcomeClass.TRANSIENT, "ServerError", id="5xx of a listing"),
        pytest.param(_raised(_http_error(404)), OutcomeClass.TRANSIENT, "NotFound", id="404 of a channel"),
        pytest.param(_raised(_http_error(410)), OutcomeClass.TRANSIENT, "NotFound", id="410 of a page"),
        pytest.param(_raised(_http_error(403)), OutcomeClass.TRANSIENT, "Forbidden", id="403 of a page"),
        pytest.param(_raised(_http_error(400)), OutcomeClass.TRANSIENT, "HttpError", id="another status"),
        pytest.param(_raised(_http_error(451)), OutcomeClass.NEEDS_ACCESS, "GeoRestricted", id="451"),
        pytest.param(
            _raised(_http_error(302, redirect_loop=True)), OutcomeClass.TRANSIENT, "RedirectLoop", id="redirects"
        ),
        pytest.param(
            _raised(_http_error(403), message="ERROR: unable to download video data: HTTP Error 403: Forbidden"),
            OutcomeClass.TRANSIENT,
            "MediaForbidden",
            id="403 of media",
        ),
        pytest.param(
            _raised(_http_error(404), message="ERROR: unable to download video data: HTTP Error 404: Not Found"),
            OutcomeClass.TRANSIENT,
            "MediaNotFound",
            id="404 of media",
        ),
        pytest.param(_raised(_http_error(407)), OutcomeClass.ENVIRONMENT, "ProxyRefused", id="407 of a plain request"),
        pytest.param(
            _raised(ProxyError("('Unable to connect', OSError('Tunnel connection failed: 407 Proxy Authentication'))")),
            OutcomeClass.ENVIRONMENT,
            "ProxyRefused",
            id="407 of a tunnel",
        ),
        pytest.param(
            _raised(ProxyError("('Unable to connect', OSError('Tunnel connection failed: 502 Bad Gateway'))")),
            OutcomeClass.TRANSIENT,
            "Unreachable",
            id="a proxy that cannot connect",
        ),
        pytest.param(
            DownloadError("Postprocessing: Conversion failed!", (PostProcessingError, PostProcessingError("x"), None)),
            OutcomeClass.TRANSIENT,
            "ProcessingFailed",
            id="ffmpeg fails",
        ),
        pytest.param(PostProcessingError("odd"), OutcomeClass.TRANSIENT, "ProcessingFailed", id="ffmpeg fails, bare"),
        pytest.param(
            OSError(errno.EFBIG, "File too large"), OutcomeClass.CONFIGURATION, "FileTooLarge", id="file too large"
        ),
        pytest.param(
            DownloadError("unable to write data: [Errno 27] File too large"),
            OutcomeClass.CONFIGURATION,
            "FileTooLarge",
            id="file too large, in words only",
        ),
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
            _raised(TransportError("broken", cause=ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version"))),
            OutcomeClass.TRANSIENT,
            "TlsFailed",
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
        pytest.param("Unable to connect: Connection refused", OutcomeClass.TRANSIENT, "Unreachable", id="no network"),
        pytest.param("Some other warning", OutcomeClass.TRANSIENT, "ExtractorFailed", id="nothing of use"),
    ],
)
def test_warnings_tell_what_the_error_does_not(warning: str, outcome: OutcomeClass, reason: str) -> None:
    """For a failed player request the status is in yt-dlp's warnings only."""
    found = classify(_said("Failed to extract any player response", expected=False), [warning])
    assert (outcome, reason) == (found.outcome, found.reason)


@pytest.mark.parametrize(
    ("error", "warning", "outcome", "reason"),
    [
        pytest.param(
            "No video formats found!",
            "Unable to download API page: HTTP Error 429: Too Many Requests",
            OutcomeClass.RATE_LIMITED,
            "RateLimited",
            id="a player that limits us leaves no formats",
        ),
        pytest.param(
            "Requested format is not available.",
            "Only images are available for download. use --list-formats to see them",
            OutcomeClass.TRANSIENT,
            "NoFormats",
            id="the wish is not to blame for what yt-dlp could not read",
        ),
        pytest.param(
            "Requested format is not available.", "Something else", OutcomeClass.CONFIGURATION, "FormatUnavailable",
            id="the wish is to blame",
        ),
    ],
)  # fmt: skip
def test_why_there_is_no_format_stands_in_the_warnings(
    error: str, warning: str, outcome: OutcomeClass, reason: str
) -> None:
    """yt-dlp goes on without the player that did not answer, and ends for lack of formats."""
    found = classify(_said(error), [warning])
    assert (outcome, reason) == (found.outcome, found.reason)


def test_a_crash_of_yt_dlp_is_named_with_its_cause() -> None:
    """A site's hiccup or a yt-dlp that is too old: worth another try, and worth a look."""
    crash = ExtractorError("An extractor error has occurred.", cause=KeyError("ytcfg"), expected=False)
    found = classify(_raised(crash))
    assert found == Classified(
        Reason.EXTRACTOR_FAILED,
        "yt-dlp could not read what the site answered: An extractor error has occurred. (KeyError: 'ytcfg'). "
        "If it stays so, a newer yt-dlp may help.",
    )


def test_an_exception_that_leaves_yt_dlps_code_is_its_crash() -> None:
    """An extractor that trips over a page raises whatever Python raises."""
    with pytest.raises(ValueError, match="odd") as raised:
        _in_yt_dlp(lambda: int("odd"))
    assert classify(raised.value).reason is Reason.EXTRACTOR_FAILED


def _in_yt_dlp(function: Callable[[], object]) -> object:
    """Calls it from yt-dlp's own code."""
    return LazyList(function() for _ in range(1))[0]


def test_an_exception_of_our_own_code_is_not_blamed_on_yt_dlp() -> None:
    """Nobody would find the mistake."""
    with pytest.raises(ValueError, match="odd") as raised:
        int("odd")
    assert classify(raised.value).reason is Reason.UNKNOWN


def test_what_yt_dlp_had_already_dealt_with_is_no_crash() -> None:
    """An error that yt-dlp expects may have been raised while it handled another."""
    expected = ExtractorError("New words of a site", expected=True)
    expected.__context__ = ExtractorError("An inner one", expected=False)
    assert classify(_raised(expected)).reason is Reason.UNKNOWN


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(
            _raised(
                ExtractorError("Unable to download webpage", cause=_http_error(404, reason="No space left on device"))
            ),
            Reason.NOT_FOUND,
            id="the words of a status",
        ),
        pytest.param(
            _raised(_http_error(403, reason="Read-only file system"), message="unable to download video data"),
            Reason.MEDIA_FORBIDDEN,
            id="the words of a medium's status",
        ),
        pytest.param(
            DownloadError("[download] Got error: HTTP Error 503: Stale file handle. Giving up after 3 retries"),
            Reason.SERVER_ERROR,
            id="the words of a status that is told in words only",
        ),
        pytest.param(
            _said("Video unavailable. It holds content from ffmpeg not found, who blocked it in your country"),
            Reason.GEO_RESTRICTED,
            id="the name of a channel",
        ),
        pytest.param(
            _raised(TransportError("broken", cause=OSError(errno.ENOTCONN, "Transport endpoint is not connected"))),
            Reason.UNREACHABLE,
            id="a connection that was gone at once",
        ),
        pytest.param(
            _raised(TransportError("refused", cause=PermissionError(errno.EPERM, "Operation not permitted"))),
            Reason.UNREACHABLE,
            id="a firewall",
        ),
    ],
)
def test_nothing_that_comes_over_the_network_is_the_volumes_fault(error: BaseException, reason: Reason) -> None:
    """A volume's trouble holds back everybody who downloads to it: no site may claim it."""
    assert classify(error).reason is reason


def test_a_warning_never_outweighs_the_error() -> None:
    """A rate limit that was survived does not hide that the video is private."""
    found = classify(_said("Private video."), ["HTTP Error 429: Too Many Requests"])
    assert found.outcome is OutcomeClass.NEEDS_ACCESS


def test_an_unknown_error_keeps_its_own_words() -> None:
    """What yt-dlp adds for its command line and its bug tracker is not for our users."""
    text = "ERROR: [youtube] abc: Something odd happened; please report this issue on  https://site.test , filling out"
    assert classify(DownloadError(text)) == Classified(Reason.UNKNOWN, "Something odd happened")


def test_a_message_is_short() -> None:
    """A site cannot fill a condition with a page of text."""
    assert len(classify(_said("x" * 5000)).message) == MAX_MESSAGE


def test_a_message_holds_no_password() -> None:
    """A proxy's user and password never reach a message."""
    found = classify(TransportError("odd answer of http://me:secret@proxy.test:3128/ received"))
    assert found.message == "odd answer of http://proxy.test:3128/ received"
    assert without_secrets("socks5://a:b@c:1") == "socks5://c:1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "Max retries exceeded with url: /videoplayback?expire=1&ip=192.0.2.1&sig=AB%2C (x)",
            "Max retries exceeded with url: /videoplayback?expire=…&ip=…&sig=… (x)",
            id="a signed address",
        ),
        pytest.param(
            "Unsupported URL: https://x.test/watch?v=abc&list=PL1&token=s",
            "Unsupported URL: https://x.test/watch?v=abc&list=PL1&token=…",
            id="what names the video stays",
        ),
        pytest.param("header 'Cookie': SID=secret; HSID=more", "header 'Cookie': …", id="a cookie"),
        pytest.param("Authorization: Bearer abc def", "Authorization: …", id="credentials"),
    ],
)
def test_no_secret_is_told(text: str, expected: str) -> None:
    """Messages stand in conditions, Events and ledgers, for all who may read them."""
    assert expected == without_secrets(text)


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
            _raised(_http_error(429, {"Retry-After": "Thu, 01 Jan 1970 00:30:00 GMT"})), 1_800, id="Retry-After, a date"
        ),
        pytest.param(
            _raised(_http_error(429, {"Retry-After": "Thu, 01 Jan 1970 00:30:00 -0000"})),
            1_800,
            id="Retry-After, a date without a zone",
        ),
        pytest.param(
            _raised(_http_error(429, {"Retry-After": "Thu, 01 Jan 1970 00:10:00 GMT"})), None, id="a date that is over"
        ),
        pytest.param(_raised(_http_error(429, {"Retry-After": "soon"})), None, id="Retry-After, nonsense"),
        pytest.param(_raised(_http_error(429, {"Retry-After": "9" * 40})), 1_000 + 7 * 86_400, id="a year is a week"),
        pytest.param(
            _said("The current session has been rate-limited by YouTube for up to an hour."), 4_600, id="hour"
        ),
        pytest.param(_said("Private video."), None, id="not a matter of time"),
    ],
)
def test_when_to_try_again(error: BaseException, expected: int | None) -> None:
    """A time that the site told is passed on, counted from the caller's clock."""
    assert expected == classify(error, now=1_000).retry_at


def test_of_a_limit_that_only_warnings_tell_the_time_stands_in_the_answers() -> None:
    """yt-dlp's warnings do not say how long to wait; the longest of the answers counts."""
    found = classify(
        _said("Failed to extract any player response", expected=False),
        ["HTTP Error 429: Too Many Requests"],
        refusals=[_http_error(429, {"Retry-After": "60"}), _http_error(429, {"Retry-After": "90"}), _http_error(429)],
        now=1_000,
    )
    assert (found.reason, found.retry_at) == (Reason.RATE_LIMITED, 1_090)


@pytest.mark.parametrize("reason", list(Reason))
def test_a_reason_is_a_word(reason: Reason) -> None:
    """CamelCase, as the contract demands."""
    assert re.fullmatch(r"[A-Z][A-Za-z0-9]{0,63}", reason)


def test_no_time_without_a_clock() -> None:
    """Without the caller's clock there is no point in time."""
    assert classify(_said("Premieres in 3 hours")).retry_at is None


def test_half_a_character_in_a_message_is_replaced() -> None:
    """No JSON writer takes it, and the ending would get lost with it."""
    assert classify(_said("Premieres soon \ud83d")).message == "Premieres soon ?"
