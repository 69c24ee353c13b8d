"""When to try again, as far as a site told."""

import pytest

from trawler_downloader.contract.reasons import Reason
from trawler_downloader.outcomes import classify
from yt_dlp_errors import http_error, said, wrapped


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(said("Premieres in 3 hours"), 1_000 + 3 * 3600, id="premiere in hours"),
        pytest.param(said("This live event will begin in a day."), 1_000 + 86_400, id="live in a day"),
        pytest.param(said("Premieres shortly"), None, id="no time told"),
        pytest.param(wrapped(http_error(429, {"Retry-After": "120"})), 1_120, id="Retry-After"),
        pytest.param(wrapped(http_error(429)), None, id="429 without a time"),
        pytest.param(
            wrapped(http_error(429, {"Retry-After": "Thu, 01 Jan 1970 00:30:00 GMT"})), 1_800, id="Retry-After, a date"
        ),
        pytest.param(
            wrapped(http_error(429, {"Retry-After": "Thu, 01 Jan 1970 00:30:00 -0000"})),
            1_800,
            id="Retry-After, a date without a zone",
        ),
        pytest.param(
            wrapped(http_error(429, {"Retry-After": "Thu, 01 Jan 1970 00:10:00 GMT"})), None, id="a date that is over"
        ),
        pytest.param(wrapped(http_error(429, {"Retry-After": "soon"})), None, id="Retry-After, nonsense"),
        pytest.param(wrapped(http_error(429, {"Retry-After": "9" * 40})), 1_000 + 7 * 86_400, id="a year is a week"),
        pytest.param(said("The current session has been rate-limited by YouTube for up to an hour."), 4_600, id="hour"),
        pytest.param(said("Private video."), None, id="not a matter of time"),
    ],
)
def test_when_to_try_again(error: BaseException, expected: int | None) -> None:
    """A time that the site told is passed on, counted from the caller's clock."""
    assert expected == classify(error, now=1_000).retry_at


def test_of_a_limit_that_only_warnings_tell_the_time_stands_in_the_answers() -> None:
    """yt-dlp's warnings do not say how long to wait; the longest of the answers counts."""
    found = classify(
        said("Failed to extract any player response", expected=False),
        ["HTTP Error 429: Too Many Requests"],
        refusals=[http_error(429, {"Retry-After": "60"}), http_error(429, {"Retry-After": "90"}), http_error(429)],
        now=1_000,
    )
    assert (found.reason, found.retry_at) == (Reason.RATE_LIMITED, 1_090)


def test_no_time_without_a_clock() -> None:
    """Without the caller's clock there is no point in time."""
    assert classify(said("Premieres in 3 hours")).retry_at is None
