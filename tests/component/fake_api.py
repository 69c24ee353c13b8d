"""The API server as an operator process sees it, in memory: it can fail, and the process can be killed, at any call."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from component.cluster import DOWNLOAD_JOBS, Cluster, Killed
from component.job_controller import JOB_NAME_LABEL
from component.object_store import Object
from trawler_operator.api import labels
from trawler_operator.reconcile.ports import ConflictError, NotFoundError, RejectedError


@dataclass(frozen=True)
class Whose:
    """Whose object a call is about, for whoever lets the calls of some fail.

    Args:
        namespace: of the object; None: of all of them.
        subscription: that it belongs to; None: to none, or to several, or the object is not there.
    """

    namespace: str | None = None
    subscription: str | None = None


class FakeApi:
    """`ports.KubernetesApi` of one operator process on a Cluster.

    Args:
        cluster: shared by all processes.
        kill_at: the process dies at its n-th call (from 0).
        after: the call that kills still takes effect.
    """

    def __init__(self, cluster: Cluster, kill_at: int | None = None, *, after: bool = False) -> None:
        self._cluster = cluster
        self._kill_at = kill_at
        self._after = after
        self.calls = 0
        self.clock_ahead = timedelta()
        self.fail: Callable[[str], Exception | None] = lambda _: None

    def disarm(self) -> None:
        """Die no more."""
        self._kill_at = None

    async def _call(self, what: str, act: Callable[[], Any], whose: Whose, *, write: bool = False) -> Any:
        await asyncio.sleep(0)  # others may come in between, as with any request
        error = self.fail(what)
        if error is not None:
            raise error
        kill = self.calls == self._kill_at
        self.calls += 1
        if kill and not self._after:
            raise Killed(what)
        (self._cluster.writes if write else self._cluster.reads).append(what)
        answer = act()
        if kill:
            raise Killed(what)
        return answer

    async def get_subscription(self, key: tuple[str, str]) -> Object | None:
        return await self._call("get Subscription", lambda: self._cluster.get("Subscription", *key), Whose(*key))

    async def patch_subscription_status(
        self, key: tuple[str, str], resource_version: str, status: Mapping[str, Any]
    ) -> Object:
        patch = {"metadata": {"resourceVersion": resource_version}, "status": json.loads(json.dumps(status))}
        return await self._call(
            "patch status", lambda: self._cluster.merge_status("Subscription", *key, patch), Whose(*key), write=True
        )

    async def list_jobs(self, namespace: str, subscription: str) -> list[Object]:
        wanted = {**DOWNLOAD_JOBS, labels.SUBSCRIPTION_LABEL: subscription}
        return await self._call(
            "list Jobs", lambda: self._cluster.list("Job", namespace, **wanted), Whose(namespace, subscription)
        )

    async def list_all_jobs(self) -> list[Object]:
        return await self._call("list all Jobs", lambda: self._cluster.list("Job", **DOWNLOAD_JOBS), Whose())

    async def list_volume_jobs(self, namespace: str, labels: Mapping[str, str]) -> list[Object]:
        component, of = labels["app.kubernetes.io/component"], labels.get("trawler.dev/subscription")
        return await self._call(
            f"list {component} Jobs", lambda: self._cluster.list("Job", namespace, **labels), Whose(namespace, of)
        )

    async def get_job(self, namespace: str, name: str) -> Object | None:
        return await self._call(
            "get Job", lambda: self._cluster.get("Job", namespace, name), self._whose("Job", namespace, name)
        )

    async def create_job(self, namespace: str, manifest: Object) -> None:
        def create() -> None:
            if self._cluster.reject_jobs is not None:
                raise self._cluster.reject_jobs
            self._cluster.create("Job", json.loads(json.dumps(manifest)))
            if DOWNLOAD_JOBS.items() <= manifest["metadata"]["labels"].items():
                self._cluster.created.append(manifest["metadata"]["name"])

        await self._call("create Job", create, Whose(namespace, _subscription(manifest)), write=True)

    async def delete_job(self, namespace: str, name: str, uid: str) -> None:
        def delete() -> None:
            with contextlib.suppress(ConflictError):  # another one of that name
                self._cluster.delete("Job", namespace, name, uid=uid)

        await self._call("delete Job", delete, self._whose("Job", namespace, name), write=True)

    async def find_pod(self, namespace: str, job_name: str) -> Object | None:
        def newest() -> Object | None:
            pods = self._cluster.list("Pod", namespace, **{JOB_NAME_LABEL: job_name})
            return max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None)

        return await self._call("find Pod", newest, self._whose("Job", namespace, job_name))

    async def read_log(self, namespace: str, pod: str, container: str, max_bytes: int) -> bytes:
        def read() -> bytes:
            body = self._cluster.get("Pod", namespace, pod)
            if body is None:
                raise NotFoundError(f'pods "{pod}" not found')
            if container not in {found["name"] for found in body["spec"]["containers"]}:
                raise RejectedError(f"container {container} is not valid for pod {pod}")
            return self._cluster.logs.get((namespace, pod), b"")[:max_bytes]

        return await self._call("read log", read, self._whose("Pod", namespace, pod))

    async def list_shard_heads(self, namespace: str, subscription: str) -> list[Object]:
        wanted = {labels.SUBSCRIPTION_LABEL: subscription, labels.COMPONENT_LABEL: labels.COMPONENT_LEDGER}
        shards = await self._call(
            "list shards", lambda: self._cluster.list("ConfigMap", namespace, **wanted), Whose(namespace, subscription)
        )
        return [{"metadata": shard["metadata"]} for shard in shards]

    async def read_shards(self, namespace: str, subscription: str) -> AsyncIterator[Object]:
        wanted = {labels.SUBSCRIPTION_LABEL: subscription, labels.COMPONENT_LABEL: labels.COMPONENT_LEDGER}
        for shard in await self._call(
            "read shards", lambda: self._cluster.list("ConfigMap", namespace, **wanted), Whose(namespace, subscription)
        ):
            yield shard

    async def get_config_map(self, namespace: str, name: str) -> Object | None:
        return await self._call(
            f"get ConfigMap/{name}",
            lambda: self._cluster.get("ConfigMap", namespace, name),
            self._whose("ConfigMap", namespace, name),
        )

    async def create_config_map(self, namespace: str, manifest: Object) -> Object:
        name = manifest["metadata"]["name"]
        return await self._call(
            f"create ConfigMap/{name}",
            lambda: self._cluster.create("ConfigMap", manifest),
            Whose(namespace, _subscription(manifest)),
            write=True,
        )

    async def patch_config_map(self, namespace: str, name: str, patch: Mapping[str, Any]) -> Object:
        return await self._call(
            f"patch ConfigMap/{name}",
            lambda: self._cluster.merge("ConfigMap", namespace, name, patch),
            self._whose("ConfigMap", namespace, name),
            write=True,
        )

    async def get_secret(self, namespace: str, name: str) -> Object | None:
        return await self._call("get Secret", lambda: self._cluster.get("Secret", namespace, name), Whose(namespace))

    async def get_claim(self, namespace: str, name: str) -> Object | None:
        return await self._call(
            "get claim", lambda: self._cluster.get("PersistentVolumeClaim", namespace, name), Whose(namespace)
        )

    def _whose(self, kind: str, namespace: str, name: str) -> Whose:
        return Whose(namespace, _subscription(self._cluster.objects.get((kind, namespace, name))))


def _subscription(body: Object | None) -> str | None:
    """Name of the Subscription that an object belongs to, by its labels."""
    return None if body is None else (body["metadata"].get("labels") or {}).get(labels.SUBSCRIPTION_LABEL)
