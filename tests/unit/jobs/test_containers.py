"""Whose end ends a launch: the download's own, where a container that a webhook put beside it goes on."""

from __future__ import annotations

from typing import Any

import pytest

from trawler_operator.domain.jobs.containers import (
    download_has_begun,
    download_succeeded,
    how_download_ended,
    is_kept_alive,
    may_be_kept_alive,
)

ENDED = {"terminated": {"exitCode": 0}}
FAILED = {"terminated": {"exitCode": 45}}
RUNS = {"running": {"startedAt": "2026-11-21T12:00:00Z"}}
WAITS = {"waiting": {"reason": "ImagePullBackOff"}}


def pod(download: dict[str, Any], *others: dict[str, Any], phase: str = "Running", **metadata: Any) -> dict[str, Any]:
    """A pod by the states of its ordinary containers."""
    beside = [{"name": f"injected-{number}", "state": state} for number, state in enumerate(others)]
    statuses = [*beside, {"name": "download", "state": download}]
    return {"metadata": {"name": "p", **metadata}, "status": {"phase": phase, "containerStatuses": statuses}}


def with_sidecar(download: dict[str, Any]) -> dict[str, Any]:
    """A pod with a sidecar of Kubernetes' own kind, which runs."""
    made = pod(download)
    made["spec"] = {"initContainers": [{"name": "proxy", "restartPolicy": "Always"}]}
    made["status"]["initContainerStatuses"] = [{"name": "proxy", "started": True, "state": RUNS}]
    return made


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        pytest.param(pod(ENDED, RUNS), True, id="ended well, another one runs"),
        pytest.param(pod(FAILED, RUNS), True, id="failed, another one runs"),
        pytest.param(pod(ENDED, WAITS, phase="Pending"), True, id="ended, another one never started"),
        pytest.param(pod(ENDED, ENDED, RUNS), True, id="ended, one of two others runs"),
        pytest.param(pod(ENDED), False, id="ended, and its pod is about to say so"),
        pytest.param(pod(ENDED, ENDED), False, id="all ended, and their pod is about to say so"),
        pytest.param(pod(ENDED, phase="Succeeded"), False, id="the Job is about to complete"),
        pytest.param(pod(FAILED, RUNS, phase="Failed"), False, id="the Job is about to fail"),
        pytest.param(with_sidecar(ENDED), False, id="ended, and the kubelet ends its sidecar"),
        pytest.param(pod(ENDED, RUNS, deletionTimestamp="2026-11-21T12:00:00Z"), False, id="told to stop"),
        pytest.param(pod(RUNS, RUNS), False, id="runs"),
        pytest.param(pod(RUNS, FAILED), False, id="runs, another one has failed"),
        pytest.param(pod(WAITS, RUNS, phase="Pending"), False, id="has not started"),
        pytest.param({"metadata": {"name": "p"}}, False, id="new"),
    ],
)
def test_is_kept_alive(there: dict[str, Any], expected: bool) -> None:
    """One row per line of the documented table, and the odd ones."""
    assert is_kept_alive(there) is expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param({"active": 1, "ready": 0}, True, id="its pod is not ready any more, or not yet"),
        pytest.param({"active": 1, "ready": 1}, False, id="all its containers run"),
        pytest.param({"ready": 0}, False, id="its pod has ended"),
        pytest.param({"terminating": 1, "ready": 0}, False, id="its pod is told to stop"),
        pytest.param(None, False, id="new"),
    ],
)
def test_may_be_kept_alive(status: dict[str, Any] | None, expected: bool) -> None:
    """The Job tells where a look at the pod is worth it."""
    assert may_be_kept_alive({"metadata": {"name": "j"}, "status": status}) is expected


@pytest.mark.parametrize(
    ("there", "begun", "succeeded"),
    [
        pytest.param(pod(WAITS), False, False, id="waits"),
        pytest.param(pod(RUNS), True, False, id="runs"),
        pytest.param(pod(FAILED), True, False, id="failed"),
        pytest.param(pod(ENDED), True, True, id="ended well"),
        pytest.param({"metadata": {"name": "p"}, "status": {}}, False, False, id="nobody says"),
    ],
)
def test_how_far_a_download_came(there: dict[str, Any], begun: bool, succeeded: bool) -> None:
    """By its own container alone."""
    assert (download_has_begun(there), download_succeeded(there)) == (begun, succeeded)


def test_a_pod_that_is_gone_says_nothing() -> None:
    """How its container ended is not known."""
    assert how_download_ended(None) == {}
