"""Checks and closed gates: what a listing that is refused holds back, and when a listing is the probe."""

from __future__ import annotations

import pytest

from component.cluster import KEY, Killed
from component.gate_world import (
    ADDRESS,
    MINUTE,
    OTHER,
    VISITOR,
    ask_for_check,
    closed,
    closed_gate,
    edit_gates,
    gates,
    of_events,
    refuse_listings,
    run,
    tally,
    work,
)
from component.world import Operator, World
from trawler_downloader.contract.listing import ListingEnd, TrailerLine
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.reconcile.stores.gatekeeper import CLAIM_GRACE


async def test_a_rate_limited_listing_closes_the_gate(world: World) -> None:
    """For all; a check that is asked for waits as well, and is made when the site may be asked again."""
    refuse_listings(world)
    world.cluster.subscribe({"select": {"newest": 2}})
    world.cluster.subscribe({"select": {"newest": 2}}, name="other")
    operator = world.operator()
    await work(world, operator)
    assert (closed(world), len(world.site.requests)) == ({VISITOR}, 1)
    ask_for_check(world, "now", OTHER)
    world.clock.advance(10 * MINUTE)
    await work(world, operator)
    assert len(world.site.requests) == 1
    assert world.cluster.condition("Ready", OTHER) == ("False", "EgressGateClosed")
    assert "asked for by annotation waits" in world.cluster.message("Ready", OTHER)
    world.site.trailer = TrailerLine(end=ListingEnd.STOPPED, requests=1, engine="")
    await run(world, operator)
    assert world.cluster.subscription(OTHER)["status"]["lastHandled"]["check"]["id"] == "now"
    assert tally(world)[LedgerState.SUCCEEDED] == 4
    assert of_events(operator, "GateOpened") != []


async def test_listings_probe_one_at_a_time_where_no_video_can(world: World) -> None:
    """Ten Subscriptions that are due ask a site that blocks once per pause."""
    refuse_listings(world, "BotCheck")
    for number in range(10):
        world.cluster.subscribe({"select": {"newest": 1}}, name=f"s{number}")
    operator = world.operator()
    await run(world, operator, until=lambda: len(world.site.requests) >= 5, step=5 * MINUTE)
    assert closed(world) == {ADDRESS}
    closing = gates(world)[ADDRESS].closing
    assert closing is not None
    assert closing.step == 5
    assert len({request.url for request in world.site.requests}) == 1


async def test_a_listing_that_probes_and_whose_process_dies(world: World) -> None:
    """Its successor comes back for it after the grace, and asks the site in its place."""
    refuse_listings(world)
    world.cluster.subscribe({"select": {"newest": 1}})
    await work(world, world.operator())
    ask_for_check(world, "now")
    world.clock.advance(20 * MINUTE)

    def die() -> None:
        raise Killed("while the site is being listed")

    world.site.during = die
    with pytest.raises(Killed):
        await world.operator().reconcile()
    assert gates(world)[VISITOR].probe is not None
    world.site.during = lambda: None
    world.site.trailer = TrailerLine(end=ListingEnd.STOPPED, requests=1, engine="")
    operator = world.operator()
    asked = len(world.site.requests)
    assert await operator.reconcile() == CLAIM_GRACE
    assert len(world.site.requests) == asked
    world.clock.advance(CLAIM_GRACE)
    await operator.reconcile()
    assert len(world.site.requests) == asked + 1
    assert closed(world) == set()


async def held_by_a_visitor_without_cookies(world: World) -> Operator:
    """A Subscription that downloads with cookies and is listed without, and whose check is due."""
    world.cluster.subscribe(
        {
            "select": {"newest": 2},
            "schedule": {"intervalSeconds": 600},
            "access": {"cookiesSecretRef": {"name": "jar"}},
        }
    )
    operator = world.operator()
    await world.settle(operator)
    world.cluster.subscribe({"select": {"newest": 1}}, name=OTHER[1])
    refuse_listings(world)
    await operator.reconcile(OTHER)
    assert closed(world) == {VISITOR}
    return operator


async def test_a_gate_that_holds_listings_alone_is_shown(world: World) -> None:
    """Cookies that only downloads may use make another visitor of them."""
    operator = await held_by_a_visitor_without_cookies(world)
    assert KEY in operator.woken
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "EgressGateClosed")


async def test_who_wants_nothing_is_not_held_back_for_longer_than_the_pause(world: World) -> None:
    """Nothing else happens to it by then, and nobody may ever probe."""
    world.cluster.subscribe({"select": {"newest": 1}, "schedule": {"intervalSeconds": 86_400}})
    operator = world.operator()
    await world.settle(operator)
    world.cluster.subscribe({"select": {"newest": 1}}, name="other")
    refuse_listings(world)
    await operator.reconcile(OTHER)
    pause = await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "EgressGateClosed")
    closing = gates(world)[VISITOR].closing
    assert closing is not None
    left = closing.until - world.clock.now()
    assert pause == left
    world.clock.advance(left)
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("True", "Watching")


async def test_a_gate_that_holds_listings_alone_is_opened_by_hand(world: World) -> None:
    """The check that is asked for shows it, as the message says."""
    operator = await held_by_a_visitor_without_cookies(world)
    await operator.reconcile()
    asked = len(world.site.requests)
    edit_gates(world, lambda data: data.clear())
    ask_for_check(world, "now")
    await operator.reconcile()
    assert len(world.site.requests) == asked + 1


@pytest.mark.parametrize("by_hand", [False, True], ids=["by a probe", "by hand"])
async def test_a_gate_that_opens_lets_no_herd_through(world: World, by_hand: bool) -> None:
    """What fell due behind it is spread over minutes: a site that has just forgiven is not asked by all at once."""
    for number in range(10):
        world.cluster.subscribe({"select": {"newest": 1}, "schedule": {"intervalSeconds": 600}}, name=f"s{number}")
    operator = world.operator()
    await run(world, operator)
    answers = world.site.trailer
    refuse_listings(world)
    world.clock.advance(20 * MINUTE)
    await work(world, operator)
    assert closed(world) == {VISITOR}
    world.site.trailer = answers
    asked = len(world.site.requests)
    if by_hand:
        edit_gates(world, lambda data: data.clear())
    else:
        world.clock.advance(20 * MINUTE)
    await work(world, operator)
    assert len(world.site.requests) - asked == (0 if by_hand else 1)
    for _ in range(5):
        world.clock.advance(MINUTE)
        await work(world, operator)
        assert len(world.site.requests) - asked <= 10
    assert len(world.site.requests) - asked == 10


async def test_a_download_probes_before_a_listing_does(world: World) -> None:
    """It proves more: what a site refuses first are videos."""
    await closed_gate(world)
    world.cluster.subscribe({"select": {"newest": 1}}, name="other")
    operator = world.operator()
    await work(world, operator)
    listed = len(world.site.requests)
    world.clock.advance(20 * MINUTE)
    await work(world, operator)
    assert len(world.cluster.running_jobs()) == 1
    assert listed == len(world.site.requests)
    assert world.cluster.condition("Ready", OTHER) == ("False", "EgressGateClosed")


@pytest.mark.parametrize(
    "trailer",
    [
        pytest.param(TrailerLine(end=ListingEnd.COMPLETE, engine=""), id="a single video that is known"),
        pytest.param(
            TrailerLine(
                end=ListingEnd.ERROR,
                outcome=OutcomeClass.NEEDS_ACCESS,
                reason="CookiesMalformed",
                message="",
                engine="",
            ),
            id="cookies that cannot be read",
        ),
    ],
)
async def test_a_listing_that_asked_nobody_opens_nothing(world: World, trailer: TrailerLine) -> None:
    """It ends well, or tells of access, without one request to the site."""
    refuse_listings(world)
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await work(world, operator)
    assert closed(world) == {VISITOR}
    world.site.trailer = trailer
    world.site.videos.clear()
    world.clock.advance(20 * MINUTE)
    await work(world, operator)
    assert len(world.site.requests) == 2
    assert closed(world) == {VISITOR}
