"""How a finished Job ended: what its download reports, or the exit code says."""

from __future__ import annotations

from typing import Any

import pytest

from builders import NOON
from ended_jobs import (
    BY_CODE,
    NOT_UNDERSTOOD,
    PUBLISHED,
    REMOVED,
    Ending,
    ended_job,
    ended_pod,
)
from trawler_downloader.contract.outcomes import EXIT_CODES, OutcomeClass
from trawler_operator.domain.jobs.outcome import (
    ObservedOutcome,
    is_finished,
    observe_container,
    observe_outcome,
    parse_result,
)

_NO_PODS: dict[str, Any] = {"metadata": {"name": "x"}}

ENDINGS = (
    Ending(
        "complete, with its report",
        ended_job("Complete"),
        ended_pod(0, PUBLISHED.to_json()),
        OutcomeClass.PUBLISHED,
        "Published",
    ),
    Ending("complete, pod gone", ended_job("Complete"), None, OutcomeClass.TERMINATED, "ResultLost", "report is gone"),
    Ending(
        "complete, report cut off",
        ended_job("Complete"),
        ended_pod(0, '{"v":1,'),
        OutcomeClass.TERMINATED,
        "ResultLost",
    ),
    Ending("complete, report empty", ended_job("Complete"), ended_pod(0, ""), OutcomeClass.TERMINATED, "ResultLost"),
    Ending(
        "complete, published but where?",
        ended_job("Complete"),
        ended_pod(0, '{"outcome":"Published","reason":"Published"}'),
        OutcomeClass.TERMINATED,
        "ResultLost",
    ),
    Ending(
        "report with a field of another version",
        ended_job("Failed", "PodFailurePolicy", BY_CODE.format(40)),
        ended_pod(40, '{"v":2,"outcome":"Published","reason":"Published","path":"a"}'),
        OutcomeClass.TERMINAL,
        "Exited",
        "exit code 40",
    ),
    Ending(
        "failed, with its report",
        ended_job("Failed", "PodFailurePolicy", BY_CODE.format(40)),
        ended_pod(40, REMOVED.to_json()),
        OutcomeClass.TERMINAL,
        "VideoRemoved",
        "gone",
    ),
    Ending(
        "failed, with the report of a release in which its reason had another class",
        ended_job("Failed", "PodFailurePolicy", BY_CODE.format(46)),
        ended_pod(46, NOT_UNDERSTOOD.to_json()),
        OutcomeClass.ENVIRONMENT,
        "RequestInvalid",
        "more: not permitted",
    ),
    Ending(
        "failed, with a reason that this release does not know",
        ended_job("Failed", "PodFailurePolicy", BY_CODE.format(40)),
        ended_pod(40, REMOVED.model_copy(update={"reason": "Vanished"}).to_json()),
        OutcomeClass.TERMINAL,
        "Vanished",
    ),
    Ending(
        "killed after it had reported: the file stands there",
        ended_job("Failed", "PodFailurePolicy", BY_CODE.format(137)),
        ended_pod(137, PUBLISHED.to_json()),
        OutcomeClass.PUBLISHED,
        "Published",
    ),
    Ending(
        "failed, no report, code of the contract",
        ended_job("Failed", "PodFailurePolicy", BY_CODE.format(43)),
        ended_pod(43),
        OutcomeClass.RATE_LIMITED,
        "Exited",
        "exit code 43",
    ),
    Ending(
        "failed, pod gone, code in the Job's own words",
        ended_job("Failed", "PodFailurePolicy", BY_CODE.format(45)),
        None,
        OutcomeClass.ENVIRONMENT,
        "Exited",
        "exit code 45",
    ),
    Ending(
        "failed, pod there but its container never ran",
        ended_job("Failed", "PodFailurePolicy", BY_CODE.format(41)),
        {"status": {"containerStatuses": [{"name": "download", "state": {"waiting": {}}}]}},
        OutcomeClass.NOT_YET,
        "Exited",
    ),
    Ending(
        "a code of nobody's",
        ended_job("Failed", "BackoffLimitExceeded"),
        ended_pod(1),
        OutcomeClass.TRANSIENT,
        "Exited",
        "code 1",
    ),
    Ending(
        "ended well, and the Job failed all the same",
        ended_job("Failed", "BackoffLimitExceeded"),
        ended_pod(0),
        OutcomeClass.TERMINATED,
        "ResultLost",
    ),
)


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name)
def test_what_the_download_says_counts(ending: Ending) -> None:
    """A report that can be read comes first, then the exit code."""
    observed = observe_outcome(ending.job, ending.pod)

    assert (observed.outcome, observed.reason, observed.finished_at) == (ending.outcome, ending.reason, NOON)
    assert ending.says in observed.message


@pytest.mark.parametrize(
    ("left", "outcome", "reason"),
    [
        pytest.param(ended_pod(0, PUBLISHED.to_json()), OutcomeClass.PUBLISHED, "Published", id="published"),
        pytest.param(ended_pod(40, REMOVED.to_json()), OutcomeClass.TERMINAL, "VideoRemoved", id="its report"),
        pytest.param(ended_pod(0, "?"), OutcomeClass.TERMINATED, "ResultLost", id="a report that cannot be read"),
        pytest.param(ended_pod(43), OutcomeClass.RATE_LIMITED, "Exited", id="a code of the contract"),
        pytest.param(ended_pod(1), OutcomeClass.TRANSIENT, "Exited", id="a code of nobody's"),
        pytest.param(ended_pod(137), OutcomeClass.TERMINATED, "Killed", id="killed"),
        pytest.param(ended_pod(137, reason="OOMKilled"), OutcomeClass.TRANSIENT, "OutOfMemory", id="out of memory"),
        pytest.param(
            ended_pod(128, reason="StartError"), OutcomeClass.ENVIRONMENT, "ContainerNotStarted", id="never started"
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
    assert observe_outcome(ended_job("Complete"), ended_pod(0, PUBLISHED.to_json())) == ObservedOutcome(
        OutcomeClass.PUBLISHED, "Published", "done", NOON, PUBLISHED
    )


@pytest.mark.parametrize(("outcome", "code"), EXIT_CODES.items())
def test_every_exit_code_of_the_contract_is_understood_without_a_report(outcome: OutcomeClass, code: int) -> None:
    """Published is the exception: without its path it is launched again."""
    observed = observe_outcome(ended_job("Failed", "PodFailurePolicy", BY_CODE.format(code)), None)

    assert observed.outcome is (OutcomeClass.TERMINATED if outcome is OutcomeClass.PUBLISHED else outcome)


@pytest.mark.parametrize(
    ("name", "job", "expected"),
    [
        ("complete", ended_job("Complete"), True),
        ("failed", ended_job("Failed"), True),
        ("about to fail", ended_job("FailureTarget"), False),
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
