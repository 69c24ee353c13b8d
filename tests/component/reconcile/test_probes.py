"""The one launch that may pass a closed gate: whatever becomes of it, another one follows, and never two at a time."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from component.cluster import KEY, Killed, publish, request_of
from component.gate_world import (
    LIMITED,
    MINUTE,
    OTHER,
    VISITOR,
    closed,
    closed_gate,
    ended,
    finish,
    gates,
    make,
    owner,
    probe,
    run,
    tally,
    work,
)
from component.job_controller import start_pod
from component.world import World, world_with_a_channel
from trawler_downloader.contract.listing import ListingEnd, TrailerLine
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.reconcile.stores.gatekeeper import CLAIM_GRACE

SKIPPED = LedgerState.SKIPPED


@pytest.mark.parametrize("ending", [143, 137], ids=["evicted", "killed"])
async def test_a_probe_that_says_nothing_hands_over_at_once(world: World, ending: int) -> None:
    """To another video, of another Subscription where one waits."""
    world.cluster.subscribe({"select": {"newest": 3}}, name="other")
    await closed_gate(world)
    operator = world.operator()
    await work(world, operator)
    world.clock.advance(20 * MINUTE)
    await work(world, operator)
    (first,) = world.cluster.running_jobs()
    finish(world, first, ending)
    await work(world, operator)
    (second,) = world.cluster.running_jobs()
    assert owner(first) != owner(second)
    finish(world, second, ending)
    await work(world, operator)
    (third,) = world.cluster.running_jobs()
    assert (owner(third), request_of(third).video.key) != (owner(first), request_of(first).video.key)
    closing = gates(world)[VISITOR].closing
    assert closing is not None
    assert closing.step == 1


async def test_a_site_that_is_unwell_is_probed_ever_more_slowly_and_eats_no_tries(world: World) -> None:
    """Half a day of nothing but "Video unavailable" and 503: a probe in a quarter of an hour, nothing is given up."""
    unavailable = ended(OutcomeClass.TRANSIENT, "VideoUnavailable", volume_id="v")
    block = await closed_gate(world)
    block.result = unavailable
    block.refused.clear()
    listed = world.site.trailer
    world.site.trailer = TrailerLine(
        end=ListingEnd.ERROR, outcome=OutcomeClass.TRANSIENT, reason="ServerError", message="503", requests=1, engine=""
    )
    operator = world.operator()
    with pytest.raises(AssertionError, match="did not come to rest"):
        await run(world, operator, rounds=720)
    begun = [at for _, at in block.refused]
    pauses = [(later - earlier) / MINUTE for earlier, later in pairwise(begun)]
    assert all(least <= pause <= 1.2 * least + 2 for least, pause in zip([1, 2, 4, 8, 15], pauses[:5], strict=True))
    assert 30 < len(begun) < 52
    assert tally(world) == {LedgerState.PENDING: 3, LedgerState.SKIPPED: tally(world)[LedgerState.SKIPPED]}
    assert all(entry.failures == 0 for entry in world.cluster.ledger().values())
    block.lifted, world.site.trailer = True, listed
    await run(world, operator)
    assert tally(world)[LedgerState.SUCCEEDED] == 3


async def test_videos_that_never_come_do_not_keep_listings_out(world: World) -> None:
    """Six Subscriptions with nothing else queued than what never comes: a check finds the site well."""
    for number in range(5):
        world.cluster.subscribe({"select": {"newest": 1}}, name=f"s{number}")
    block = await closed_gate(world)
    block.result = ended(OutcomeClass.TRANSIENT, "VideoUnavailable", volume_id="v")
    operator = world.operator()
    await run(world, operator, until=lambda: not closed(world), step=3 * MINUTE, rounds=200)


async def test_an_unclear_probe_that_is_told_twice_costs_no_try_either(world: World) -> None:
    """Killed between gate and ledger: the gate has the probe back already, and is as it was otherwise."""
    await closed_gate(world)
    operator = world.operator()
    await work(world, operator)
    await probe(world, operator)
    (job,) = world.cluster.running_jobs()
    finish(world, job, 44)
    victim = world.operator()
    victim.api.fail = lambda what: Killed(what) if what.startswith("patch ConfigMap/trawler-ledger") else None
    with pytest.raises(Killed):
        await victim.reconcile()
    assert gates(world)[VISITOR].probe is None
    await work(world, world.operator())
    closing = gates(world)[VISITOR].closing
    assert closing is not None
    assert closing.unclear == 1
    assert all(entry.failures == 0 for entry in world.cluster.ledger().values())


async def test_one_bad_video_does_not_keep_the_gate_closed(world: World) -> None:
    """It is refused for ever; the others have their turn and open it."""
    bad = "youtube.v5"
    await closed_gate(world)
    world.downloader = lambda request: LIMITED if request.video.key == bad else publish(request)
    operator = world.operator()
    succeeded: set[str] = set()

    def note() -> None:
        succeeded.update(k for k, state in world.cluster.states().items() if state is LedgerState.SUCCEEDED)

    await run(world, operator, until=lambda: len(succeeded) == 2, watch=note)
    assert bad not in succeeded


async def test_a_probe_that_is_deleted_is_given_back(world: World) -> None:
    """Its claim too; the next candidate probes within a pass or two."""
    await closed_gate(world)
    operator = world.operator()
    await work(world, operator)
    await probe(world, operator)
    (job,) = world.cluster.running_jobs()
    world.cluster.delete("Job", "media", job["metadata"]["name"])
    world.clock.advance(MINUTE)
    await work(world, operator)
    assert len(world.cluster.running_jobs()) == 1
    world.downloader = publish
    await run(world, operator)
    assert closed(world) == set()
    assert all(entry.failures == 0 for entry in world.cluster.ledger().values())


async def test_a_claim_whose_job_is_missing_does_not_ask_a_site_that_blocks(world: World) -> None:
    """Deleted, or never made by a process that died: once the gate is closed it waits like all others."""
    world.cluster.subscribe({"select": {"newest": 5}, "job": {"parallelism": 2}})
    operator = world.operator()
    await work(world, operator)
    refused, lost = world.cluster.running_jobs()
    world.clock.advance(MINUTE)
    world.cluster.delete("Job", "media", lost["metadata"]["name"])
    finish(world, refused, LIMITED)
    await work(world, operator)
    assert world.cluster.running_jobs() == []
    assert tally(world)[LedgerState.PENDING] == 5
    await run(world, operator)
    assert tally(world)[LedgerState.SUCCEEDED] == 5


@pytest.mark.parametrize("how", ["deleted", "suspended"])
async def test_the_probing_subscription_goes_away(world: World, how: str) -> None:
    """Another one probes, and all that is left is downloaded."""
    world.cluster.subscribe({"select": {"newest": 3}}, name="other")
    await closed_gate(world)
    operator = world.operator()
    await work(world, operator)
    await probe(world, operator)
    (job,) = world.cluster.running_jobs()
    gone, left = (KEY, OTHER) if owner(job) == KEY[1] else (OTHER, KEY)
    if how == "deleted":
        world.cluster.delete("Subscription", *gone)
    else:
        world.cluster.merge("Subscription", *gone, {"spec": {"suspend": True}, "metadata": {"generation": 2}})
        world.cluster.delete("Job", "media", job["metadata"]["name"])
    world.clock.advance(MINUTE)
    await make(operator, gone)
    world.cluster.collect_garbage()
    await work(world, operator)
    assert [owner(job) for job in world.cluster.running_jobs()] == [left[1]]
    world.downloader = publish
    await run(
        world, operator, until=lambda: set(world.cluster.states(left[1]).values()) <= {LedgerState.SUCCEEDED, SKIPPED}
    )
    assert closed(world) == set()


async def test_a_probe_that_takes_too_long_is_not_waited_for(world: World) -> None:
    """Another one goes beside it; whichever comes to an end first decides."""
    await closed_gate(world)
    world.cluster.merge("Subscription", *KEY, {"spec": {"job": {"parallelism": 2}}, "metadata": {"generation": 2}})
    operator = world.operator()
    await work(world, operator)
    await probe(world, operator)
    (slow,) = world.cluster.running_jobs()
    start_pod(world.cluster, slow)
    world.clock.advance(29 * MINUTE)
    await work(world, operator)
    assert len(world.cluster.running_jobs()) == 1
    world.clock.advance(2 * MINUTE)
    await work(world, operator)
    assert len(world.cluster.running_jobs()) == 2
    finish(world, slow, publish(request_of(slow)))
    await work(world, operator)
    assert closed(world) == set()


@pytest.mark.parametrize("after", [False, True], ids=["before-it-takes-effect", "after-it-took-effect"])
async def test_killed_at_any_call_while_probing(after: bool) -> None:
    """Whichever API call is the process's last: another one opens the gate, and nobody is lost or asked twice."""

    async def at_the_pause_s_end() -> World:
        world = world_with_a_channel()
        await closed_gate(world)
        world.downloader = publish
        world.clock.advance(20 * MINUTE)
        return world

    undisturbed = await at_the_pause_s_end()
    first = undisturbed.operator()
    await run(undisturbed, first)
    assert 20 < first.api.calls < 200
    for kill_at in range(first.api.calls):
        world = await at_the_pause_s_end()
        victim = world.operator(kill_at=kill_at, after=after)
        with pytest.raises(Killed):
            await run(world, victim, watch=lambda world=world: alone_while_closed(world))  # type: ignore[misc]
        await run(world, world.operator(), watch=lambda world=world: alone_while_closed(world))  # type: ignore[misc]
        assert tally(world)[LedgerState.SUCCEEDED] == 3, f"killed at call {kill_at}"
        assert closed(world) == set(), f"killed at call {kill_at}"
        assert all(entry.failures == 0 for entry in world.cluster.ledger().values()), f"killed at call {kill_at}"


async def test_a_probe_that_a_dead_process_claimed_is_soon_another_one_s(world: World) -> None:
    """It died between the gate's claim and the ledger's: its successor comes back for it after the grace, unasked."""
    await closed_gate(world)
    world.clock.advance(20 * MINUTE)
    victim = world.operator()
    victim.api.fail = lambda what: Killed(what) if what.startswith("patch ConfigMap/trawler-ledger") else None
    with pytest.raises(Killed):
        await victim.reconcile()
    assert gates(world)[VISITOR].probe is not None
    operator = world.operator()
    pause = await operator.reconcile()
    assert pause == CLAIM_GRACE
    world.clock.advance(pause)
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 1


def alone_while_closed(world: World) -> None:
    """What must hold at every step."""
    assert not closed(world) or len(world.cluster.running_jobs()) <= 1


async def test_two_operators_make_one_probe(world: World) -> None:
    """They overlap for a moment while the one takes over from the other."""
    for name in ("b", "c"):
        world.cluster.subscribe({"select": {"newest": 3}}, name=name)
    await closed_gate(world)
    operators = [world.operator(), world.operator()]
    for operator in operators:
        await work(world, operator)
    world.clock.advance(20 * MINUTE)
    everyone = [(operator, ("media", name)) for operator in operators for name in (KEY[1], "b", "c")]
    await asyncio.gather(*(make(operator, key) for operator, key in everyone))
    assert len(world.cluster.running_jobs()) == 1
