"""How a launch ended: by its finished Job, or by its container alone. Pure: reads both as the API server gives them.

The first row that fits holds:

| Job's condition | pod | container | means |
|---|---|---|---|
| Failed, DeadlineExceeded or after the deadline | there | a report of SIGTERM | transient, DeadlineExceeded |
| any | there | a valid report as its termination message | what the report says |
| Complete | there or gone | no report, or none that counts | terminated, ResultLost: the next launch reports |
| Failed | there | OOMKilled | transient, OutOfMemory |
| Failed, DeadlineExceeded or after the deadline | there, or gone (deleted for it) | any | transient, DeadlineExceeded |
| Failed, text "... DisruptionTarget ..." | there or gone | any | terminated, Disrupted |
| Failed | there, condition DisruptionTarget or reason Evicted | any | terminated, Disrupted |
| Failed | there, reason NodeLost | any | terminated, NodeLost |
| Failed | there | ContainerStatusUnknown | terminated, NodeLost |
| Failed | there | StartError, ContainerCannotRun | environment, ContainerNotStarted |
| Failed | there, an injected init container failed | none that ended | environment, ContainerNotStarted |
| Failed | there, phase Failed with any other reason | none that ended | terminated, PodRefused: by the kubelet |
| Failed | there, or gone with text "... failed with exit code N ..." | 137, 143 | terminated, Killed |
| as above | | 0 | terminated, ResultLost |
| as above | | any other exit code of the contract | its class, Exited |
| as above | | any other code | transient, Exited |
| Failed, anything else | gone or silent | | transient, LaunchVanished |

The texts are Kubernetes' own (measured on 1.36; they come from pkg/controller/job's pod failure policy).
`start_trouble` decides about a Job that does not end at all. If an injected container keeps a pod alive (see
`containers`), its Job has no condition: then the rows about pod and container hold as if the Job had failed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from trawler_downloader.contract.download import DownloadResult
from trawler_downloader.contract.outcomes import CLASS_BY_EXIT_CODE, EXIT_CODES, KILLED_EXIT_CODE, OutcomeClass
from trawler_downloader.contract.reasons import class_of
from trawler_operator.api.reasons import EndReason, message
from trawler_operator.api.times import parse_time
from trawler_operator.domain.jobs.containers import failed_init, how_download_ended

_NODE_LOST = "NodeLost"
_EVICTED = "Evicted"
_STATUS_UNKNOWN = "ContainerStatusUnknown"
"""The kubelet's word for a container of which it finds no trace, most often after its node was away."""
_NOT_STARTED = frozenset({"StartError", "ContainerCannotRun"})
_EXIT_CODE_IN_TEXT = re.compile(r"failed with exit code (\d{1,3})\b")
_Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ObservedOutcome:
    """How a launch ended.

    Args:
        outcome: class of the ending.
        reason: CamelCase word.
        message: text for people.
        finished_at: when the Job or the container ended, if it says so.
        result: the downloader's own report, if there is one.
    """

    outcome: OutcomeClass
    reason: str
    message: str
    finished_at: datetime | None = None
    result: DownloadResult | None = None


def is_finished(job: _Object) -> bool:
    """Whether the Job has a Complete or Failed condition: its pod is gone or has ended, and nothing more happens."""
    return _final_condition(job) is not None


def observe_outcome(job: _Object, pod: _Object | None) -> ObservedOutcome:
    """What a finished Job's ending means (see the table above).

    Args:
        job: a Job for which `is_finished` holds.
        pod: its newest pod; None if there is none.

    Raises:
        ValueError: the Job is not finished.
    """
    condition = _final_condition(job)
    if condition is None:
        raise ValueError("the Job is not finished")
    at = _time_of(condition.get("lastTransitionTime"))
    ended = how_download_ended(pod)
    result = parse_result(ended.get("message"))
    late = _is_late(job, condition, at)
    if result is not None and not (late and result.outcome is OutcomeClass.TERMINATED):
        return ObservedOutcome(result.outcome, result.reason, result.message, at, result)
    if condition["type"] == "Complete":
        return _end(OutcomeClass.TERMINATED, EndReason.RESULT_LOST, at)
    return _failed(condition, pod or {}, ended, at, late=late)


def observe_container(pod: _Object) -> ObservedOutcome:
    """What the end of a download means if another container keeps its pod alive (see the table above).

    Args:
        pod: a pod for which `containers.is_kept_alive` holds.
    """
    ended = how_download_ended(pod)
    at = _time_of(ended.get("finishedAt"))
    result = parse_result(ended.get("message"))
    if result is not None:
        return ObservedOutcome(result.outcome, result.reason, result.message, at, result)
    return _failed({}, pod, ended, at, late=False)


def parse_result(text: object) -> DownloadResult | None:
    """The report in a termination message; None if there is none, or none that counts.

    Published without a path is no report: the ledger could not say where the file is. A downloader of another release
    may give a reason another class; our own class for the reason counts.
    """
    if not isinstance(text, str) or not text:
        return None
    try:
        result = DownloadResult.model_validate_json(text)
    except ValidationError:
        return None
    result = result.model_copy(update={"outcome": class_of(result.reason) or result.outcome})
    if result.outcome is OutcomeClass.PUBLISHED and result.path is None:
        return None
    return result


def _is_late(job: _Object, condition: _Object, at: datetime | None) -> bool:
    """Whether its deadline ended the Job.

    The Job controller then sends SIGTERM, and the pod's report knows only of that. If the pod ends before the
    controller writes its own condition, the condition names the pod's exit code instead.
    """
    started = _time_of((job.get("status") or {}).get("startTime"))
    limit = (job.get("spec") or {}).get("activeDeadlineSeconds")
    if condition.get("reason") == "DeadlineExceeded":
        return True
    if condition["type"] != "Failed" or started is None or at is None or limit is None:
        return False
    return (at - started).total_seconds() >= int(limit)


def _failed(condition: _Object, pod: _Object, ended: _Object, at: datetime | None, *, late: bool) -> ObservedOutcome:
    if ended.get("reason") == "OOMKilled":
        return _end(OutcomeClass.TRANSIENT, EndReason.OUT_OF_MEMORY, at)
    text = condition.get("message") or ""
    in_text = _EXIT_CODE_IN_TEXT.search(text)
    code = ended.get("exitCode", int(in_text[1]) if in_text else None)
    # Deadline and disruption explain an exit code of SIGTERM or SIGKILL, so they come first.
    if late:
        return _end(OutcomeClass.TRANSIENT, EndReason.DEADLINE_EXCEEDED, at)
    trouble = _trouble_of_pod(pod, ended, text)
    if trouble is not None:
        outcome, reason, detail = trouble
        return _end(outcome, reason, at, detail=detail)
    if code is None:
        detail = f"Job condition {condition.get('reason') or 'without a reason'}"
        return _end(OutcomeClass.TRANSIENT, EndReason.LAUNCH_VANISHED, at, detail=detail)
    if code in {KILLED_EXIT_CODE, EXIT_CODES[OutcomeClass.TERMINATED]}:
        return _end(OutcomeClass.TERMINATED, EndReason.KILLED, at, code=code)
    outcome = CLASS_BY_EXIT_CODE.get(code, OutcomeClass.TRANSIENT)
    if outcome is OutcomeClass.PUBLISHED:  # the download ended well, and something else failed the Job
        return _end(OutcomeClass.TERMINATED, EndReason.RESULT_LOST, at)
    return _end(outcome, EndReason.EXITED, at, code=code)


def _trouble_of_pod(pod: _Object, ended: _Object, text: str) -> tuple[OutcomeClass, EndReason, str] | None:
    """What ended the pod from outside, or kept its container from starting; None if nothing did."""
    status = pod.get("status") or {}
    reason, words = str(status.get("reason") or ""), str(status.get("message") or "")
    target = next((c for c in status.get("conditions") or () if _is_disruption(c)), None)
    if target is not None:
        detail = words or f"{target.get('reason') or 'no reason given'}: {target.get('message') or 'no message'}"
        return OutcomeClass.TERMINATED, EndReason.DISRUPTED, detail
    if "DisruptionTarget" in text or reason == _EVICTED:
        return OutcomeClass.TERMINATED, EndReason.DISRUPTED, words or text
    if reason == _NODE_LOST or ended.get("reason") == _STATUS_UNKNOWN:
        return OutcomeClass.TERMINATED, EndReason.NODE_LOST, words or str(ended.get("message") or reason)
    if ended.get("reason") in _NOT_STARTED:
        return OutcomeClass.ENVIRONMENT, EndReason.CONTAINER_NOT_STARTED, str(ended.get("message") or ended["reason"])
    init = failed_init(pod)
    if init is not None and not ended:
        detail = f"init container {init[0]} ended with exit code {init[1]}"
        return OutcomeClass.ENVIRONMENT, EndReason.CONTAINER_NOT_STARTED, detail
    if status.get("phase") == "Failed" and reason and not ended:
        return OutcomeClass.TERMINATED, EndReason.POD_REFUSED, f"{reason}: {words}" if words else reason
    return None


def _is_disruption(condition: _Object) -> bool:
    return condition.get("type") == "DisruptionTarget" and condition.get("status") == "True"


def _end(outcome: OutcomeClass, reason: EndReason, at: datetime | None, **values: object) -> ObservedOutcome:
    return ObservedOutcome(outcome, reason.value, message(reason, **values), at)


def _final_condition(job: _Object) -> _Object | None:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] in {"Complete", "Failed"} and c["status"] == "True"), None)


def _time_of(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
