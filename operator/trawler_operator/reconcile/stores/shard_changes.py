"""What other hands do to ledgers' ConfigMaps, as a watch tells it: a pass then need not ask for all of them.

A ledger of 100,000 videos has 500 ConfigMaps. Comparing all their versions in every pass would cost the API server more
than the check itself; with this, a pass looks at those alone of which it was told. What is told may come late and may
come twice, and only ever leads to a read. Every write carries the version that it was computed from, so a ledger that
changed unnoticed is met as a conflict and never overwritten.
"""

from __future__ import annotations

import itertools

from trawler_operator.api.subscription import Key

EVERYWHERE = ""
"""In place of a namespace: a watch over all of the cluster."""


class ShardChanges:
    """Filled by a watch (`adapters.kubernetes.shard_watch`), emptied by `ledger_store`."""

    def __init__(self) -> None:
        self._epochs: dict[str, int] = {}
        self._numbers = itertools.count(1)
        self._changed: dict[Key, dict[str, str]] = {}

    def began(self, namespace: str) -> None:
        """From now on every change in the namespace (or EVERYWHERE) is told."""
        self._epochs[namespace] = next(self._numbers)

    def interrupted(self, namespace: str) -> None:
        """Changes may be missed from now on."""
        self._epochs.pop(namespace, None)

    def changed(self, key: Key, config_map: str, resource_version: str) -> None:
        """A ConfigMap of the Subscription's ledger was created, changed or deleted, by whomever."""
        self._changed.setdefault(key, {})[config_map] = resource_version

    def epoch(self, namespace: str) -> int | None:
        """Which uninterrupted watch sees the namespace; None: none does.

        Who looked at all ConfigMaps after an epoch had begun knows of every change as long as it lasts.
        """
        return self._epochs.get(namespace, self._epochs.get(EVERYWHERE))

    def take(self, key: Key) -> dict[str, str]:
        """Name → version of what changed since the last call, our own writes included."""
        return self._changed.pop(key, {})
