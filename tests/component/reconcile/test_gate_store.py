"""The gates as a process knows them, where a write of them came to no end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from builders import NOON
from component.cluster import Cluster, Object
from component.fake_api import FakeApi
from component.world import GATES
from trawler_operator.domain.gates.book import GateChanges
from trawler_operator.domain.gates.gate import Closing, Gate
from trawler_operator.domain.gates.route import listing_route
from trawler_operator.reconcile.stores.gate_store import GateStore


class CutApi(FakeApi):
    """The pass's time is over when the API server has made the ConfigMap."""

    async def create_config_map(self, namespace: str, manifest: Mapping[str, Any]) -> Object:
        await super().create_config_map(namespace, dict(manifest))
        raise asyncio.CancelledError


async def test_a_write_that_was_cut_may_have_been_done() -> None:
    """Whoever asks next sees the gate closed: what is written shows it."""
    store = GateStore(CutApi(Cluster()), *GATES)
    gate = Gate(
        listing_route("https://youtu.be/@a", "").cookies, 1, NOON, Closing(NOON, NOON, NOON, 1, "Why", "", "media/a")
    )
    with pytest.raises(asyncio.CancelledError):
        await store.commit(lambda _: GateChanges({gate.id.name: gate}), NOON)
    await store.commit(lambda _: GateChanges(), NOON)
    assert store.book.gate(gate.id).is_closed
