"""Which finished Jobs are kept, and which Jobs are ours to delete. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from trawler_operator.domain.jobs.outcome import is_finished

_Job = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    """Finished Jobs kept per Subscription, for `kubectl logs`; as in a CronJob."""

    successful: Annotated[int, Field(ge=0, le=100)] = 3
    failed: Annotated[int, Field(ge=0, le=100)] = 5


def is_owned(job: _Job, uid: str) -> bool:
    """Whether the Job belongs to this very Subscription, not to an earlier one of its name.

    A Job without an owner (after `kubectl delete --cascade=orphan`) does: it bears our name, and nothing else deletes
    it.
    """
    owners = job["metadata"].get("ownerReferences") or ()
    return not owners or any(owner.get("uid") == uid for owner in owners)


def may_delete(job: _Job, uid: str) -> bool:
    """Whether we delete the Job: the garbage collector deletes one of an earlier Subscription."""
    return not job["metadata"].get("deletionTimestamp") and is_owned(job, uid)


def jobs_to_delete(jobs: Iterable[_Job], uid: str, limits: HistoryLimits) -> list[_Job]:
    """Finished Jobs beyond the history limits, oldest first.

    Args:
        jobs: the Subscription's Jobs, without those that a Running entry still needs.
        uid: the Subscription's uid. The garbage collector deletes Jobs of an earlier one.
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
