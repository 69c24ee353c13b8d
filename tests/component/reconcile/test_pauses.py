"""A Subscription's own pause: what ends it, besides its time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from component.cluster import KEY, publish
from component.gate_world import LIMITED, ended
from component.world import Operator, World, make_limits
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api.times import format_time

DENIED = ended(OutcomeClass.ENVIRONMENT, "PermissionDenied")


async def paused(world: World) -> Operator:
    """An operator whose first launch of two met trouble of the Subscription's own."""
    world.downloader = lambda request: DENIED
    world.cluster.subscribe({"select": {"newest": 2}, "schedule": {"intervalSeconds": 300}, "job": {"parallelism": 1}})
    operator = world.operator()
    await operator.reconcile()
    world.finish_jobs()
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "SubscriptionGateClosed")
    assert world.cluster.running_jobs() == []
    world.downloader = publish
    return operator


async def test_a_new_generation_of_the_spec_ends_it(world: World) -> None:
    """It may be another user, or another folder."""
    operator = await paused(world)
    world.cluster.merge("Subscription", *KEY, {"spec": {"job": {"runAsUser": 1000}}, "metadata": {"generation": 2}})
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 1


def annotate(world: World, **requests: str) -> None:
    annotations = {f"trawler.dev/{verb}": value for verb, value in requests.items()}
    world.cluster.merge("Subscription", *KEY, {"metadata": {"annotations": annotations}})


@pytest.mark.parametrize("wish", ["1", "now " * 100], ids=["a short value", "a value longer than what is remembered"])
async def test_a_probe_that_is_asked_for_goes_first_at_once(world: World, wish: str) -> None:
    """One, and once per value: what it meets then makes the pause longer."""
    operator = await paused(world)
    world.downloader = lambda request: DENIED
    for _ in range(8):
        world.clock.advance(timedelta(minutes=1))
        await operator.reconcile()
        world.finish_jobs()
    await operator.reconcile()
    step = world.cluster.subscription()["status"]["gate"]["step"]
    world.clock.advance(timedelta(seconds=61))
    await operator.reconcile()
    assert world.cluster.running_jobs() == []
    annotate(world, probe=wish)
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 1
    assert world.cluster.subscription()["status"]["lastHandled"]["probe"]["id"][:50] == wish[:50]
    world.finish_jobs()
    await operator.reconcile()
    world.clock.advance(timedelta(seconds=61))
    await operator.reconcile()
    assert world.cluster.running_jobs() == []
    assert world.cluster.subscription()["status"]["gate"]["step"] == step + 1


async def test_a_probe_passes_shared_gates_too(world: World) -> None:
    """Whatever holds the Subscription; the gate itself stays closed until the probe has proved it well."""
    world.downloader = lambda request: LIMITED
    world.cluster.subscribe({"select": {"newest": 2}, "job": {"parallelism": 1}})
    operator = world.operator()
    await operator.reconcile()
    world.finish_jobs()
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "EgressGateClosed")
    world.clock.advance(timedelta(minutes=2))
    annotate(world, probe="now")
    world.downloader = publish
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 1
    assert world.cluster.condition("Ready") == ("False", "EgressGateClosed")
    await world.settle(operator)
    assert world.cluster.subscription()["status"]["counts"]["downloaded"] == 2


async def test_a_pause_by_hand_holds_downloads_and_lets_checks_go_on(world: World) -> None:
    """Until the annotation says otherwise; what runs runs on."""
    world.cluster.subscribe({"select": {"newest": 2}, "schedule": {"intervalSeconds": 300}})
    annotate(world, pause="forever")
    operator = world.operator()
    for _ in range(3):
        await operator.reconcile()
        world.clock.advance(timedelta(minutes=6))
    assert world.cluster.condition("Ready") == ("False", "PausedByHand")
    assert world.cluster.created == []
    assert len(world.site.requests) == 3
    annotate(world, pause="none")
    await world.settle(operator)
    assert world.cluster.condition("Ready") == ("True", "Watching")
    assert world.cluster.subscription()["status"]["counts"]["downloaded"] == 2


async def test_a_pause_by_hand_ends_by_its_time(world: World) -> None:
    """Nobody need take it back."""
    world.cluster.subscribe({"select": {"newest": 1}})
    annotate(world, pause=format_time(world.clock.now() + timedelta(minutes=30)))
    operator = world.operator()
    await operator.reconcile()
    assert world.cluster.created == []
    assert operator.woken[KEY] == 30 * 60
    world.clock.advance(timedelta(minutes=30))
    await operator.reconcile()
    assert len(world.cluster.created) == 1


@pytest.mark.parametrize(
    "value", ["tomorrow", "\U000e0001" * 1000], ids=["a word", "characters that take ten each to be shown"]
)
async def test_a_pause_that_cannot_be_understood_is_refused_once(world: World, value: str) -> None:
    """With the annotation's name; nothing is held back."""
    world.cluster.subscribe({"select": {"newest": 1}})
    annotate(world, pause=value)
    operator = world.operator()
    await operator.reconcile()
    await operator.reconcile()
    assert len(world.cluster.created) == 1
    refusals = [event for event in operator.silent.events if event.reason == "RequestRefused"]
    assert len(refusals) == 1
    assert f"trawler.dev/pause is {value[:8]!r}"[:-1] in refusals[0].message
    assert "trawler.dev/pause" in world.cluster.subscription()["status"]["lastHandled"]["pause"]["message"]


async def test_a_new_generation_ends_it_though_the_pass_before_failed(world: World) -> None:
    """The spec changed while the source was listed, so the status does not say what that pass knew."""
    operator = await paused(world)
    world.downloader = lambda request: DENIED
    for _ in range(27):  # until the pause is long enough to have a check within it
        await operator.reconcile()
        world.finish_jobs()
        world.clock.advance(timedelta(minutes=1))
    await operator.reconcile()
    world.finish_jobs()
    await operator.reconcile()

    def mend() -> None:
        world.site.during = lambda: None
        world.site.publish("fresh")
        world.cluster.merge("Subscription", *KEY, {"spec": {"job": {"runAsUser": 1000}}})

    world.site.during = mend
    while world.cluster.subscription()["metadata"]["generation"] == 1:
        assert world.cluster.running_jobs() == []
        world.clock.advance(timedelta(minutes=1))
        await operator.reconcile()
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 1


async def test_a_clock_that_ran_ahead_holds_nothing_back_once_it_is_set_right(world: World) -> None:
    """Neither the Subscription nor the video that met the trouble."""
    world.clock.advance(timedelta(days=365))
    operator = await paused(world)
    world.clock.advance(-timedelta(days=365))
    await world.settle(operator)
    assert world.cluster.subscription()["status"]["counts"]["downloaded"] == 2


async def test_a_clock_that_is_behind_for_a_while_ends_no_wait(world: World) -> None:
    """An operator that starts with it takes what waits for long for due, but writes that down nowhere."""
    world.downloader = lambda request: ended(OutcomeClass.NEEDS_ACCESS, "MembersOnly")
    world.cluster.subscribe({"select": {"newest": 6}, "schedule": {"intervalSeconds": 864_000}})
    operator = world.operator()
    for _ in range(40):
        await operator.reconcile()
        world.finish_jobs()
        world.clock.advance(timedelta(days=1))
    await operator.reconcile()
    waits = {key: entry.retry_at for key, entry in world.cluster.ledger().items()}
    assert set(world.cluster.states().values()) == {LedgerState.WAITING, LedgerState.SKIPPED}
    world.clock.advance(-timedelta(days=17))
    await world.operator(limits=make_limits(total=1)).reconcile()
    states = world.cluster.states()
    left = [key for key, state in states.items() if state is LedgerState.WAITING]
    assert len(left) == 5
    assert {key: world.cluster.ledger()[key].retry_at for key in left} == {key: waits[key] for key in left}


async def test_room_on_the_volume_ends_it_whatever_the_site_answers(world: World) -> None:
    """Nothing but launches that passed the floor: no word of a pause is left, though none of them was published."""
    floor = ended(OutcomeClass.ENVIRONMENT, "BelowMinFree", volume_id="v-1")
    world.downloader = lambda request: (
        floor if len(world.launches) == 1 else ended(OutcomeClass.TRANSIENT, "ServerError", volume_id="v-1")
    )
    world.cluster.subscribe({"select": {"newest": 8}})
    operator = world.operator()
    for _ in range(10):
        await operator.reconcile()
        world.finish_jobs()
        world.clock.advance(timedelta(minutes=1))
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("True", "Watching")
