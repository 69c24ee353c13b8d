"""What a Job over a volume is: its kind, its order and its manifest. Pure.

A kind is data: its name, the program that it runs, whether that program writes, and the model of its records. All else
(names, tries, pauses, places, gates, the way of the answer) is the same for all kinds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from trawler_downloader.contract.download import REQUEST_ENV
from trawler_downloader.contract.volume_job import (
    MAX_RECORDS,
    Chunk,
    UnusableChunkError,
    VolumeRecord,
    VolumeRequest,
    encode_request,
)
from trawler_operator.api import labels
from trawler_operator.api.subscription import Subscription
from trawler_operator.domain.jobs.manifest import build_container, build_job, build_pod, library_mount, library_volume
from trawler_operator.domain.jobs.naming import volume_job_name
from trawler_operator.domain.jobs.settings import JobDefaults

DEADLINE_SECONDS = 600
"""From the Job's creation on: time for an image to pull, a volume to attach, and a chunk that ends itself after two
minutes.
"""
KEPT_SECONDS = 86_400
"""Finished Jobs are deleted after they were read. Kubernetes deletes one that a crash left over."""
LEAST_RECORDS = 100
"""Each further try asks for half as many records, down to this many: its log may have been rotated, or its volume be
slow.
"""

R = TypeVar("R", bound=VolumeRecord)


@dataclass(frozen=True, slots=True)
class VolumeJobKind(Generic[R]):
    """A kind of Job over a volume.

    Args:
        name: one word; part of its Jobs' names.
        command: program and arguments.
        record: model of its records.
        writes: whether it changes something on the volume. If not, the volume is mounted read-only.
    """

    name: str
    command: tuple[str, ...]
    record: type[R]
    writes: bool = False


@dataclass(frozen=True, slots=True)
class VolumeJobOrder(Generic[R]):
    """One part of some work over a volume; it may take several tries.

    Args:
        kind: the Job's kind.
        request: the part.
        subscription: the Subscription in the Job's namespace whose settings say where the pod runs and as whom.
        claim: the volume.
        title: beginning of its Jobs' names.
        identity: distinguishes this work from other work of its kind in the namespace. The Jobs' names follow from it,
            from the request's cursor and from the try.
        labels: labels that the Jobs of this work bear, and no others do.
        one_node: whether the volume is attached to one node at a time.
        owned: whether its Jobs are deleted with the Subscription.
        asked_by: annotations of its Jobs. If a value changes, the next try comes at once.
        at_once: whether the next try comes at once.
    """

    kind: VolumeJobKind[R]
    request: VolumeRequest
    subscription: Subscription
    claim: str
    title: str
    identity: tuple[str, ...]
    labels: Mapping[str, str]
    one_node: bool = False
    owned: bool = True
    asked_by: Mapping[str, str] = field(default_factory=dict)
    at_once: bool = False

    @property
    def namespace(self) -> str:
        """Namespace of its Jobs."""
        return self.subscription.namespace

    def job_name(self, attempt: int) -> str:
        """Name of the Job of a try, which is counted from 1."""
        return volume_job_name(self.kind.name, self.title, *self.identity, self.request.after, str(attempt))


def build_volume_job(order: VolumeJobOrder[Any], attempt: int, defaults: JobDefaults) -> dict[str, Any]:
    """The Job of a try.

    Args:
        order: what is wanted.
        attempt: number of the try, from 1.
        defaults: the operator's settings.

    Raises:
        RequestTooLongError: the request is longer than 64 KiB.
    """
    limit = min(order.request.limit, max(LEAST_RECORDS, MAX_RECORDS >> (attempt - 1)))
    request = encode_request(order.request.model_copy(update={"limit": limit}))
    job = build_job(
        order.subscription,
        name=order.job_name(attempt),
        own_labels=order.labels,
        annotations={labels.LAUNCH_ANNOTATION: str(attempt), **order.asked_by},
        deadline_seconds=DEADLINE_SECONDS,
        pod=build_volume_pod(order.kind, order.subscription, order.claim, {REQUEST_ENV: request}, defaults),
        claim=order.claim,
        one_node=order.one_node,
        owned=order.owned,
    )
    job["spec"]["ttlSecondsAfterFinished"] = KEPT_SECONDS
    return job


def build_volume_pod(
    kind: VolumeJobKind[Any], subscription: Subscription, claim: str, env: dict[str, str], defaults: JobDefaults
) -> dict[str, Any]:
    """The pod of a Job over a volume.

    Args:
        kind: the Job's kind.
        subscription: the Subscription whose settings say where the pod runs and as whom.
        claim: the volume.
        env: environment variables.
        defaults: the operator's settings.
    """
    mount = library_mount() if kind.writes else {**library_mount(), "readOnly": True}
    container = build_container(subscription.spec, defaults, command=kind.command, env=env, mounts=[mount])
    return build_pod(subscription.spec, defaults, container=container, volumes=[library_volume(claim)])


def check_answer(chunk: Chunk[Any], order: VolumeJobOrder[Any]) -> None:
    """Check that a chunk is the one that was ordered.

    Raises:
        UnusableChunkError: the chunk is of another Job or of another volume.
    """
    header, request = chunk.header, order.request
    if (header.scope, header.after) != (request.scope, request.after):
        raise UnusableChunkError("it is the log of another Job")
    if request.volume_id not in (None, header.volume_id):
        raise UnusableChunkError(f"it is of volume {header.volume_id}, the last one was of {request.volume_id}")
