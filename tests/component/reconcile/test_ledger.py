"""How a pass learns what became of its ledger: by the watch, by looking at everything, by a conflict."""

from __future__ import annotations

from datetime import timedelta

import pytest

from builders import ledger_entry
from component.cluster import KEY
from component.world import Operator, World, make_limits
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api import labels
from trawler_operator.domain.ledger.codec import encode_entry
from trawler_operator.domain.ledger.recent import KEPT
from trawler_operator.domain.ledger.shards import SHARD_CAPACITY
from trawler_operator.reconcile.reconciler import PassFailedError
from trawler_operator.reconcile.stores.ledger_store import READ_ONE_BY_ONE
from trawler_operator.reconcile.stores.shard_changes import EVERYWHERE

SHARD = "trawler-ledger-numberline-0"
LEDGER = {**labels.ledger_labels("numberline")}


async def at_rest(world: World) -> Operator:
    """An operator that has downloaded the newest two."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await world.settle(operator)
    await operator.reconcile()
    world.cluster.reads.clear()
    return operator


def shard(number: int, first: int, count: int, state: LedgerState = LedgerState.SUCCEEDED) -> dict[str, object]:
    """A full or nearly full shard."""
    entries = {f"youtube.s{seq}": encode_entry(ledger_entry(state, seq=seq)) for seq in range(first, first + count)}
    metadata = {"namespace": "media", "name": f"trawler-ledger-numberline-{number}", "labels": LEDGER}
    return {"metadata": {**metadata, "annotations": {}}, "data": entries}


async def test_edited_shard_is_read_and_no_other(world: World) -> None:
    """The watch tells which one it is."""
    operator = await at_rest(world)
    text = world.cluster.shards()[0]["data"]["youtube.v7"].replace('"Succeeded"', '"Pending"')
    world.cluster.merge("ConfigMap", "media", SHARD, {"data": {"youtube.v7": text}})
    await operator.reconcile()
    assert "list shards" not in world.cluster.reads
    assert world.cluster.reads.count(f"get ConfigMap/{SHARD}") == 1
    assert LedgerState.RUNNING is world.cluster.states()["youtube.v7"]


async def test_own_writes_are_not_read_again(world: World) -> None:
    """What the watch tells of them is what memory has."""
    operator = await at_rest(world)
    world.site.publish("w1")
    world.clock.advance(timedelta(hours=2))
    await world.settle(operator)
    assert LedgerState.SUCCEEDED is world.cluster.states()["youtube.w1"]
    assert not any(read == "list shards" or read.startswith("get ConfigMap") for read in world.cluster.reads)


@pytest.mark.parametrize("how", ["deleted", "unlabelled"])
async def test_shard_that_went_is_forgotten(world: World, how: str) -> None:
    """Nothing is known from then on: the volume is asked for what there was."""
    operator = await at_rest(world)
    world.cluster.inventory = None
    if how == "deleted":
        world.cluster.delete("ConfigMap", "media", SHARD)
    else:
        operator.watch_lags = True  # told by the selector: the API server sends DELETED
        metadata = world.cluster.merge(
            "ConfigMap", "media", SHARD, {"metadata": {"labels": {labels.MANAGED_BY_LABEL: None}}}
        )
        operator.shard_changes.changed(KEY, SHARD, metadata["metadata"]["resourceVersion"])
    await operator.reconcile()
    assert world.cluster.subscription()["status"]["ledger"]["shards"] == 0
    assert world.cluster.condition("Ready") == ("False", "RebuildingHistory")


async def test_what_bears_the_labels_and_is_no_shard_is_left_alone(world: World) -> None:
    """A copy that somebody made."""
    operator = await at_rest(world)
    metadata = {"namespace": "media", "name": "trawler-ledger-numberline-0-backup", "labels": LEDGER}
    world.cluster.put("ConfigMap", {"metadata": metadata, "data": {}})
    await operator.reconcile()
    assert world.cluster.reads == ["get Subscription"]


@pytest.mark.parametrize("again", [False, True], ids=["and is away", "and began again"])
async def test_watch_that_was_interrupted(world: World, again: bool) -> None:
    """What it may have missed is looked for: in every pass while it is away, once when it is back."""
    operator = await at_rest(world)
    world.cluster.inventory = None
    operator.watch_lags = True
    operator.shard_changes.interrupted(EVERYWHERE)
    world.cluster.delete("ConfigMap", "media", SHARD)
    if again:
        operator.shard_changes.began(EVERYWHERE)
    await operator.reconcile()
    await operator.reconcile()
    assert world.cluster.subscription()["status"]["ledger"]["shards"] == 0
    assert world.cluster.reads.count("list shards") == (1 if again else 2)


async def test_conflict_is_met_although_the_watch_lags(world: World) -> None:
    """A write that meets another hand's change reads the ledger again, whatever the watch has told."""
    operator = await at_rest(world)
    operator.watch_lags = True
    world.cluster.merge("ConfigMap", "media", SHARD, {"metadata": {"annotations": {"note": "mine"}}})
    world.site.publish("w1")
    world.clock.advance(timedelta(hours=2))
    await world.settle(operator)
    assert world.cluster.shards()[0]["metadata"]["annotations"]["note"] == "mine"
    assert LedgerState.SUCCEEDED is world.cluster.states()["youtube.w1"]


async def test_conflict_shows_that_a_turn_was_taken_meanwhile(world: World) -> None:
    """Of two sites' videos one is claimed at the second try, after which the other is not there any more."""
    world.site.facts["v7"] = {"url": "https://vimeo.com/7"}
    world.cluster.subscribe({"select": {"newest": 2}, "job": {"parallelism": 2}})
    operator = world.operator(limits=make_limits(0))
    await operator.reconcile()
    operator = world.operator()
    text = world.cluster.shards()[0]["data"]["youtube.v7"].replace('"Pending"', '"Skipped"')

    def skip(what: str) -> None:
        if what == f"patch ConfigMap/{SHARD}":
            operator.api.fail = lambda _: None
            world.cluster.merge("ConfigMap", "media", SHARD, {"data": {"youtube.v7": text}})

    operator.api.fail = skip
    await operator.reconcile()
    await operator.reconcile()
    running = {key for key, state in world.cluster.states().items() if state is LedgerState.RUNNING}
    assert running == {"youtube.v6"}
    assert operator.admission.running == 1


async def test_policy_that_changed_is_brought_to_every_shard(world: World) -> None:
    """No shard changed: the Subscription did."""
    operator = await at_rest(world)
    world.cluster.merge("Subscription", *KEY, {"spec": {"ledgerPolicy": "Delete"}, "metadata": {"generation": 2}})
    await operator.reconcile()
    assert world.cluster.shards()[0]["metadata"]["ownerReferences"][0]["name"] == "numberline"


async def test_long_ledger_is_read_in_pages(world: World) -> None:
    """After a start: not one request per shard, and not all of it at a time."""
    count = READ_ONE_BY_ONE + 1
    for number in range(count):
        world.cluster.put("ConfigMap", shard(number, number * SHARD_CAPACITY, SHARD_CAPACITY))
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await operator.reconcile()
    assert world.cluster.reads.count("read shards") == 1
    assert not any(read.startswith("get ConfigMap/trawler-ledger") for read in world.cluster.reads)
    assert world.cluster.subscription()["status"]["counts"]["downloaded"] == count * SHARD_CAPACITY


async def test_half_read_ledger_goes_on_where_it_ended(world: World) -> None:
    """An API server that goes away stops the reading; what was read stays read."""
    for number in range(3):
        world.cluster.put("ConfigMap", shard(number, number * 2, 2))
    world.cluster.subscribe({"select": {"newest": 2}, "suspend": True})
    operator = world.operator()
    operator.api.fail = lambda what: None if "-2" not in what else ConnectionError("cut off")
    with pytest.raises(PassFailedError):
        await operator.reconcile()
    operator.api.fail = lambda what: None
    await operator.reconcile()
    assert [world.cluster.reads.count(f"get ConfigMap/trawler-ledger-numberline-{n}") for n in range(3)] == [1, 1, 1]
    assert world.cluster.subscription()["status"]["counts"]["downloaded"] == 6


async def test_dead_letters_that_were_all_asked_for_again(world: World) -> None:
    """The status goes on to show the newest ones, although they were not kept in memory."""
    world.cluster.put("ConfigMap", shard(0, 0, KEPT + 50, LedgerState.DEAD_LETTER))
    world.cluster.subscribe({"select": {"newest": 1}, "suspend": True})
    operator = world.operator()
    await operator.reconcile()
    newest = [f"youtube.s{seq}" for seq in range(50, KEPT + 50)]
    data = world.cluster.shards()[0]["data"]
    skipped = {key: data[key].replace("DeadLetter", "Skipped") for key in newest}
    world.cluster.merge("ConfigMap", "media", SHARD, {"data": skipped})
    await operator.reconcile()
    shown = [failure["key"] for failure in world.cluster.subscription()["status"]["recentFailures"]]
    assert shown == [f"youtube.s{seq}" for seq in range(49, 39, -1)]
