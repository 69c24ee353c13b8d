"""What a pod shows of its containers: ours, and those that a webhook put beside it. Pure.

A pod of our Jobs has one container, `download`. An injected container that is no sidecar of Kubernetes' own kind does
not end by itself, and the Job runs for as long as its pod does. So the download's own end counts:

| pod | its `download` container | another ordinary container | means |
|---|---|---|---|
| phase Succeeded or Failed | ended | ended | nothing yet: the Job is about to say how it ended |
| being deleted | any | any | nothing yet: the Job says how it ended once the pod is gone |
| alive | ended | runs or waits | the launch has ended, and nobody else will say so |
| alive | ended | none, or ended | nothing yet: the kubelet ends its sidecars |
| alive | runs | any | the launch goes on |

A sidecar of Kubernetes' own kind is an init container with `restartPolicy: Always`
(https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/). The kubelet reports a pod as Pending for as
long as one container has not started, whatever the others do (pkg/kubelet/kubelet_pods.go, getPhase).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trawler_operator.api.labels import DOWNLOAD_CONTAINER

ENDED_PHASES = frozenset({"Succeeded", "Failed"})
_Object = Mapping[str, Any]


def may_be_kept_alive(job: _Object) -> bool:
    """Whether the download of an unfinished Job may have ended in a live pod: the pod exists and is not ready.

    A container without a readiness probe is ready while it runs, and a pod is ready while all its containers are. So
    `status.ready` is 0 until the pod runs, and again as soon as one of its containers has ended.
    """
    status = job.get("status") or {}
    return bool(status.get("active")) and not status.get("ready")


def is_kept_alive(pod: _Object) -> bool:
    """Whether the download has ended and another ordinary container keeps its pod alive (see the table above)."""
    if pod["metadata"].get("deletionTimestamp") or (pod.get("status") or {}).get("phase") in ENDED_PHASES:
        return False
    others = [_state(status) for status in _ordinary(pod) if status["name"] != DOWNLOAD_CONTAINER]
    return bool(how_download_ended(pod)) and any("terminated" not in state for state in others)


def download_has_begun(pod: _Object) -> bool:
    """Whether the download runs or has ended."""
    return not {"running", "terminated"}.isdisjoint(_download_state(pod))


def how_download_ended(pod: _Object | None) -> _Object:
    """The `terminated` of the download's state; empty if it has not ended or the pod does not say so."""
    terminated: _Object = _download_state(pod or {}).get("terminated") or {}
    return terminated


def download_succeeded(pod: _Object) -> bool:
    """Whether the download's container has ended with exit code 0."""
    return how_download_ended(pod).get("exitCode") == 0


def what_waits(pod: _Object) -> tuple[str, _Object]:
    """What keeps the download from starting: the container's name, and the `waiting` of its state.

    Init containers come first. An ordinary container beside the download holds nothing up: the kubelet starts these
    containers one after the other, and goes on after one that fails. Name and state are empty if nothing waits.
    """
    ours = (status for status in _ordinary(pod) if status["name"] == DOWNLOAD_CONTAINER)
    for status in (*(status for status, _ in _init(pod)), *ours):
        waiting: _Object | None = _state(status).get("waiting")
        if waiting:
            return str(status["name"]), waiting
    return "", {}


def endless_init(pod: _Object) -> str | None:
    """The init container that runs and keeps the download from starting; None if none does.

    A sidecar of Kubernetes' own kind keeps the download from starting until it has started itself.
    """
    for status, is_sidecar in _init(pod):
        if "running" in _state(status) and not (is_sidecar and status.get("started")):
            return str(status["name"])
    return None


def failed_init(pod: _Object) -> tuple[str, int] | None:
    """The init container that failed, with its exit code; None if none did."""
    for status, is_sidecar in _init(pod):
        code = (_state(status).get("terminated") or {}).get("exitCode")
        if code and not is_sidecar:
            return str(status["name"]), int(code)
    return None


def _ordinary(pod: _Object) -> tuple[_Object, ...]:
    return tuple((pod.get("status") or {}).get("containerStatuses") or ())


def _init(pod: _Object) -> Iterator[tuple[_Object, bool]]:
    """Status of every init container, and whether it is a sidecar."""
    specs = (pod.get("spec") or {}).get("initContainers") or ()
    sidecars = {spec["name"] for spec in specs if spec.get("restartPolicy") == "Always"}
    for status in (pod.get("status") or {}).get("initContainerStatuses") or ():
        yield status, status["name"] in sidecars


def _download_state(pod: _Object) -> _Object:
    return next((_state(status) for status in _ordinary(pod) if status["name"] == DOWNLOAD_CONTAINER), {})


def _state(status: _Object) -> _Object:
    state: _Object = status.get("state") or {}
    return state
