"""The condition CookiesValid: what launches and listings tell of the cookies, and how long it counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from builders import NOON
from trawler_downloader.contract.download import DownloadResult
from trawler_downloader.contract.listing import ListingEnd, TrailerLine
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.api.conditions import Condition, ConditionStatus
from trawler_operator.api.reasons import ConditionReason
from trawler_operator.domain.status.cookies import (
    CookiesVerdict,
    cookies_condition,
    cookies_found,
    cookies_read,
    cookies_verdict,
)

ACCEPTED = CookiesVerdict(ConditionReason.COOKIES_ACCEPTED)
REJECTED = CookiesVerdict(ConditionReason.COOKIES_REJECTED)


def result(**fields: Any) -> DownloadResult:
    return DownloadResult(**{"outcome": OutcomeClass.PUBLISHED, "reason": "Published", **fields})


def condition(
    verdict: CookiesVerdict | None, *previous: Condition, secret: str = "c", generation: int = 1
) -> Condition:
    later = NOON + timedelta(hours=len(previous))
    found = cookies_condition(previous, verdict, secret, generation=generation, now=later)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(None, None, id="no report"),
        pytest.param(result(), None, id="a launch without cookies"),
        pytest.param(result(cookies_used=True), ACCEPTED, id="a launch with cookies"),
        pytest.param(result(cookies_used=True, cookies_invalid=True), REJECTED, id="a session that ended"),
        pytest.param(
            result(outcome=OutcomeClass.NEEDS_ACCESS, reason="CookiesMissing", message="Secret c"),
            CookiesVerdict(ConditionReason.COOKIES_MISSING, "Secret c"),
            id="no cookies where some were needed",
        ),
        pytest.param(
            TrailerLine(end=ListingEnd.ERROR, reason="CookiesMalformed", message="line 3", engine="1"),
            CookiesVerdict(ConditionReason.COOKIES_MALFORMED, "line 3"),
            id="a listing that could not read them",
        ),
        pytest.param(
            TrailerLine(end=ListingEnd.COMPLETE, reason="CookiesMalformed", message="line 3", engine="1"),
            CookiesVerdict(ConditionReason.COOKIES_MALFORMED, "line 3"),
            id="a listing that could not read them and did not need them",
        ),
        pytest.param(
            TrailerLine(end=ListingEnd.COMPLETE, cookies_used=True, engine="1"), ACCEPTED, id="a listing with cookies"
        ),
    ],
)
def test_what_endings_tell(told: DownloadResult | TrailerLine | None, expected: CookiesVerdict | None) -> None:
    assert cookies_verdict(told) == expected


def test_without_cookies_there_is_no_condition() -> None:
    assert cookies_condition((), ACCEPTED, "", generation=1, now=NOON) is None


def test_nothing_is_known_before_they_were_used() -> None:
    found = condition(None)
    assert (found.status, found.reason) == (ConditionStatus.UNKNOWN, "NotCheckedYet")


def test_a_session_that_ended_says_what_to_do_until_cookies_are_accepted_again() -> None:
    ended = condition(REJECTED, secret="my-cookies")
    assert (ended.status, ended.reason) == (ConditionStatus.FALSE, "CookiesRejected")
    assert "Secret my-cookies" in ended.message
    assert "export them anew" in ended.message
    assert condition(None, ended) == ended
    again = condition(ACCEPTED, ended)
    assert (again.status, again.last_transition_time) == (ConditionStatus.TRUE, NOON + timedelta(hours=1))


def test_the_downloaders_own_words_are_kept() -> None:
    found = condition(CookiesVerdict(ConditionReason.COOKIES_MALFORMED, "Secret c: line 3 has 1 fields"))
    assert (found.status, found.message) == (ConditionStatus.FALSE, "Secret c: line 3 has 1 fields")


def test_a_changed_spec_may_name_other_cookies() -> None:
    assert condition(None, condition(REJECTED), generation=2).reason == "NotCheckedYet"


def test_a_secret_that_is_there_again_ends_missing_and_nothing_else() -> None:
    assert cookies_found([condition(CookiesVerdict(ConditionReason.COOKIES_MISSING))]) == CookiesVerdict(
        ConditionReason.NOT_CHECKED_YET
    )
    assert cookies_found([condition(REJECTED)]) is None
    assert cookies_found([]) is None


def test_a_listing_that_has_nothing_to_say_of_them_ends_malformed_and_nothing_else() -> None:
    listed, failed = (TrailerLine(end=end, engine="1") for end in (ListingEnd.COMPLETE, ListingEnd.ERROR))
    malformed = condition(CookiesVerdict(ConditionReason.COOKIES_MALFORMED))
    assert cookies_read(listed, [malformed]) == CookiesVerdict(ConditionReason.NOT_CHECKED_YET)
    assert cookies_read(failed, [malformed]) is None
    assert cookies_read(listed, [condition(REJECTED)]) is None
