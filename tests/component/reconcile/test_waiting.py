"""Premieres, streams and members-only videos: waited for without a Job, and taken when they are ready."""

from __future__ import annotations

from datetime import timedelta

from component.cluster import KEY
from component.world import World
from trawler_downloader.contract.download import DownloadResult
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass

VIDEO = "youtube.v7"


async def test_premiere(world: World) -> None:
    """No Job before its time, one a minute after it; it counts as one of the newest, and as waiting."""
    starts = world.clock.now() + timedelta(hours=30)
    world.site.facts["v7"] = {"live_status": "is_upcoming", "release_at": int(starts.timestamp())}
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await world.settle(operator)
    entry = world.cluster.ledger()[VIDEO]
    assert (entry.state, entry.reason, entry.launches) == (LedgerState.WAITING, "Premiere", 0)
    assert world.cluster.condition("UpToDate") == ("True", "WaitingForVideos")
    assert world.cluster.subscription()["status"]["counts"]["waiting"] == 1
    world.clock.time = starts
    await operator.reconcile()
    assert [key for key, _ in world.launches] == ["youtube.v6"]
    world.clock.advance(timedelta(minutes=1))
    await world.settle(operator)
    assert world.cluster.states()[VIDEO] is LedgerState.SUCCEEDED
    assert world.launches.count((VIDEO, 1)) == 1


async def test_stream_that_ends(world: World) -> None:
    """The next check that shows it over queues it at once."""
    world.site.facts["v7"] = {"live_status": "is_live"}
    world.cluster.subscribe({"select": {"newest": 1}, "schedule": {"intervalSeconds": 600}})
    operator = world.operator()
    await operator.reconcile()
    assert world.cluster.created == []
    world.site.facts["v7"] = {"live_status": "was_live"}
    world.clock.advance(timedelta(minutes=12))
    await world.settle(operator)
    assert world.cluster.states()[VIDEO] is LedgerState.SUCCEEDED
    assert timedelta(minutes=15) > world.clock.now() - world.cluster.ledger()[VIDEO].added_at


async def test_listing_is_wrong(world: World) -> None:
    """Shown as over while the site still refuses it: the Job's word counts from then on, check by check."""
    world.downloader = lambda request: DownloadResult(outcome=OutcomeClass.NOT_YET, reason="Live")
    world.site.facts["v7"] = {"live_status": "is_live"}
    world.cluster.subscribe({"select": {"newest": 1}, "schedule": {"intervalSeconds": 600}})
    operator = world.operator()
    await operator.reconcile()
    world.site.facts.clear()
    for _ in range(4):
        world.clock.advance(timedelta(minutes=12))
        await world.settle(operator)
    assert world.launches == [(VIDEO, 1)]


async def test_members_only(world: World) -> None:
    """No Job while listings say so; one for each, once, where no listing reaches down to them any more."""
    world.site.facts = {f"v{number}": {"availability": "subscriber_only"} for number in (5, 6, 7)}
    world.cluster.subscribe({"select": {"newest": 3}})
    operator = world.operator()
    for _ in range(12):
        await world.settle(operator)
        world.clock.advance(timedelta(hours=11))
    assert world.cluster.created == []
    assert {entry.reason for entry in world.cluster.ledger().values() if entry.state is LedgerState.WAITING} == {
        "MembersOnly"
    }
    world.site.videos = []
    world.clock.advance(timedelta(days=4))
    world.downloader = lambda request: DownloadResult(outcome=OutcomeClass.NEEDS_ACCESS, reason="MembersOnly")
    await world.settle(operator)
    assert sorted(world.launches) == [("youtube.v5", 1), ("youtube.v6", 1), ("youtube.v7", 1)]


async def test_cookies_come(world: World) -> None:
    """With cookies in the spec a Job tries what is for members."""
    world.site.facts["v7"] = {"availability": "subscriber_only"}
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await world.settle(operator)
    assert world.cluster.created == []
    world.cluster.merge("Subscription", *KEY, {"spec": {"access": {"cookiesSecretRef": {"name": "my-cookies"}}}})
    await world.settle(operator)
    assert world.cluster.states()[VIDEO] is LedgerState.SUCCEEDED


async def test_private_and_deleted_ones_of_a_playlist(world: World) -> None:
    """No Job for either while the listing says so, for weeks; one each as soon as they can be had."""
    world.site.facts = {"v6": {"availability": "private"}, "v7": {"availability": "removed", "title": None}}
    world.cluster.subscribe({"select": {"newest": 2}, "schedule": {"intervalSeconds": 3600}})
    operator = world.operator()
    for _ in range(40):
        await world.settle(operator)
        world.clock.advance(timedelta(hours=11))
    assert world.launches == [("youtube.v5", 1)]
    private, deleted = (world.cluster.ledger()[f"youtube.v{number}"] for number in (6, 7))
    assert (private.state, private.outcome, private.reason) == (
        LedgerState.WAITING,
        OutcomeClass.NEEDS_ACCESS,
        "Private",
    )
    assert (deleted.state, deleted.outcome, deleted.reason) == (
        LedgerState.DEAD_LETTER,
        OutcomeClass.TERMINAL,
        "VideoRemoved",
    )
    world.site.facts.clear()
    operator = world.operator()
    for _ in range(8):
        await world.settle(operator)
        world.clock.advance(timedelta(hours=2))
    assert sorted(world.launches) == [("youtube.v5", 1), ("youtube.v6", 1), ("youtube.v7", 1)]
    assert world.cluster.ledger()[VIDEO].title is not None
