"""The pause of one Subscription's downloads, for trouble that is its own. Pure."""

from __future__ import annotations

from datetime import datetime

from trawler_downloader.contract.outcomes import VIDEO_REASONS, VOLUME_REASONS, OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_operator.api.reasons import NEVER_STARTED, ConditionReason, EndReason
from trawler_operator.api.status import Backoff
from trawler_operator.api.subscription import Subscription
from trawler_operator.domain.jobs.outcome import ObservedOutcome
from trawler_operator.domain.pauses import CLOCK_TOLERANCE, DEFERRED_PAUSES, backoff

MAX_BACKOFF_TEXT = 512

_NOT_STARTING = NEVER_STARTED | {ConditionReason.JOB_REJECTED}
"""Reasons of a pause that ends with the first launch which starts again."""
_BEFORE_THE_SITE = frozenset(
    {
        Reason.REQUEST_MISSING,
        Reason.REQUEST_INVALID,
        Reason.VOLUME_MARKER_MISSING,
        Reason.VOLUME_MARKER_MISMATCH,
        Reason.BELOW_MIN_FREE,
    }
)
"""Reasons of a pause that ends with the first launch which finds the right volume, as its report's volume id shows; the
floor of free space is looked at right after that."""
_NOT_ITS_OWN = (VOLUME_REASONS | VIDEO_REASONS) - {EndReason.MOUNT_FAILED}


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


def standing_pause(subscription: Subscription) -> Backoff | None:
    """The pause that a pass begins with: a new generation of the spec ends it, since it may mend the trouble."""
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
