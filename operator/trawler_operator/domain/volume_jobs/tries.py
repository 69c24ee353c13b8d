"""Which try of an order is under way, when the next one comes, and why one failed. Pure.

A failed Job itself is all that is kept of a try. Its number, its end and its annotations say when to try again,
whichever process looks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from trawler_operator.api import labels
from trawler_operator.api.reasons import EndReason, message
from trawler_operator.domain.jobs.cleanup import is_owned
from trawler_operator.domain.jobs.manifest import annotated_number
from trawler_operator.domain.jobs.outcome import ObservedOutcome
from trawler_operator.domain.pauses import backoff
from trawler_operator.domain.volume_jobs.order import DEADLINE_SECONDS, VolumeJobOrder

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)

_Job = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tries:
    """The Jobs that bear an order's labels, sorted.

    Args:
        attempt: number of the last try; 0 if there was none.
        present: the Job of the last try; None if there is none, or it is being deleted.
        stale: Jobs of earlier tries and parts.
    """

    attempt: int
    present: _Job | None
    stale: tuple[_Job, ...]


def sort_jobs(jobs: Iterable[_Job], order: VolumeJobOrder[Any]) -> Tries:
    """Find the present try among the Jobs that bear the order's labels.

    Jobs of an earlier Subscription of the same name are ignored. A Job that is being deleted keeps its name until its
    pod has ended, so its number counts as tried.
    """
    attempt, present = 0, None
    stale: list[_Job] = []
    for job in jobs:
        if not is_owned(job, order.subscription.uid):
            continue
        tried = annotated_number(job, labels.LAUNCH_ANNOTATION) or 0
        leaving = bool(job["metadata"].get("deletionTimestamp"))
        if job["metadata"]["name"] != order.job_name(tried) or tried < attempt:
            if not leaving:
                stale.append(job)
            continue
        if present is not None:
            stale.append(present)
        attempt, present = tried, None if leaving else job
    return Tries(attempt, present, tuple(stale))


def retry_at(job: _Job, attempt: int, ended_at: datetime | None, order: VolumeJobOrder[Any]) -> datetime | None:
    """When to try again after a Job that brought no answer; None: at once, since somebody changed something or asks.

    Args:
        job: the failed Job.
        attempt: its number.
        ended_at: when it ended, if it says so. For a Job that does not end: when its patience ended.
        order: the order as it is now.
    """
    annotations = job["metadata"].get("annotations") or {}
    changed = any(annotations.get(name) != value for name, value in order.asked_by.items())
    if ended_at is None or order.at_once or changed:
        return None
    return ended_at + backoff(FIRST_PAUSE, LONGEST_PAUSE, attempt)


def describe_failure(observed: ObservedOutcome) -> str:
    """Why a Job failed or was given up, for people."""
    if observed.reason == EndReason.DEADLINE_EXCEEDED:  # the usual text names the deadline of downloads
        more = observed.message.removeprefix(message(EndReason.DEADLINE_EXCEEDED))
        return f"{observed.reason}: its Job did not end within {DEADLINE_SECONDS} s{more}"
    return f"{observed.reason}: {observed.message}"
