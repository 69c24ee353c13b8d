"""What is added to a video after its download: a launch like any other, and an entry that stays Succeeded."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from component.cluster import KEY, Killed, Object, publish, request_of
from component.world import Operator, World, make_limits, world_with_a_channel
from trawler_downloader.contract.download import DownloadRequest, DownloadResult, FollowUpKind
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api.times import parse_time
from trawler_operator.domain.ledger.codec import encode_entry
from trawler_operator.domain.ledger.entry import FollowUp, LedgerEntry
from trawler_operator.reconcile.ports import RejectedError

VIDEO = "youtube.v7"
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def without_thumbnail(request: DownloadRequest) -> DownloadResult:
    """All goes well, but for the picture."""
    return publish(request).model_copy(update={"follow_up": FollowUpKind.THUMBNAIL})


def make_world(newest: int = 1) -> World:
    """A channel of which so many videos are wanted."""
    world = world_with_a_channel()
    world.downloader = without_thumbnail
    world.cluster.subscribe({"select": {"newest": newest}})
    return world


@pytest.fixture
def world() -> World:
    return make_world()


def entry(world: World) -> LedgerEntry:
    return world.cluster.ledger()[VIDEO]


def follow_up(world: World) -> FollowUp:
    found = entry(world).follow_up
    assert found is not None
    return found


def shown(world: World) -> tuple[object, ...]:
    """What people see of the video."""
    status = world.cluster.subscription()["status"]
    conditions = {c["type"]: (c["status"], c["reason"], c["message"]) for c in status["conditions"]}
    return status["counts"], status["bytes"], status["recentVideos"], conditions["Ready"], conditions["UpToDate"]


async def downloaded(world: World) -> Operator:
    """An operator whose videos stand, without their thumbnails."""
    operator = world.operator()
    await world.settle(operator)
    await operator.reconcile()
    return operator


async def launched(world: World, operator: Operator) -> Object:
    """The Job of the follow-up, once its time has come."""
    world.clock.advance(max(timedelta(0), follow_up(world).at - world.clock.now()))
    await operator.reconcile()
    (job,) = world.cluster.running_jobs()
    return job


async def test_a_late_thumbnail(world: World) -> None:
    """Looked for after a day, by a Job that is asked for it alone; nothing that is shown of the video changes."""
    operator = await downloaded(world)
    before, first = shown(world), entry(world)
    assert DAY - MINUTE <= follow_up(world).at - world.clock.now() <= 1.2 * DAY

    job = await launched(world, operator)

    assert request_of(job).follow_up is FollowUpKind.THUMBNAIL
    assert entry(world).state is LedgerState.SUCCEEDED
    assert entry(world).launches == 2
    assert shown(world) == before
    world.downloader = publish
    world.finish_jobs()
    await operator.reconcile()
    assert shown(world) == before
    assert entry(world) == replace(first, launches=2, follow_up=None)
    ended = [event.message for event in operator.silent.events if event.reason == "FollowUpEnded"]
    assert ended == [f"Thumbnail of Video v7 ({VIDEO}): it is there"]


async def test_a_thumbnail_that_never_comes(world: World) -> None:
    """Three Jobs, a day apart, then none."""
    operator = await downloaded(world)
    for _ in range(3):
        await launched(world, operator)
        world.finish_jobs()
        await operator.reconcile()
    assert world.launches == [(VIDEO, number) for number in (1, 2, 3, 4)]
    assert (entry(world).state, entry(world).follow_up) == (LedgerState.SUCCEEDED, None)
    assert operator.admission.running == 0


@pytest.mark.parametrize("code", [40, 44, 46, 143], ids=["gone", "a hiccup", "cannot work", "stopped"])
async def test_an_ending_that_would_cost_a_download_dearly(world: World, code: int) -> None:
    """The video stands; it is neither a dead letter nor a failure."""
    operator = await downloaded(world)
    before = shown(world)
    await launched(world, operator)
    world.downloader = lambda _: code
    world.finish_jobs()
    await operator.reconcile()
    assert shown(world) == before
    assert entry(world).state is LedgerState.SUCCEEDED


async def test_a_site_that_asks_to_stop_closes_its_gate(world: World) -> None:
    """For downloads as well, and the try does not count."""
    operator = await downloaded(world)
    await launched(world, operator)
    limit = DownloadResult(outcome=OutcomeClass.RATE_LIMITED, reason="BotCheck", message="sign in")
    world.downloader = lambda _: limit
    world.finish_jobs()
    world.site.publish("v8")
    await operator.reconcile()
    assert follow_up(world).tries == 0
    assert "GateClosed" in {event.reason for event in operator.silent.events}
    world.clock.advance(2 * timedelta(hours=1) / 24)
    await operator.reconcile()
    assert world.cluster.running_jobs() == []


async def test_a_download_probes_first() -> None:
    """A closed gate opens for it as soon as it can, however many follow-ups are due."""
    world = make_world(newest=4)
    operator = await downloaded(world)
    world.site.publish("v8")
    limit = DownloadResult(outcome=OutcomeClass.RATE_LIMITED, reason="BotCheck", message="sign in")
    world.downloader = lambda _: limit
    await operator.reconcile()
    world.clock.advance(timedelta(hours=1))
    await operator.reconcile()
    world.finish_jobs()
    await operator.reconcile()
    world.clock.advance(1.2 * DAY)
    world.downloader = publish
    await operator.reconcile()
    world.finish_jobs()
    assert world.launches[-2:] == [("youtube.v8", 1), ("youtube.v8", 2)]


async def test_the_pauses_of_a_subscriptions_own_trouble_double() -> None:
    """Each follow-up that is due probes its gate in turn, ever more slowly, as downloads do."""
    world = make_world(newest=4)
    operator = await downloaded(world)
    world.clock.advance(1.2 * DAY)
    full = DownloadResult(outcome=OutcomeClass.ENVIRONMENT, reason="BelowMinFree", message="no room")
    world.downloader = lambda _: full
    steps = []
    for _ in range(4):
        await operator.reconcile()
        world.finish_jobs()
        await operator.reconcile()
        gate = world.cluster.subscription()["status"]["gate"]
        steps.append(gate["step"])
        world.clock.advance(parse_time(gate["untilTime"]) - world.clock.now() + timedelta(seconds=1))
    assert steps == [1, 2, 3, 4]


async def test_downloads_go_first(world: World) -> None:
    """Once its time has come, a follow-up waits for whatever else waits for a slot."""
    operator = world.operator(limits=make_limits(1, 1))
    await world.settle(operator)
    await operator.reconcile()
    world.site.publish("v8", "v9")
    world.clock.advance(follow_up(world).at - world.clock.now() - MINUTE)
    await operator.reconcile()
    world.clock.advance(MINUTE)
    started = []
    for _ in range(3):
        await operator.reconcile()
        started += [request_of(job).video.key for job in world.cluster.running_jobs()]
        world.finish_jobs()
    assert started == ["youtube.v9", "youtube.v8", VIDEO]


async def add(world: World, operator: Operator) -> None:
    """Passes, ended Jobs and time, until the thumbnail is there."""
    for _ in range(20):
        await operator.reconcile()
        world.finish_jobs()
        if entry(world).follow_up is None:
            return
        world.clock.advance(MINUTE)
    raise AssertionError(f"the follow-up did not come to its end: {entry(world)}")


@pytest.mark.parametrize("after", [False, True], ids=["before it takes effect", "after it took effect"])
async def test_killed_at_any_call(after: bool) -> None:
    """Whichever is the process's last: the thumbnail is looked for by one Job, and the video stays one."""

    async def run(kill_at: int | None = None) -> tuple[World, int]:
        world = make_world()
        await downloaded(world)
        world.clock.advance(1.2 * DAY)
        world.downloader = publish
        operator = world.operator(kill_at=kill_at, after=after)
        try:
            await add(world, operator)
        except Killed:
            await add(world, world.operator())
        return world, operator.api.calls

    undisturbed, calls = await run()
    assert undisturbed.launches == [(VIDEO, 1), (VIDEO, 2)]
    assert calls > 10
    for kill_at in range(calls):
        disturbed, _ = await run(kill_at)
        assert disturbed.launches == undisturbed.launches, f"killed at call {kill_at}"
        assert entry(disturbed) == replace(entry(undisturbed), times=entry(disturbed).times), f"call {kill_at}"


async def test_a_refused_job_is_asked_for_again_a_day_later(world: World) -> None:
    """It costs no try, and Ready says who refuses."""
    operator = await downloaded(world)
    world.clock.advance(max(timedelta(0), follow_up(world).at - world.clock.now()))
    operator.api.fail = lambda what: RejectedError("exceeded quota") if what == "create Job" else None
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "JobRejected")
    assert (follow_up(world).tries, follow_up(world).claimed) == (0, None)
    assert follow_up(world).at - world.clock.now() >= DAY
    operator.api.fail = lambda _: None
    await launched(world, operator)


async def test_a_suspended_subscription_looks_for_nothing(world: World) -> None:
    """Until it is resumed."""
    operator = await downloaded(world)
    world.cluster.merge("Subscription", *KEY, {"spec": {"suspend": True}})
    world.clock.advance(2 * DAY)
    await operator.reconcile()
    assert world.cluster.running_jobs() == []


async def test_cancel(world: World) -> None:
    """Its Job is deleted and nobody looks for the thumbnail any more; the video stays."""
    operator = await downloaded(world)
    await launched(world, operator)
    annotation = {"annotations": {"trawler.dev/cancel": f"1;keys={VIDEO}"}}
    world.cluster.merge("Subscription", *KEY, {"metadata": annotation})
    await operator.reconcile()
    assert world.cluster.running_jobs() == []
    assert (entry(world).state, entry(world).follow_up) == (LedgerState.SUCCEEDED, None)
    assert operator.admission.running == 0


async def test_the_job_of_a_follow_up_is_not_taken_for_a_download(world: World) -> None:
    """A history from before the follow-up uses its number again: the video is downloaded, whatever the old Job said."""
    operator = await downloaded(world)
    before = entry(world)
    await launched(world, operator)
    world.finish_jobs()
    await operator.reconcile()
    data = {VIDEO: encode_entry(replace(before, state=LedgerState.PENDING, follow_up=None))}
    world.cluster.merge("ConfigMap", "media", "trawler-ledger-numberline-0", {"data": data})
    await operator.reconcile()
    (job,) = world.cluster.running_jobs()
    assert (request_of(job).launch, request_of(job).follow_up) == (2, None)
