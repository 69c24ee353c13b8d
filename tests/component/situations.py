"""What Kubernetes shows of a launch that tells nothing itself: how its container, its pod or its Job end, or do not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from component.aftermath import Situation
from component.cluster import Object, publish, request_of
from component.job_controller import end_pod, fail_pod, freeze_pod, hold_pod, start_pod
from component.world import World
from trawler_downloader.contract.download import DownloadResult
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.api.times import format_time

STOPPED = DownloadResult(outcome=OutcomeClass.TERMINATED, reason="Terminated", message="the pod was told to stop")


def ended(code: int, message: str | None = None, reason: str | None = None) -> Situation:
    """The container ends by itself."""
    return lambda world, job: end_pod(world.cluster, job, code, message, reason)


def ended_well(world: World, job: Object) -> None:
    """With a file on the volume."""
    end_pod(world.cluster, job, 0, publish(request_of(job)).to_json())


def ended_well_and_was_removed(world: World, job: Object) -> None:
    """The pod is gone before its report was read."""
    ended_well(world, job)
    (pod,) = world.cluster.list("Pod", "media", **{"batch.kubernetes.io/job-name": job["metadata"]["name"]})
    world.cluster.delete("Pod", "media", pod["metadata"]["name"])


def failed(code: int | None = None, **status: Any) -> Situation:
    """The pod fails, and says more of it than its container."""
    return lambda world, job: fail_pod(world.cluster, job, status, code)


def lost_to_its_node(world: World, job: Object) -> None:
    """The kubelet came back and finds no trace of the container."""
    end_pod(world.cluster, job, 137, "The container could not be located", "ContainerStatusUnknown")


def stopped_at_its_deadline(world: World, job: Object) -> None:
    """The pod's end is written before the Job controller's own word."""
    start_pod(world.cluster, job)
    world.clock.advance(timedelta(seconds=job["spec"]["activeDeadlineSeconds"]))
    end_pod(world.cluster, job, 143, STOPPED.to_json())


def frozen(*, beyond_deadline: bool = False) -> Situation:
    """The pod has run for a while when it is told to stop, and does not."""

    def happens(world: World, job: Object) -> None:
        start_pod(world.cluster, job)
        world.clock.advance(timedelta(minutes=10))
        freeze_pod(world.cluster, job, beyond_deadline=beyond_deadline)

    return happens


def waits(reason: str, message: str = "") -> Situation:
    """Volumes are mounted, the container waits."""

    def happens(world: World, job: Object) -> None:
        waiting = {"name": "download", "state": {"waiting": {"reason": reason, "message": message}}}
        ready = {"type": "PodReadyToStartContainers", "status": "True"}
        scheduled(world, job, conditions=[ready], containerStatuses=[waiting])

    return happens


def scheduled(world: World, job: Object, conditions: tuple[Object, ...] | list[Object] = (), **status: Any) -> None:
    """A node has the pod, and its kubelet took it up."""
    at = format_time(world.clock.now())
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": at}
    shown = {"phase": "Pending", "startTime": at, "conditions": [scheduled, *conditions], **status}
    hold_pod(world.cluster, job, shown)


def initializing(world: World, job: Object) -> None:
    """An injected init container runs and runs."""
    ready = {"type": "PodReadyToStartContainers", "status": "True"}
    waiting = {"name": "download", "state": {"waiting": {"reason": "PodInitializing"}}}
    runs = {"name": "proxy", "state": {"running": {"startedAt": format_time(world.clock.now())}}}
    scheduled(world, job, conditions=[ready], containerStatuses=[waiting], initContainerStatuses=[runs])


def not_taken_up(world: World, job: Object) -> None:
    """A node has the pod, and its kubelet says nothing."""
    scheduled(world, job, startTime=None)


def unschedulable(world: World, job: Object) -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
        "lastTransitionTime": format_time(world.clock.now()),
    }
    hold_pod(world.cluster, job, {"phase": "Pending", "conditions": [condition]})
