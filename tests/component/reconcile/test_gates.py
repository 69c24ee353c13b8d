"""A site that asks to slow down, met by many Subscriptions: how little it is asked, and that nothing is lost by it."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from component.cluster import KEY, publish
from component.gate_world import (
    BOT_CHECK,
    LIMITED,
    MINUTE,
    OTHER,
    VISITOR,
    Block,
    TwoSites,
    ask_for_check,
    closed,
    closed_gate,
    edit_gates,
    gates,
    make,
    of_events,
    probe,
    run,
    tally,
    work,
)
from component.world import World, make_limits
from trawler_downloader.contract.download import DownloadRequest, DownloadResult
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.reconcile.ports import RejectedError, UnavailableError

FIFTY = {"select": {"newest": 50}, "job": {"parallelism": 2}}


def fifty(block: Block) -> World:
    """A channel of fifty videos on a site that refuses."""
    world = World()
    world.cluster.claim()
    world.site.publish(*(f"v{number}" for number in range(50)))
    world.cluster.subscribe(FIFTY)
    world.downloader = block(world)
    return world


async def test_block_at_the_third_of_fifty(world: World) -> None:
    """Only what ran already is spent, no try is used, one probe at a time, and all fifty are downloaded in the end."""
    block = Block(from_launch=2)
    world = fifty(block)
    operator = world.operator()
    await run(world, operator, until=lambda: bool(closed(world)))
    assert len(block.refused) <= 2
    jobs = len(world.cluster.created)
    seen: list[int] = []
    await run(
        world,
        operator,
        until=lambda: len(block.refused) >= 4,
        watch=lambda: seen.append(len(world.cluster.running_jobs())),
    )
    assert max(seen) == 1
    assert len(world.cluster.created) - jobs <= 3
    block.lifted = True
    await run(world, operator)
    assert tally(world) == {LedgerState.SUCCEEDED: 50}
    assert all(entry.failures == 0 for entry in world.cluster.ledger().values())
    assert closed(world) == set()


async def test_pauses_grow_while_it_lasts(world: World) -> None:
    """A block of days meets a handful of probes, dead-letters nothing, and every video has its turn."""
    block = Block()
    world = fifty(block)
    begun = world.clock.now()
    await run(world, world.operator(), until=lambda: len(block.refused) >= 12, step=10 * MINUTE, rounds=1000)
    gaps = [
        (later - earlier) / MINUTE
        for (_, earlier), (_, later) in zip(block.refused[1:], block.refused[2:], strict=False)
    ]
    assert gaps[0] >= 15
    assert gaps == sorted(gaps) or max(gaps[-3:]) <= 6 * 60 * 1.2 + 20
    assert world.clock.now() - begun > timedelta(days=1)
    assert len({video for video, _ in block.refused}) >= 11
    assert tally(world)[LedgerState.PENDING] + tally(world)[LedgerState.RUNNING] == 50
    assert all(entry.failures == 0 for entry in world.cluster.ledger().values())


async def test_everybody_is_told_and_nobody_asks(world: World) -> None:
    """Every Subscription that shares the site shows why and until when, and leaves it alone."""
    world.cluster.subscribe({"select": {"newest": 3}}, name="other")
    block = await closed_gate(world)
    operator = world.operator()
    await work(world, operator)
    asked, listed = len(block.refused), len(world.site.requests)
    closing = gates(world)[VISITOR].closing
    assert closing is not None
    for key in (KEY, OTHER):
        assert world.cluster.condition("Ready", key) == ("False", "EgressGateClosed")
        assert f"before {closing.until:%Y-%m-%dT%H:%M:%SZ}" in world.cluster.message("Ready", key)
    world.clock.advance(14 * MINUTE)
    await work(world, operator)
    assert (asked, listed, []) == (len(block.refused), len(world.site.requests), world.cluster.running_jobs())


async def test_one_event_when_it_closes_and_one_when_it_opens(world: World) -> None:
    """On the Subscription whose ending closed it; none per video that waits."""
    operator = world.operator()
    block = Block(result=BOT_CHECK)
    world.downloader = block(world)
    world.cluster.subscribe({"select": {"newest": 5}, "job": {"parallelism": 2}})
    await run(world, operator, until=lambda: len(block.refused) >= 5)
    block.lifted = True
    await run(world, operator)
    assert [len(of_events(operator, reason)) for reason in ("GateClosed", "GateOpened", "DownloadDeferred")] == [
        1,
        1,
        0,
    ]
    assert "youtube.com is left alone" in of_events(operator, "GateClosed")[0]


async def test_who_cannot_be_told_of_a_gate_stops_nobody(world: World) -> None:
    """Whose ending closed it is out of reach by now: that it opened is posted about the one that opened it."""
    await closed_gate(world)
    world.cluster.subscribe({"select": {"newest": 1}}, name="other")
    name = gates(world)[VISITOR].id.name
    edit_gates(world, lambda data: data.update({name: data[name].replace("media/numberline", "elsewhere/gone")}))
    operator = world.operator()
    world.downloader = publish
    read = operator.api.get_subscription

    async def refuse(key: tuple[str, str]) -> Any:
        if key == ("elsewhere", "gone"):
            raise RejectedError("403: subscriptions is forbidden in namespace elsewhere")
        return await read(key)

    operator.api.get_subscription = refuse  # type: ignore[method-assign]
    await probe(world, operator)
    world.finish_jobs()
    for key in (KEY, OTHER):
        await operator.reconcile(key)
    assert closed(world) == set()
    assert len(of_events(operator, "GateOpened")) == 1


async def test_a_move_wakes_those_that_wait_for_nothing(world: World) -> None:
    """A Subscription that is up to date would look again in an hour: it shows the gate at once, and its opening."""
    world.cluster.subscribe({"select": {"newest": 1}}, name="other")
    operator = world.operator()
    await run(world, operator)
    block = Block()
    world.downloader = block(world)
    world.cluster.subscribe({"select": {"newest": 1}})
    await make(operator, KEY)
    for lifted, reason in ((False, "EgressGateClosed"), (True, "Watching")):
        block.lifted = lifted
        await make(operator, KEY)
        world.finish_jobs()
        operator.woken.clear()
        await make(operator, KEY)
        assert operator.woken[OTHER] == 0
        await make(operator, OTHER)
        assert world.cluster.condition("Ready", OTHER)[1] == reason
        world.clock.advance(20 * MINUTE)


async def test_waiting_writes_nothing(world: World) -> None:
    """The times that are shown are the gate's own: a pass while it is closed changes no status."""
    await closed_gate(world)
    operator = world.operator()
    await work(world, operator)
    world.cluster.writes.clear()
    for _ in range(5):
        world.clock.advance(MINUTE)
        await work(world, operator)
    assert world.cluster.writes == []


async def test_another_site_goes_on(world: World) -> None:
    """Nothing of it is held or slowed down."""
    world.site = TwoSites(world.site.videos)
    world.cluster.subscribe({"select": {"newest": 4}})
    world.cluster.subscribe({"url": "https://example.com/c", "select": {"newest": 4}}, name="other")

    def refuse_youtube(request: DownloadRequest) -> DownloadResult | int:
        return LIMITED if "youtube" in request.video.url else publish(request)

    world.downloader = refuse_youtube
    operator = world.operator(limits=make_limits(1, 1))
    begun = world.clock.now()
    await run(
        world, operator, until=lambda: Counter(world.cluster.states("other").values())[LedgerState.SUCCEEDED] == 4
    )
    assert world.clock.now() - begun < 14 * MINUTE
    assert closed(world) == {VISITOR}
    assert world.cluster.condition("Ready", OTHER) == ("True", "Watching")
    assert world.cluster.condition("Ready") == ("False", "EgressGateClosed")


@pytest.mark.parametrize(
    ("result", "goes_on"),
    [
        pytest.param(LIMITED, True, id="the jar is limited"),
        pytest.param(BOT_CHECK, False, id="the address is distrusted"),
    ],
)
async def test_other_cookies_on_the_same_site(world: World, result: DownloadResult, goes_on: bool) -> None:
    """A limit is the jar's own; a bot check closes every jar of that site and proxy."""
    await closed_gate(world, result)
    world.downloader = publish
    world.cluster.subscribe(
        {"select": {"newest": 1}, "access": {"cookiesSecretRef": {"name": "jar"}, "cookies": "Always"}}, name="other"
    )
    jar = {"metadata": {"namespace": "media", "name": "jar"}, "data": {"cookies.txt": b64encode(b"cookies").decode()}}
    world.cluster.put("Secret", jar)
    await work(world, world.operator(read_secrets=True))
    held = world.cluster.condition("Ready", OTHER)[1] == "EgressGateClosed"
    assert held is not goes_on


# --- by hand ---


async def test_opened_by_hand(world: World) -> None:
    """The key is removed, a check is asked for: all go on."""
    world.cluster.subscribe({"select": {"newest": 3}}, name="other")
    await closed_gate(world)
    operator = world.operator()
    await work(world, operator)
    world.downloader = publish
    edit_gates(world, lambda data: data.pop(gates(world)[VISITOR].id.name))
    ask_for_check(world, "now")
    await make(operator)
    assert operator.woken[OTHER] == 0
    await run(world, operator, rounds=12)
    assert tally(world)[LedgerState.SUCCEEDED] == 6


async def test_the_gate_of_another_site_is_opened_by_hand(world: World) -> None:
    """One that the Subscription is behind by the videos that it lists, and not by its own url."""
    for name in world.site.videos:
        world.site.facts[name] = {"url": f"https://example.com/{name}"}
    await closed_gate(world)
    operator = world.operator()
    await operator.reconcile()
    assert (world.cluster.running_jobs(), closed(world)) == ([], {"Cookies example.com"})
    edit_gates(world, lambda data: data.clear())
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 1


async def test_a_value_that_a_hand_broke(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """It counts as open, is named in the log once, and is written anew by the next trouble."""
    await closed_gate(world)
    name = gates(world)[VISITOR].id.name
    edit_gates(world, lambda data: data.update({name: "{"}))
    operator = world.operator()
    with caplog.at_level("WARNING"):
        await work(world, operator)
        await work(world, operator)
    assert [len(world.cluster.running_jobs()), sum(name in record.message for record in caplog.records)] == [1, 1]
    world.finish_jobs()
    await work(world, operator)
    assert closed(world) == {VISITOR}


async def test_gates_that_cannot_be_written_lose_nothing(world: World) -> None:
    """The API server fails just then: the ending is told again by the next pass, and no Job begins meanwhile."""
    world.downloader = lambda request: LIMITED
    world.cluster.subscribe({"select": {"newest": 3}})
    operator = world.operator()
    await work(world, operator)
    world.finish_jobs()
    operator.api.fail = lambda what: UnavailableError("away") if what == "patch ConfigMap/trawler-gates" else None
    await work(world, operator)
    assert (closed(world), len(world.cluster.created)) == (set(), 1)
    operator.api.fail = lambda what: None
    await work(world, operator)
    assert (closed(world), len(world.cluster.created)) == ({VISITOR}, 1)
