"""The Job of one launch, whole. Pure; the tests compare it in full.

One pod, never restarted and never replaced: what to do after an ending is the ledger's business, and the pod failure
policy is there only so that the Job's own condition keeps the exit code when the pod and its report are gone. The pod
fits Pod Security `restricted`, has no token, and changes nothing on the volume but its own files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trawler_downloader.contract.download import (
    CA_FILE,
    COOKIES_FILE,
    LIBRARY_MOUNT,
    PROXY_CREDENTIALS,
    REQUEST_ENV,
    DownloadRequest,
    LibraryPlace,
    MediaWish,
    SubscriptionRef,
    VideoRef,
)
from trawler_downloader.contract.listing import CookiesMode
from trawler_downloader.contract.outcomes import EXIT_CODES, KILLED_EXIT_CODE
from trawler_operator.api import labels
from trawler_operator.api.spec import JobOptions, SubscriptionSpec, Toleration
from trawler_operator.api.subscription import LibraryStatus, Subscription
from trawler_operator.domain.egress import GateId
from trawler_operator.domain.gate_codec import encode_epochs
from trawler_operator.domain.ledger_entry import LedgerEntry
from trawler_operator.domain.naming import job_name

COMMAND = ("python", "-m", "trawler_downloader.download")
SCRATCH_MOUNT = "/tmp"  # noqa: S108 - an empty volume of the pod's own, not a shared folder
TERMINATION_GRACE_SECONDS = 30
COOKIES_KEY = "cookies.txt"
"""Of the Secret that `access.cookiesSecretRef` names."""
PROXY_KEYS = ("username", "password")
"""Of the Secret that `access.proxySecretRef` names, as in Secrets of type kubernetes.io/basic-auth."""
SECRET_FILE_MODE = 0o440
DEFAULT_REQUESTS = {"cpu": "100m", "memory": "256Mi"}
DEFAULT_LIMITS = {"memory": "1Gi"}
FAILING_EXIT_CODES = sorted({code for code in EXIT_CODES.values() if code} | {KILLED_EXIT_CODE})
"""Every documented one in one rule: a policy has room for 20 rules. Kubernetes does not accept 0 here."""


@dataclass(frozen=True)
class JobDefaults:
    """The operator's settings for what a spec leaves open.

    Args:
        image: of the downloader.
        image_pull_policy: Always, IfNotPresent or Never; empty for Kubernetes' own rule.
        image_pull_secrets: names of Secrets in the Subscription's namespace.
        claim_name: claim in the Subscription's namespace; empty: every Subscription names its own.
        ca_bundle_config_map: ConfigMap (key ca.crt) in the Subscription's namespace; empty: none.
        proxy: URL; empty: none.
        allowed_cidrs: networks that may be reached although they are not public.
        run_as_user: user id.
        run_as_group: group id.
        fs_group: group id.
        resources: of the download container, as Kubernetes takes them.
    """

    image: str
    image_pull_policy: str = ""
    image_pull_secrets: tuple[str, ...] = ()
    claim_name: str = ""
    ca_bundle_config_map: str = ""
    proxy: str = ""
    allowed_cidrs: tuple[str, ...] = ()
    run_as_user: int = 65532
    run_as_group: int = 65532
    fs_group: int = 65532
    resources: dict[str, dict[str, str]] = field(
        default_factory=lambda: {"requests": dict(DEFAULT_REQUESTS), "limits": dict(DEFAULT_LIMITS)}
    )


def claim_name(spec: SubscriptionSpec, defaults: JobDefaults) -> str:
    """The claim that a Subscription's files go to; empty if neither it nor the operator names one."""
    return spec.library.claim_name or defaults.claim_name


def ca_bundle_config_map(spec: SubscriptionSpec, defaults: JobDefaults) -> str:
    """The ConfigMap of extra certificate authorities; empty if there is none."""
    return spec.access.ca_bundle_ref.name if spec.access.ca_bundle_ref else defaults.ca_bundle_config_map


def proxy(spec: SubscriptionSpec, defaults: JobDefaults) -> str:
    """The proxy's URL; empty if there is none."""
    return spec.access.proxy or defaults.proxy


def cookies_secret(spec: SubscriptionSpec) -> str:
    """The Secret that holds cookies; empty if there is none."""
    return spec.access.cookies_secret_ref.name if spec.access.cookies_secret_ref else ""


def cookies_mode(spec: SubscriptionSpec) -> CookiesMode:
    """When its cookies are sent."""
    return spec.access.cookies or CookiesMode.WHEN_NEEDED


def proxy_secret(spec: SubscriptionSpec) -> str:
    """The Secret that holds the proxy's user and password; empty if there is none."""
    return spec.access.proxy_secret_ref.name if spec.access.proxy_secret_ref else ""


def place(spec: SubscriptionSpec, defaults: JobDefaults) -> LibraryStatus:
    """Where a Subscription's new files go, with the operator's defaults filled in."""
    library = spec.library
    return LibraryStatus(
        claim_name=claim_name(spec, defaults), path=library.path, layout=library.layout.value, folder=library.folder
    )


def build_download_job(
    subscription: Subscription,
    key: str,
    entry: LedgerEntry,
    *,
    launch: int,
    shard: int,
    defaults: JobDefaults,
    gates: Mapping[GateId, int],
    source_title: str | None = None,
    volume_id: str | None = None,
) -> dict[str, Any]:
    """The manifest of launch `launch` of a video.

    Args:
        subscription: the owner: its Jobs go with it.
        key: of the video.
        entry: of the video.
        launch: number of the launch, from 1.
        shard: number of the ledger's shard that holds the entry.
        defaults: the operator's settings.
        gates: that the launch passes, each with its epoch.
        source_title: the channel's or playlist's title.
        volume_id: marker that the claim must bear; None: not known yet.

    Raises:
        ValueError: no claim is named; the caller reports that instead of creating Jobs.
    """
    spec = subscription.spec
    claim = claim_name(spec, defaults)
    if not claim:
        raise ValueError("no claim is named")
    request = _request(subscription, key, entry, launch, defaults, source_title, volume_id)
    pod_labels = labels.download_labels(subscription.name, launch)
    annotations = {
        labels.VIDEO_ANNOTATION: key,
        labels.SHARD_ANNOTATION: str(shard),
        labels.LAUNCH_ANNOTATION: str(launch),
        labels.GENERATION_ANNOTATION: str(subscription.generation),
        labels.GATES_ANNOTATION: encode_epochs(gates),
    }
    job = build_job(
        subscription,
        name=job_name(subscription.namespace, subscription.name, key, launch),
        pod_labels=pod_labels,
        annotations=annotations,
        deadline_seconds=spec.job.active_deadline_seconds,
        pod=_pod_spec(spec, request, claim, defaults),
    )
    job["spec"]["template"]["metadata"]["annotations"] = {labels.VIDEO_ANNOTATION: key}
    return job


def build_job(
    subscription: Subscription,
    *,
    name: str,
    pod_labels: dict[str, str],
    annotations: dict[str, str],
    deadline_seconds: int,
    pod: dict[str, Any],
) -> dict[str, Any]:
    """A Job of one pod that is never restarted.

    Args:
        subscription: the owner: its Jobs go with it.
        name: of the Job.
        pod_labels: of the Job and its pod.
        annotations: of the Job.
        deadline_seconds: after which it is stopped.
        pod: of `build_pod`.
    """
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": subscription.namespace,
            "labels": pod_labels,
            "annotations": annotations,
            "ownerReferences": [owner_reference(subscription, controller=True)],
        },
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": 0,
            "activeDeadlineSeconds": deadline_seconds,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": _failure_policy(),
            "template": {"metadata": {"labels": dict(pod_labels)}, "spec": pod},
        },
    }


def build_pod(
    spec: SubscriptionSpec, defaults: JobDefaults, *, container: dict[str, Any], volumes: list[dict[str, Any]]
) -> dict[str, Any]:
    """A pod that fits Pod Security `restricted`, placed and run as whom the spec says.

    Args:
        spec: of the Subscription.
        defaults: the operator's settings.
        container: of `build_container`.
        volumes: of the pod.
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
    defaults: JobDefaults,
    *,
    command: tuple[str, ...],
    env: dict[str, str],
    resources: dict[str, Any],
    mounts: list[dict[str, Any]],
) -> dict[str, Any]:
    """The only container of a pod: the downloader's image, without rights.

    Args:
        defaults: the operator's settings.
        command: program and arguments.
        env: environment variables.
        resources: requests and limits.
        mounts: volume mounts.
    """
    container: dict[str, Any] = {
        "name": labels.DOWNLOAD_CONTAINER,
        "image": defaults.image,
        "command": list(command),
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "resources": resources,
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


def library_mount() -> dict[str, Any]:
    """Where the claim is mounted. A NAS that is mounted on the node later than the pod started is seen in it."""
    return {"name": "library", "mountPath": LIBRARY_MOUNT, "mountPropagation": "HostToContainer"}


def owner_reference(subscription: Subscription, *, controller: bool) -> dict[str, Any]:
    """A reference that makes the garbage collector delete the bearer with the Subscription, without delaying that."""
    return {
        "apiVersion": labels.API_VERSION,
        "kind": labels.KIND,
        "name": subscription.name,
        "uid": subscription.uid,
        "controller": controller,
        "blockOwnerDeletion": False,
    }


def _request(
    subscription: Subscription,
    key: str,
    entry: LedgerEntry,
    launch: int,
    defaults: JobDefaults,
    source_title: str | None,
    volume_id: str | None,
) -> DownloadRequest:
    spec = subscription.spec
    return DownloadRequest(
        subscription=SubscriptionRef(namespace=subscription.namespace, name=subscription.name),
        video=VideoRef(
            key=key,
            extractor=entry.extractor,
            id=entry.id,
            url=entry.url,
            title=entry.title,
            kind=entry.kind,
            source=entry.source,
        ),
        launch=launch,
        source_title=source_title,
        media=MediaWish(
            type=spec.media.type,
            max_height=spec.media.max_height,
            container=spec.media.container.value if spec.media.container else None,
            sidecars=spec.media.sidecars,
        ),
        library=LibraryPlace(path=spec.library.path, layout=spec.library.layout, folder=spec.library.folder),
        volume_id=volume_id,
        min_free_bytes=spec.library.min_free_bytes,
        proxy=proxy(spec, defaults) or None,
        ca_bundle=bool(ca_bundle_config_map(spec, defaults)),
        cookies=cookies_mode(spec) if cookies_secret(spec) else None,
        cookies_secret=cookies_secret(spec) or None,
        proxy_credentials=bool(proxy_secret(spec)),
        proxy_secret=proxy_secret(spec) or None,
        rate_limit_bytes_per_second=spec.access.rate_limit_bytes_per_second,
        allow_generic=spec.access.allow_generic,
        allowed_cidrs=defaults.allowed_cidrs,
        umask=spec.job.umask,
        stall_timeout_seconds=spec.job.stall_timeout_seconds,
    )


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


def _pod_spec(spec: SubscriptionSpec, request: DownloadRequest, claim: str, defaults: JobDefaults) -> dict[str, Any]:
    volumes: list[dict[str, Any]] = [library_volume(claim), {"name": "scratch", "emptyDir": {}}]
    config_map = ca_bundle_config_map(spec, defaults)
    if config_map:
        volumes.append(
            {"name": "ca", "configMap": {"name": config_map, "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
        )
    volumes += _secret_volumes(spec)
    return build_pod(spec, defaults, container=_container(spec.job, request, defaults), volumes=volumes)


def _secret_volumes(spec: SubscriptionSpec) -> list[dict[str, Any]]:
    """Only the keys that are used. `optional`: a pod that waits for a Secret would say so to nobody."""
    wanted = (("cookies", cookies_secret(spec), (COOKIES_KEY,)), ("proxy", proxy_secret(spec), PROXY_KEYS))
    return [
        {
            "name": volume,
            "secret": {
                "secretName": secret,
                "items": [{"key": key, "path": key} for key in keys],
                "defaultMode": SECRET_FILE_MODE,
                "optional": True,
            },
        }
        for volume, secret, keys in wanted
        if secret
    ]


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


def _container(job: JobOptions, request: DownloadRequest, defaults: JobDefaults) -> dict[str, Any]:
    mounts: list[dict[str, Any]] = [library_mount(), {"name": "scratch", "mountPath": SCRATCH_MOUNT}]
    if request.ca_bundle:
        mounts.append({"name": "ca", "mountPath": CA_FILE.rpartition("/")[0], "readOnly": True})
    if request.cookies is not None:
        mounts.append({"name": "cookies", "mountPath": COOKIES_FILE.rpartition("/")[0], "readOnly": True})
    if request.proxy_credentials:
        mounts.append({"name": "proxy", "mountPath": PROXY_CREDENTIALS, "readOnly": True})
    return build_container(
        defaults,
        command=COMMAND,
        env={
            REQUEST_ENV: request.to_json(),
            "HOME": SCRATCH_MOUNT,
            "TMPDIR": SCRATCH_MOUNT,
            "DENO_DIR": f"{SCRATCH_MOUNT}/deno",
            "YTDLP_NO_PLUGINS": "1",
        },
        resources=job.resources.model_dump(exclude_defaults=True) if job.resources else defaults.resources,
        mounts=mounts,
    )


def _toleration(toleration: Toleration) -> dict[str, Any]:
    return toleration.model_dump(mode="json", exclude_none=True)
