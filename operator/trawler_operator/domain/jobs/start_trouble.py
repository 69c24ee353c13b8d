"""Launches that never start and launches that never end: what holds them up, and for how long that is borne.

Such a Job says nothing by itself until its deadline, hours later. Its trouble is shown two minutes after the Job was
created, or two minutes after its pod should have ended. Trouble that lasts longer than its patience ends the launch.
The launch is settled in the ledger as below, and its Job is deleted after that. A later launch tries again, with a
number, a Job and a staging folder of its own. If the pod ran all the same, on a node that nobody hears from, it does no
harm: what it publishes is found by its manifest.

| Job, pod | means | borne for |
|---|---|---|
| no pod (quota, Pod Security, an admission webhook) | environment, PodNotCreated | `start` |
| PodScheduled=False | environment, Unschedulable | `scheduling`: a node may have to be made first |
| container waits: ErrImagePull, ImagePullBackOff … | environment, ImagePullFailed | `start` |
| container waits: CreateContainerConfigError … | environment, ContainerNotStarted | `start` |
| an injected init container runs and does not end | environment, ContainerNotStarted | `scheduling` |
| PodReadyToStartContainers=True: an image is being pulled | environment, ImagePullFailed | `scheduling` |
| scheduled, its kubelet has said nothing | terminated, NodeLost | `start` |
| scheduled, none of the above: volumes come before everything else | environment, MountFailed | `start` |
| pod being deleted, long past its grace period | terminated, NotTerminating | `ending` |
| the same, by its Job's deadline | transient, DeadlineExceeded | `ending` |
| Job being deleted (its name is needed) | terminated, NotTerminating | `ending` |

Nothing here is Configuration, whatever is missing: a Secret or an image that comes back mends it without a new spec.
The kubelet starts a pod in the order volumes, sandbox, image, container. Since Kubernetes 1.29
`PodReadyToStartContainers` says that volumes and sandbox are done. Of the containers that a webhook put into the pod,
only init containers hold the download up. If any other one does not start, the pod is Pending and the download runs all
the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.api.labels import DOWNLOAD_CONTAINER
from trawler_operator.api.reasons import EndReason, message
from trawler_operator.api.times import parse_time, seconds
from trawler_operator.domain.jobs.containers import ENDED_PHASES, download_has_begun, endless_init, what_waits
from trawler_operator.domain.jobs.manifest import refers_to_subscription
from trawler_operator.domain.jobs.outcome import ObservedOutcome

SHOWN_AFTER = timedelta(minutes=2)
"""Pulling an image of 1 GB and attaching a volume may take this long, and so may stopping a pod."""
LOOK_AT_STARTING = timedelta(seconds=30)
"""A short download beside an injected container may end before its Job sees the pod ready. No change of the Job shows
that, so a starting Job is looked at this often.
"""
LOOK_AT_LEAVING = timedelta(seconds=3)
"""Time between looks while the Job of an earlier Subscription ends: its pod has 30 s, most pods need one."""
LOOK_AT_FOREIGN = timedelta(seconds=30)
"""Time between looks while somebody else's Job bears a name of ours. It may stay for ever, and `Ready` says so."""
_IMAGE_TROUBLE = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
"""Kubernetes' words for an image that cannot be pulled (pkg/kubelet/images)."""
_ON_ITS_WAY = frozenset({"ContainerCreating", "PodInitializing"})

_Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a launch may fail to start or to end; chart values.

    Args:
        start: time without a pod, an image, a mounted volume or a container.
        scheduling: time without a node, with an image that is still being pulled, or with an init container that runs.
        ending: time that a deleted pod or Job may take after the end of its grace period.
    """

    start: Annotated[timedelta, Field(alias="startSeconds"), seconds(30, 86_400)] = timedelta(seconds=300)
    scheduling: Annotated[timedelta, Field(alias="schedulingSeconds"), seconds(30, 86_400)] = timedelta(seconds=1800)
    ending: Annotated[timedelta, Field(alias="endingSeconds"), seconds(30, 86_400)] = timedelta(seconds=300)

    @property
    def unasked(self) -> timedelta:
        """How long a launch that does not run yet is not looked at."""
        return min(SHOWN_AFTER, self.start)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What holds a launch up.

    Args:
        outcome: class of the launch's ending if the trouble lasts.
        reason: reason of that ending.
        message: in Kubernetes' own words, and where to look further.
        shown_at: when the trouble is shown first.
        ends_at: when patience ends.
    """

    outcome: OutcomeClass
    reason: EndReason
    message: str
    shown_at: datetime
    ends_at: datetime

    def ending(self, now: datetime) -> ObservedOutcome:
        """The ending of a launch that is given up because of this."""
        return ObservedOutcome(self.outcome, self.reason.value, self.message, now)


def first_look(job: _Object, patience: Patience) -> datetime | None:
    """From when on to look at the pod of an unfinished Job; None if it runs, or nobody can say."""
    status = job.get("status") or {}
    since = _created(job)
    # Somebody who queues Jobs suspended it, and decides whether it starts.
    if since is None or status.get("ready") or (job.get("spec") or {}).get("suspend"):
        return None
    return since + patience.unasked


def find_trouble(job: _Object, pod: _Object | None, patience: Patience) -> Trouble | None:
    """What holds up the launch of an unfinished Job.

    Args:
        job: a Job whose `first_look` has come.
        pod: its newest pod; None if it has none.
        patience: chart values.

    Returns:
        None if it runs, or has ended and its Job is about to say so.
    """
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    if pod is None:
        counted, since = job.get("status") or {}, _created(job)
        if since is None or counted.get("active") or counted.get("terminating"):
            return None  # a pod vanished just now, and the Job does not know it yet
        return _environment(EndReason.POD_NOT_CREATED, since, patience.start, job=name, namespace=namespace)
    status, metadata = pod.get("status") or {}, pod["metadata"]
    phase = status.get("phase", "Pending")
    if phase in ENDED_PHASES:
        return None
    if metadata.get("deletionTimestamp"):
        return _not_terminating(job, f"pod {metadata['name']}", metadata["deletionTimestamp"], patience)
    return None if phase != "Pending" or download_has_begun(pod) else _not_started(pod, namespace, patience)


def find_stuck_deletion(job: _Object, patience: Patience) -> Trouble | None:
    """What it means that a Job whose name is needed is being deleted; None if it is not being deleted."""
    metadata = job["metadata"]
    if not metadata.get("deletionTimestamp"):
        return None
    return _not_terminating(job, f"Job {metadata['name']}", metadata["deletionTimestamp"], patience)


def find_other_owner(job: _Object) -> str | None:
    """Why a Job whose name is needed stays: it belongs to somebody else. None if it is about to go.

    A Job of a deleted Subscription is about to go: its deletion has begun, or the garbage collector is about to begin
    it.
    """
    metadata = job["metadata"]
    owners = metadata.get("ownerReferences") or ()
    if metadata.get("deletionTimestamp") or not owners or any(refers_to_subscription(owner) for owner in owners):
        return None
    names = ", ".join(f"{owner.get('kind')} {owner.get('name')}" for owner in owners)
    return f"Job {metadata['name']} bears the name that it needs and belongs to {names}: delete that Job"


def look_again(job: _Object | None) -> timedelta:
    """How soon to look whether a Job that bears a needed name has gone.

    Args:
        job: the Job; None if it has just gone.
    """
    return LOOK_AT_LEAVING if job is None or find_other_owner(job) is None else LOOK_AT_FOREIGN


def _not_started(pod: _Object, namespace: str, patience: Patience) -> Trouble:
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    conditions = {condition["type"]: condition for condition in status.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled") or {}
    since = parse_time(scheduled.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"])
    if scheduled.get("status") != "True":
        detail = scheduled.get("message") or "no reason given"
        return _environment(EndReason.UNSCHEDULABLE, since, patience.scheduling, pod=name, detail=detail)
    container, waiting = what_waits(pod)
    why = str(waiting.get("reason") or "")
    detail = f"{why}: {waiting['message']}" if waiting.get("message") else why
    where = f"pod {name}" if container in {"", DOWNLOAD_CONTAINER} else f"init container {container} of pod {name}"
    if why in _IMAGE_TROUBLE:
        return _environment(EndReason.IMAGE_PULL_FAILED, since, patience.start, where=where, detail=detail)
    if why and why not in _ON_ITS_WAY:
        return _environment(EndReason.CONTAINER_NOT_STARTED, since, patience.start, detail=f"{where}: {detail}")
    init = endless_init(pod)
    if init is not None:
        detail = f"init container {init} of pod {name} has not ended"
        return _environment(EndReason.CONTAINER_NOT_STARTED, since, patience.scheduling, detail=detail)
    if (conditions.get("PodReadyToStartContainers") or {}).get("status") == "True":
        detail = "it is still being pulled"
        return _environment(EndReason.IMAGE_PULL_FAILED, since, patience.scheduling, where=where, detail=detail)
    node = (pod.get("spec") or {}).get("nodeName") or "its node"
    if not status.get("startTime"):
        text = message(EndReason.NODE_LOST, detail=f"pod {name} was given to {node}, which does not take it up")
        return Trouble(OutcomeClass.TERMINATED, EndReason.NODE_LOST, text, since, since + patience.start)
    return _environment(EndReason.MOUNT_FAILED, since, patience.start, pod=name, node=node, namespace=namespace)


def _environment(reason: EndReason, since: datetime, borne: timedelta, **values: object) -> Trouble:
    """Trouble that is shown at once: no starting launch is looked at before it should run."""
    return Trouble(OutcomeClass.ENVIRONMENT, reason, message(reason, **values), since, since + borne)


def _not_terminating(job: _Object, what: str, until: str, patience: Patience) -> Trouble:
    """Trouble of a deleted pod or Job. `until` is its deletion timestamp, which is the end of its grace period."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    targets = {c.get("reason") for c in conditions if c.get("type") == "FailureTarget" and c.get("status") == "True"}
    text = message(EndReason.NOT_TERMINATING, what=what, until=until)
    # Within its grace period, and for a while after it, a deleted pod most likely still stops.
    shown_at, ends_at = (parse_time(until) + wait for wait in (min(SHOWN_AFTER, patience.ending), patience.ending))
    if (
        EndReason.DEADLINE_EXCEEDED in targets
    ):  # costs a try: a video that freezes its volume each time must be given up
        text = f"{message(EndReason.DEADLINE_EXCEEDED)}; {text}"
        return Trouble(OutcomeClass.TRANSIENT, EndReason.DEADLINE_EXCEEDED, text, shown_at, ends_at)
    return Trouble(OutcomeClass.TERMINATED, EndReason.NOT_TERMINATING, text, shown_at, ends_at)


def _created(job: _Object) -> datetime | None:
    text = (job.get("status") or {}).get("startTime") or job["metadata"].get("creationTimestamp")
    return None if text is None else parse_time(text)
