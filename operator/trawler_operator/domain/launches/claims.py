"""What a pass should do about launches: pure decisions over the ledger's entries and the Jobs that were seen.

Crash windows, and why each closes:
- A claim (`Running, launch n`) was written, its Job was not created: the Job is missing, so CREATE makes the same name.
- The Job was created, nobody noted it: the entry is Running, its Job is there: ADOPT.
- The Job ended, the operator died before the ledger knew: the Job stays (it is deleted only once no Running entry needs
  it), so SETTLE happens in the next pass.
- The Job was settled but not deleted: its entry is Running no more, so the history limits take it later.
- The launch was settled in the ledger while its Job lives on (given up, cancelled, or its download has ended and an
  injected container keeps the pod alive): whatever launch the ledger has settled, its Job goes (`forgotten_jobs`).
- The Subscription was deleted and applied again while its pods still end: the old Job bears another owner's uid or a
  deletion timestamp, so WAIT until the name is free; then CREATE, and the downloader finds what was published.
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
    """What to do about an entry that is Running."""

    CREATE = "create"
    """There is no such Job: create it under the same name."""
    ADOPT = "adopt"
    """Its Job runs."""
    SETTLE = "settle"
    """Its Job has ended."""
    WAIT = "wait"
    """The name belongs to a Job that is about to go."""


def judge_launch(job: _Job | None, uid: str) -> LaunchAction:
    """What to do about a Running entry, given the Job of its launch.

    Args:
        job: as the API server has it now; None: it has none of that name.
        uid: of the Subscription.
    """
    if job is None:
        return LaunchAction.CREATE
    if job["metadata"].get("deletionTimestamp") or not is_owned(job, uid):
        return LaunchAction.WAIT
    return LaunchAction.SETTLE if is_finished(job) else LaunchAction.ADOPT


def claim(entry: LedgerEntry, now: datetime) -> LedgerEntry:
    """The entry with its next launch claimed.

    How the last launch ended stays in `outcome`: endings of one class in a row make longer pauses.
    """
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
    """The entry without its claim, whose Job is not there; the launch's number is not used again."""
    return replace(entry, state=LedgerState.PENDING)


def busy_videos(jobs: Iterable[_Job]) -> set[str]:
    """Videos that unfinished ones of the Jobs work on."""
    return {
        str(job["metadata"].get("annotations", {}).get(labels.VIDEO_ANNOTATION, ""))
        for job in jobs
        if not is_finished(job)
    }


def forgotten_jobs(jobs: Iterable[_Job], entries: Mapping[str, LedgerEntry]) -> list[_Job]:
    """Unfinished Jobs whose launch the ledger has settled: given up, cancelled, or ended in a pod that is kept alive.

    The ledger is written first and a launch's number is never used again, so such a Job can only be on its way out.
    One with a later number than the ledger knows is another matter: the ledger was lost or is an old copy.

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
    return launch < entry.launches or (launch == entry.launches and entry.state is not LedgerState.RUNNING)
