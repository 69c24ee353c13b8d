"""A source that is no more: believed at the third time, looked at ever more rarely, and back when it answers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from builders import LISTING_DIGEST, NO_LISTER, NOON, built_status
from trawler_downloader.contract.listing import ListingEnd
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api.spec import Schedule
from trawler_operator.api.status import SubscriptionStatus
from trawler_operator.domain.checks.schedule import CheckHistory, PollDecision, Why, poll_decision
from trawler_operator.domain.status.build import LedgerFacts
from trawler_operator.domain.status.condition_rules import CheckReport

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GONE = CheckReport(NOON, ListingEnd.ERROR, OutcomeClass.TERMINAL, "SourceGone", "The channel does not exist.")
NOT_FOUND = CheckReport(NOON, ListingEnd.ERROR, OutcomeClass.TRANSIENT, "NotFound", "There is nothing (HTTP 404).")
UNREACHABLE = CheckReport(NOON, ListingEnd.ERROR, OutcomeClass.TRANSIENT, "Unreachable", "no such host")
WELL = CheckReport(NOON, ListingEnd.STOPPED)


def after(check: CheckReport | None, gone: int, listing: str = LISTING_DIGEST) -> SubscriptionStatus:
    """The status after a check of a source that was not found so often before."""
    before: dict[str, Any] = {
        "goneChecks": gone,
        "failedChecks": gone,
        "lastCheckTime": "2026-11-21T11:00:00Z",
        "lastCheckDigest": LISTING_DIGEST,
    }
    known = LedgerFacts(counts={LedgerState.SUCCEEDED: 1})
    return built_status(status=before, ledger=known, check=check, listing=listing)


def reason(status: SubscriptionStatus, kind: str) -> str:
    (found,) = [condition.reason for condition in status.conditions if condition.type == kind]
    return found


@pytest.mark.parametrize(
    ("check", "gone", "counted"),
    [
        pytest.param(GONE, 0, 1, id="the site says that it is gone"),
        pytest.param(NOT_FOUND, 1, 2, id="the page is not there"),
        pytest.param(UNREACHABLE, 2, 0, id="unreachable: not in a row"),
        pytest.param(WELL, 5, 0, id="it is back"),
        pytest.param(NO_LISTER, 5, 5, id="the lister is down: says nothing of the source"),
        pytest.param(None, 5, 5, id="not looked at"),
    ],
)
def test_count(check: CheckReport | None, gone: int, counted: int) -> None:
    """Checks in a row that found no source."""
    assert after(check, gone).gone_checks == counted


def test_changed_spec_counts_anew() -> None:
    """It may be another source by now."""
    assert after(GONE, 5, listing="another").gone_checks == 1


@pytest.mark.parametrize(
    ("check", "gone", "ready", "reachable"),
    [
        pytest.param(GONE, 0, "CheckFailed", "SourceGone", id="the first time, in the site's words"),
        pytest.param(NOT_FOUND, 1, "CheckFailed", "NotFound", id="the second time"),
        pytest.param(NOT_FOUND, 2, "SourceGone", "SourceGone", id="the third time"),
        pytest.param(None, 3, "SourceGone", "NotCheckedYet", id="between two checks"),
        pytest.param(WELL, 9, "Watching", "Listed", id="it is back"),
    ],
)
def test_conditions(check: CheckReport | None, gone: int, ready: str, reachable: str) -> None:
    """Both say so from the third time on."""
    status = after(check, gone)

    assert (reason(status, "Ready"), reason(status, "SourceReachable")) == (ready, reachable)


def test_what_people_are_told() -> None:
    """What it means, and how to have it looked at; the site's own words stand in the other condition."""
    ready, reachable = (condition.message for condition in after(GONE, 6).conditions[:2])

    assert "7 checks in a row" in ready
    assert "trawler.dev/check" in ready
    assert reachable == "The channel does not exist."


def decide(gone: int, schedule: Schedule | None = None, **changes: Any) -> PollDecision:
    facts: dict[str, Any] = {"uid": "a", "digest": "d", "suspended": False, "requested": False}
    history = CheckHistory(NOON, "d", gone, OutcomeClass.TERMINAL, gone)
    return poll_decision(
        schedule or Schedule(),
        history,
        open_since=datetime.fromisoformat("2026-11-01T00:00Z"),
        now=NOON + HOUR / 2,
        **facts | changes,
    )


@pytest.mark.parametrize(
    ("gone", "why", "pause"),
    [
        pytest.param(2, Why.FAILED, HOUR, id="not believed yet: as often as was asked for"),
        pytest.param(3, Why.GONE, DAY, id="the third time"),
        pytest.param(4, Why.GONE, 2 * DAY, id="doubling"),
        pytest.param(6, Why.GONE, 8 * DAY, id="again and again"),
        pytest.param(99, Why.GONE, 14 * DAY, id="two weeks at most"),
    ],
)
def test_pause(gone: int, why: Why, pause: timedelta) -> None:
    """Ever more rarely, and a little later still."""
    decision = decide(gone)

    assert decision.why is why
    assert decision.at is not None
    assert pause <= decision.at - NOON <= pause * 1.1 + timedelta(minutes=5)


def test_rarer_schedule_holds() -> None:
    """Never more often than was asked for."""
    decision = decide(3, Schedule(interval_seconds=864_000))

    assert decision.at is not None
    assert decision.at >= NOON + 10 * DAY


@pytest.mark.parametrize(
    ("changes", "why"), [({"requested": True}, Why.REQUESTED), ({"digest": "e"}, Why.SPEC_CHANGED)]
)
def test_looked_at_at_once(changes: dict[str, Any], why: Why) -> None:
    """When a person asks for it, or changes the spec."""
    decision = decide(50, **changes)

    assert (decision.due, decision.why) == (True, why)
