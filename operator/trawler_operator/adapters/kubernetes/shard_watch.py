"""Watches the ledgers' ConfigMaps, metadata alone, and notes what changed (fills `reconcile.stores.shard_changes`).

Not by kopf: it would read every ledger in full at its start. Nothing is listed either: a list of one item tells from
which version on to watch, and whoever needs to know what was there before reads that for itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

from trawler_operator.adapters.kubernetes.client import METADATA, METADATA_LIST, KubernetesClient
from trawler_operator.api import labels
from trawler_operator.reconcile.ports import ApiError, Manifest
from trawler_operator.reconcile.stores.shard_changes import EVERYWHERE, ShardChanges

logger = logging.getLogger(__name__)

STREAM_SECONDS = 300
"""After which the API server ends a stream; the next one goes on where it ended."""
SILENCE_SECONDS = 90.0
"""The API server sends a bookmark about once a minute: a connection without one is dead."""
PAUSE_BETWEEN_SECONDS = 1.0
"""Something that ends every stream at once must not make us ask without end."""
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 300.0
_EVERY_LEDGER = f"{labels.COMPONENT_LABEL}={labels.COMPONENT_LEDGER},{labels.SUBSCRIPTION_LABEL}"


class ShardWatch:
    """The watch.

    Args:
        client: makes the requests.
        namespaces: those watched; empty: all of the cluster.
        changes: is told.
        sleep: waits before the next attempt.
    """

    def __init__(
        self,
        client: KubernetesClient,
        namespaces: Sequence[str],
        changes: ShardChanges,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._namespaces = tuple(namespaces) or (EVERYWHERE,)
        self._changes = changes
        self._sleep = sleep

    async def run(self) -> None:
        """Watch forever."""
        async with asyncio.TaskGroup() as group:
            for namespace in self._namespaces:
                group.create_task(self._watch(namespace))

    async def _watch(self, namespace: str) -> None:
        path = f"/api/v1/namespaces/{namespace}/configmaps" if namespace else "/api/v1/configmaps"
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                version = await self._present_version(path)
                self._changes.began(namespace)
                while True:
                    version = await self._follow(path, version)
                    pause = FIRST_PAUSE_SECONDS
                    await self._sleep(PAUSE_BETWEEN_SECONDS)
            except ApiError as error:
                # Until it begins again every pass looks for itself.
                self._changes.interrupted(namespace)
                logger.warning("the watch of ledgers was cut off: %s; again in %.0f s", error, pause)
                await self._sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _present_version(self, path: str) -> str:
        query = {"labelSelector": _EVERY_LEDGER, "limit": "1"}
        document = await self._client.request("GET", path, query=query, accept=METADATA_LIST)
        return str(document["metadata"]["resourceVersion"])

    async def _follow(self, path: str, version: str) -> str:
        """Tell what happens after a version, until the stream ends; returns the version to go on from."""
        query = {
            "labelSelector": _EVERY_LEDGER,
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(STREAM_SECONDS),
        }
        stream = self._client.stream(path, query=query, accept=METADATA, silence_seconds=SILENCE_SECONDS)
        async with aclosing(stream):
            async for event in stream:
                body = event["object"]
                if event["type"] == "ERROR":  # most often 410: what happened since the version is forgotten
                    raise ApiError(f"{body.get('code')}: {body.get('message')}")
                version = str(body["metadata"]["resourceVersion"])
                if event["type"] != "BOOKMARK":
                    self._tell(body["metadata"])
        return version

    def _tell(self, metadata: Manifest) -> None:
        key = (metadata["namespace"], metadata["labels"][labels.SUBSCRIPTION_LABEL])
        self._changes.changed(key, metadata["name"], metadata["resourceVersion"])
