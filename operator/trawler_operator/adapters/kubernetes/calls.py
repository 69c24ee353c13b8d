"""The calls that the reconciler makes, over the Kubernetes API (implements `ports.KubernetesApi`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from trawler_operator.adapters.kubernetes.client import MERGE_PATCH, METADATA_LIST, KubernetesClient
from trawler_operator.api import labels
from trawler_operator.api.subscription import Key
from trawler_operator.reconcile.ports import ApiError, ConflictError, Manifest, NotFoundError, RejectedError

logger = logging.getLogger(__name__)

_GROUP = f"/apis/{labels.API_VERSION}"
_SUBSCRIPTIONS = f"{_GROUP}/namespaces/{{}}/{labels.PLURAL}/{{}}"
_BATCH = "/apis/batch/v1"
_JOBS = f"{_BATCH}/namespaces/{{}}/jobs"
_CONFIG_MAPS = "/api/v1/namespaces/{}/configmaps"
_OUR_JOBS = f"{labels.MANAGED_BY_LABEL}={labels.MANAGED_BY},{labels.COMPONENT_LABEL}"
_DOWNLOAD_JOBS = f"{_OUR_JOBS}={labels.COMPONENT_DOWNLOAD}"

PER_PAGE = 500
SHARD_HEADS_PER_PAGE = 100
SHARDS_PER_PAGE = 10
"""Of at most 1 MiB each: what a start holds of a long ledger at a time."""


class KubernetesAdapter:
    """`ports.KubernetesApi` on a real cluster.

    Args:
        client: makes the requests.
        namespaces: those watched; empty: all of the cluster.
    """

    def __init__(self, client: KubernetesClient, namespaces: Sequence[str]) -> None:
        self._client = client
        self._namespaces = tuple(namespaces)
        self._refused: frozenset[str] = frozenset()
        """Namespaces whose Subscriptions might not be listed when that was last tried."""

    @property
    def clock_ahead(self) -> timedelta:
        """How far our clock is ahead of the API server's."""
        return self._client.clock_ahead

    async def answers(self) -> bool:
        """Whether the API server answers."""
        try:
            await self._client.request("GET", "/version", attempts=1)
        except ApiError:
            return False
        return True

    async def list_subscriptions(self) -> list[Key]:
        """All Subscriptions in all watched namespaces that may be read; see `_list_everywhere`."""
        heads, self._refused = await self._list_everywhere(_GROUP, labels.PLURAL, {}, METADATA_LIST)
        return [(head["metadata"]["namespace"], head["metadata"]["name"]) for head in heads]

    async def get_subscription(self, key: Key) -> Manifest | None:
        """The Subscription as it is now; of a namespace that may not be read it counts as gone."""
        try:
            return await self._get(_SUBSCRIPTIONS.format(*key))
        except RejectedError:
            if key[0] in self._refused:
                return None
            raise

    async def patch_subscription_status(self, key: Key, resource_version: str, status: Mapping[str, Any]) -> Manifest:
        """Merge into the status subresource; the resource as it is stored."""
        path = _SUBSCRIPTIONS.format(*key) + "/status"
        body = {"metadata": {"resourceVersion": resource_version}, "status": dict(status)}
        return await self._client.request("PATCH", path, body=body, content_type=MERGE_PATCH)

    async def list_jobs(self, namespace: str, subscription: str) -> list[Manifest]:
        """A Subscription's download Jobs; in a namespace that may not be read there are none."""
        selector = f"{_DOWNLOAD_JOBS},{labels.SUBSCRIPTION_LABEL}={subscription}"
        try:
            return await self._list(_JOBS.format(namespace), {"labelSelector": selector})
        except RejectedError:
            if namespace in self._refused:
                return []
            raise

    async def list_all_jobs(self) -> list[Manifest]:
        """All download Jobs in all watched namespaces that may be read; see `_list_everywhere`."""
        jobs, _ = await self._list_everywhere(_BATCH, "jobs", {"labelSelector": _DOWNLOAD_JOBS})
        return jobs

    async def list_volume_jobs(self, namespace: str, labels: Mapping[str, str]) -> list[Manifest]:
        """The Jobs over volumes that bear these labels."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        return await self._list(_JOBS.format(namespace), {"labelSelector": selector})

    async def get_job(self, namespace: str, name: str) -> Manifest | None:
        """One Job."""
        return await self._get(f"{_JOBS.format(namespace)}/{name}")

    async def create_job(self, namespace: str, manifest: Manifest) -> None:
        """Create a Job."""
        await self._client.request("POST", _JOBS.format(namespace), body=manifest)

    async def delete_job(self, namespace: str, name: str, uid: str) -> None:
        """Delete this very Job and its pod in the background; a missing one is fine."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._client.request("DELETE", f"{_JOBS.format(namespace)}/{name}", body=body)
        except (NotFoundError, ConflictError):
            return  # it is gone, or another one bears its name by now

    async def find_pod(self, namespace: str, job_name: str) -> Manifest | None:
        """The Job's newest pod."""
        query = {"labelSelector": f"batch.kubernetes.io/job-name={job_name}"}
        pods = await self._list(f"/api/v1/namespaces/{namespace}/pods", query)
        return max(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), default=None)

    async def read_log(self, namespace: str, pod: str, container: str, max_bytes: int) -> bytes:
        """The beginning of a container's log."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        query = {"container": container, "limitBytes": str(max_bytes)}
        return await self._client.read(path, query=query, max_bytes=max_bytes)

    async def list_shard_heads(self, namespace: str, subscription: str) -> list[Manifest]:
        """Metadata of the ledger's ConfigMaps, without their data."""
        query = {"labelSelector": labels.ledger_selector(subscription)}
        heads: list[Manifest] = []
        path = _CONFIG_MAPS.format(namespace)
        async for head in self._pages(path, query, limit=SHARD_HEADS_PER_PAGE, accept=METADATA_LIST):
            # Names each of the data's keys: ten times what we read of a head.
            head["metadata"].pop("managedFields", None)
            heads.append(head)
        return heads

    async def read_shards(self, namespace: str, subscription: str) -> AsyncIterator[Manifest]:
        """The ledger's ConfigMaps with their data, page by page."""
        query = {"labelSelector": labels.ledger_selector(subscription)}
        async for body in self._pages(_CONFIG_MAPS.format(namespace), query, limit=SHARDS_PER_PAGE):
            yield body

    async def get_config_map(self, namespace: str, name: str) -> Manifest | None:
        """One ConfigMap."""
        return await self._get(f"{_CONFIG_MAPS.format(namespace)}/{name}")

    async def create_config_map(self, namespace: str, manifest: Manifest) -> Manifest:
        """Create a ConfigMap."""
        return await self._client.request("POST", _CONFIG_MAPS.format(namespace), body=manifest)

    async def patch_config_map(self, namespace: str, name: str, patch: Mapping[str, Any]) -> Manifest:
        """Merge patch of a ConfigMap."""
        path = f"{_CONFIG_MAPS.format(namespace)}/{name}"
        return await self._client.request("PATCH", path, body=patch, content_type=MERGE_PATCH)

    async def get_secret(self, namespace: str, name: str) -> Manifest | None:
        """One Secret."""
        return await self._get(f"/api/v1/namespaces/{namespace}/secrets/{name}")

    async def get_claim(self, namespace: str, name: str) -> Manifest | None:
        """One PersistentVolumeClaim."""
        return await self._get(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}")

    async def _get(self, path: str) -> Manifest | None:
        try:
            return await self._client.request("GET", path)
        except NotFoundError:
            return None

    async def _list_everywhere(
        self, group: str, plural: str, query: Mapping[str, str], accept: str = "application/json"
    ) -> tuple[list[Manifest], frozenset[str]]:
        """What is in all watched namespaces, and those of them that may not be read.

        Our rights in a namespace go when it is deleted, and the others are served all the same.

        Raises:
            ApiError: one of them could not be read for another reason.
            RejectedError: none of them may be read.
        """
        if not self._namespaces:
            return await self._list(f"{group}/{plural}", query, accept), frozenset()
        paths = {namespace: f"{group}/namespaces/{namespace}/{plural}" for namespace in self._namespaces}
        answers = await asyncio.gather(
            *(self._list(path, query, accept) for path in paths.values()), return_exceptions=True
        )
        found: list[Manifest] = []
        refused: dict[str, RejectedError] = {}
        for namespace, answer in zip(paths, answers, strict=True):
            if isinstance(answer, RejectedError):
                refused[namespace] = answer
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found.extend(answer)
        if len(refused) == len(paths):
            raise next(iter(refused.values()))
        for namespace, error in refused.items():
            logger.warning("namespace %s is not served, its %s may not be listed: %s", namespace, plural, error)
        return found, frozenset(refused)

    async def _list(self, path: str, query: Mapping[str, str], accept: str = "application/json") -> list[Manifest]:
        return [item async for item in self._pages(path, query, limit=PER_PAGE, accept=accept)]

    async def _pages(
        self, path: str, query: Mapping[str, str], *, limit: int, accept: str = "application/json"
    ) -> AsyncIterator[Manifest]:
        page = {**query, "limit": str(limit)}
        while True:
            document = await self._client.request("GET", path, query=page, accept=accept)
            for item in document.get("items") or ():
                yield item
            token = (document.get("metadata") or {}).get("continue")
            if not token:
                return
            page["continue"] = token
