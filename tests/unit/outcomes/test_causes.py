"""Where the cause is not the error itself: in warnings, in the chain of exceptions, in yt-dlp's code."""

from collections.abc import Callable

import pytest
from yt_dlp.utils import DownloadError, ExtractorError, LazyList, UnsupportedError

from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.outcomes import Classified, classify
from yt_dlp_errors import said, wrapped


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
    found = classify(said("Failed to extract any player response", expected=False), [warning])
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
    found = classify(said(error), [warning])
    assert (outcome, reason) == (found.outcome, found.reason)


def test_a_warning_never_outweighs_the_error() -> None:
    """A rate limit that was survived does not hide that the video is private."""
    found = classify(said("Private video."), ["HTTP Error 429: Too Many Requests"])
    assert found.outcome is OutcomeClass.NEEDS_ACCESS


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(
            DownloadError("ERROR: [ted] how_captcha_works: Unable to download webpage: HTTP Error 404: Not Found"),
            Reason.NOT_FOUND,
            id="an id",
        ),
        pytest.param(wrapped(UnsupportedError("https://x.test/captcha")), Reason.UNSUPPORTED_URL, id="an address"),
        pytest.param(
            said("Video unavailable. This video is no longer available due to a copyright claim by Captcha Records"),
            Reason.COPYRIGHT,
            id="who claims it",
        ),
        pytest.param(
            said("It contains content from Captcha Ltd, who has blocked it in your country on copyright grounds"),
            Reason.GEO_RESTRICTED,
            id="who blocks it",
        ),
        pytest.param(
            said("This video is available to this channel's members on level: HTTP Error 429 (or any higher level)."),
            Reason.MEMBERS_ONLY,
            id="a level of members",
        ),
    ],
)
def test_what_people_called_something_is_not_the_sites_word(error: BaseException, reason: Reason) -> None:
    """It would close the gate of the whole site, at each look at this video."""
    assert classify(error).reason is reason


def test_a_name_in_a_warning_is_not_the_sites_word() -> None:
    """Warnings bear the same prefix."""
    error, warning = said("No video formats found!"), "[ted] how_captcha_works: Some formats may be odd"
    assert classify(error, [warning]).reason is Reason.NO_FORMATS


def test_a_crash_of_yt_dlp_is_named_with_its_cause() -> None:
    """A site's hiccup or a yt-dlp that is too old: worth another try, and worth a look."""
    crash = ExtractorError("An extractor error has occurred.", cause=KeyError("ytcfg"), expected=False)
    found = classify(wrapped(crash))
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
    assert classify(wrapped(expected)).reason is Reason.UNKNOWN


def test_a_cycle_in_the_chain_ends() -> None:
    """Exceptions that name each other as context are looked at once."""
    first, second = ValueError("a"), ValueError("b")
    first.__context__, second.__context__ = second, first
    assert classify(first).reason == "Unknown"
