"""When a source is looked at next. Pure: the Subscription's status holds what must be remembered.

Times are stored, so a restart neither forgets a check nor makes all checks at once. Checks that fell due while the
operator was away, or while a gate was closed, are spread over the first minutes after that. The jitter follows from the
uid and the last check, so that Subscriptions that were applied together drift apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import dropwhile, islice
from typing import Annotated
from zoneinfo import ZoneInfo

from cronsim import CronSim
from pydantic import Field

from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.api.spec import DEFAULT_INTERVAL_SECONDS, Schedule
from trawler_operator.api.times import seconds
from trawler_operator.domain.pauses import CHECK_CLOCK_TOLERANCE, backoff, jitter

JITTER_SHARE = 0.1
"""Share of the time between two checks."""
MAX_JITTER = timedelta(minutes=5)
CATCH_UP_SPREAD = timedelta(minutes=5)
"""Time over which checks are spread that an absent operator or a closed gate prevented."""
FIRST_BACKOFF = timedelta(minutes=1)
MAX_BACKOFF = timedelta(hours=1)
AUDIT_JITTER_SHARE = 0.1
GONE_AFTER = 3
"""Checks in a row that must find no source before it counts as gone: sites also report existing sources as missing."""
FIRST_GONE_PAUSE = timedelta(days=1)
LONGEST_GONE_PAUSE = timedelta(days=14)

HOPELESS = frozenset(
    {
        OutcomeClass.CONFIGURATION,
        OutcomeClass.TERMINAL,
        OutcomeClass.NEEDS_ACCESS,
    }
)
"""Failures that an early second look does not mend. After them the source is looked at no more often than its schedule
asks.

RateLimited is not among them: the egress gate says when the site may be asked again, and the check is due then.
"""


@dataclass(frozen=True, slots=True)
class CheckLimits:
    """Chart values.

    Args:
        listing_deadline_seconds: a listing that takes longer is given up.
        audit_interval: time between two full walks of a source.
    """

    listing_deadline_seconds: Annotated[int, Field(ge=10, le=3600)]
    audit_interval: Annotated[timedelta, Field(alias="auditIntervalSeconds"), seconds(3600, 31_536_000)]


class Why(StrEnum):
    """What sets the time of the next check."""

    SUSPENDED = "suspended"
    REQUESTED = "requested"
    FIRST = "first"
    SPEC_CHANGED = "spec-changed"
    FAILED = "failed"
    GONE = "gone"
    MISSED = "missed"
    SCHEDULED = "scheduled"


@dataclass(frozen=True, slots=True)
class PollDecision:
    """Whether to look now, and when otherwise.

    Args:
        due: whether to look now.
        at: when the check is or was due; None while suspended.
        why: what sets that time.
    """

    due: bool
    at: datetime | None
    why: Why


@dataclass(frozen=True, slots=True)
class CheckHistory:
    """What is remembered of earlier checks.

    Args:
        last_check: when the source was last looked at; None: never.
        digest: digest of the part of the spec that the last listing was made from.
        failures: number of checks in a row that failed.
        outcome: why the last one failed.
        gone: number of checks in a row that found no source.
    """

    last_check: datetime | None = None
    digest: str | None = None
    failures: int = 0
    outcome: OutcomeClass | None = None
    gone: int = 0


def poll_decision(
    schedule: Schedule,
    history: CheckHistory,
    *,
    uid: str,
    digest: str,
    suspended: bool,
    requested: bool,
    open_since: datetime,
    now: datetime,
) -> PollDecision:
    """Whether to look at the source now.

    Args:
        schedule: `spec.schedule`.
        history: earlier checks, from the status.
        uid: the Subscription's uid; the jitter depends on it.
        digest: digest of the part of the spec that listings are made from, as it is now.
        suspended: `spec.suspend`.
        requested: whether the annotation asks for a check that was not made yet.
        open_since: when this operator process began, or when the gates before the source opened if that was later.
            Checks that fell due earlier were missed.
        now: the present; all times are aware.
    """
    if suspended:
        return PollDecision(due=False, at=None, why=Why.SUSPENDED)
    if requested:
        return PollDecision(due=True, at=now, why=Why.REQUESTED)
    if history.last_check is None or history.last_check > now + CHECK_CLOCK_TOLERANCE:
        # A clock that ran ahead wrote a check that lies in the future: waiting for it could take years.
        return PollDecision(due=True, at=now, why=Why.FIRST)
    if history.digest != digest:
        return PollDecision(due=True, at=now, why=Why.SPEC_CHANGED)
    at, why = _planned(schedule, history, history.last_check, uid)
    if at < open_since <= now + CHECK_CLOCK_TOLERANCE:
        spread = min(CATCH_UP_SPREAD, at - history.last_check)
        # The share is drawn anew for each opening: with a fixed one, a gate that opens only for moments would never let
        # the Subscriptions with a large share through.
        share = jitter(uid, open_since.isoformat(), "missed")
        at, why = open_since + spread * share, Why.MISSED
    return PollDecision(due=at <= now, at=at, why=why)


def audit_due(
    *, last_audit: datetime | None, created_at: datetime, uid: str, interval: timedelta, now: datetime
) -> bool:
    """Whether the next check should walk the whole source, whatever is known of it.

    Args:
        last_audit: when a listing last was complete; None: never, and the first audit comes an interval after
            created_at.
        created_at: the Subscription's creation.
        uid: the Subscription's uid; the jitter depends on it.
        interval: time between two audits.
        now: the present.
    """
    since = last_audit or created_at
    return now >= since + interval * (1 + AUDIT_JITTER_SHARE * jitter(uid, since.isoformat(), "audit"))


def _planned(schedule: Schedule, history: CheckHistory, last_check: datetime, uid: str) -> tuple[datetime, Why]:
    regular, period = _regular(schedule, last_check)
    share = jitter(uid, last_check.isoformat())
    regular += min(MAX_JITTER, period * JITTER_SHARE) * share
    if not history.failures:
        return regular, Why.SCHEDULED
    if history.gone >= GONE_AFTER:
        pause = backoff(FIRST_GONE_PAUSE, LONGEST_GONE_PAUSE, history.gone - GONE_AFTER + 1)
        return max(regular, last_check + pause * (1 + JITTER_SHARE * share)), Why.GONE
    pause = backoff(FIRST_BACKOFF, MAX_BACKOFF, history.failures)
    again = last_check + pause * (1 + JITTER_SHARE * share)
    return (max(again, regular) if history.outcome in HOPELESS else again), Why.FAILED


def _regular(schedule: Schedule, last_check: datetime) -> tuple[datetime, timedelta]:
    """The next check by the schedule, and the time between two of its checks."""
    if schedule.cron is None:
        period = timedelta(seconds=schedule.interval_seconds or DEFAULT_INTERVAL_SECONDS)
        return last_check + period, period
    zone = ZoneInfo(schedule.time_zone) if schedule.time_zone else UTC
    # Times are compared in UTC: the difference of two times in one zone would ignore its clock changes.
    times = (time.astimezone(UTC) for time in CronSim(schedule.cron, last_check.astimezone(zone)))
    # In an hour that a clock change repeats, cronsim answers with a time in the first of the two, which has passed.
    first, second = islice(dropwhile(lambda time: time <= last_check, times), 2)
    return first, second - first
