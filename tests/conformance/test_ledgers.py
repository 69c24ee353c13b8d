"""Reading the ConfigMaps of a ledger, and the watch that tells of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from conformance.stage import Stage, config_map, shard
from trawler_operator.adapters.kubernetes.calls import SHARDS_PER_PAGE
from trawler_operator.adapters.kubernetes.shard_watch import ShardWatch
from trawler_operator.api import labels
from trawler_operator.reconcile.ports import Manifest
from trawler_operator.reconcile.stores.shard_changes import ShardChanges

SHARDS = 2 * SHARDS_PER_PAGE + 3
PATIENCE_SECONDS = 30.0


async def read(stage: Stage, subscription: str) -> dict[str, Manifest]:
    """A ledger, by the names of its ConfigMaps."""
    bodies = [body async for body in stage.api.read_shards(stage.namespace, subscription)]
    found = {body["metadata"]["name"]: body for body in bodies}
    assert len(found) == len(bodies)
    return found


async def test_no_ledger(stage: Stage) -> None:
    """Nothing is read."""
    assert await read(stage, "nobody") == {}


async def test_a_ledger_of_many_shards(stage: Stage) -> None:
    """Page by page, each once, with its data and with the version that a single read shows."""
    for number in range(SHARDS):
        made = shard(stage, f"numberline-{number}", "numberline", {f"youtube.{number}": "{}"})
        await stage.api.create_config_map(stage.namespace, made)
    await stage.patch("ConfigMap", "numberline-7", {"data": {"youtube.7": '{"state":"Pending"}'}})
    found = await read(stage, "numberline")
    assert found.keys() == {f"numberline-{number}" for number in range(SHARDS)}
    assert found["numberline-7"]["data"] == {"youtube.7": '{"state":"Pending"}'}
    single = await stage.api.get_config_map(stage.namespace, "numberline-7")
    assert single is not None
    assert found["numberline-7"]["metadata"]["resourceVersion"] == single["metadata"]["resourceVersion"]
    heads = await stage.api.list_shard_heads(stage.namespace, "numberline")
    versions = {name: body["metadata"]["resourceVersion"] for name, body in found.items()}
    assert {head["metadata"]["name"]: head["metadata"]["resourceVersion"] for head in heads} == versions


async def test_a_ledger_without_strangers(stage: Stage) -> None:
    """Neither another Subscription's, nor what only bears its label; a shard without data is read as one."""
    await stage.api.create_config_map(stage.namespace, shard(stage, "mine", "numberline"))
    await stage.api.create_config_map(stage.namespace, shard(stage, "other", "fugues", {"a": "1"}))
    stranger = config_map(stage, "stranger", {"a": "1"}, labels={labels.SUBSCRIPTION_LABEL: "numberline"})
    await stage.api.create_config_map(stage.namespace, stranger)
    found = await read(stage, "numberline")
    assert found.keys() == {"mine"}
    assert not found["mine"].get("data")


@pytest.fixture
async def changes(stage: Stage) -> AsyncIterator[ShardChanges]:
    """What a watch of the namespace tells, from now on."""
    told = ShardChanges()
    task = asyncio.create_task(ShardWatch(stage.requests, (stage.namespace,), told).run())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while told.epoch(stage.namespace) is None:  # noqa: ASYNC110 - the server is another program, or thread
                await asyncio.sleep(0.01)
        yield told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def heard(stage: Stage, changes: ShardChanges, subscription: str = "numberline") -> dict[str, str]:
    """Name → version of what is told next."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (found := changes.take((stage.namespace, subscription))):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    return found


async def test_the_watch_tells_every_change_with_its_version(stage: Stage, changes: ShardChanges) -> None:
    """That of the object as a read shows it then: by it our own writes are told from others'."""
    made = await stage.api.create_config_map(stage.namespace, shard(stage, "mine", "numberline", {"a": "1"}))
    assert await heard(stage, changes) == {"mine": made["metadata"]["resourceVersion"]}
    changed = await stage.api.patch_config_map(stage.namespace, "mine", {"data": {"a": "2"}})
    assert await heard(stage, changes) == {"mine": changed["metadata"]["resourceVersion"]}
    epoch = changes.epoch(stage.namespace)
    await stage.delete("ConfigMap", "mine")
    (version,) = (await heard(stage, changes)).values()
    assert version != changed["metadata"]["resourceVersion"]
    assert changes.epoch(stage.namespace) == epoch


async def test_the_watch_tells_of_ledgers_alone(stage: Stage, changes: ShardChanges) -> None:
    """Not of what bears no Subscription's name, nor another component's."""
    await stage.api.create_config_map(stage.namespace, config_map(stage, "stranger", {"a": "1"}))
    half = config_map(stage, "half", labels={labels.SUBSCRIPTION_LABEL: "numberline"})
    await stage.api.create_config_map(stage.namespace, half)
    await stage.api.create_config_map(stage.namespace, shard(stage, "other", "fugues"))
    await stage.api.create_config_map(stage.namespace, shard(stage, "mine", "numberline"))
    assert (await heard(stage, changes)).keys() == {"mine"}
    assert (await heard(stage, changes, "fugues")).keys() == {"other"}


async def test_the_watch_tells_of_a_shard_that_leaves_the_ledger(stage: Stage, changes: ShardChanges) -> None:
    """Somebody takes its label away: for the ledger it is gone."""
    await stage.api.create_config_map(stage.namespace, shard(stage, "mine", "numberline", {"a": "1"}))
    await heard(stage, changes)
    await stage.patch("ConfigMap", "mine", {"metadata": {"labels": {labels.COMPONENT_LABEL: None}}})
    assert (await heard(stage, changes)).keys() == {"mine"}
    assert await read(stage, "numberline") == {}
