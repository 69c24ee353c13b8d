"""Changes of ledgers' ConfigMaps by others, as a watch reports them, so that a pass need not ask for all of them.

A ledger of 100,000 videos has 500 ConfigMaps. To compare all their versions in every pass would cost the API server
more than the check itself. With this, a pass reads only the ConfigMaps that the watch has reported. A report may come
late and may come twice, and only ever leads to a read. Every write carries the version that it was computed from, so a
ledger that changed unnoticed leads to a conflict and is never overwritten.
"""

from __future__ import annotations

import itertools

from trawler_operator.api.subscription import Key

EVERYWHERE = ""
"""Stands for all namespaces: a watch over the whole cluster."""


class ShardChanges:
    """Changes that a watch (`adapters.kubernetes.shard_watch`) adds and `ledger_store` takes."""

    def __init__(self) -> None:
        self._epochs: dict[str, int] = {}
        self._numbers = itertools.count(1)
        self._changed: dict[Key, dict[str, str]] = {}

    def began(self, namespace: str) -> None:
        """Note that from now on the watch reports every change in the namespace (or EVERYWHERE)."""
        self._epochs[namespace] = next(self._numbers)

    def interrupted(self, namespace: str) -> None:
        """Note that the watch may miss changes from now on."""
        self._epochs.pop(namespace, None)

    def changed(self, key: Key, config_map: str, resource_version: str) -> None:
        """Note that somebody created, changed or deleted a ConfigMap of the Subscription's ledger."""
        self._changed.setdefault(key, {})[config_map] = resource_version

    def epoch(self, namespace: str) -> int | None:
        """Number of the uninterrupted watch that sees the namespace; None if there is none.

        A caller that looked at all ConfigMaps after an epoch began learns of every change for as long as the epoch
        lasts.
        """
        return self._epochs.get(namespace, self._epochs.get(EVERYWHERE))

    def take(self, key: Key) -> dict[str, str]:
        """Name → version of what changed since the last call. Our own writes are among these."""
        return self._changed.pop(key, {})
