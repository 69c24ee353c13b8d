"""Launches that never start or never end: given up in the ledger, then in the cluster, and never launched twice."""

from __future__ import annotations

import contextlib
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from component.cluster import Killed, Object, end_job, publish, request_of
from component.job_controller import freeze_pod, hold_pod, start_pod
from component.world import Operator, World, world_with_a_channel
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api.times import format_time
from trawler_operator.reconcile.ports import ApiError, UnavailableError
from trawler_operator.reconcile.reconciler import PassFailedError
from trawler_operator.reconcile.stores.ledger_store import LedgerBusyError

VIDEO = "youtube.v7"
MINUTE = timedelta(minutes=1)
GRACE = timedelta(seconds=30)


def start(world: World, job: Object, at: datetime | None = None) -> None:
    """The Job controller takes the Job up."""
    status = {"startTime": format_time(at or world.clock.now())}
    world.cluster.merge("Job", "media", job["metadata"]["name"], {"status": status})


def unmounted(world: World) -> dict[str, Any]:
    """A pod that waits for its volume since now."""
    at = format_time(world.clock.now())
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": at}
    return {"phase": "Pending", "startTime": at, "conditions": [scheduled]}


async def launch(world: World) -> tuple[Operator, Object]:
    """An operator, and the Job of the only wanted video, taken up by the Job controller."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    (job,) = world.cluster.running_jobs()
    start(world, job)
    return operator, job


async def test_next_pass_after_a_launch(world: World) -> None:
    """Is soon, since a short download beside an injected container may have ended without a change of its Job."""
    world.cluster.subscribe({"select": {"newest": 1}})
    assert await world.operator().reconcile() == MINUTE / 2


async def test_next_passes_while_a_launch_starts(world: World) -> None:
    """Every half minute, and when its trouble is to be shown."""
    operator, _ = await launch(world)
    pauses = [await operator.reconcile()]
    world.clock.advance(MINUTE)
    pauses.append(await operator.reconcile())
    world.clock.advance(MINUTE - timedelta(seconds=5))
    pauses.append(await operator.reconcile())
    assert pauses == [MINUTE / 2, MINUTE / 2, timedelta(seconds=5)]


async def test_no_pod(world: World) -> None:
    """Shown after two minutes, given up after five: the Job goes, the slot is free, the video comes again later."""
    operator, _ = await launch(world)
    world.clock.advance(2 * MINUTE - timedelta(seconds=1))
    assert await operator.reconcile() == timedelta(seconds=1)
    assert world.cluster.condition("Ready") == ("True", "Watching")
    world.clock.advance(timedelta(seconds=1))
    assert await operator.reconcile() == 3 * MINUTE
    assert world.cluster.condition("Ready") == ("False", "DownloadNotStarting")
    world.clock.advance(3 * MINUTE)
    await operator.reconcile()

    entry = world.cluster.ledger()[VIDEO]
    assert (entry.state, entry.reason, entry.failures) == (LedgerState.PENDING, "PodNotCreated", 0)
    assert world.cluster.running_jobs() == []
    assert operator.admission.running == 0
    assert world.cluster.condition("Ready") == ("False", "DownloadNotStarting")
    assert [event.reason for event in operator.silent.events if event.warning] == [
        "JobNotStarting",
        "DownloadNotStarted",
    ]

    world.clock.advance(2 * MINUTE)
    await operator.reconcile()
    assert [request_of(job).launch for job in world.cluster.running_jobs()] == [2]
    await world.settle(operator)
    assert world.cluster.condition("Ready") == ("True", "Watching")


@pytest.mark.parametrize("ahead", [10 * MINUTE, -10 * MINUTE], ids=["ahead", "behind"])
async def test_clock_that_differs_from_the_api_servers(world: World, ahead: timedelta) -> None:
    """Patience is as long as ever: stamps are the API server's, and so is the time that they are compared with."""
    operator, job = await launch(world)
    operator.api.clock_ahead = ahead
    start(world, job, at=world.clock.now() - ahead)
    world.clock.advance(2 * MINUTE - timedelta(seconds=1))
    assert await operator.reconcile() == timedelta(seconds=1)
    world.clock.advance(timedelta(seconds=1))
    assert await operator.reconcile() == 3 * MINUTE
    assert world.cluster.states()[VIDEO] is LedgerState.RUNNING
    world.clock.advance(3 * MINUTE)
    await operator.reconcile()
    assert world.cluster.ledger()[VIDEO].reason == "PodNotCreated"


@pytest.mark.parametrize("ahead", [timedelta(), 10 * MINUTE, -10 * MINUTE], ids=["the same", "ahead", "behind"])
async def test_a_pod_that_has_just_been_told_to_stop(world: World, ahead: timedelta) -> None:
    """A drain is no trouble: nothing is said before its grace period is over, whatever clock it is written by."""
    operator, job = await launch(world)
    start_pod(world.cluster, job)
    world.clock.advance(20 * MINUTE)
    operator.api.clock_ahead = ahead
    world.clock.advance(-ahead)
    freeze_pod(world.cluster, job)
    world.clock.advance(ahead)
    assert await operator.reconcile() == 2 * MINUTE + GRACE
    assert world.cluster.condition("Ready") == ("True", "Watching")
    world.clock.advance(2 * MINUTE + GRACE)
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "DownloadNotStarting")


async def test_frozen_pod(world: World) -> None:
    """A pod that cannot end holds no slot for ever; the next launch has another name, the frozen pod is left alone."""
    operator, job = await launch(world)
    freeze_pod(world.cluster, job)
    world.clock.advance(5 * MINUTE + GRACE)
    await operator.reconcile()
    entry = world.cluster.ledger()[VIDEO]
    assert (entry.state, entry.reason, entry.failures) == (LedgerState.PENDING, "NotTerminating", 0)
    world.clock.advance(MINUTE)
    await world.settle(operator)
    assert len(set(world.cluster.created)) == len(world.cluster.created) == 2
    assert world.cluster.states()[VIDEO] is LedgerState.SUCCEEDED


async def test_deleted_job_that_does_not_go(world: World) -> None:
    """Deleted in the foreground by somebody while its pod is frozen: its name is waited for, but not for ever."""
    operator, job = await launch(world)
    freeze_pod(world.cluster, job)
    world.cluster.delete("Job", "media", job["metadata"]["name"], propagation="Foreground")
    assert await operator.reconcile() == timedelta(seconds=3)
    world.clock.advance(5 * MINUTE)
    await operator.reconcile()
    assert world.cluster.ledger()[VIDEO].reason == "NotTerminating"
    world.clock.advance(MINUTE)
    await operator.reconcile()
    launches = {request_of(job).launch for job in world.cluster.running_jobs()}
    assert launches == {1, 2}


async def test_job_that_could_not_be_deleted(world: World) -> None:
    """The ledger knew before: the next pass deletes it, in the same process too."""
    operator, _ = await launch(world)
    world.clock.advance(6 * MINUTE)
    operator.api.fail = lambda what: UnavailableError("away") if what == "delete Job" else None
    with pytest.raises(PassFailedError):
        await operator.reconcile()
    operator.api.fail = lambda what: None
    assert len(world.cluster.running_jobs()) == 1
    await operator.reconcile()
    assert world.cluster.running_jobs() == []


async def test_suspended_job_is_left_alone(world: World) -> None:
    """Something that queues Jobs holds it back: that is no trouble."""
    operator, job = await launch(world)
    world.cluster.merge("Job", "media", job["metadata"]["name"], {"spec": {"suspend": True}})
    world.clock.advance(timedelta(hours=3))
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 1


def let_time_pass(world: World) -> None:
    """Every first launch gets a pod that never starts; later ones end well."""
    for job in world.cluster.running_jobs():
        request = request_of(job)
        if request.launch > 1:
            world.launches.append((request.video.key, request.launch))
            end_job(world.cluster, job, publish(request))
        elif "startTime" not in job.get("status", {}):
            hold_pod(world.cluster, job, unmounted(world))
    world.cluster.collect_garbage()
    world.clock.advance(timedelta(seconds=50))


async def run_to_the_end(world: World, kill_at: int | None = None, *, after: bool = False) -> int:
    """A process until it is killed, then another one until everything is downloaded. Returns the first one's calls."""
    operator = first = world.operator(kill_at=kill_at, after=after)
    for _ in range(60):
        try:
            with contextlib.suppress(ApiError, LedgerBusyError):
                await operator.reconcile()
        except Killed:
            operator = world.operator()
            await operator.reconcile()
        check_that_nothing_is_forgotten(world)
        let_time_pass(world)
        if world.cluster.states()[VIDEO] is LedgerState.SUCCEEDED and not world.cluster.running_jobs():
            return first.api.calls
    raise AssertionError(f"did not come to rest: {world.cluster.ledger()[VIDEO]}")


def check_that_nothing_is_forgotten(world: World) -> None:
    """After every whole pass: a live Job, if there is one, is that of the launch that the ledger has as running."""
    entry = world.cluster.ledger()[VIDEO]
    live = [request_of(job).launch for job in world.cluster.running_jobs()]
    assert live in ([], [entry.launches] if entry.state is LedgerState.RUNNING else [])


@pytest.mark.parametrize("after", [False, True], ids=["before-it-takes-effect", "after-it-took-effect"])
async def test_killed_at_any_call(after: bool) -> None:
    """Wherever the operator dies, the first launch is given up once, and one later launch downloads the video."""
    undisturbed = world_with_a_channel()
    undisturbed.cluster.subscribe({"select": {"newest": 1}})
    calls = await run_to_the_end(undisturbed)
    assert undisturbed.launches == [(VIDEO, 2)]
    for kill_at in range(calls):
        world = world_with_a_channel()
        world.cluster.subscribe({"select": {"newest": 1}})
        await run_to_the_end(world, kill_at=kill_at, after=after)
        # A number may go unused: a claim that its process could not take through the gate is given back.
        assert [launch > 1 for _, launch in world.launches] == [True], f"killed at call {kill_at}"
        assert set(Counter(world.cluster.created).values()) == {1}, f"killed at call {kill_at}"
