"""What an ending does to a video's entry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from builders import NOON, ledger_entry
from trawler_downloader.contract.download import DownloadResult, StepTimes
from trawler_downloader.contract.outcomes import FREE_OUTCOMES, LedgerState, OutcomeClass
from trawler_operator.api.spec import Retry
from trawler_operator.domain.jobs.outcome import ObservedOutcome
from trawler_operator.domain.launches.transitions import settle
from trawler_operator.domain.ledger.entry import LaunchTimes, LedgerEntry

KEY = "youtube.abcdefghijk"
SEC, MIN, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def _ended(outcome: OutcomeClass, reason: str = "Why", **result: Any) -> ObservedOutcome:
    report = DownloadResult(outcome=outcome, reason=reason, **result) if result else None
    return ObservedOutcome(outcome, reason, "words", NOON, report)


def _settle(entry: LedgerEntry, observed: ObservedOutcome, built_from: str = "d") -> LedgerEntry:
    return settle(KEY, entry, observed, retry=Retry(), built_from=built_from, now=NOON)


def _deferred(outcome: OutcomeClass, times: int) -> LedgerEntry:
    return ledger_entry(outcome=outcome, deferrals=times)


PENDING = LedgerState.PENDING
ENVIRONMENT = OutcomeClass.ENVIRONMENT


@dataclass(frozen=True)
class Row:
    name: str
    # status
    entry: LedgerEntry
    # environment
    observed: ObservedOutcome
    # expectation
    state: LedgerState
    failures: int = 0
    deferrals: int = 0
    after: timedelta | None = None
    before: timedelta | None = None


ROWS = (
    Row("published", ledger_entry(), _ended(OutcomeClass.PUBLISHED, path="a"), LedgerState.SUCCEEDED),
    Row(
        "published at the third try: the history stays",
        ledger_entry(failures=2, deferrals=3),
        _ended(OutcomeClass.PUBLISHED, path="a"),
        LedgerState.SUCCEEDED,
        failures=2,
    ),
    Row("removed", ledger_entry(failures=1), _ended(OutcomeClass.TERMINAL), LedgerState.DEAD_LETTER, failures=1),
    Row(
        "first failure",
        ledger_entry(),
        _ended(OutcomeClass.TRANSIENT),
        LedgerState.FAILED,
        failures=1,
        after=MIN,
        before=1.2 * MIN,
    ),
    Row(
        "second failure",
        ledger_entry(failures=1),
        _ended(OutcomeClass.TRANSIENT),
        LedgerState.FAILED,
        failures=2,
        after=2 * MIN,
        before=2.4 * MIN,
    ),
    Row(
        "third failure of three",
        ledger_entry(failures=2),
        _ended(OutcomeClass.TRANSIENT),
        LedgerState.DEAD_LETTER,
        failures=3,
    ),
    Row(
        "maxAttempts was lowered meanwhile",
        ledger_entry(failures=7),
        _ended(OutcomeClass.TRANSIENT),
        LedgerState.DEAD_LETTER,
        failures=8,
    ),
    Row(
        "premiere without a time",
        ledger_entry(),
        _ended(OutcomeClass.NOT_YET),
        LedgerState.WAITING,
        deferrals=1,
        after=HOUR,
        before=1.2 * HOUR,
    ),
    Row(
        "premiere at a time",
        ledger_entry(),
        _ended(OutcomeClass.NOT_YET, retry_at=int(NOON.timestamp()) + 7200),
        LedgerState.WAITING,
        deferrals=1,
        after=2 * HOUR + MIN,
        before=2 * HOUR + MIN,
    ),
    Row(
        "premiere at a time that has passed",
        _deferred(OutcomeClass.NOT_YET, 1),
        _ended(OutcomeClass.NOT_YET, retry_at=int(NOON.timestamp()) - 1),
        LedgerState.WAITING,
        deferrals=2,
        after=2 * HOUR,
        before=2.4 * HOUR,
    ),
    Row(
        "premiere in a century",
        ledger_entry(),
        _ended(OutcomeClass.NOT_YET, retry_at=9_999_999_999_999),
        LedgerState.WAITING,
        deferrals=1,
        after=14 * DAY,
        before=14 * DAY,
    ),
    Row(
        "live for a long time",
        _deferred(OutcomeClass.NOT_YET, 50),
        _ended(OutcomeClass.NOT_YET),
        LedgerState.WAITING,
        deferrals=51,
        after=DAY,
        before=1.2 * DAY,
    ),
    Row(
        "members only",
        ledger_entry(failures=1),
        _ended(OutcomeClass.NEEDS_ACCESS),
        LedgerState.WAITING,
        failures=1,
        deferrals=1,
        after=DAY,
        before=1.2 * DAY,
    ),
    Row(
        "members only, a site's time does not count",
        ledger_entry(),
        _ended(OutcomeClass.NEEDS_ACCESS, retry_at=int(NOON.timestamp()) + 60),
        LedgerState.WAITING,
        deferrals=1,
        after=DAY,
        before=1.2 * DAY,
    ),
    Row(
        "members only for years",
        _deferred(OutcomeClass.NEEDS_ACCESS, 99),
        _ended(OutcomeClass.NEEDS_ACCESS),
        LedgerState.WAITING,
        deferrals=100,
        after=14 * DAY,
        before=16.8 * DAY,
    ),
    Row("rate limited: its gate holds it", ledger_entry(failures=2), _ended(OutcomeClass.RATE_LIMITED), PENDING, 2),
    Row("no volume: its gate holds it", ledger_entry(failures=2), _ended(ENVIRONMENT, "StaleVolume"), PENDING, 2),
    Row(
        "may not write to the volume: its Subscription's gate holds it",
        ledger_entry(failures=2),
        _ended(ENVIRONMENT, "PermissionDenied"),
        PENDING,
        2,
    ),
    Row("its Job is refused: the same", ledger_entry(failures=2), _ended(ENVIRONMENT, "JobRejected"), PENDING, 2),
    Row(
        "too large for the volume",
        ledger_entry(failures=2),
        _ended(ENVIRONMENT, "NotEnoughSpace"),
        PENDING,
        failures=2,
        deferrals=1,
        after=MIN,
        before=1.2 * MIN,
    ),
    Row(
        "too large for the volume, again and again",
        _deferred(ENVIRONMENT, 9),
        _ended(ENVIRONMENT, "NotEnoughSpace"),
        PENDING,
        deferrals=10,
        after=HOUR,
        before=1.2 * HOUR,
    ),
    Row(
        "too large after an eviction: begins anew",
        _deferred(OutcomeClass.TERMINATED, 9),
        _ended(ENVIRONMENT, "NotEnoughSpace"),
        PENDING,
        deferrals=1,
        after=MIN,
        before=1.2 * MIN,
    ),
    Row(
        "evicted",
        ledger_entry(failures=2),
        _ended(OutcomeClass.TERMINATED),
        LedgerState.PENDING,
        failures=2,
        deferrals=1,
        after=10 * SEC,
        before=12 * SEC,
    ),
    Row("asked for the impossible", ledger_entry(), _ended(OutcomeClass.CONFIGURATION), LedgerState.DEAD_LETTER),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_settle(row: Row) -> None:
    """One row per line of the state table, and its limits."""
    settled = _settle(row.entry, row.observed)

    assert (settled.state, settled.failures, settled.deferrals) == (row.state, row.failures, row.deferrals)
    assert settled.outcome is row.observed.outcome
    if row.after is None or row.before is None:
        assert settled.retry_at is None
    else:
        assert settled.retry_at is not None
        assert NOON + row.after <= settled.retry_at <= NOON + row.before


@pytest.mark.parametrize(("deferrals", "minutes"), [(0, 1), (1, 2), (9, 60)], ids=["first", "second", "tenth"])
def test_a_transient_ending_of_a_probe_costs_no_try(deferrals: int, minutes: int) -> None:
    """The site is unwell, and the last try of a video would be used up by that."""
    entry = replace(_deferred(OutcomeClass.TRANSIENT, deferrals), failures=2)
    observed = _ended(OutcomeClass.TRANSIENT)
    settled = settle(KEY, entry, observed, retry=Retry(), built_from="d", now=NOON, blames_site=True)

    assert (settled.state, settled.failures, settled.deferrals) == (LedgerState.PENDING, 2, deferrals + 1)
    assert settled.retry_at is not None
    assert minutes * MIN <= settled.retry_at - NOON <= 1.2 * minutes * MIN


@pytest.mark.parametrize("outcome", OutcomeClass)
def test_every_ending_leaves_running(outcome: OutcomeClass) -> None:
    """Nothing stays claimed, and what is free costs no try."""
    settled = _settle(ledger_entry(), _ended(outcome))

    assert settled.state is not LedgerState.RUNNING
    if outcome in FREE_OUTCOMES:
        assert settled.failures == 0


def test_videos_that_failed_together_do_not_return_together() -> None:
    """Their pauses differ, and each is the same whenever it is computed."""
    pauses = {
        settle(str(n), ledger_entry(), _ended(OutcomeClass.TRANSIENT), retry=Retry(), built_from="d", now=NOON).retry_at
        for n in range(100)
    }

    assert len(pauses) > 5


def test_a_dead_letter_of_a_wrong_spec_remembers_it() -> None:
    """A newer one tries again; any later ending forgets it."""
    dead = _settle(ledger_entry(), _ended(OutcomeClass.CONFIGURATION), built_from="d")
    again = _settle(replace(dead, state=LedgerState.RUNNING), _ended(OutcomeClass.TERMINAL))

    assert (dead.built_from, dead.waits_for_new_spec) == ("d", True)
    assert (again.built_from, again.waits_for_new_spec) == (None, False)


def test_the_report_goes_into_the_entry() -> None:
    """Path, size, title as downloaded, engine and the times of the steps."""
    entry = ledger_entry(title="as listed", times=LaunchTimes(claimed=NOON - HOUR))
    started = NOON.timestamp() - 600
    report = _ended(
        OutcomeClass.PUBLISHED,
        path="Numberline/Season 26/What (S26e1121).mp4",
        bytes=123,
        title="as downloaded",
        published_date="2026-11-21",
        duration_seconds=0,
        engine="2026.11.01",
        times=StepTimes(started=started + 0.7, published=started + 60),
    )

    assert _settle(entry, report) == replace(
        entry,
        state=LedgerState.SUCCEEDED,
        outcome=OutcomeClass.PUBLISHED,
        reason="Why",
        message="words",
        path="Numberline/Season 26/What (S26e1121).mp4",
        bytes=123,
        title="as downloaded",
        published_date="2026-11-21",
        duration_seconds=0,
        engine="2026.11.01",
        times=LaunchTimes(claimed=NOON - HOUR, started=NOON - 10 * MIN, published=NOON - 9 * MIN, finished=NOON),
    )


def test_the_claim_is_that_of_the_file() -> None:
    """Of the Job that published; one that failed on another claim left nothing there."""
    done, failed = (
        settle("a", ledger_entry(), ended, retry=Retry(), built_from="d", now=NOON, claim="library")
        for ended in (_ended(OutcomeClass.PUBLISHED, path="a"), _ended(OutcomeClass.TRANSIENT))
    )

    assert (done.claim, failed.claim) == ("library", None)


def test_what_a_report_leaves_out_stays_as_listed() -> None:
    """A failed launch knows less than the listing did."""
    entry = ledger_entry(duration_seconds=61, engine="before", path="old", bytes=1)
    settled = _settle(entry, _ended(OutcomeClass.TERMINAL, retry_at=1))

    assert (settled.title, settled.duration_seconds, settled.engine) == (entry.title, 61, "before")
    assert (settled.path, settled.bytes) == ("old", 1)


@pytest.mark.parametrize("seconds", [-1.0, 1e12, float("nan")])
def test_times_that_no_clock_shows_are_none(seconds: float) -> None:
    """A report is from a program that met the internet: no number of it may break the operator."""
    report = DownloadResult.model_construct(
        outcome=OutcomeClass.TERMINAL, reason="Why", times=StepTimes.model_construct(started=seconds)
    )
    observed = ObservedOutcome(OutcomeClass.TERMINAL, "Why", "", None, report)

    assert _settle(ledger_entry(), observed).times == LaunchTimes(finished=NOON)
