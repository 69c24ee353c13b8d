"""What is added to a video after it was downloaded: when it is looked for, and for how long. Pure.

A follow-up never changes its entry's state: the video stands on the volume, whatever becomes of what should be added.

| ending | the follow-up |
|---|---|
| Published, nothing is missing any more | is over |
| Published, it is still missing | is tried again, or is over after MAX_TRIES |
| Terminal: the video is gone, at its site or on the volume | is over |
| one that says nothing about the video (FREE_OUTCOMES, but no VIDEO_REASONS) | is tried again; the try does not count |
| any other | as where it is still missing |
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from trawler_downloader.contract.download import DownloadResult
from trawler_downloader.contract.outcomes import FREE_OUTCOMES, VIDEO_REASONS, OutcomeClass
from trawler_operator.api.times import format_time
from trawler_operator.domain.jobs.outcome import ObservedOutcome
from trawler_operator.domain.ledger.entry import FollowUp, LedgerEntry
from trawler_operator.domain.pauses import spread

PAUSE = timedelta(days=1)
"""Before each try: sites make the pictures of a new upload within hours."""
MAX_TRIES = 3
"""What is missing after three days does not come."""


def plan(key: str, result: DownloadResult | None, now: datetime) -> FollowUp | None:
    """What a download that went well leaves to be added; None: nothing.

    Args:
        key: of the video: anchors the jitter.
        result: the download's report.
        now: the present.
    """
    kind = result.follow_up if result is not None else None
    return None if kind is None else FollowUp(kind, now + spread(PAUSE, key, kind, 0))


def settle_follow_up(
    key: str, entry: LedgerEntry, follow_up: FollowUp, observed: ObservedOutcome, now: datetime
) -> LedgerEntry:
    """The entry after the launch of its follow-up ended.

    Args:
        key: of the video: anchors the jitter.
        entry: as it stands, Succeeded.
        follow_up: its follow-up.
        observed: how the launch ended.
        now: the present.
    """
    return replace(entry, follow_up=_next_try(key, entry, follow_up, observed, now))


def _next_try(
    key: str, entry: LedgerEntry, follow_up: FollowUp, observed: ObservedOutcome, now: datetime
) -> FollowUp | None:
    # Nobody mends a video's own records for its picture's sake: without an end there would be a Job a day for ever.
    is_free = observed.outcome in FREE_OUTCOMES and observed.reason not in VIDEO_REASONS
    tries = follow_up.tries + (not is_free)
    if _is_added(observed) or observed.outcome is OutcomeClass.TERMINAL or tries >= MAX_TRIES:
        return None
    at = now + spread(PAUSE, key, follow_up.kind, entry.launches)
    return replace(follow_up, at=at, tries=tries, claimed=None)


def describe_launch(key: str, entry: LedgerEntry) -> str:
    """What a launch of the entry is for, for people: the video, or what is to be added to it."""
    if entry.follow_up is None:
        return entry.shown(key)
    return f"{entry.follow_up.kind} of {entry.shown(key)}"


def describe_ending(entry: LedgerEntry, observed: ObservedOutcome) -> str:
    """How the launch of a follow-up ended, for people.

    Args:
        entry: as `settle_follow_up` left it.
        observed: how the launch ended.
    """
    said = f"{observed.reason}: {observed.message}" if observed.message else observed.reason
    if entry.follow_up is not None:
        return f"{said}; it is looked for again at {format_time(entry.follow_up.at)}"
    return "it is there" if _is_added(observed) else f"{said}; it is not looked for any more"


def _is_added(observed: ObservedOutcome) -> bool:
    result = observed.result
    return observed.outcome is OutcomeClass.PUBLISHED and result is not None and result.follow_up is None
