"""What an ending does to a video's entry, and to its Subscription. Pure.

| ending | entry becomes | next look | costs a try |
|---|---|---|---|
| Published | Succeeded | | |
| Terminal | DeadLetter | when a person asks | |
| Transient | Failed, or DeadLetter when the tries are used up | `spec.retry.backoffSeconds`, doubling up to 1 h | yes |
| Transient, of a probe of its site's closed gate, or that closed it | Pending | the same | no |
| NotYet | Waiting | when the site says, else 1 h, doubling up to 1 d | no |
| NeedsAccess | Waiting | 1 d, doubling up to 14 d | no |
| RateLimited, Environment of a volume | Pending | when its gate lets it (see `gates`) | no |
| Environment otherwise | Pending | 1 min, doubling up to 1 h | no |
| Terminated | Pending | 10 s, doubling up to 1 h | no |
| Configuration | DeadLetter | when the spec has a new generation | no |

Each pause is up to a fifth longer, and grows with the endings of the same class in a row (`deferrals`); any other
ending begins anew. An ending that is about the video and whose message holds one of `spec.retry.fatalErrors` makes it a
DeadLetter at once; those that cost no try because they say nothing about the video never do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from trawler_downloader.contract.download import StepTimes
from trawler_downloader.contract.outcomes import FREE_OUTCOMES, VIDEO_REASONS, VOLUME_REASONS, LedgerState, OutcomeClass
from trawler_downloader.contract.reasons import Reason as DownloaderReason
from trawler_operator.api.reasons import NEVER_STARTED, EndReason, Reason, message
from trawler_operator.api.spec import Retry
from trawler_operator.api.subscription import Backoff, Subscription
from trawler_operator.domain.egress import CLOCK_TOLERANCE
from trawler_operator.domain.jitter import jitter
from trawler_operator.domain.job_outcome import ObservedOutcome
from trawler_operator.domain.ledger_entry import LaunchTimes, LedgerEntry
from trawler_operator.domain.schedule import backoff

RETRY_JITTER_SHARE = 0.2
MAX_SITE_WAIT = timedelta(days=14)
"""A premiere may be moved, and a site may say anything: looked at again by then."""
AFTER_ANNOUNCED = timedelta(minutes=1)
"""Sites are never ready on the second."""
LONGEST_WAIT = MAX_SITE_WAIT * (1 + RETRY_JITTER_SHARE)
"""No entry is put off for longer: of what lies further ahead, or of the present, the clock was wrong."""
MAX_BACKOFF_TEXT = 512


@dataclass(frozen=True, slots=True)
class Pause:
    """How long until the next look: the first pause and the longest."""

    first: timedelta
    longest: timedelta


LONGEST_FAILED_PAUSE = timedelta(hours=1)
"""Unless `spec.retry.backoffSeconds` itself is longer."""
DEFERRED_PAUSES = {
    OutcomeClass.NOT_YET: Pause(timedelta(hours=1), timedelta(days=1)),
    OutcomeClass.NEEDS_ACCESS: Pause(timedelta(days=1), timedelta(days=14)),
    OutcomeClass.ENVIRONMENT: Pause(timedelta(minutes=1), timedelta(hours=1)),
    OutcomeClass.TERMINATED: Pause(timedelta(seconds=10), timedelta(hours=1)),
}
_NOT_STARTING = NEVER_STARTED | {Reason.JOB_REJECTED}
"""Reasons of a pause that ends with the first launch which starts again."""
_BEFORE_THE_SITE = frozenset(
    {
        DownloaderReason.REQUEST_MISSING,
        DownloaderReason.REQUEST_INVALID,
        DownloaderReason.VOLUME_MARKER_MISSING,
        DownloaderReason.VOLUME_MARKER_MISMATCH,
        DownloaderReason.BELOW_MIN_FREE,
    }
)
"""Reasons of a pause that ends with the first launch which finds the right volume, as its report's volume id shows; the
floor of free space is looked at right after that."""
_NOT_ITS_OWN = (VOLUME_REASONS | VIDEO_REASONS) - {EndReason.MOUNT_FAILED}
_WAITING = frozenset({OutcomeClass.NOT_YET, OutcomeClass.NEEDS_ACCESS})


def settle(
    key: str,
    entry: LedgerEntry,
    observed: ObservedOutcome,
    *,
    retry: Retry,
    generation: int,
    now: datetime,
    blames_site: bool = False,
) -> LedgerEntry:
    """The entry after its launch ended.

    Args:
        key: of the video: anchors the jitter.
        entry: as it stands, Running.
        observed: how the launch ended.
        retry: `spec.retry`.
        generation: of the spec that the Job was built from; with Configuration a newer one tries again.
        now: the present.
        blames_site: it went through a closed gate of its site, or closed it. What is unclear there is more likely the
            site's trouble than the video's: one that lasts many probes must not use up the tries of a whole queue.
    """
    entry = _with_report(entry, observed, now)
    fatal = _fatal_text(observed, retry)
    if fatal is not None:
        text = message(EndReason.FATAL_ERROR, text=fatal, detail=f"{observed.reason}: {observed.message}")
        return replace(entry, state=LedgerState.DEAD_LETTER, reason=EndReason.FATAL_ERROR.value, message=text)
    match observed.outcome:
        case OutcomeClass.PUBLISHED:
            return replace(entry, state=LedgerState.SUCCEEDED)
        case OutcomeClass.TERMINAL:
            return replace(entry, state=LedgerState.DEAD_LETTER)
        case OutcomeClass.CONFIGURATION:
            return replace(entry, state=LedgerState.DEAD_LETTER, generation=generation)
        case OutcomeClass.TRANSIENT if blames_site:
            return _unjudged(key, entry, retry, now)
        case OutcomeClass.TRANSIENT:
            return _failed(key, entry, retry, now)
        case _ if is_held_by_a_gate(observed):
            # No pause of its own: once the gate opens, all that it held goes on.
            return replace(entry, state=LedgerState.PENDING)
        case deferred:
            return _deferred(key, entry, deferred, observed, now)


def is_held_by_a_gate(observed: ObservedOutcome) -> bool:
    """Whether the trouble is one that a gate keeps all Subscriptions from: a site's limit, or a volume's failure."""
    if observed.outcome is OutcomeClass.ENVIRONMENT:
        return observed.reason in VOLUME_REASONS
    return observed.outcome is OutcomeClass.RATE_LIMITED


def next_backoff(previous: Backoff | None, observed: ObservedOutcome, now: datetime) -> Backoff | None:
    """How long a Subscription creates no Jobs, after one of its launches ended.

    For trouble that is its own: a Job that is refused, an image that cannot be pulled, a volume that it may not write
    to, or another one than its history is about. Its other videos would meet the same, unlike what is wrong with one
    video's size or name. No trouble that a gate covers, but for a volume that does not mount: it may be its node that
    has none, and the next probe of another Subscription opens the gate for it to close it again.
    Several launches that meet the same trouble together count once: an ending within the pause does not lengthen it.

    Args:
        previous: the pause as it stands, over or not; it must be kept until a download proves that the trouble is gone.
        observed: how the launch ended.
        now: the present.

    Returns:
        The pause from now on; None: nothing is known that holds downloads back.
    """
    outcome = observed.outcome
    if outcome is OutcomeClass.PUBLISHED:
        return None
    if outcome is not OutcomeClass.ENVIRONMENT or observed.reason in _NOT_ITS_OWN:
        return None if _is_over(previous, observed, now) else previous
    if paused_until(previous, now) is not None:
        return previous
    step = previous.step + 1 if previous is not None else 1
    pause = DEFERRED_PAUSES[outcome]
    return Backoff(
        outcome=outcome,
        reason=observed.reason[:64],
        message=observed.message[:MAX_BACKOFF_TEXT],
        step=step,
        until_time=now + backoff(pause.first, pause.longest, step),
    )


def paused_until(pause: Backoff | None, now: datetime) -> datetime | None:
    """Until when a Subscription creates no Jobs; None: it may.

    A pause that lies further ahead than the longest lasts is of a clock that ran ahead: it counts as past.
    """
    if pause is None:
        return None
    longest = DEFERRED_PAUSES[OutcomeClass.ENVIRONMENT].longest + CLOCK_TOLERANCE
    return pause.until_time if now < pause.until_time <= now + longest else None


@dataclass(frozen=True, slots=True)
class UnsavedPause:
    """The pause as a pass left it that could not write the status.

    Args:
        uid: of the Subscription.
        generation: of the spec that the pass was about.
        pause: None: nothing held downloads back any more.
    """

    uid: str
    generation: int
    pause: Backoff | None


def standing_pause(subscription: Subscription, unsaved: UnsavedPause | None) -> Backoff | None:
    """The pause that a pass begins with: a new generation of the spec ends it, since it may mend the trouble.

    Args:
        subscription: with the status that was written last.
        unsaved: what is known beyond that; wins where it is about this spec.
    """
    if unsaved is not None and (unsaved.uid, unsaved.generation) == (subscription.uid, subscription.generation):
        return unsaved.pause
    status = subscription.status
    return status.backoff if status.observed_generation == subscription.generation else None


def _is_over(previous: Backoff | None, observed: ObservedOutcome, now: datetime) -> bool:
    """The report of a launch after the pause shows that its cause is gone, whatever became of the video.

    Where launches did not start, one did, since only those report; where one did not get as far as the site, one did,
    since only then does a report bear the volume's id.
    """
    if previous is None or paused_until(previous, now) is not None or observed.result is None:
        return False
    return previous.reason in _NOT_STARTING or (
        previous.reason in _BEFORE_THE_SITE and observed.result.volume_id is not None
    )


def announced_time(announced: int | None, now: datetime) -> datetime | None:
    """When to look at what a site announces for `announced` (Unix seconds); None: nothing that lies ahead."""
    if announced is None or announced <= now.timestamp():
        return None
    latest = now + MAX_SITE_WAIT
    soonest_ready = AFTER_ANNOUNCED.total_seconds() + announced
    return latest if soonest_ready >= latest.timestamp() else datetime.fromtimestamp(soonest_ready, UTC)


def first_deferral(key: str, outcome: OutcomeClass, now: datetime) -> datetime:
    """When to look for the first time at a video that is not to be had: the class's first pause, spread."""
    return now + _spread(DEFERRED_PAUSES[outcome].first, key, 0)


def _with_report(entry: LedgerEntry, observed: ObservedOutcome, now: datetime) -> LedgerEntry:
    """What was learnt of the video, whatever becomes of it."""
    result = observed.result
    in_a_row = entry.deferrals if observed.outcome is entry.outcome else 0
    entry = replace(
        entry,
        outcome=observed.outcome,
        reason=observed.reason,
        message=observed.message or None,
        retry_at=None,
        generation=None,
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
        bytes=result.bytes if published else entry.bytes,
    )


def _fatal_text(observed: ObservedOutcome, retry: Retry) -> str | None:
    """The one of the user's texts that makes this ending the last."""
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
        entry, state=LedgerState.FAILED, failures=failures, retry_at=now + _spread(pause, key, entry.launches)
    )


def _unjudged(key: str, entry: LedgerEntry, retry: Retry, now: datetime) -> LedgerEntry:
    deferrals = entry.deferrals + 1
    pause = _failed_pause(retry, deferrals)
    return replace(
        entry, state=LedgerState.PENDING, deferrals=deferrals, retry_at=now + _spread(pause, key, entry.launches)
    )


def _failed_pause(retry: Retry, step: int) -> timedelta:
    first = timedelta(seconds=retry.backoff_seconds)
    return backoff(first, max(first, LONGEST_FAILED_PAUSE), step)


def _deferred(
    key: str, entry: LedgerEntry, outcome: OutcomeClass, observed: ObservedOutcome, now: datetime
) -> LedgerEntry:
    deferrals = entry.deferrals + 1
    pause = DEFERRED_PAUSES[outcome]
    retry_at = now + _spread(backoff(pause.first, pause.longest, deferrals), key, entry.launches)
    announced = observed.result.retry_at if observed.result else None
    if outcome is OutcomeClass.NOT_YET:
        retry_at = announced_time(announced, now) or retry_at
    state = LedgerState.WAITING if outcome in _WAITING else LedgerState.PENDING
    return replace(entry, state=state, deferrals=deferrals, retry_at=retry_at)


def _spread(pause: timedelta, key: str, launches: int) -> timedelta:
    """A pause made a little longer, differently for each video: those that failed together do not return together."""
    longer = pause * (1 + RETRY_JITTER_SHARE * jitter(key, launches))
    return timedelta(seconds=round(longer.total_seconds()))


def _times(times: LaunchTimes, steps: StepTimes, finished: datetime) -> LaunchTimes:
    return LaunchTimes(
        claimed=times.claimed,
        started=_moment(steps.started),
        fetched=_moment(steps.fetched),
        verified=_moment(steps.verified),
        published=_moment(steps.published),
        finished=finished,
    )


def _moment(seconds: float | None) -> datetime | None:
    """Unix seconds as a time; a number that no clock shows is taken for none."""
    if seconds is None or not 0 <= seconds < 1e11:
        return None
    return datetime.fromtimestamp(int(seconds), UTC)
