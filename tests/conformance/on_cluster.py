"""The stage on the cluster that the kubeconfig names: a namespace of its own, thrown away afterwards."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from trawler_operator.adapters.kubernetes.calls import KubernetesAdapter
from trawler_operator.adapters.kubernetes.client import MERGE_PATCH, KubernetesClient, load_configuration
from trawler_operator.reconcile.ports import Manifest, NotFoundError

PATIENCE_SECONDS = 120.0
POLL_SECONDS = 0.3
QUIET_SECONDS = 3.0
PATHS = {
    "Subscription": "/apis/trawler.dev/v1alpha1/namespaces/{}/subscriptions",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "Lease": "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
    "Pod": "/api/v1/namespaces/{}/pods",
    "ResourceQuota": "/api/v1/namespaces/{}/resourcequotas",
}
NAMESPACES = "/api/v1/namespaces"


class ClusterStage:
    """`stage.Stage` on a real cluster."""

    def __init__(self, client: KubernetesClient, namespace: str) -> None:
        self._client = self.requests = client
        self.namespace = namespace
        self.api = KubernetesAdapter(client, (namespace,))

    async def create(self, kind: str, manifest: Manifest) -> Manifest:
        return await self._client.request("POST", self._path(kind), body=manifest)

    async def read(self, kind: str, name: str) -> Manifest | None:
        try:
            return await self._client.request("GET", self._path(kind, name))
        except NotFoundError:
            return None

    async def names(self, kind: str) -> set[str]:
        document = await self._client.request("GET", self._path(kind))
        return {body["metadata"]["name"] for body in document["items"]}

    async def patch(self, kind: str, name: str, patch: Manifest) -> Manifest:
        return await self._client.request("PATCH", self._path(kind, name), body=patch, content_type=MERGE_PATCH)

    async def delete(self, kind: str, name: str, propagation: str = "Background") -> None:
        await self._client.request("DELETE", self._path(kind, name), body={"propagationPolicy": propagation})

    async def evict(self, pod: str) -> None:
        metadata = {"name": pod, "namespace": self.namespace}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        await self._client.request("POST", self._path("Pod", f"{pod}/eviction"), body=body)

    async def eventually(self, what: str, look: Callable[[], Awaitable[Any]]) -> Any:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_SECONDS
        while loop.time() < deadline:
            seen = await look()
            if seen:
                return seen
            await asyncio.sleep(POLL_SECONDS)
        raise AssertionError(f"{what}: not within {PATIENCE_SECONDS:.0f} s")

    async def quiet(self) -> None:
        await asyncio.sleep(QUIET_SECONDS)

    def _path(self, kind: str, name: str | None = None) -> str:
        path = PATHS[kind].format(self.namespace)
        return path if name is None else f"{path}/{name}"


@asynccontextmanager
async def cluster_stage() -> AsyncIterator[ClusterStage]:
    """A stage in a namespace that enforces Pod Security `restricted`, as users' should."""
    client = KubernetesClient(await load_configuration())
    namespace = f"conformance-{secrets.token_hex(4)}"
    body = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    try:
        await client.request("POST", NAMESPACES, body=body)
        yield ClusterStage(client, namespace)
        await client.request("DELETE", f"{NAMESPACES}/{namespace}", body={})
    finally:
        await client.close()
