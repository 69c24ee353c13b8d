"""What all Jobs have in common: those of downloads and those over a volume. Pure.

A Job has one pod, which is never restarted and never replaced: the ledger decides what follows an ending. The pod
failure policy is there only so that the Job's own condition keeps the exit code when the pod and its report are gone.
The pod fits Pod Security `restricted`, has no token, and changes nothing on the volume but its own files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trawler_downloader.contract.download import LIBRARY_MOUNT
from trawler_downloader.contract.outcomes import EXIT_CODES, KILLED_EXIT_CODE
from trawler_operator.api import labels
from trawler_operator.api.spec import JobOptions, SubscriptionSpec, Toleration
from trawler_operator.api.subscription import Subscription
from trawler_operator.domain.jobs.naming import claim_label
from trawler_operator.domain.jobs.settings import JobDefaults, resources

TERMINATION_GRACE_SECONDS = 30
FAILING_EXIT_CODES = sorted({code for code in EXIT_CODES.values() if code} | {KILLED_EXIT_CODE})
"""All documented exit codes in one rule: a policy has room for 20 rules. Kubernetes does not accept 0 here."""

MAX_DIGITS = 18
"""Digits of a number that is read back: as many as the API's 64-bit integers surely hold."""


def build_job(
    subscription: Subscription,
    *,
    name: str,
    own_labels: Mapping[str, str],
    annotations: dict[str, str],
    deadline_seconds: int,
    pod: dict[str, Any],
    claim: str,
    one_node: bool,
    owned: bool = True,
    pod_annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A Job of one pod that is never restarted.

    Args:
        subscription: the Subscription that it works for, or on behalf of. The pod bears the labels and annotations of
            its spec.
        name: the Job's name.
        own_labels: labels of the Job and its pod.
        annotations: annotations of the Job.
        deadline_seconds: seconds after which Kubernetes stops the Job.
        pod: from `build_pod`.
        claim: the claim that the pod mounts.
        one_node: whether the claim's volume is attached to one node at a time.
        owned: whether the Job is deleted with the Subscription.
        pod_annotations: annotations of the pod.
    """
    owners = {"ownerReferences": [owner_reference(subscription, controller=True)]} if owned else {}
    own_labels = {**own_labels, labels.CLAIM_LABEL: claim_label(claim)}
    if one_node:
        pod = {**pod, "affinity": _beside_its_users(claim)}
    wishes = subscription.spec.job
    metadata: dict[str, Any] = {"labels": {**wishes.pod_labels, **own_labels}}
    if pod_annotations or wishes.pod_annotations:
        metadata["annotations"] = {**wishes.pod_annotations, **(pod_annotations or {})}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": subscription.namespace,
            "labels": dict(own_labels),
            "annotations": annotations,
            **owners,
        },
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": 0,
            "activeDeadlineSeconds": deadline_seconds,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": _failure_policy(),
            "template": {"metadata": metadata, "spec": pod},
        },
    }


def build_pod(
    spec: SubscriptionSpec, defaults: JobDefaults, *, container: dict[str, Any], volumes: list[dict[str, Any]]
) -> dict[str, Any]:
    """A pod that fits Pod Security `restricted`. The spec says where it runs and as whom.

    Args:
        spec: the Subscription's spec.
        defaults: the operator's settings.
        container: from `build_container`.
        volumes: the pod's volumes.
    """
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": TERMINATION_GRACE_SECONDS,
        "securityContext": _pod_security(spec.job, defaults),
        "containers": [container],
        "volumes": volumes,
    }
    if defaults.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in defaults.image_pull_secrets]
    if spec.job.node_selector:
        pod["nodeSelector"] = dict(spec.job.node_selector)
    if spec.job.tolerations:
        pod["tolerations"] = [_toleration(toleration) for toleration in spec.job.tolerations]
    return pod


def build_container(
    spec: SubscriptionSpec,
    defaults: JobDefaults,
    *,
    command: tuple[str, ...],
    env: dict[str, str],
    mounts: list[dict[str, Any]],
) -> dict[str, Any]:
    """The only container of a pod: the downloader's image, without rights.

    Args:
        spec: the Subscription's spec.
        defaults: the operator's settings.
        command: program and arguments.
        env: environment variables.
        mounts: volume mounts.
    """
    container: dict[str, Any] = {
        "name": labels.DOWNLOAD_CONTAINER,
        "image": defaults.image,
        "command": list(command),
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "resources": resources(spec, defaults),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": mounts,
    }
    if defaults.image_pull_policy:
        container["imagePullPolicy"] = defaults.image_pull_policy
    return container


def library_volume(claim: str) -> dict[str, Any]:
    """The claim as a pod's volume."""
    return {"name": "library", "persistentVolumeClaim": {"claimName": claim}}


def claim_of(job: Mapping[str, Any]) -> str | None:
    """The claim that a Job writes to; None if it has none. The spec may name another by now."""
    for volume in job["spec"]["template"]["spec"].get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            return str(volume["persistentVolumeClaim"]["claimName"])
    return None


def annotated_number(job: Mapping[str, Any], name: str) -> int | None:
    """The number in an annotation of a Job; None if it has none that the operator could have written.

    Args:
        job: any Job.
        name: the annotation's name.
    """
    text = str((job["metadata"].get("annotations") or {}).get(name, ""))
    return int(text) if text.isdecimal() and len(text) <= MAX_DIGITS else None


def library_mount() -> dict[str, Any]:
    """Where the claim is mounted. The pod also sees a NAS that is mounted on the node after the pod started."""
    return {"name": "library", "mountPath": LIBRARY_MOUNT, "mountPropagation": "HostToContainer"}


def owner_reference(subscription: Subscription, *, controller: bool) -> dict[str, Any]:
    """A reference that lets the garbage collector delete the bearer after the Subscription, without delaying that."""
    return {
        "apiVersion": labels.API_VERSION,
        "kind": labels.KIND,
        "name": subscription.name,
        "uid": subscription.uid,
        "controller": controller,
        "blockOwnerDeletion": False,
    }


def refers_to_subscription(reference: Mapping[str, Any]) -> bool:
    """Whether an owner reference names a Subscription, in any version of the API."""
    group = str(reference.get("apiVersion", "")).partition("/")[0]
    return group == labels.GROUP and reference.get("kind") == labels.KIND


def _beside_its_users(claim: str) -> dict[str, Any]:
    """An affinity to the node where another Job's pod uses the claim: the volume cannot be attached to a second node.

    If no such pod exists, the pod matches the term itself and may go anywhere (Kubernetes' own rule for the first pod
    of a group). Pods that have ended do not count: then the volume is detached, and any node will do.
    """
    term = {
        "labelSelector": {
            "matchLabels": {labels.MANAGED_BY_LABEL: labels.MANAGED_BY, labels.CLAIM_LABEL: claim_label(claim)}
        },
        "topologyKey": "kubernetes.io/hostname",
    }
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def _failure_policy() -> dict[str, Any]:
    return {
        "rules": [
            {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {
                "action": "FailJob",
                "onExitCodes": {
                    "containerName": labels.DOWNLOAD_CONTAINER,
                    "operator": "In",
                    "values": list(FAILING_EXIT_CODES),
                },
            },
        ]
    }


def _pod_security(job: JobOptions, defaults: JobDefaults) -> dict[str, Any]:
    security: dict[str, Any] = {
        "runAsNonRoot": True,
        "runAsUser": job.run_as_user or defaults.run_as_user,
        "runAsGroup": job.run_as_group or defaults.run_as_group,
        "fsGroup": job.fs_group or defaults.fs_group,
        # A library of terabytes must not be walked and chowned before each download.
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if job.supplemental_groups:
        security["supplementalGroups"] = list(job.supplemental_groups)
    return security


def _toleration(toleration: Toleration) -> dict[str, Any]:
    return toleration.model_dump(mode="json", exclude_none=True)
