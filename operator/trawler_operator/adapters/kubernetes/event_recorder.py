"""Events in `kubectl describe`, best effort (implements `ports.EventRecorder`).

Each posting is one create of an `events.k8s.io/v1` Event. The same reason and text about the same Subscription is not
posted again within QUIET_SECONDS: a repeated failure is one Event, not one per retry. kopf's own recorder is not used:
it turns log lines into Events and needs kopf's context.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from trawler_operator.adapters.kubernetes.client import KubernetesClient
from trawler_operator.api import labels
from trawler_operator.api.fitting import cut_bytes
from trawler_operator.reconcile.ports import ApiError, Event, Manifest, UnavailableError

logger = logging.getLogger(__name__)

QUIET_SECONDS = 600.0
MAX_REMEMBERED = 10_000
MAX_PER_PASS = 10
"""Fifty videos that were found are one Event; the rest of a busy pass is in the log."""
MAX_NOTE_BYTES = 1024
"""The API's limit, in bytes of UTF-8."""


class KubernetesEventRecorder:
    """Posts Events about Subscriptions."""

    def __init__(self, client: KubernetesClient, instance: str) -> None:
        self._client = client
        self._instance = instance
        self._posted: OrderedDict[str, float] = OrderedDict()
        self._refusing: set[str] = set()
        """Namespaces of which the log says already that they take no Events."""

    async def record(self, subscription: Manifest, events: Sequence[Event]) -> None:
        """Post; what fails is forgotten, and logged unless the last one of the namespace failed, too."""
        metadata = subscription["metadata"]
        namespace = metadata["namespace"]
        fresh = [event for event in events if self._is_new(metadata["uid"], event)]
        for event in fresh[:MAX_PER_PASS]:
            path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
            try:
                await self._client.request("POST", path, body=self._manifest(metadata, event), attempts=1)
            except ApiError as error:
                level = logging.DEBUG if namespace in self._refusing else logging.WARNING
                self._refusing.add(namespace)
                logger.log(
                    level, "event %s of %s/%s was not posted: %s", event.reason, namespace, metadata["name"], error
                )
                if isinstance(error, UnavailableError):
                    return  # the pass is not to wait for each of them
            else:
                self._refusing.discard(namespace)

    def _is_new(self, uid: str, event: Event) -> bool:
        mark = hashlib.sha256(f"{uid}\0{event.reason}\0{event.message}".encode("utf-8", "replace")).hexdigest()
        now = time.monotonic()
        last = self._posted.get(mark)
        if last is not None and now - last < QUIET_SECONDS:
            return False
        self._posted[mark] = now
        self._posted.move_to_end(mark)
        if len(self._posted) > MAX_REMEMBERED:
            self._posted.popitem(last=False)
        return True

    def _manifest(self, metadata: dict[str, Any], event: Event) -> dict[str, Any]:
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            # A dash: the API server refuses a prefix that ends with a dot.
            "metadata": {"generateName": f"{metadata['name']}-", "namespace": metadata["namespace"]},
            "eventTime": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "type": "Warning" if event.warning else "Normal",
            "reason": event.reason,
            "note": cut_bytes(event.message, MAX_NOTE_BYTES) or "",
            "action": "Reconcile",
            "reportingController": f"{labels.GROUP}/operator",
            "reportingInstance": self._instance[:128],
            "regarding": {
                "apiVersion": labels.API_VERSION,
                "kind": labels.KIND,
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "resourceVersion": metadata.get("resourceVersion", ""),
            },
        }
