"""The watch of ledgers over real HTTP: what is told, what is missed, what follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from kubernetes.aio import client

from component.http_objects import HttpObjects
from trawler_operator.adapters.kubernetes.client import KubernetesClient
from trawler_operator.adapters.kubernetes.shard_watch import ShardWatch
from trawler_operator.api import labels
from trawler_operator.reconcile.stores.shard_changes import EVERYWHERE, ShardChanges

KEY = ("media", "numberline")
SHARD = "trawler-ledger-numberline-0"


@pytest.fixture
def changes() -> ShardChanges:
    return ShardChanges()


class EnoughError(Exception):
    """Ends a watch that would go on for ever."""


async def no_pause(_: float) -> None:
    await asyncio.sleep(0.01)


@pytest.fixture
async def watching(requests: KubernetesClient, changes: ShardChanges) -> AsyncIterator[None]:
    """A watch of namespace media runs."""
    task = asyncio.create_task(ShardWatch(requests, ("media",), changes, no_pause).run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - what it waits for happens in another thread
            await asyncio.sleep(0.01)


def put(objects: HttpObjects, name: str = SHARD, namespace: str = "media", **more: str) -> str:
    """Create a shard; returns its version."""
    metadata = {"namespace": namespace, "name": name, "labels": {**labels.ledger_labels("numberline"), **more}}
    return str(objects.cluster.put("ConfigMap", {"metadata": metadata, "data": {}})["metadata"]["resourceVersion"])


async def heard(changes: ShardChanges) -> dict[str, str]:
    """What was told, once something was."""
    found: dict[str, str] = {}

    def look() -> bool:
        found.update(changes.take(KEY))
        return bool(found)

    await until(look)
    return found


async def test_what_happens_is_told(objects: HttpObjects, changes: ShardChanges, watching: None) -> None:
    """Created, changed, deleted; but nothing of what was there before."""
    await until(lambda: objects.watches == 1)
    version = put(objects)
    assert await heard(changes) == {SHARD: version}
    changed = objects.cluster.merge("ConfigMap", "media", SHARD, {"data": {"a": "b"}})
    assert await heard(changes) == {SHARD: changed["metadata"]["resourceVersion"]}
    objects.cluster.delete("ConfigMap", "media", SHARD)
    assert await heard(changes) == {SHARD: str(objects.cluster.version)}
    assert changes.epoch("media") is not None
    assert changes.epoch("kids") is None


async def test_metadata_alone_of_ledgers_alone(objects: HttpObjects, changes: ShardChanges, watching: None) -> None:
    """Neither other namespaces nor other people's ConfigMaps."""
    await until(lambda: objects.watches == 1)
    put(objects, namespace="kids")
    put(objects, "other", **{labels.COMPONENT_LABEL: "something"})
    version = put(objects)
    assert await heard(changes) == {SHARD: version}
    assert changes.take(("kids", "numberline")) == {}


async def test_stream_that_ends_goes_on_without_a_gap(
    objects: HttpObjects, changes: ShardChanges, watching: None
) -> None:
    """The API server ends it every few minutes: that is no interruption."""
    await until(lambda: objects.watches == 1)
    first = put(objects)
    assert await heard(changes) == {SHARD: first}
    epoch = changes.epoch("media")
    objects.cut_streams()
    version = put(objects, "trawler-ledger-numberline-1")
    assert await heard(changes) == {"trawler-ledger-numberline-1": version}
    assert changes.epoch("media") == epoch


async def test_history_that_was_forgotten_is_an_interruption(
    objects: HttpObjects, changes: ShardChanges, watching: None
) -> None:
    """Whoever relies on the watch has to look at everything once more."""
    await until(lambda: objects.watches == 1)
    epoch = changes.epoch("media")
    objects.oldest = objects.cluster.version + 100
    objects.cut_streams()
    await until(lambda: changes.epoch("media") != epoch)
    objects.oldest = 0
    await until(lambda: changes.epoch("media") is not None)
    version = put(objects)
    assert (await heard(changes))[SHARD] == version


async def test_api_server_that_is_away(changes: ShardChanges) -> None:
    """Nothing is trusted meanwhile, and it is asked ever less often."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 10:
            raise EnoughError

    async def at_once(_: float) -> None: ...

    made = KubernetesClient(client.Configuration(host="http://127.0.0.1:9"), at_once)
    try:
        with pytest.raises(ExceptionGroup):
            await ShardWatch(made, (), changes, sleep).run()
    finally:
        await made.close()
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert changes.epoch("media") is None


async def test_whole_cluster(objects: HttpObjects, changes: ShardChanges, requests: KubernetesClient) -> None:
    """One watch for all namespaces."""
    task = asyncio.create_task(ShardWatch(requests, (), changes, no_pause).run())
    try:
        await until(lambda: objects.watches == 1)
        version = put(objects)
        assert await heard(changes) == {SHARD: version}
        assert changes.epoch("anywhere") == changes.epoch(EVERYWHERE) is not None
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
