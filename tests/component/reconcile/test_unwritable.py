"""A ledger that the API server does not take: quotas, policies, a full storage. Said where it can be, and got over."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta

import pytest

from component.cluster import KEY
from component.world import Operator, World
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api.labels import CHECK_ANNOTATION
from trawler_operator.reconcile.ports import ApiError, RejectedError, StorageFullError, UnavailableError
from trawler_operator.reconcile.reconciler import PassFailedError

QUOTA = RejectedError("forbidden: exceeded quota: small, requested: count/configmaps=1")
WEBHOOK = RejectedError("admission webhook denied the request: no ConfigMaps today")
UNREACHABLE = UnavailableError("500: failed calling webhook: no endpoints available")
FULL = StorageFullError("500: etcdserver: mvcc: database space exceeded")


def refuse(operator: Operator, error: ApiError, *begins: str) -> None:
    """Calls that begin with one of these end in an error."""
    operator.api.fail = lambda what: error if what.startswith(begins) else None


def relent(operator: Operator) -> None:
    operator.api.fail = lambda _: None


def ask_for_a_check(world: World, value: str) -> None:
    world.cluster.merge("Subscription", *KEY, {"metadata": {"annotations": {CHECK_ANNOTATION: value}}})


def ended_jobs(world: World) -> int:
    return len(world.cluster.list("Job")) - len(world.cluster.running_jobs())


@pytest.mark.parametrize("error", [QUOTA, WEBHOOK, UNREACHABLE, FULL], ids=["quota", "policy", "webhook away", "full"])
async def test_findings_that_cannot_be_written(world: World, error: ApiError) -> None:
    """Said with what to mend; the site is not asked again and again; the next check finds the same videos."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    refuse(operator, error, "patch ConfigMap/trawler-ledger")
    for _ in range(5):
        await operator.reconcile()
        world.clock.advance(timedelta(seconds=5))
    assert world.cluster.condition("Ready") == ("False", "LedgerNotWritable")
    assert [str(error) in event.message for event in operator.silent.events] == [True]
    assert (len(world.site.requests), world.cluster.created) == (1, [])
    relent(operator)
    ask_for_a_check(world, "again")
    await world.settle(operator)
    await operator.reconcile()
    assert len(world.cluster.created) == 2
    assert world.cluster.condition("Ready") == ("True", "Watching")


async def test_claim_that_cannot_be_written(world: World) -> None:
    """No Job without its claim, and no listing in its place. The next claim waits for the Subscription's own gate."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    patches = itertools.count()  # the first one writes what was found
    ledger = "patch ConfigMap/trawler-ledger"
    operator.api.fail = lambda what: WEBHOOK if what.startswith(ledger) and next(patches) else None
    with pytest.raises(PassFailedError, match="webhook"):
        await operator.reconcile()
    for _ in range(2):
        assert world.cluster.condition("Ready") == ("False", "LedgerNotWritable")
        assert world.cluster.list("Job") == []
        await operator.reconcile()  # its own gate is closed: nothing is claimed before its pause is over
    relent(operator)
    await world.settle(operator)
    assert len(world.cluster.created) == 1


@pytest.mark.parametrize("error", [QUOTA, UNREACHABLE])
async def test_endings_that_cannot_be_written(world: World, error: ApiError) -> None:
    """The Jobs stay until they are; nothing is launched meanwhile, and no video is downloaded again."""
    world.cluster.subscribe({"select": {"newest": 3}, "job": {"parallelism": 2}})
    operator = world.operator()
    await operator.reconcile()
    world.finish_jobs()
    refuse(operator, error, "patch ConfigMap/trawler-ledger")
    for _ in range(3):
        with pytest.raises(PassFailedError):
            await operator.reconcile()
        world.clock.advance(timedelta(minutes=5))
    assert world.cluster.condition("Ready") == ("False", "LedgerNotWritable")
    assert (ended_jobs(world), len(world.cluster.running_jobs())) == (2, 0)
    relent(operator)
    await world.settle(operator)
    assert sorted(world.launches) == [("youtube.v5", 1), ("youtube.v6", 1), ("youtube.v7", 1)]


async def test_storage_that_is_full(world: World) -> None:
    """Nothing at all can be written, not even that: what has ended is kept, and all goes on when there is room."""
    world.cluster.subscribe({"select": {"newest": 3}, "job": {"parallelism": 2}})
    operator = world.operator()
    await operator.reconcile()
    world.finish_jobs()
    refuse(operator, FULL, "patch", "create")
    for _ in range(3):
        with pytest.raises(PassFailedError, match="database space exceeded"):
            await operator.reconcile()
    assert ended_jobs(world) == 2
    relent(operator)
    await world.settle(operator)
    done = {key for key, state in world.cluster.states().items() if state is LedgerState.SUCCEEDED}
    assert len(done) == 3
    assert len(world.launches) == 3


@pytest.mark.parametrize("lost", [True, False], ids=["was taken, and its answer was lost", "was not taken"])
async def test_write_without_an_answer(world: World, lost: bool) -> None:
    """Whether it was taken or not is found out by reading: neither claimed twice nor forgotten."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    cluster = world.cluster
    merge = cluster.merge
    times = iter([False, True])  # the first write is what was found

    def cut_off(*given: object) -> Callable[..., object]:
        if given[0] == "ConfigMap" and "ledger" in str(given[2]) and next(times, False):
            if lost:
                merge(*given)  # type: ignore[arg-type]
            raise UnavailableError("timed out")
        return merge(*given)  # type: ignore[arg-type]

    cluster.merge = cut_off  # type: ignore[method-assign, assignment]
    with pytest.raises(PassFailedError):
        await operator.reconcile()
    await world.settle(operator)
    assert (len(cluster.created), world.launches) == (1, [("youtube.v7", 1)])
