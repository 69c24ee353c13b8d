"""From the kind of yt-dlp's exception to an outcome class, where no word of a site decides."""

import errno
import re
import ssl

import pytest
from yt_dlp.networking._urllib import UrllibRH
from yt_dlp.networking.exceptions import (
    CertificateVerifyError,
    NoSupportingHandlers,
    ProxyError,
    TransportError,
    UnsupportedRequest,
)
from yt_dlp.utils import (
    DownloadError,
    ExtractorError,
    GeoRestrictedError,
    PostProcessingError,
    UnsupportedError,
    UserNotLive,
)

from trawler_downloader.access.guard import ProxyNotAllowedError
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.outcomes import classify
from yt_dlp_errors import http_error, said, wrapped


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        pytest.param(wrapped(http_error(429)), OutcomeClass.RATE_LIMITED, "RateLimited", id="429 of a listing"),
        pytest.param(wrapped(http_error(503)), OutcomeClass.TRANSIENT, "ServerError", id="5xx of a listing"),
        pytest.param(wrapped(http_error(404)), OutcomeClass.TRANSIENT, "NotFound", id="404 of a channel"),
        pytest.param(wrapped(http_error(410)), OutcomeClass.TRANSIENT, "NotFound", id="410 of a page"),
        pytest.param(wrapped(http_error(403)), OutcomeClass.TRANSIENT, "Forbidden", id="403 of a page"),
        pytest.param(wrapped(http_error(400)), OutcomeClass.TRANSIENT, "HttpError", id="another status"),
        pytest.param(wrapped(http_error(451)), OutcomeClass.NEEDS_ACCESS, "GeoRestricted", id="451"),
        pytest.param(
            wrapped(http_error(302, redirect_loop=True)), OutcomeClass.TRANSIENT, "RedirectLoop", id="redirects"
        ),
        pytest.param(
            wrapped(http_error(403), message="ERROR: unable to download video data: HTTP Error 403: Forbidden"),
            OutcomeClass.TRANSIENT,
            "MediaForbidden",
            id="403 of media",
        ),
        pytest.param(
            wrapped(http_error(404), message="ERROR: unable to download video data: HTTP Error 404: Not Found"),
            OutcomeClass.TRANSIENT,
            "MediaNotFound",
            id="404 of media",
        ),
        pytest.param(
            DownloadError("unable to download video data: timed out"),
            OutcomeClass.TRANSIENT,
            "MediaUnreachable",
            id="media that do not come",
        ),
        pytest.param(
            DownloadError("[download] Got error: HTTPSConnectionPool(host='h', port=443): Read timed out.. Giving up"),
            OutcomeClass.TRANSIENT,
            "MediaUnreachable",
            id="media that come no more",
        ),
        pytest.param(
            wrapped(
                TransportError("Failed to resolve 'h' ([Errno -2] Name or service not known)"),
                message="ERROR: unable to download video data: Failed to resolve 'h'",
            ),
            OutcomeClass.TRANSIENT,
            "MediaUnreachable",
            id="media at a host without a name",
        ),
        pytest.param(
            wrapped(http_error(407)), OutcomeClass.TRANSIENT, "HttpError", id="407 of a site, for there is no proxy"
        ),
        pytest.param(
            wrapped(ProxyError("('Unable to connect', OSError('Tunnel connection failed: 502 Bad Gateway'))")),
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
            ExtractorError("Unable to download API page", cause=http_error(429), expected=True),
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
            wrapped(UnsupportedError("https://site.test/")),
            OutcomeClass.CONFIGURATION,
            "UnsupportedUrl",
            id="no extractor",
        ),
        pytest.param(
            wrapped(GeoRestrictedError("The uploader has not made this video available in your country")),
            OutcomeClass.NEEDS_ACCESS,
            "GeoRestricted",
            id="country",
        ),
        pytest.param(wrapped(UserNotLive(video_id="x")), OutcomeClass.NOT_YET, "NotLive", id="not live"),
        pytest.param(
            wrapped(CertificateVerifyError("certificate verify failed")),
            OutcomeClass.CONFIGURATION,
            "TlsNotTrusted",
            id="TLS",
        ),
        pytest.param(
            wrapped(TransportError("Failed to resolve 'h' ([Errno -2] Name or service not known)")),
            OutcomeClass.TRANSIENT,
            "Unreachable",
            id="DNS",
        ),
        pytest.param(
            wrapped(TransportError("[Errno 111] Connection refused")),
            OutcomeClass.TRANSIENT,
            "Unreachable",
            id="refused",
        ),
        pytest.param(
            wrapped(TransportError("broken", cause=ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version"))),
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
            "ImageIncomplete",
            id="no ffmpeg",
        ),
        pytest.param(
            NoSupportingHandlers([UnsupportedRequest('Unsupported url scheme: "ftp"', handler=UrllibRH)], []),
            OutcomeClass.CONFIGURATION,
            "UnsupportedStream",
            id="FTP",
        ),
        pytest.param(MemoryError(), OutcomeClass.TRANSIENT, "OutOfMemory", id="memory limit"),
    ],
)
def test_what_an_exception_is(error: BaseException, outcome: OutcomeClass, reason: str) -> None:
    """The class is found wherever in the chain the telling exception sits."""
    found = classify(error)
    assert (outcome, reason) == (found.outcome, found.reason)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(
            wrapped(
                ExtractorError("Unable to download webpage", cause=http_error(404, reason="No space left on device"))
            ),
            Reason.NOT_FOUND,
            id="the words of a status",
        ),
        pytest.param(
            wrapped(http_error(403, reason="Read-only file system"), message="unable to download video data"),
            Reason.MEDIA_FORBIDDEN,
            id="the words of a medium's status",
        ),
        pytest.param(
            DownloadError("[download] Got error: HTTP Error 503: Stale file handle. Giving up after 3 retries"),
            Reason.SERVER_ERROR,
            id="the words of a status that is told in words only",
        ),
        pytest.param(
            said("Video unavailable. It holds content from ffmpeg not found, who blocked it in your country"),
            Reason.GEO_RESTRICTED,
            id="the name of a channel",
        ),
        pytest.param(
            wrapped(TransportError("broken", cause=OSError(errno.ENOTCONN, "Transport endpoint is not connected"))),
            Reason.UNREACHABLE,
            id="a connection that was gone at once",
        ),
        pytest.param(
            wrapped(TransportError("refused", cause=PermissionError(errno.EPERM, "Operation not permitted"))),
            Reason.UNREACHABLE,
            id="a firewall",
        ),
    ],
)
def test_nothing_that_comes_over_the_network_is_the_volumes_fault(error: BaseException, reason: Reason) -> None:
    """A volume's trouble holds back everybody who downloads to it: no site may claim it."""
    assert classify(error).reason is reason


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(wrapped(http_error(407)), id="a plain request"),
        pytest.param(
            wrapped(ProxyError("('Unable to connect', OSError('Tunnel connection failed: 407 Proxy Authentication'))")),
            id="a tunnel",
        ),
        pytest.param(wrapped(ProxyError("SOCKS5 authentication failed")), id="SOCKS"),
        pytest.param(
            wrapped(ProxyError("0x01: unknown username or invalid password")), id="SOCKS, a password that is wrong"
        ),
    ],
)
def test_only_where_there_is_a_proxy_it_refuses(error: BaseException) -> None:
    """A site's own words may be the same, and its videos would wait for ever for a proxy's login to be mended."""
    assert classify(error, proxied=True).reason is Reason.PROXY_LOGIN_REFUSED
    assert classify(error).outcome is OutcomeClass.TRANSIENT


def test_that_media_were_on_their_way_is_found_in_warnings() -> None:
    """An error that tells nothing comes after warnings of tries that were made again."""
    error, warnings = DownloadError("Aborted"), ["[download] Got error: Read timed out. Retrying (1/3)..."]
    assert classify(error, warnings).reason is Reason.MEDIA_UNREACHABLE
    assert classify(error, ["Read timed out. Retrying (1/3)..."]).reason is Reason.UNREACHABLE


def test_a_proxys_refusal_is_found_in_warnings() -> None:
    """Where the error itself tells nothing, as with a player that did not answer."""
    error, warnings = said("No video formats found!"), ["Unable to download API page: HTTP Error 407: Wanted"]
    assert classify(error, warnings, proxied=True).reason is Reason.PROXY_LOGIN_REFUSED
    assert classify(error, warnings).reason is Reason.HTTP_ERROR


@pytest.mark.parametrize("reason", list(Reason))
def test_a_reason_is_a_word(reason: Reason) -> None:
    """CamelCase, as the contract demands."""
    assert re.fullmatch(r"[A-Z][A-Za-z0-9]{0,63}", reason)


def test_a_proxy_that_nobody_listed() -> None:
    """Found in what the guard raised, however yt-dlp wrapped it, and in warnings; a site cannot say it of itself."""
    refused = ProxyNotAllowedError("proxy.lan", 3128, "10.0.0.5")
    found = classify(wrapped(TransportError(cause=refused)), proxied=True)
    assert (found.reason, found.outcome) == (Reason.PROXY_NOT_ALLOWED, OutcomeClass.ENVIRONMENT)
    assert found.message.startswith("spec.access.proxy proxy.lan:3128 is at 10.0.0.5")
    warnings = [f"Unable to download webpage: {refused.strerror} (caused by TransportError(...))"]
    assert classify(said("No video formats found!"), warnings, proxied=True).reason is Reason.PROXY_NOT_ALLOWED
    assert classify(said(str(refused.strerror))).reason is Reason.ADDRESS_REFUSED
