"""What an ending does to a video's entry. Pure.

| ending | entry becomes | next look | costs a try |
|---|---|---|---|
| Published | Succeeded | | |
| Terminal | DeadLetter | when a person asks | |
| Transient | Failed, or DeadLetter when the tries are used up | `spec.retry.backoffSeconds`, doubling up to 1 h | yes |
| Transient, of a probe of the site's closed gate, or one that closed that gate | Pending | the same | no |
| NotYet | Waiting | when the site says, else 1 h, doubling up to 1 d | no |
| NeedsAccess | Waiting | 1 d, doubling up to 14 d | no |
| RateLimited, or Environment other than of one video | Pending | when the gate lets it pass (see `gates`) | no |
| Environment of one video (its size, its name) | Pending | 1 min, doubling up to 1 h | no |
| Terminated | Pending | 10 s, doubling up to 1 h | no |
| Configuration | DeadLetter | when what downloads are made from changes | no |

Jitter makes each pause up to a fifth longer. Pauses grow with the number of endings of the same class in a row
(`deferrals`); an ending of another class starts anew. An ending whose message holds one of `spec.retry.fatalErrors`
makes the video a DeadLetter at once. An ending that costs no try because it says nothing about the video never does.

The ending of a follow-up leaves the entry Succeeded (see `follow_ups`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from trawler_downloader.contract.download import StepTimes
from trawler_downloader.contract.outcomes import FREE_OUTCOMES, VIDEO_REASONS, LedgerState, OutcomeClass
from trawler_operator.api.reasons import EndReason, message
from trawler_operator.api.spec import Retry
from trawler_operator.api.times import from_unix
from trawler_operator.domain.jobs.outcome import ObservedOutcome
from trawler_operator.domain.launches.follow_ups import plan, settle_follow_up
from trawler_operator.domain.ledger.entry import LaunchTimes, LedgerEntry
from trawler_operator.domain.pauses import (
    DEFERRED_PAUSES,
    LONGEST_FAILED_PAUSE,
    MAX_SITE_WAIT,
    backoff,
    spread,
)

AFTER_ANNOUNCED = timedelta(minutes=1)
"""How long after its announced time a video is looked at: sites are never ready on the second."""
_WAITING = frozenset({OutcomeClass.NOT_YET, OutcomeClass.NEEDS_ACCESS})


def settle(
    key: str,
    entry: LedgerEntry,
    observed: ObservedOutcome,
    *,
    retry: Retry,
    built_from: str,
    now: datetime,
    claim: str | None = None,
    blames_site: bool = False,
) -> LedgerEntry:
    """The entry after its launch ended.

    Args:
        key: the video's key; the jitter depends on it.
        entry: the entry as it is, with the launch claimed.
        observed: how the launch ended.
        retry: `spec.retry`.
        built_from: digest of the spec that the Job was built from. After a Configuration ending, a spec with another
            digest has the video tried again.
        now: the present.
        claim: the claim that the Job wrote to.
        blames_site: whether the launch went through a closed gate of its site, or closed it. An unclear ending there is
            more likely the site's trouble than the video's. Such trouble may last for many probes and must not use up
            the tries of a whole queue.
    """
    if entry.follow_up is not None:
        return settle_follow_up(key, entry, entry.follow_up, observed, now)
    entry = _with_report(entry, observed, claim, now)
    fatal = _fatal_text(observed, retry)
    if fatal is not None:
        text = message(EndReason.FATAL_ERROR, text=fatal, detail=f"{observed.reason}: {observed.message}")
        return replace(entry, state=LedgerState.DEAD_LETTER, reason=EndReason.FATAL_ERROR.value, message=text)
    match observed.outcome:
        case OutcomeClass.PUBLISHED:
            return replace(entry, state=LedgerState.SUCCEEDED, follow_up=plan(key, observed.result, now))
        case OutcomeClass.TERMINAL:
            return replace(entry, state=LedgerState.DEAD_LETTER)
        case OutcomeClass.CONFIGURATION:
            return replace(entry, state=LedgerState.DEAD_LETTER, built_from=built_from)
        case OutcomeClass.TRANSIENT if blames_site:
            return _unjudged(key, entry, retry, now)
        case OutcomeClass.TRANSIENT:
            return _failed(key, entry, retry, now)
        case _ if is_held_by_a_gate(observed):
            # The entry gets no pause of its own: once the gate opens, all videos that it held back go on.
            return replace(entry, state=LedgerState.PENDING)
        case deferred:
            return _deferred(key, entry, deferred, observed, now)


def queue_anew(entry: LedgerEntry) -> LedgerEntry:
    """The entry in the queue as if it had never been tried. The number of its last launch is not used again."""
    return replace(
        entry,
        state=LedgerState.PENDING,
        failures=0,
        deferrals=0,
        retry_at=None,
        outcome=None,
        reason=None,
        message=None,
        built_from=None,
    )


def is_held_by_a_gate(observed: ObservedOutcome) -> bool:
    """Whether a gate covers the trouble: a site's limit, a volume's failure, or this Subscription's own trouble."""
    if observed.outcome is OutcomeClass.ENVIRONMENT:
        return observed.reason not in VIDEO_REASONS
    return observed.outcome is OutcomeClass.RATE_LIMITED


def announced_time(announced: int | None, now: datetime) -> datetime | None:
    """When to look at a video that its site announces.

    Args:
        announced: the announced time (Unix seconds).
        now: the present.

    Returns:
        AFTER_ANNOUNCED after that time, and at most MAX_SITE_WAIT ahead. None if nothing that lies ahead is announced.
    """
    if announced is None or announced <= now.timestamp():
        return None
    latest = now + MAX_SITE_WAIT
    soonest_ready = AFTER_ANNOUNCED.total_seconds() + announced
    return latest if soonest_ready >= latest.timestamp() else datetime.fromtimestamp(soonest_ready, UTC)


def first_deferral(key: str, outcome: OutcomeClass, now: datetime) -> datetime:
    """When to look for the first time at a video listed as unavailable: after its class's first pause, with jitter."""
    return now + spread(DEFERRED_PAUSES[outcome].first, key, 0)


def _with_report(entry: LedgerEntry, observed: ObservedOutcome, claim: str | None, now: datetime) -> LedgerEntry:
    """The entry with all that was learnt of the video, whatever its next state."""
    result = observed.result
    in_a_row = entry.deferrals if observed.outcome is entry.outcome else 0
    entry = replace(
        entry,
        outcome=observed.outcome,
        reason=observed.reason,
        message=observed.message or None,
        retry_at=None,
        built_from=None,
        deferrals=in_a_row,
        times=_times(entry.times, result.times if result else StepTimes(), observed.finished_at or now),
    )
    if result is None:
        return entry
    published = observed.outcome is OutcomeClass.PUBLISHED
    return replace(
        entry,
        title=result.title or entry.title,
        published_date=result.published_date or entry.published_date,
        duration_seconds=entry.duration_seconds if result.duration_seconds is None else result.duration_seconds,
        engine=result.engine or entry.engine,
        path=result.path if published else entry.path,
        claim=claim if published else entry.claim,
        bytes=result.bytes if published else entry.bytes,
    )


def _fatal_text(observed: ObservedOutcome, retry: Retry) -> str | None:
    """The one of the user's texts that makes this ending the last; None if none does."""
    final = {OutcomeClass.PUBLISHED, OutcomeClass.TERMINAL, OutcomeClass.CONFIGURATION}
    if observed.outcome in final | FREE_OUTCOMES:
        return None
    said = observed.message.casefold()
    return next((text for text in retry.fatal_errors if text.casefold() in said), None)


def _failed(key: str, entry: LedgerEntry, retry: Retry, now: datetime) -> LedgerEntry:
    failures = entry.failures + 1
    if failures >= retry.max_attempts:
        return replace(entry, state=LedgerState.DEAD_LETTER, failures=failures)
    pause = _failed_pause(retry, failures)
    return replace(
        entry, state=LedgerState.FAILED, failures=failures, retry_at=now + spread(pause, key, entry.launches)
    )


def _unjudged(key: str, entry: LedgerEntry, retry: Retry, now: datetime) -> LedgerEntry:
    deferrals = entry.deferrals + 1
    pause = _failed_pause(retry, deferrals)
    return replace(
        entry, state=LedgerState.PENDING, deferrals=deferrals, retry_at=now + spread(pause, key, entry.launches)
    )


def _failed_pause(retry: Retry, step: int) -> timedelta:
    first = timedelta(seconds=retry.backoff_seconds)
    return backoff(first, max(first, LONGEST_FAILED_PAUSE), step)


def _deferred(
    key: str, entry: LedgerEntry, outcome: OutcomeClass, observed: ObservedOutcome, now: datetime
) -> LedgerEntry:
    deferrals = entry.deferrals + 1
    pause = DEFERRED_PAUSES[outcome]
    retry_at = now + spread(backoff(pause.first, pause.longest, deferrals), key, entry.launches)
    announced = observed.result.retry_at if observed.result else None
    if outcome is OutcomeClass.NOT_YET:
        retry_at = announced_time(announced, now) or retry_at
    state = LedgerState.WAITING if outcome in _WAITING else LedgerState.PENDING
    return replace(entry, state=state, deferrals=deferrals, retry_at=retry_at)


def _times(times: LaunchTimes, steps: StepTimes, finished: datetime) -> LaunchTimes:
    return LaunchTimes(
        claimed=times.claimed,
        started=from_unix(steps.started),
        fetched=from_unix(steps.fetched),
        verified=from_unix(steps.verified),
        published=from_unix(steps.published),
        finished=finished,
    )
