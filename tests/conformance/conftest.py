"""Every test here runs twice: on the API server in memory, and on the cluster that `make e2e` brings up."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from conformance.in_memory import in_memory_stage
from conformance.on_cluster import cluster_stage
from conformance.stage import Stage


@pytest.fixture(params=["in-memory", pytest.param("cluster", marks=[pytest.mark.e2e, pytest.mark.timeout(900)])])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """A namespace of the test's own."""
    async with in_memory_stage() if request.param == "in-memory" else cluster_stage() as made:
        yield made
