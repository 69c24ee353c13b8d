"""Two API servers over real HTTP: one stores objects, the other answers what a test tells it to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from kubernetes.aio import client

from component.api_server import ApiServer, run_api_server
from component.cluster import Cluster
from component.http_objects import HttpObjects, serve_objects
from trawler_operator.adapters.kubernetes.calls import KubernetesAdapter
from trawler_operator.adapters.kubernetes.client import KubernetesClient


@pytest.fixture
def objects() -> HttpObjects:
    """What the first one stores."""
    return HttpObjects(Cluster())


@pytest.fixture
def url(objects: HttpObjects) -> Iterator[str]:
    with serve_objects(objects) as url:
        yield url


@pytest.fixture
async def requests(url: str) -> AsyncIterator[KubernetesClient]:
    """To the one that stores objects."""
    made = KubernetesClient(client.Configuration(host=url))
    yield made
    await made.close()


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """The one that answers as it is told."""
    with run_api_server() as server:
        yield server


@pytest.fixture
def pauses() -> list[float]:
    """What the client would have slept."""
    return []


@pytest.fixture
async def scripted(server: ApiServer, pauses: list[float]) -> AsyncIterator[KubernetesClient]:
    """Requests to the one that answers as it is told."""

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    made = KubernetesClient(client.Configuration(host=server.url), sleep, lambda: 0.0)
    yield made
    await made.close()


@pytest.fixture
def api(scripted: KubernetesClient) -> KubernetesAdapter:
    return KubernetesAdapter(scripted, ())
