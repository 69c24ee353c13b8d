"""What a pass should do about launches: pure decisions over the ledger's entries and the Jobs that were seen.

Crash windows, and why each closes:
- A claim (`Running, launch n`) was written, its Job was not created: the Job is missing, so CREATE makes the same name.
- The Job was created, nobody noted it: the entry is Running, its Job is there: ADOPT.
- The Job ended, the operator died before the ledger knew: the Job stays (it is deleted only once no Running entry needs
  it), so SETTLE happens in the next pass.
- The Job was settled but not deleted: its entry is Running no more, so the history limits take it later.
- The launch was given up or cancelled in the ledger, its Job still lives: whatever launch the ledger has settled, its
  Job goes (`forgotten_jobs`).
- The Subscription was deleted and applied again while its pods still end: the old Job bears another owner's uid or a
  deletion timestamp, so WAIT until the name is free; then CREATE, and the downloader finds what was published.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api import labels
from trawler_operator.domain.job_outcome import is_finished
from trawler_operator.domain.ledger_entry import LaunchTimes, LedgerEntry
from trawler_operator.domain.selection import NewEntry

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


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    """Finished Jobs kept per Subscription, for `kubectl logs`; as in a CronJob."""

    successful: int = 3
    failed: int = 5


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


def is_owned(job: _Job, uid: str) -> bool:
    """Whether the Job belongs to this very Subscription, not to an earlier one of its name.

    One that lost its owner (`kubectl delete --cascade=orphan`) does: its name is ours, and nothing will take it away.
    """
    owners = job["metadata"].get("ownerReferences") or ()
    return not owners or any(owner.get("uid") == uid for owner in owners)


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


def queue_anew(entry: LedgerEntry) -> LedgerEntry:
    """The entry in the queue as if it had never been tried; the number of its last launch is not used again."""
    return replace(
        entry,
        state=LedgerState.PENDING,
        failures=0,
        deferrals=0,
        retry_at=None,
        outcome=None,
        reason=None,
        message=None,
        generation=None,
    )


def give_back(entry: LedgerEntry) -> LedgerEntry:
    """The entry without its claim, whose Job is not there; the launch's number is not used again."""
    return replace(entry, state=LedgerState.PENDING)


def new_entries(selected: Iterable[NewEntry], first_seq: int, now: datetime) -> dict[str, LedgerEntry]:
    """Ledger entries for selected videos, numbered in their order."""
    return {
        new.line.key: LedgerEntry(
            state=new.state,
            seq=first_seq + place,
            source=new.line.source,
            url=new.line.url,
            extractor=new.line.extractor,
            id=new.line.id,
            added_at=now,
            kind=new.line.kind,
            title=new.line.title,
            duration_seconds=new.line.duration_seconds,
            reason=new.reason,
            message=new.message,
        )
        for place, new in enumerate(selected)
    }


def busy_videos(jobs: Iterable[_Job]) -> set[str]:
    """Videos that unfinished ones of the Jobs work on."""
    return {
        str(job["metadata"].get("annotations", {}).get(labels.VIDEO_ANNOTATION, ""))
        for job in jobs
        if not is_finished(job)
    }


def forgotten_jobs(jobs: Iterable[_Job], entries: Mapping[str, LedgerEntry]) -> list[_Job]:
    """Unfinished Jobs whose launch the ledger has settled: given up since they never start or end, or cancelled.

    The ledger is written first and a launch's number is never used again, so such a Job can only be on its way out.
    One with a later number than the ledger knows is another matter: the ledger was lost or is an old copy.

    Args:
        jobs: the Subscription's Jobs.
        entries: by key, at least those of the Jobs' videos.
    """
    return [job for job in jobs if not is_finished(job) and _is_settled(job, entries)]


def may_delete(job: _Job, uid: str) -> bool:
    """Whether deleting the Job is up to us: one of an earlier Subscription is the garbage collector's."""
    return not job["metadata"].get("deletionTimestamp") and is_owned(job, uid)


def _is_settled(job: _Job, entries: Mapping[str, LedgerEntry]) -> bool:
    annotations = job["metadata"].get("annotations") or {}
    entry = entries.get(annotations.get(labels.VIDEO_ANNOTATION, ""))
    launch = annotations.get(labels.LAUNCH_ANNOTATION, "")
    if entry is None or not launch.isdecimal():
        return False
    return int(launch) < entry.launches or (int(launch) == entry.launches and entry.state is not LedgerState.RUNNING)


def jobs_to_delete(jobs: Iterable[_Job], uid: str, limits: HistoryLimits) -> list[_Job]:
    """Finished Jobs beyond the history limits, oldest first.

    Args:
        jobs: the Subscription's, without those that a Running entry still needs.
        uid: of the Subscription; Jobs of an earlier one are the garbage collector's.
        limits: how many to keep.
    """
    finished = [job for job in jobs if may_delete(job, uid) and is_finished(job)]
    finished.sort(key=_ended_at)
    successful = [job for job in finished if has_succeeded(job)]
    failed = [job for job in finished if not has_succeeded(job)]
    return [
        *successful[: max(0, len(successful) - limits.successful)],
        *failed[: max(0, len(failed) - limits.failed)],
    ]


def has_succeeded(job: _Job) -> bool:
    """Whether a finished Job's pod ended well."""
    return any(c["type"] == "Complete" and c["status"] == "True" for c in job["status"]["conditions"])


def _ended_at(job: _Job) -> tuple[str, str]:
    final = next(
        c for c in job["status"]["conditions"] if c["type"] in {"Complete", "Failed"} and c["status"] == "True"
    )
    return str(final.get("lastTransitionTime", "")), str(job["metadata"]["name"])
