"""The whole Job of one launch. Pure; the tests compare it in full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trawler_downloader.contract.download import (
    CA_FILE,
    COOKIES_FILE,
    PROXY_CREDENTIALS,
    REQUEST_ENV,
    DownloadRequest,
    LibraryPlace,
    MediaWish,
    SubscriptionRef,
    VideoRef,
)
from trawler_downloader.contract.listing import MAX_TITLE
from trawler_operator.api import labels
from trawler_operator.api.fitting import cut_characters
from trawler_operator.api.spec import SubscriptionSpec
from trawler_operator.api.subscription import Subscription
from trawler_operator.domain.gates.codec import encode_epochs
from trawler_operator.domain.gates.route import GateId
from trawler_operator.domain.jobs.digests import download_digest
from trawler_operator.domain.jobs.manifest import build_container, build_job, build_pod, library_mount, library_volume
from trawler_operator.domain.jobs.naming import job_name
from trawler_operator.domain.jobs.settings import (
    COOKIES_KEY,
    PROXY_KEYS,
    AccessRules,
    JobDefaults,
    ca_bundle_config_map,
    claim_name,
    cookies_mode,
    cookies_secret,
    is_proxy_trusted,
    proxy,
    proxy_secret,
)
from trawler_operator.domain.ledger.entry import Found, LedgerEntry

COMMAND = ("python", "-m", "trawler_downloader.download")
SCRATCH_MOUNT = "/tmp"  # noqa: S108 - an empty volume of the pod's own, not a shared folder
SECRET_FILE_MODE = 0o440


def build_download_job(
    subscription: Subscription,
    key: str,
    entry: LedgerEntry,
    *,
    launch: int,
    shard: int,
    defaults: JobDefaults,
    access: AccessRules,
    gates: Mapping[GateId, int],
    source_title: str | None = None,
    volume_id: str | None = None,
    one_node: bool = False,
) -> dict[str, Any]:
    """The manifest of launch `launch` of a video.

    Args:
        subscription: the owner; Kubernetes deletes its Jobs with it.
        key: the video's key.
        entry: the video's entry.
        launch: number of the launch, from 1.
        shard: number of the ledger's shard that holds the entry.
        defaults: the operator's settings.
        access: how sites may be reached.
        gates: the gates that the launch passes, each with its epoch.
        source_title: the channel's or playlist's title.
        volume_id: the marker that the claim must bear; None if it is not known yet.
        one_node: whether the claim's volume can be attached to one node at a time only.

    Raises:
        ValueError: no claim is named. The caller reports that and creates no Job.
    """
    spec = subscription.spec
    claim = claim_name(spec, defaults)
    if not claim:
        raise ValueError("no claim is named")
    request = _request(subscription, key, entry, launch, defaults, access, source_title, volume_id)
    annotations = {
        labels.VIDEO_ANNOTATION: key,
        labels.SHARD_ANNOTATION: str(shard),
        labels.LAUNCH_ANNOTATION: str(launch),
        labels.SPEC_ANNOTATION: download_digest(spec, defaults),
    }
    return build_job(
        subscription,
        name=job_name(subscription.namespace, subscription.name, key, launch, request.follow_up),
        own_labels=labels.download_labels(subscription.name, launch),
        annotations=annotations,
        deadline_seconds=spec.job.active_deadline_seconds,
        pod=_pod_spec(spec, request, claim, defaults),
        claim=claim,
        one_node=one_node,
        pod_annotations={labels.VIDEO_ANNOTATION: key, labels.GATES_ANNOTATION: encode_epochs(gates)},
    )


def _request(
    subscription: Subscription,
    key: str,
    entry: LedgerEntry,
    launch: int,
    defaults: JobDefaults,
    access: AccessRules,
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
            title=cut_characters(entry.title, MAX_TITLE) if entry.title else None,
            kind=entry.kind,
            # A ledger that is made anew would take all videos above it for new ones.
            source=entry.source if entry.found is not Found.BACK_CATALOGUE else None,
        ),
        launch=launch,
        follow_up=entry.follow_up.kind if entry.follow_up is not None else None,
        source_title=cut_characters(source_title, MAX_TITLE) if source_title else None,
        media=MediaWish(
            type=spec.media.type,
            max_height=spec.media.max_height,
            container=spec.media.container.value if spec.media.container else None,
            sidecars=spec.media.sidecars,
        ),
        library=LibraryPlace(path=spec.library.path, layout=spec.library.layout, folder=spec.library.folder),
        volume_id=volume_id,
        min_free_bytes=spec.library.min_free,
        proxy=proxy(spec, defaults) or None,
        proxy_trusted=is_proxy_trusted(spec, defaults, access),
        ca_bundle=bool(ca_bundle_config_map(spec, defaults)),
        cookies=cookies_mode(spec) if cookies_secret(spec) else None,
        cookies_secret=cookies_secret(spec) or None,
        proxy_credentials=bool(proxy_secret(spec)),
        proxy_secret=proxy_secret(spec) or None,
        rate_limit_bytes_per_second=spec.access.rate_limit,
        allow_generic=spec.access.allow_generic,
        allowed_cidrs=access.allowed_cidrs,
        umask=spec.job.umask,
        stall_timeout_seconds=spec.job.stall_timeout_seconds,
    )


def _pod_spec(spec: SubscriptionSpec, request: DownloadRequest, claim: str, defaults: JobDefaults) -> dict[str, Any]:
    volumes: list[dict[str, Any]] = [library_volume(claim), {"name": "scratch", "emptyDir": {}}]
    config_map = ca_bundle_config_map(spec, defaults)
    if config_map:
        volumes.append(
            {"name": "ca", "configMap": {"name": config_map, "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
        )
    volumes += _secret_volumes(spec)
    return build_pod(spec, defaults, container=_container(spec, request, defaults), volumes=volumes)


def _secret_volumes(spec: SubscriptionSpec) -> list[dict[str, Any]]:
    """Volumes with only the keys that are used.

    They are `optional`: a pod that waits for a missing Secret would report nothing.
    """
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


def _container(spec: SubscriptionSpec, request: DownloadRequest, defaults: JobDefaults) -> dict[str, Any]:
    mounts: list[dict[str, Any]] = [library_mount(), {"name": "scratch", "mountPath": SCRATCH_MOUNT}]
    if request.ca_bundle:
        mounts.append({"name": "ca", "mountPath": CA_FILE.rpartition("/")[0], "readOnly": True})
    if request.cookies is not None:
        mounts.append({"name": "cookies", "mountPath": COOKIES_FILE.rpartition("/")[0], "readOnly": True})
    if request.proxy_credentials:
        mounts.append({"name": "proxy", "mountPath": PROXY_CREDENTIALS, "readOnly": True})
    return build_container(
        spec,
        defaults,
        command=COMMAND,
        env={
            REQUEST_ENV: request.to_json(),
            "HOME": SCRATCH_MOUNT,
            "TMPDIR": SCRATCH_MOUNT,
            "DENO_DIR": f"{SCRATCH_MOUNT}/deno",
            "YTDLP_NO_PLUGINS": "1",
        },
        mounts=mounts,
    )
