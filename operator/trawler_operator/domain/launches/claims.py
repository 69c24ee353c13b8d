"""What a pass does about launches: pure decisions over the ledger's entries and the Jobs that were seen.

Crash windows, and why each closes:
- The claim (`Running, launch n`) was written, and its Job was not created. The Job is missing, so CREATE makes it under
  the same name.
- The Job was created, and nobody noted it. The entry is Running and its Job exists: ADOPT.
- The Job ended, and the operator died before it wrote that to the ledger. A Job is deleted only once no Running entry
  needs it, so it still exists, and the next pass does SETTLE.
- The launch was settled, and its Job was not deleted. Its entry is not Running any more, so the history limits delete
  the Job later.
- The launch was settled while its Job lives on: it was given up or cancelled, or its download has ended and an injected
  container keeps the pod alive. The Job of any settled launch is deleted (`forgotten_jobs`).
- The Subscription was deleted and applied again while its pods still end. The old Job bears another owner's uid or a
  deletion timestamp, so WAIT until the name is free. Then CREATE, and the downloader finds what was published.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api import labels
from trawler_operator.domain.jobs.cleanup import is_owned
from trawler_operator.domain.jobs.manifest import annotated_number
from trawler_operator.domain.jobs.outcome import is_finished
from trawler_operator.domain.ledger.entry import LaunchTimes, LedgerEntry

_Job = Mapping[str, Any]


class LaunchAction(StrEnum):
    """What to do about an entry that a launch has claimed."""

    CREATE = "create"
    """The Job does not exist: create it under the same name."""
    ADOPT = "adopt"
    """The Job runs."""
    SETTLE = "settle"
    """The Job has ended."""
    WAIT = "wait"
    """A Job that is about to go bears the name."""


def judge_launch(job: _Job | None, uid: str) -> LaunchAction:
    """What to do about a claimed entry, given the Job of its launch.

    Args:
        job: the Job as the API server has it now; None if there is none of that name.
        uid: the Subscription's uid.
    """
    if job is None:
        return LaunchAction.CREATE
    if job["metadata"].get("deletionTimestamp") or not is_owned(job, uid):
        return LaunchAction.WAIT
    return LaunchAction.SETTLE if is_finished(job) else LaunchAction.ADOPT


def claim(entry: LedgerEntry, now: datetime) -> LedgerEntry:
    """The entry with its next launch claimed: of a video that stands on the volume, for its follow-up.

    `outcome` keeps how the last launch ended: endings of one class in a row make pauses longer.
    """
    if entry.follow_up is not None:
        return replace(entry, launches=entry.launches + 1, follow_up=replace(entry.follow_up, claimed=now))
    return replace(
        entry,
        state=LedgerState.RUNNING,
        launches=entry.launches + 1,
        retry_at=None,
        reason=None,
        message=None,
        times=LaunchTimes(claimed=now),
    )


def give_back(entry: LedgerEntry) -> LedgerEntry:
    """The entry without its claim, for a launch whose Job does not exist. The launch's number is not used again."""
    if entry.follow_up is not None:
        return replace(entry, follow_up=replace(entry.follow_up, claimed=None))
    return replace(entry, state=LedgerState.PENDING)


def busy_videos(jobs: Iterable[_Job]) -> set[str]:
    """Videos that the unfinished ones of the Jobs work on."""
    return {
        str(job["metadata"].get("annotations", {}).get(labels.VIDEO_ANNOTATION, ""))
        for job in jobs
        if not is_finished(job)
    }


def forgotten_jobs(jobs: Iterable[_Job], entries: Mapping[str, LedgerEntry]) -> list[_Job]:
    """Unfinished Jobs whose launch the ledger has settled: given up, cancelled, or ended in a pod that is kept alive.

    The ledger is written first and a launch's number is never used again, so such a Job is only waiting to be deleted.
    A Job with a later number than the ledger knows is not such a Job: the ledger was lost or is an old copy.

    Args:
        jobs: the Subscription's Jobs.
        entries: by key, at least those of the Jobs' videos.
    """
    return [job for job in jobs if not is_finished(job) and _is_settled(job, entries)]


def _is_settled(job: _Job, entries: Mapping[str, LedgerEntry]) -> bool:
    annotations = job["metadata"].get("annotations") or {}
    entry = entries.get(annotations.get(labels.VIDEO_ANNOTATION, ""))
    launch = annotated_number(job, labels.LAUNCH_ANNOTATION)
    if entry is None or launch is None:
        return False
    return launch < entry.launches or (launch == entry.launches and not entry.is_claimed)
