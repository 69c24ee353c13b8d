"""Gates that cannot be read or kept: nobody may pass what nobody can close, and whoever looks is told so."""

from __future__ import annotations

import pytest

from component.cluster import KEY, publish
from component.gate_world import (
    LIMITED,
    MINUTE,
    OTHER,
    VISITOR,
    ask_for_check,
    closed,
    closed_gate,
    make,
    refuse_listings,
    run,
    tally,
    work,
)
from component.world import Operator, World
from trawler_downloader.contract.listing import ListingEnd, TrailerLine
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.reconcile.ports import (
    ApiError,
    NotLeadingError,
    RejectedError,
    StorageFullError,
    UnavailableError,
)
from trawler_operator.reconcile.reconciler import PassFailedError

FORBIDDEN = RejectedError("configmaps is forbidden: User trawler cannot do that in namespace trawler-system")
QUOTA = RejectedError("forbidden: exceeded quota: small, requested: count/configmaps=1")
WEBHOOK = UnavailableError("500: failed calling webhook: no endpoints available")
FULL = StorageFullError("500: etcdserver: mvcc: database space exceeded")
ODD = ApiError("HTTP 418: a proxy in between")
EACH = pytest.mark.parametrize(
    "error", [FORBIDDEN, QUOTA, WEBHOOK, FULL, ODD], ids=["forbidden", "quota", "webhook away", "full", "odd"]
)


def refuse(operator: Operator, error: ApiError, *verbs: str) -> None:
    """Requests with these verbs for the gates' ConfigMap end in an error."""
    refused = {f"{verb} ConfigMap/trawler-gates" for verb in verbs}
    operator.api.fail = lambda what: error if what in refused else None


def relent(operator: Operator) -> None:
    operator.api.fail = lambda _: None


@EACH
async def test_gates_that_cannot_be_read(world: World, error: ApiError) -> None:
    """Neither listed nor launched; said with the ConfigMap's name and the API server's words; it goes on by itself."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    refuse(operator, error, "get")
    for _ in range(3):
        with pytest.raises(PassFailedError):
            await operator.reconcile()
        world.clock.advance(5 * MINUTE)
    assert world.cluster.condition("Ready") == ("False", "GatesUnavailable")
    assert f"ConfigMap trawler-gates of namespace trawler-system: {error}" in world.cluster.message("Ready")
    assert (world.site.requests, world.cluster.created) == ([], [])
    relent(operator)
    await run(world, operator)
    assert tally(world)[LedgerState.SUCCEEDED] == 2
    assert world.cluster.condition("Ready") == ("True", "Watching")


@EACH
async def test_gates_that_cannot_be_written(world: World, error: ApiError) -> None:
    """What was found stays queued without a Job; the source is not listed again for nothing."""
    for name in (KEY[1], "other"):
        world.cluster.subscribe({"select": {"newest": 2}}, name=name)
    operator = world.operator()
    refuse(operator, error, "create", "patch")
    for _ in range(5):
        await work(world, operator)
        world.clock.advance(5 * MINUTE)
    for key in (KEY, OTHER):
        assert world.cluster.condition("Ready", key) == ("False", "GatesUnavailable")
    assert (len(world.site.requests), world.cluster.created) == (1, [])
    relent(operator)
    await run(world, operator)
    assert tally(world)[LedgerState.SUCCEEDED] == 4
    assert world.cluster.condition("Ready", OTHER) == ("True", "Watching")


async def test_endings_wait_for_gates_that_cannot_be_written(world: World) -> None:
    """The Jobs stay until what they say of the site is kept; nothing begins meanwhile, and no try is lost."""
    world.downloader = lambda request: LIMITED
    world.cluster.subscribe({"select": {"newest": 3}, "job": {"parallelism": 2}})
    operator = world.operator()
    await work(world, operator)
    world.finish_jobs()
    refuse(operator, FORBIDDEN, "patch")
    for _ in range(4):
        await work(world, operator)
        world.clock.advance(5 * MINUTE)
    assert world.cluster.condition("Ready") == ("False", "GatesUnavailable")
    assert (len(world.cluster.list("Job")), len(world.cluster.created)) == (2, 2)
    assert tally(world)[LedgerState.RUNNING] == 2
    relent(operator)
    await work(world, operator)
    assert closed(world) == {VISITOR}
    assert world.cluster.condition("Ready") == ("False", "EgressGateClosed")
    world.downloader = publish
    await run(world, operator)
    assert all(entry.failures == 0 for entry in world.cluster.ledger().values())


async def test_a_limit_that_cannot_be_kept_is_met_once(world: World) -> None:
    """A check that the site refuses is not made again, by nobody, before the gate could be closed."""
    for number in range(4):
        world.cluster.subscribe({"select": {"newest": 1}}, name=f"s{number}")
    refuse_listings(world)
    operator = world.operator()
    refuse(operator, WEBHOOK, "create", "patch")
    for number in range(6):
        ask_for_check(world, f"again-{number}", ("media", "s1"))
        await work(world, operator)
        world.clock.advance(5 * MINUTE)
    assert len(world.site.requests) == 1
    relent(operator)
    await work(world, operator)
    assert (len(world.site.requests), closed(world)) == (2, {VISITOR})
    world.site.trailer = TrailerLine(end=ListingEnd.STOPPED, requests=1, engine="")
    await run(world, operator)
    assert tally(world)[LedgerState.SUCCEEDED] == 4


async def test_a_closed_gate_that_cannot_be_looked_at_any_more(world: World) -> None:
    """It is not taken for open, though its pause be over."""
    await closed_gate(world)
    operator = world.operator()
    await work(world, operator)
    jobs = len(world.cluster.created)
    refuse(operator, FORBIDDEN, "get")
    world.clock.advance(60 * MINUTE)
    await work(world, operator)
    assert world.cluster.condition("Ready") == ("False", "GatesUnavailable")
    assert len(world.cluster.created) == jobs
    relent(operator)
    await work(world, operator)
    assert len(world.cluster.created) == jobs + 1


async def test_a_write_that_was_taken_and_not_answered(world: World) -> None:
    """The next pass finds out by reading, and launches once."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    create = operator.api.create_config_map
    lost = iter([True])

    async def cut_off(namespace: str, manifest: dict[str, object]) -> dict[str, object]:
        answer = await create(namespace, manifest)
        if manifest["metadata"]["name"] == "trawler-gates" and next(lost, False):  # type: ignore[index]
            raise UnavailableError("timed out")
        return answer

    operator.api.create_config_map = cut_off  # type: ignore[method-assign]
    with pytest.raises(PassFailedError):
        await operator.reconcile()
    await run(world, operator)
    assert world.launches == [("youtube.v7", 1)]


async def test_who_does_not_lead_blames_no_gates(world: World) -> None:
    """An operator that is not sure of its Lease asks nothing, and says nothing of the gates."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    refuse(operator, NotLeadingError("not asked"), "get", "create", "patch")
    with pytest.raises(NotLeadingError):
        await operator.reconcile()
    await make(operator)
    assert "status" not in world.cluster.subscription()
