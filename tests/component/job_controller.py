"""What the Job controller, the kubelet and an evicting drain do to a Job of one pod, in memory.

Texts and conditions are those of Kubernetes 1.36 (pkg/controller/job); `tests/conformance` holds them to a cluster.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from component.object_store import Object, ObjectStore
from trawler_operator.reconcile.ports import RejectedError

JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
TRACKING_FINALIZER = "batch.kubernetes.io/job-tracking"
SIGTERM_CODE = 143
LATE = "Job was active longer than specified deadline"
NO_REGISTRY = "registry.invalid/"
"""Images of which nobody can pull."""
INJECTED = {"name": "injected", "image": "proxy:1"}
"""What a webhook puts beside the container of a pod."""


def start_pod(store: ObjectStore, job: Object, *injected: Object) -> None:
    """The Job's pod comes to run; under a quota of pods none comes, and the Job says nothing of it.

    Where one of its containers cannot start, the pod is Pending although the others run.

    Args:
        store: the cluster.
        job: without a pod.
        injected: containers that a webhook adds.
    """
    at = _timestamp(store)
    statuses = [_status(container, at) for container in (*_containers(job), *injected)]
    ready = all(status["ready"] for status in statuses)
    shown = {"phase": "Running" if ready else "Pending", "startTime": at, "containerStatuses": statuses}
    hold_pod(store, job, shown, ready=int(ready))


def hold_pod(store: ObjectStore, job: Object, pod_status: Object, *, ready: int = 0) -> None:
    """The Job's pod comes, and stays as its status says.

    Args:
        store: the cluster.
        job: without a pod.
        pod_status: what scheduler and kubelet say.
        ready: pods of the Job that run.
    """
    metadata, template = job["metadata"], job["spec"]["template"]
    pod = {
        "metadata": {
            "namespace": metadata["namespace"],
            "name": _pod_name(job),
            "labels": {**(template["metadata"].get("labels") or {}), JOB_NAME_LABEL: metadata["name"]},
            "annotations": template["metadata"].get("annotations") or {},
            "ownerReferences": [
                {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}
            ],
        },
        "spec": template["spec"],
    }
    status: Object = {"startTime": _timestamp(store), "ready": ready}
    try:
        store.create("Pod", pod)
    except RejectedError:
        _report(store, job, {**status, "ready": 0})
        return
    store.merge("Pod", metadata["namespace"], _pod_name(job), {"status": pod_status})
    _report(store, job, {**status, "active": 1})


def leave_pod(store: ObjectStore, job: Object, code: int, message: str | None = None) -> None:
    """The pod's first container ends by itself, and another one keeps the pod, and so the Job, alive.

    Args:
        store: the cluster.
        job: with one pod, or none yet, which then gets an injected container.
        code: of the container's exit.
        message: termination message.
    """
    _ensure_pod(store, job, INJECTED)
    namespace, name = job["metadata"]["namespace"], _pod_name(job)
    pod = store.get("Pod", namespace, name)
    assert pod is not None
    ended = _ended(store, job, code, message)
    statuses = [ended, *pod["status"]["containerStatuses"][1:]]
    store.merge("Pod", namespace, name, {"status": {"containerStatuses": statuses}})
    _report(store, job, {"ready": 0})


def end_pod(store: ObjectStore, job: Object, code: int, message: str | None = None, reason: str | None = None) -> None:
    """The pod's container ends by itself, and so does the Job; the pod stays.

    Args:
        store: the cluster.
        job: with one pod, or none yet.
        code: of the container's exit.
        message: termination message.
        reason: of the container's end; None: what goes with the code.
    """
    _end_container(store, job, code, message, reason)
    if code:
        _fail(store, job, *_judge(job, code))
    else:
        _finish(store, job, ("SuccessCriteriaMet", "Complete"), "CompletionsReached", "Reached expected number of pods")


def fail_pod(store: ObjectStore, job: Object, status: Object, code: int | None = None) -> None:
    """Something takes the pod down from outside, or its node refuses it: the Job fails, the pod stays and says why.

    Args:
        store: the cluster.
        job: with one pod, or none yet.
        status: what the pod says besides that it failed.
        code: of its container's exit; None: it has not run.
    """
    if code is None:
        hold_pod(store, job, {"phase": "Failed", **status})
    else:
        _end_container(store, job, code)
        store.merge("Pod", job["metadata"]["namespace"], _pod_name(job), {"status": status})
    disrupted = any(condition["type"] == "DisruptionTarget" for condition in status.get("conditions", ()))
    _fail(store, job, *_judge(job, code, disrupted=disrupted))


def freeze_pod(store: ObjectStore, job: Object, *, beyond_deadline: bool = False) -> None:
    """The running pod is told to stop and stays: its node is away, or its volume holds the process.

    Args:
        store: the cluster.
        job: with one pod, or none yet.
        beyond_deadline: it is the Job controller that tells it so; the Job fails only once the pod has gone.
    """
    _ensure_pod(store, job)
    body = store.get("Pod", job["metadata"]["namespace"], _pod_name(job))
    assert body is not None
    _remove_pod(store, job)
    grace = timedelta(seconds=body["spec"]["terminationGracePeriodSeconds"])
    going = {"deletionTimestamp": _written(store.clock.now() + grace), "finalizers": [TRACKING_FINALIZER]}
    store.put("Pod", {**body, "metadata": {**body["metadata"], **going}})
    target = {"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded", "message": LATE}
    conditions = {"conditions": [target]} if beyond_deadline else {}
    _report(store, job, {"active": None, "ready": 0, "terminating": 1, **conditions})


def lose_pod(store: ObjectStore, job: Object) -> None:
    """Somebody deletes the pod by force: the Job counts a failure, and nobody says how it ended."""
    _remove_pod(store, job)
    _fail(store, job, *_judge(job, None))


def evict_pod(store: ObjectStore, job: Object) -> None:
    """A drain evicts the pod: the Job fails for the disruption, and the pod is gone with its message."""
    _remove_pod(store, job)
    _fail(store, job, *_judge(job, SIGTERM_CODE, disrupted=True))


def delete_pod(store: ObjectStore, job: Object) -> None:
    """Somebody deletes the running pod: it ends by SIGTERM, which the Job counts as any exit, and is gone."""
    _remove_pod(store, job)
    _fail(store, job, *_judge(job, SIGTERM_CODE))


def exceed_deadline(store: ObjectStore, job: Object, message: str | None = None) -> None:
    """`activeDeadlineSeconds` are over: the Job controller deletes the pod.

    Args:
        store: the cluster.
        job: that took too long.
        message: termination message of the pod, which is there still; None: it has gone.
    """
    if message is None:
        _remove_pod(store, job)
    else:
        _end_container(store, job, SIGTERM_CODE, message)
    _fail(store, job, "DeadlineExceeded", LATE)


def suspend(store: ObjectStore, job: Object) -> None:
    """Somebody set `spec.suspend`: the pod goes, the Job is neither complete nor failed."""
    _remove_pod(store, job)
    condition = {"type": "Suspended", "status": "True", "reason": "JobSuspended", "message": "Job suspended"}
    _report(store, job, {"startTime": None, "active": None, "ready": 0, "conditions": [condition]})


def _ensure_pod(store: ObjectStore, job: Object, *injected: Object) -> None:
    if store.get("Pod", job["metadata"]["namespace"], _pod_name(job)) is None:
        start_pod(store, job, *injected)


def _end_container(
    store: ObjectStore, job: Object, code: int, message: str | None = None, reason: str | None = None
) -> None:
    _ensure_pod(store, job)
    ended = {
        "phase": "Failed" if code else "Succeeded",
        "containerStatuses": [_ended(store, job, code, message, reason)],
    }
    store.merge("Pod", job["metadata"]["namespace"], _pod_name(job), {"status": ended})


def _status(container: Object, at: str) -> Object:
    """What the kubelet says of a container that it has started, or could not."""
    if container["image"].startswith(NO_REGISTRY):
        waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
        return {"name": container["name"], "ready": False, "state": {"waiting": waiting}}
    return {"name": container["name"], "ready": True, "state": {"running": {"startedAt": at}}}


def _ended(store: ObjectStore, job: Object, code: int, message: str | None, reason: str | None = None) -> Object:
    """What it says of the first container's end."""
    at, why = _timestamp(store), reason or ("Error" if code else "Completed")
    terminated = {"exitCode": code, "reason": why, "finishedAt": at} | ({} if message is None else {"message": message})
    return {"name": _containers(job)[0]["name"], "ready": False, "state": {"terminated": terminated}}


def _judge(job: Object, code: int | None, *, disrupted: bool = False) -> tuple[str, str]:
    """Reason and message of the failure, by the Job's own pod failure policy."""
    pod = f"{job['metadata']['namespace']}/{_pod_name(job)}"
    rules = (job["spec"].get("podFailurePolicy") or {}).get("rules") or ()
    for index, rule in enumerate(rules):
        if rule.get("onPodConditions") and disrupted:
            text = f"Pod {pod} has condition DisruptionTarget matching FailJob rule at index {index}"
            return "PodFailurePolicy", text
        if code in (rule.get("onExitCodes") or {}).get("values", ()):
            container = _containers(job)[0]["name"]
            text = f"Container {container} for pod {pod} failed with exit code {code} matching FailJob rule at index"
            return "PodFailurePolicy", f"{text} {index}"
    return "BackoffLimitExceeded", "Job has reached the specified backoff limit"


def _fail(store: ObjectStore, job: Object, reason: str, message: str) -> None:
    _finish(store, job, ("FailureTarget", "Failed"), reason, message)


def _finish(store: ObjectStore, job: Object, types: tuple[str, str], reason: str, message: str) -> None:
    at = _timestamp(store)
    conditions = [
        {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": at}
        for kind in types
    ]
    _report(store, job, {"active": None, "ready": 0, "conditions": conditions})


def _report(store: ObjectStore, job: Object, status: dict[str, Any]) -> None:
    store.merge("Job", job["metadata"]["namespace"], job["metadata"]["name"], {"status": status})


def _remove_pod(store: ObjectStore, job: Object) -> None:
    store.delete("Pod", job["metadata"]["namespace"], _pod_name(job))


def _pod_name(job: Object) -> str:
    return f"{job['metadata']['name']}-{job['metadata']['uid']}"


def _containers(job: Object) -> list[Object]:
    containers: list[Object] = job["spec"]["template"]["spec"]["containers"]
    return containers


def _timestamp(store: ObjectStore) -> str:
    return _written(store.clock.now())


def _written(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
