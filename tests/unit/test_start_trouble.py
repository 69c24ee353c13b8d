"""Why a download does not start, in Kubernetes' own words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from builders import NOON
from trawler_operator.domain.start_trouble import PATIENCE, describe_start_trouble, is_late

JOB = {"metadata": {"name": "j"}, "status": {"startTime": "2026-11-21T12:00:00Z", "active": 1}}


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "status": status}


def waiting(**state: str) -> dict[str, Any]:
    return pod(phase="Pending", containerStatuses=[{"name": "download", "state": {"waiting": state}}])


@pytest.mark.parametrize(
    ("status", "late"),
    [
        pytest.param(JOB["status"], True, id="active, not ready"),
        pytest.param({**JOB["status"], "ready": 1}, False, id="runs"),
        pytest.param({}, False, id="not begun"),
    ],
)
def test_is_late(status: dict[str, Any], late: bool) -> None:
    """After some patience, and only then."""
    job = {**JOB, "status": status}
    assert is_late(job, NOON + PATIENCE + timedelta(seconds=1)) is late
    assert not is_late(job, NOON + PATIENCE)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        pytest.param(None, "Job j has no pod", id="quota or policy refuses the pod"),
        pytest.param(
            waiting(reason="ImagePullBackOff", message="no such image"), "ImagePullBackOff: no such", id="image"
        ),
        pytest.param(
            waiting(reason="ContainerCreating"), "(ContainerCreating): see kubectl describe pod p", id="volume"
        ),
        pytest.param(
            pod(phase="Pending", conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}]),
            "not scheduled: 0/1 nodes",
            id="no node fits",
        ),
        pytest.param(pod(phase="Pending"), "pod p waits: see", id="nothing known yet"),
    ],
)
def test_describe(found: dict[str, Any] | None, said: str) -> None:
    """The pod's own reason, and where to look further."""
    assert said in str(describe_start_trouble(JOB, found))


@pytest.mark.parametrize("phase", ["Running", "Succeeded", "Failed"])
def test_runs_after_all(phase: str) -> None:
    """The Job's status lags behind its pod's."""
    assert describe_start_trouble(JOB, pod(phase=phase)) is None


def test_a_condition_that_is_no_trouble_is_passed_over() -> None:
    """A scheduled pod whose container waits says what the container waits for; one that runs says nothing."""
    scheduled = {"type": "PodScheduled", "status": "True"}
    found = pod(
        phase="Pending",
        conditions=[scheduled],
        containerStatuses=[{"name": "sidecar", "state": {"running": {}}}, {"name": "download", "state": {}}],
    )
    assert describe_start_trouble(JOB, found) == "pod p waits: see kubectl describe pod p"
