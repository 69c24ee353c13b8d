"""How a finished Job ended: condition x pod x container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from builders import NOON
from trawler_downloader.contract.download import DownloadResult
from trawler_downloader.contract.outcomes import EXIT_CODES, OutcomeClass
from trawler_operator.domain.jobs.outcome import (
    ObservedOutcome,
    is_finished,
    observe_container,
    observe_outcome,
    parse_result,
)

PUBLISHED = DownloadResult(outcome=OutcomeClass.PUBLISHED, reason="Published", message="done", path="a/b.mp4")
REMOVED = DownloadResult(outcome=OutcomeClass.TERMINAL, reason="VideoRemoved", message="gone")
NOT_UNDERSTOOD = DownloadResult(
    outcome=OutcomeClass.CONFIGURATION, reason="RequestInvalid", message="more: not permitted"
)
TOLD_TO_STOP = DownloadResult(outcome=OutcomeClass.TERMINATED, reason="Terminated", message="the pod was told to stop")
BY_CODE = "Container download for pod media/x failed with exit code {} matching FailJob rule at index 1"
DISRUPTED = "Pod media/x has condition DisruptionTarget matching FailJob rule at index 0"
_NO_PODS: dict[str, Any] = {"metadata": {"name": "x"}}


def _job(kind: str = "Failed", reason: str | None = None, text: str | None = None) -> dict[str, Any]:
    condition = {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": text,
        "lastTransitionTime": "2026-11-21T12:00:00Z",
    }
    started = {"type": "FailureTarget", "status": "True"}
    return {"metadata": {"name": "x"}, "status": {"conditions": [started, condition]}}


def _after(seconds: int, job: dict[str, Any]) -> dict[str, Any]:
    """The Job with a deadline of a minute, ended so long after its start."""
    job["status"]["startTime"] = f"2026-11-21T11:59:{60 - seconds:02}Z"
    return job | {"spec": {"activeDeadlineSeconds": 60}}


def _pod(code: int, message: str | None = None, reason: str = "Error") -> dict[str, Any]:
    terminated = {"exitCode": code, "reason": reason} | ({} if message is None else {"message": message})
    return {
        "status": {
            "containerStatuses": [
                {"name": "injected-proxy", "state": {"terminated": {"exitCode": 1}}},
                {"name": "download", "state": {"terminated": terminated}},
            ]
        }
    }


def _pod_that_failed(**status: Any) -> dict[str, Any]:
    return {"status": {"phase": "Failed", **status}}


@dataclass(frozen=True)
class Row:
    name: str
    # status
    job: dict[str, Any]
    # environment
    pod: dict[str, Any] | None
    # expectation
    outcome: OutcomeClass
    reason: str
    says: str = ""


ROWS = (
    Row(
        "complete, with its report", _job("Complete"), _pod(0, PUBLISHED.to_json()), OutcomeClass.PUBLISHED, "Published"
    ),
    Row("complete, pod gone", _job("Complete"), None, OutcomeClass.TERMINATED, "ResultLost", "report is gone"),
    Row("complete, report cut off", _job("Complete"), _pod(0, '{"v":1,'), OutcomeClass.TERMINATED, "ResultLost"),
    Row("complete, report empty", _job("Complete"), _pod(0, ""), OutcomeClass.TERMINATED, "ResultLost"),
    Row(
        "complete, published but where?",
        _job("Complete"),
        _pod(0, '{"outcome":"Published","reason":"Published"}'),
        OutcomeClass.TERMINATED,
        "ResultLost",
    ),
    Row(
        "report with a field of another version",
        _job("Failed", "PodFailurePolicy", BY_CODE.format(40)),
        _pod(40, '{"v":2,"outcome":"Published","reason":"Published","path":"a"}'),
        OutcomeClass.TERMINAL,
        "Exited",
        "exit code 40",
    ),
    Row(
        "failed, with its report",
        _job("Failed", "PodFailurePolicy", BY_CODE.format(40)),
        _pod(40, REMOVED.to_json()),
        OutcomeClass.TERMINAL,
        "VideoRemoved",
        "gone",
    ),
    Row(
        "failed, with the report of a release in which its reason had another class",
        _job("Failed", "PodFailurePolicy", BY_CODE.format(46)),
        _pod(46, NOT_UNDERSTOOD.to_json()),
        OutcomeClass.ENVIRONMENT,
        "RequestInvalid",
        "more: not permitted",
    ),
    Row(
        "failed, with a reason that this release does not know",
        _job("Failed", "PodFailurePolicy", BY_CODE.format(40)),
        _pod(40, REMOVED.model_copy(update={"reason": "Vanished"}).to_json()),
        OutcomeClass.TERMINAL,
        "Vanished",
    ),
    Row(
        "killed after it had reported: the file stands there",
        _job("Failed", "PodFailurePolicy", BY_CODE.format(137)),
        _pod(137, PUBLISHED.to_json()),
        OutcomeClass.PUBLISHED,
        "Published",
    ),
    Row(
        "failed, no report, code of the contract",
        _job("Failed", "PodFailurePolicy", BY_CODE.format(43)),
        _pod(43),
        OutcomeClass.RATE_LIMITED,
        "Exited",
        "exit code 43",
    ),
    Row(
        "failed, pod gone, code in the Job's own words",
        _job("Failed", "PodFailurePolicy", BY_CODE.format(45)),
        None,
        OutcomeClass.ENVIRONMENT,
        "Exited",
        "exit code 45",
    ),
    Row(
        "failed, pod there but its container never ran",
        _job("Failed", "PodFailurePolicy", BY_CODE.format(41)),
        {"status": {"containerStatuses": [{"name": "download", "state": {"waiting": {}}}]}},
        OutcomeClass.NOT_YET,
        "Exited",
    ),
    Row(
        "a code of nobody's",
        _job("Failed", "BackoffLimitExceeded"),
        _pod(1),
        OutcomeClass.TRANSIENT,
        "Exited",
        "code 1",
    ),
    Row(
        "out of memory",
        _job("Failed", "BackoffLimitExceeded"),
        _pod(137, reason="OOMKilled"),
        OutcomeClass.TRANSIENT,
        "OutOfMemory",
        "spec.job.resources.limits.memory",
    ),
    Row(
        "killed",
        _job("Failed", "PodFailurePolicy", BY_CODE.format(137)),
        _pod(137),
        OutcomeClass.TERMINATED,
        "Killed",
        "137",
    ),
    Row(
        "told to stop, pod gone",
        _job("Failed", "PodFailurePolicy", BY_CODE.format(143)),
        None,
        OutcomeClass.TERMINATED,
        "Killed",
        "143",
    ),
    Row(
        "evicted", _job("Failed", "PodFailurePolicy", DISRUPTED), None, OutcomeClass.TERMINATED, "Disrupted", "evicted"
    ),
    Row(
        "evicted, its container ended with a code of nobody's",
        _job("Failed", "PodFailurePolicy", DISRUPTED),
        _pod(1),
        OutcomeClass.TERMINATED,
        "Disrupted",
    ),
    Row(
        "drained, its pod still there",
        _job("Failed", "PodFailurePolicy", BY_CODE.format(143)),
        _pod_that_failed(
            conditions=[
                {"type": "Ready", "status": "False"},
                {
                    "type": "DisruptionTarget",
                    "status": "True",
                    "reason": "EvictionByEvictionAPI",
                    "message": "Eviction API",
                },
            ]
        ),
        OutcomeClass.TERMINATED,
        "Disrupted",
        "EvictionByEvictionAPI: Eviction API",
    ),
    Row(
        "evicted for want of disk, by its pod's own words",
        _job("Failed", "BackoffLimitExceeded"),
        _pod_that_failed(reason="Evicted", message="The node was low on resource: ephemeral-storage."),
        OutcomeClass.TERMINATED,
        "Disrupted",
        "low on resource: ephemeral-storage",
    ),
    Row(
        "node lost",
        _job("Failed", "BackoffLimitExceeded"),
        _pod_that_failed(reason="NodeLost"),
        OutcomeClass.TERMINATED,
        "NodeLost",
        "its node was lost",
    ),
    Row(
        "node came back and knows nothing of the container",
        _job("Failed", "PodFailurePolicy", BY_CODE.format(137)),
        _pod(137, "The container could not be located", reason="ContainerStatusUnknown"),
        OutcomeClass.TERMINATED,
        "NodeLost",
        "could not be located",
    ),
    Row(
        "the program cannot be started",
        _job("Failed", "BackoffLimitExceeded"),
        _pod(128, 'exec: "python": not found', reason="StartError"),
        OutcomeClass.ENVIRONMENT,
        "ContainerNotStarted",
        'exec: "python": not found',
    ),
    Row(
        "an injected init container failed, and the download never began",
        _job("Failed", "BackoffLimitExceeded"),
        _pod_that_failed(
            initContainerStatuses=[
                {"name": "proxy", "state": {"terminated": {"exitCode": 143}}},
                {"name": "rules", "state": {"terminated": {"exitCode": 0}}},
                {"name": "iptables", "state": {"terminated": {"exitCode": 2}}},
            ],
            containerStatuses=[{"name": "download", "state": {"waiting": {"reason": "PodInitializing"}}}],
        )
        | {"spec": {"initContainers": [{"name": "proxy", "restartPolicy": "Always"}, {"name": "iptables"}]}},
        OutcomeClass.ENVIRONMENT,
        "ContainerNotStarted",
        "init container iptables ended with exit code 2",
    ),
    Row(
        "the node would not take the pod",
        _job("Failed", "BackoffLimitExceeded"),
        _pod_that_failed(reason="OutOfmemory", message="Node didn't have enough resource: memory"),
        OutcomeClass.TERMINATED,
        "PodRefused",
        "OutOfmemory: Node didn't",
    ),
    Row(
        "the node would not take the pod and does not say why",
        _job("Failed", "BackoffLimitExceeded"),
        _pod_that_failed(reason="NodeAffinity"),
        OutcomeClass.TERMINATED,
        "PodRefused",
        "NodeAffinity",
    ),
    Row(
        "took too long, pod gone",
        _job("Failed", "DeadlineExceeded", "Job was active longer than specified deadline"),
        None,
        OutcomeClass.TRANSIENT,
        "DeadlineExceeded",
        "spec.job.activeDeadlineSeconds",
    ),
    Row(
        "took too long and was told to stop",
        _job("Failed", "DeadlineExceeded"),
        _pod(143),
        OutcomeClass.TRANSIENT,
        "DeadlineExceeded",
    ),
    Row(
        "took too long, told to stop, and said so",
        _job("Failed", "DeadlineExceeded"),
        _pod(143, TOLD_TO_STOP.to_json()),
        OutcomeClass.TRANSIENT,
        "DeadlineExceeded",
    ),
    Row(
        "took too long, and its pod ended before the Job's condition was written",
        _after(60, _job("Failed", "PodFailurePolicy", BY_CODE.format(143))),
        _pod(143, TOLD_TO_STOP.to_json()),
        OutcomeClass.TRANSIENT,
        "DeadlineExceeded",
    ),
    Row(
        "told to stop a second before its deadline",
        _after(59, _job("Failed", "PodFailurePolicy", BY_CODE.format(143))),
        _pod(143, TOLD_TO_STOP.to_json()),
        OutcomeClass.TERMINATED,
        "Terminated",
    ),
    Row(
        "said that the video is gone when its deadline was over",
        _after(60, _job("Failed", "PodFailurePolicy", BY_CODE.format(40))),
        _pod(40, REMOVED.to_json()),
        OutcomeClass.TERMINAL,
        "VideoRemoved",
    ),
    Row(
        "pod deleted by force",
        _job("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"),
        None,
        OutcomeClass.TRANSIENT,
        "LaunchVanished",
        "BackoffLimitExceeded",
    ),
    Row(
        "failed without a reason",
        _job(),
        {"status": None},
        OutcomeClass.TRANSIENT,
        "LaunchVanished",
        "without a reason",
    ),
    Row(
        "ended well, and the Job failed all the same",
        _job("Failed", "BackoffLimitExceeded"),
        _pod(0),
        OutcomeClass.TERMINATED,
        "ResultLost",
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_observe_outcome(row: Row) -> None:
    """One row per line of the documented table, and the odd ones."""
    observed = observe_outcome(row.job, row.pod)

    assert (observed.outcome, observed.reason) == (row.outcome, row.reason)
    assert row.says in observed.message
    assert observed.finished_at == NOON


@pytest.mark.parametrize(
    ("left", "outcome", "reason"),
    [
        pytest.param(_pod(0, PUBLISHED.to_json()), OutcomeClass.PUBLISHED, "Published", id="published"),
        pytest.param(_pod(40, REMOVED.to_json()), OutcomeClass.TERMINAL, "VideoRemoved", id="its report"),
        pytest.param(_pod(0, "?"), OutcomeClass.TERMINATED, "ResultLost", id="a report that cannot be read"),
        pytest.param(_pod(43), OutcomeClass.RATE_LIMITED, "Exited", id="a code of the contract"),
        pytest.param(_pod(1), OutcomeClass.TRANSIENT, "Exited", id="a code of nobody's"),
        pytest.param(_pod(137), OutcomeClass.TERMINATED, "Killed", id="killed"),
        pytest.param(_pod(137, reason="OOMKilled"), OutcomeClass.TRANSIENT, "OutOfMemory", id="out of memory"),
        pytest.param(
            _pod(128, reason="StartError"), OutcomeClass.ENVIRONMENT, "ContainerNotStarted", id="never started"
        ),
    ],
)
def test_observe_container(left: dict[str, Any], outcome: OutcomeClass, reason: str) -> None:
    """Where another container keeps the pod alive, the download's own end counts as if its Job had failed by it."""
    left["status"]["containerStatuses"][1]["state"]["terminated"]["finishedAt"] = "2026-11-21T12:00:00Z"
    observed = observe_container(left)

    assert (observed.outcome, observed.reason, observed.finished_at) == (outcome, reason, NOON)


def test_the_report_is_passed_on_whole() -> None:
    """Path, size and times go into the ledger."""
    assert observe_outcome(_job("Complete"), _pod(0, PUBLISHED.to_json())) == ObservedOutcome(
        OutcomeClass.PUBLISHED, "Published", "done", NOON, PUBLISHED
    )


@pytest.mark.parametrize(("outcome", "code"), EXIT_CODES.items())
def test_every_exit_code_of_the_contract_is_understood_without_a_report(outcome: OutcomeClass, code: int) -> None:
    """Published is the exception: without its path it is launched again."""
    observed = observe_outcome(_job("Failed", "PodFailurePolicy", BY_CODE.format(code)), None)

    assert observed.outcome is (OutcomeClass.TERMINATED if outcome is OutcomeClass.PUBLISHED else outcome)


@pytest.mark.parametrize(
    ("name", "job", "expected"),
    [
        ("complete", _job("Complete"), True),
        ("failed", _job("Failed"), True),
        ("about to fail", _job("FailureTarget"), False),
        ("new", _NO_PODS, False),
        ("without conditions", {"status": {"active": 1}}, False),
        ("a condition that does not hold", {"status": {"conditions": [{"type": "Failed", "status": "False"}]}}, False),
    ],
)
def test_is_finished(name: str, job: dict[str, Any], expected: bool) -> None:
    """Only the final conditions count: before them the pod may still write."""
    assert is_finished(job) is expected


def test_a_running_job_has_no_outcome() -> None:
    """Asking for it is a mistake of ours."""
    with pytest.raises(ValueError, match="not finished"):
        observe_outcome(_NO_PODS, None)


def test_a_condition_without_a_time_has_none() -> None:
    """The settling then takes its own."""
    job = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}

    assert observe_outcome(job, None).finished_at is None


def test_a_report_is_text() -> None:
    """Whatever else stands there is none."""
    assert parse_result(None) is None
    assert parse_result(5) is None
    assert parse_result(REMOVED.to_json()) == REMOVED
