"""When a source is looked at next."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from builders import NOON
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.api.spec import Schedule
from trawler_operator.domain.checks.schedule import (
    CATCH_UP_SPREAD,
    CheckHistory,
    PollDecision,
    Why,
    audit_due,
    poll_decision,
)
from trawler_operator.domain.pauses import backoff, jitter

HOURLY = Schedule()
MINUTELY = Schedule(interval_seconds=60)
DAILY = Schedule(interval_seconds=86400)
AT_FOUR = Schedule(cron="0 4 * * *", time_zone="Europe/Paris")
SEC, MIN, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LONG_AGO = NOON - 30 * DAY


def _decide(
    schedule: Schedule,
    history: CheckHistory,
    *,
    uid: str = "0a1b2c3d",
    digest: str = "d",
    suspended: bool = False,
    requested: bool = False,
    open_since: datetime = LONG_AGO,
    now: datetime = NOON,
) -> PollDecision:
    return poll_decision(
        schedule,
        history,
        uid=uid,
        digest=digest,
        suspended=suspended,
        requested=requested,
        open_since=open_since,
        now=now,
    )


def _checked(ago: timedelta, failures: int = 0, outcome: OutcomeClass | None = None) -> CheckHistory:
    return CheckHistory(last_check=NOON - ago, digest="d", failures=failures, outcome=outcome)


@dataclass(frozen=True)
class Row:
    name: str
    # spec
    schedule: Schedule = HOURLY
    digest: str = "d"
    suspended: bool = False
    requested: bool = False
    # status
    history: CheckHistory = field(default_factory=lambda: _checked(HOUR / 2))
    # environment
    open_since: datetime = LONG_AGO
    # expectation
    due: bool = False
    why: Why = Why.SCHEDULED
    after: timedelta | None = None
    """Earliest time of the check, from now."""
    before: timedelta | None = None
    """Latest time of the check, from now."""


ROWS = (
    Row("never looked at", history=CheckHistory(), due=True, why=Why.FIRST),
    Row("never looked at, suspended", history=CheckHistory(), suspended=True, why=Why.SUSPENDED),
    Row("half an hour ago, hourly", after=HOUR / 2, before=HOUR / 2 + 5 * MIN),
    Row(
        "an hour and its jitter ago, hourly", history=_checked(HOUR + 5 * MIN), due=True, after=-5 * MIN, before=0 * MIN
    ),
    Row("a minute and its jitter ago, minutely", MINUTELY, history=_checked(66 * SEC), due=True),
    Row("the clock went back", history=_checked(-HOUR), after=2 * HOUR, before=2 * HOUR + 5 * MIN),
    Row("the clock was ahead by a year", history=_checked(-365 * DAY), due=True, why=Why.FIRST),
    Row("overdue, suspended", suspended=True, history=_checked(DAY), why=Why.SUSPENDED),
    Row("not due, asked for", requested=True, due=True, why=Why.REQUESTED),
    Row("asked for while suspended", requested=True, suspended=True, why=Why.SUSPENDED),
    Row("spec changed since", digest="e", due=True, why=Why.SPEC_CHANGED),
    Row(
        "asked for after the site limited us: due, and its gate's to hold",
        requested=True,
        history=_checked(MIN, 1, OutcomeClass.RATE_LIMITED),
        due=True,
        why=Why.REQUESTED,
    ),
    Row(
        "failed once, transient",
        history=_checked(0 * MIN, 1, OutcomeClass.TRANSIENT),
        why=Why.FAILED,
        after=MIN,
        before=66 * SEC,
    ),
    Row(
        "failed once, transient, a minute and its jitter ago",
        history=_checked(66 * SEC, 1, OutcomeClass.TRANSIENT),
        due=True,
        why=Why.FAILED,
    ),
    Row(
        "failed four times, transient",
        history=_checked(0 * MIN, 4, OutcomeClass.TRANSIENT),
        why=Why.FAILED,
        after=8 * MIN,
        before=9 * MIN,
    ),
    Row(
        "failed a thousand times, daily: every hour",
        DAILY,
        history=_checked(0 * MIN, 1000, OutcomeClass.TRANSIENT),
        why=Why.FAILED,
        after=HOUR,
        before=66 * MIN,
    ),
    Row(
        "failed often, minutely: slower than asked",
        MINUTELY,
        history=_checked(0 * MIN, 5, OutcomeClass.TRANSIENT),
        why=Why.FAILED,
        after=16 * MIN,
        before=18 * MIN,
    ),
    Row(
        "rate limited once, hourly: due again, when the site may be asked is its gate's to say",
        history=_checked(0 * MIN, 1, OutcomeClass.RATE_LIMITED),
        why=Why.FAILED,
        after=MIN,
        before=66 * SEC,
    ),
    Row(
        "members only, hourly: not before the hour is over",
        history=_checked(0 * MIN, 1, OutcomeClass.NEEDS_ACCESS),
        why=Why.FAILED,
        after=HOUR,
        before=HOUR + 5 * MIN,
    ),
    Row(
        "a channel that does not exist is no reason to hurry",
        DAILY,
        history=_checked(0 * MIN, 1, OutcomeClass.TERMINAL),
        why=Why.FAILED,
        after=DAY,
        before=DAY + 5 * MIN,
    ),
    Row("cron, before its time", AT_FOUR, history=_checked(DAY / 4), after=15 * HOUR, before=15 * HOUR + 5 * MIN),
    Row("cron, its time passed", AT_FOUR, history=_checked(DAY), due=True, after=-9 * HOUR, before=-9 * HOUR + 5 * MIN),
    Row(
        "missed while the operator was away: within its first minutes",
        history=_checked(DAY),
        open_since=NOON,
        why=Why.MISSED,
        after=0 * MIN,
        before=CATCH_UP_SPREAD,
    ),
    Row(
        "missed, and the operator is back for longer than the spread",
        history=_checked(DAY),
        open_since=NOON - CATCH_UP_SPREAD,
        due=True,
        why=Why.MISSED,
    ),
    Row(
        "cron missed while the operator was away: made up for once",
        AT_FOUR,
        history=_checked(10 * DAY),
        open_since=NOON - CATCH_UP_SPREAD,
        due=True,
        why=Why.MISSED,
    ),
    Row(
        "minutely, missed: spread over no more than its own interval",
        MINUTELY,
        history=_checked(DAY),
        open_since=NOON,
        why=Why.MISSED,
        after=0 * MIN,
        before=66 * SEC,
    ),
    Row(
        "the operator's start was noted by a clock that ran ahead",
        history=_checked(DAY),
        open_since=NOON + 300 * DAY,
        due=True,
        after=-23 * HOUR,
        before=-23 * HOUR + 5 * MIN,
    ),
    Row("the operator restarted, nothing was missed", open_since=NOON, after=HOUR / 2, before=HOUR / 2 + 5 * MIN),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_poll_decision(row: Row) -> None:
    """One row per situation."""
    decision = _decide(
        row.schedule,
        row.history,
        digest=row.digest,
        suspended=row.suspended,
        requested=row.requested,
        open_since=row.open_since,
    )

    assert (decision.due, decision.why) == (row.due, row.why)
    if row.after is not None and row.before is not None:
        assert decision.at is not None
        assert NOON + row.after <= decision.at <= NOON + row.before


def test_a_suspended_subscription_has_no_next_check() -> None:
    """Nothing is scheduled that would not be made."""
    assert _decide(HOURLY, _checked(DAY), suspended=True).at is None


def test_the_same_facts_give_the_same_time() -> None:
    """Asking again and again never moves a check."""
    assert _decide(HOURLY, _checked(MIN)) == _decide(HOURLY, _checked(MIN))


def test_subscriptions_applied_together_drift_apart() -> None:
    """A thousand of one schedule do not come back in one moment."""
    times = {_decide(HOURLY, _checked(0 * MIN), uid=str(n)).at for n in range(1000)}

    assert len(times) > 900


def test_checks_missed_together_are_made_up_for_one_by_one() -> None:
    """After a restart, each tenth of the spread has its share."""
    decisions = [_decide(HOURLY, _checked(DAY), uid=str(n), open_since=NOON) for n in range(1000)]
    tenths = [int((d.at - NOON) / CATCH_UP_SPREAD * 10) for d in decisions if d.at is not None]

    assert {tenth: 50 < tenths.count(tenth) < 200 for tenth in range(10)} == dict.fromkeys(range(10), True)


def test_a_gate_open_for_moments_lets_each_check_through_in_the_end() -> None:
    """Each opening spreads anew: nobody comes too late at every one of fifty, each open for a minute."""
    openings = [NOON - n * HOUR / 4 for n in range(50)]
    starved = {
        uid
        for uid in map(str, range(100))
        if not any(
            _decide(HOURLY, _checked(2 * DAY), uid=uid, open_since=opening, now=opening + MIN).due
            for opening in openings
        )
    }

    assert starved == set()


def test_cron_counts_in_its_own_zone_across_a_clock_change() -> None:
    """04:00 in Paris is 02:00 UTC in summer and 03:00 UTC in winter."""
    summer = CheckHistory(last_check=datetime(2026, 10, 24, 3, tzinfo=UTC), digest="d")
    at = _decide(AT_FOUR, summer).at

    assert at is not None
    assert datetime(2026, 10, 25, 3, tzinfo=UTC) <= at <= datetime(2026, 10, 25, 3, 5, tzinfo=UTC)


def test_cron_without_a_zone_counts_in_utc() -> None:
    """Whatever zone the operator's machine is in."""
    at = _decide(Schedule(cron="30 13 * * *"), _checked(MIN)).at

    assert at is not None
    assert NOON + 1.5 * HOUR <= at <= NOON + 1.5 * HOUR + 5 * MIN


@pytest.mark.parametrize(
    ("name", "last_audit", "created_at", "expected"),
    [
        ("never, created yesterday", None, NOON - DAY, False),
        ("never, created eight days ago", None, NOON - 8 * DAY, True),
        ("yesterday", NOON - DAY, LONG_AGO, False),
        ("a week and its jitter ago", NOON - 7.7 * DAY, LONG_AGO, True),
    ],
)
def test_audit_due(name: str, last_audit: datetime | None, created_at: datetime, expected: bool) -> None:
    """Weekly, counted from the last complete listing."""
    assert expected is audit_due(last_audit=last_audit, created_at=created_at, uid="u", interval=7 * DAY, now=NOON)


@pytest.mark.parametrize(("step", "pause"), [(1, MIN), (2, 2 * MIN), (3, 4 * MIN), (7, HOUR), (10_000, HOUR)])
def test_backoff_doubles_up_to_its_limit(step: int, pause: timedelta) -> None:
    """A counter that ran for years included."""
    assert backoff(MIN, HOUR, step) == pause


def test_jitter_is_spread_over_its_range() -> None:
    """Evenly enough, and never one."""
    values = [jitter("a", n) for n in range(1000)]

    assert all(0 <= value < 1 for value in values)
    assert 0.45 < sum(values) / 1000 < 0.55


@pytest.mark.parametrize("minute", [1, 15, 29])
def test_hour_that_comes_twice(minute: int) -> None:
    """A check in the second run of an autumn night's hour waits for the next night, it is not due again at once."""
    nightly = Schedule(cron="30 2 * * *", time_zone="Europe/Paris")
    last_check = datetime(2026, 10, 25, 1, minute, tzinfo=UTC)
    decision = poll_decision(
        nightly,
        CheckHistory(last_check=last_check, digest="d"),
        uid="u",
        digest="d",
        suspended=False,
        requested=False,
        open_since=last_check - DAY,
        now=last_check,
    )
    next_night = datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
    assert not decision.due
    assert decision.at is not None
    assert next_night <= decision.at <= next_night + 5 * MIN
