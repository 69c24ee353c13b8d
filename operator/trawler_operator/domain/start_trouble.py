"""Why a download does not start: a Job that exists while its pod waits for a node, an image or the volume.

Such a Job neither ends nor says anything by itself until its deadline, hours later; its user should know sooner. Only
shown, never acted upon: a NAS that comes back starts the pod without us.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

PATIENCE = timedelta(minutes=2)
"""Pulling an image of 1 GB and attaching a volume may take as long."""

_Object = Mapping[str, Any]


def is_late(job: _Object, now: datetime) -> bool:
    """Whether the Job was started a while ago and its pod runs not yet."""
    status = job.get("status") or {}
    started = status.get("startTime")
    return bool(started and not status.get("ready") and now - datetime.fromisoformat(started) > PATIENCE)


def describe_start_trouble(job: _Object, pod: _Object | None) -> str | None:
    """What a late Job's pod waits for, in Kubernetes' own words; None if it runs or has ended after all."""
    name = job["metadata"]["name"]
    if pod is None:
        return f"Job {name} has no pod: see kubectl describe job {name}"
    status = pod.get("status") or {}
    if status.get("phase", "Pending") != "Pending":
        return None
    pod_name = pod["metadata"]["name"]
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"pod {pod_name} is not scheduled: {condition.get('message', 'no reason given')}"
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting")
        if waiting:
            words = ": ".join(text for text in (waiting.get("reason"), waiting.get("message")) if text)
            return f"pod {pod_name} waits ({words}): see kubectl describe pod {pod_name}"
    return f"pod {pod_name} waits: see kubectl describe pod {pod_name}"
