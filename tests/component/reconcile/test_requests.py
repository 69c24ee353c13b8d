"""Retry, skip and cancel by annotation: carried out once, whatever dies in between."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from component.cluster import KEY, Killed, publish, request_of
from component.world import Operator, World, world_with_a_channel
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.reconcile.ports import UnavailableError
from trawler_operator.reconcile.reconciler import PassFailedError

VIDEO = "youtube.v7"
OTHER = "youtube.v6"


def annotate(world: World, **values: str) -> None:
    annotations = {f"trawler.dev/{verb}": value for verb, value in values.items()}
    world.cluster.merge("Subscription", *KEY, {"metadata": {"annotations": annotations}})


def handled(world: World, verb: str) -> dict[str, Any]:
    found: dict[str, Any] = world.cluster.subscription()["status"]["lastHandled"].get(verb, {})
    return {name: value for name, value in found.items() if name != "time"}


async def given_up(world: World, newest: int = 2) -> Operator:
    """An operator, and that many dead letters."""
    world.downloader = lambda request: 40
    world.cluster.subscribe({"select": {"newest": newest}, "job": {"parallelism": 2}})
    operator = world.operator()
    await world.settle(operator)
    world.downloader = publish
    return operator


async def test_retry(world: World) -> None:
    """All dead letters are tried again, as if they had never been; the request is not repeated by later passes."""
    operator = await given_up(world)
    assert operator.silent.dead_letters == {"Exited": 2}
    annotate(world, retry="1")
    await operator.reconcile()
    assert handled(world, "retry") == {"id": "1", "accepted": 2, "unknown": 0}
    assert operator.silent.dead_letters == {}
    await world.settle(operator)
    assert world.cluster.states()[VIDEO] is world.cluster.states()[OTHER] is LedgerState.SUCCEEDED
    assert Counter(world.launches).most_common(1)[0][1] == 1
    events = [event for event in operator.silent.events if event.reason == "RequestHandled"]
    assert [event.message for event in events] == [
        (
            "trawler.dev/retry 1: videos changed: 2; named keys that are unknown: 0; "
            "named videos that are not DeadLetter: 0"
        )
    ]


async def test_retry_of_named_videos(world: World) -> None:
    """Only those; what was skipped at the first run too. Keys that nobody knows, or that are fine, are counted."""
    operator = await given_up(world, newest=1)
    annotate(world, retry=f"1;keys={VIDEO},youtube.v0,youtube.typo")
    await world.settle(operator)
    annotate(world, retry=f"2;keys={VIDEO}")
    await operator.reconcile()
    assert handled(world, "retry") == {"id": "2", "accepted": 0, "unknown": 0}
    states = world.cluster.states()
    assert {key for key, state in states.items() if state is LedgerState.SUCCEEDED} == {VIDEO, "youtube.v0"}
    texts = [event.message for event in operator.silent.events if event.reason == "RequestHandled"]
    counts = [[part.rpartition(" ")[2] for part in text.split(";")] for text in texts]
    assert counts == [["2", "1", "0"], ["0", "0", "1"]]


async def test_skip(world: World) -> None:
    """What waits for its turn is left out, and stays so."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await operator.reconcile()
    (job,) = world.cluster.running_jobs()
    queued = ({VIDEO, OTHER} - {request_of(job).video.key}).pop()
    annotate(world, skip="1;state=Pending")
    await world.settle(operator)
    entry = world.cluster.ledger()[queued]
    assert (entry.state, entry.reason) == (LedgerState.SKIPPED, "SkippedByUser")
    assert len(world.cluster.created) == 1


async def test_cancel(world: World) -> None:
    """A running download ends, its slot is free at once, and it does not come back; what waits is left out too."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await operator.reconcile()
    (job,) = world.cluster.running_jobs()
    annotate(world, cancel=f"1;keys={VIDEO},{OTHER}")
    await operator.reconcile()
    assert world.cluster.running_jobs() == []
    assert operator.admission.running == 0
    reasons = {key: entry.reason for key, entry in world.cluster.ledger().items() if key in {VIDEO, OTHER}}
    running = request_of(job).video.key
    assert reasons[running] == "CancelledByUser"
    assert sorted(str(reason) for reason in reasons.values()) == ["CancelledByUser", "SkippedByUser"]
    await world.settle(operator)
    assert len(world.cluster.created) == 1


async def test_cancel_of_a_launch_without_a_job(world: World) -> None:
    """Claimed, and its Job not created yet: it never is."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    jobs = itertools.count()  # the first one is the inventory

    def die(what: str) -> None:
        if what == "create Job" and next(jobs):
            raise Killed(what)

    operator.api.fail = die
    with pytest.raises(Killed):
        await operator.reconcile()
    operator = world.operator()
    annotate(world, cancel="1;state=Running")
    await operator.reconcile()
    assert world.cluster.created == []
    assert world.cluster.states()[VIDEO] is LedgerState.SKIPPED


async def test_cancelled_job_that_could_not_be_deleted(world: World) -> None:
    """The ledger knows before: the next pass deletes it."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    annotate(world, cancel="1;state=Running")
    operator.api.fail = lambda what: UnavailableError("away") if what == "delete Job" else None
    with pytest.raises(PassFailedError):
        await operator.reconcile()
    operator.api.fail = lambda what: None
    await operator.reconcile()
    assert world.cluster.running_jobs() == []
    assert handled(world, "cancel") == {"id": "1", "accepted": 1, "unknown": 0}


async def test_while_suspended(world: World) -> None:
    """What is asked for is done; only nothing is launched."""
    operator = await given_up(world)
    world.cluster.merge("Subscription", *KEY, {"spec": {"suspend": True}})
    annotate(world, retry="1")
    await operator.reconcile()
    assert world.cluster.states()[VIDEO] is LedgerState.PENDING
    assert world.cluster.running_jobs() == []


async def test_refused(world: World) -> None:
    """A value that cannot be understood is said once, with the annotation's name, and may be mended under its id."""
    operator = await given_up(world)
    annotate(world, retry="1;state=Dead")
    for _ in range(2):
        await operator.reconcile()
    refusal = handled(world, "retry")
    assert (refusal["id"], refusal["accepted"]) == ("1", 0)
    assert refusal["message"].startswith("annotation trawler.dev/retry has state=Dead where one of DeadLetter,")
    events = [event for event in operator.silent.events if event.reason == "RequestRefused"]
    assert [event.message for event in events] == [refusal["message"]]
    annotate(world, retry="1;state=DeadLetter")
    await operator.reconcile()
    assert handled(world, "retry") == {"id": "1", "accepted": 2, "unknown": 0}


async def test_applied_again(world: World) -> None:
    """A Subscription that is deleted and applied again with the annotation still on it: its ledger remembers."""
    operator = await given_up(world)
    annotate(world, retry="1")
    world.downloader = lambda request: 40
    await world.settle(operator)
    world.cluster.delete("Subscription", *KEY)
    world.cluster.subscribe({"select": {"newest": 2}}, annotations={"trawler.dev/retry": "1"})
    world.clock.advance(timedelta(minutes=1))
    await world.settle(operator)
    assert {key: entry.launches for key, entry in world.cluster.ledger().items() if entry.launches} == {
        VIDEO: 2,
        OTHER: 2,
    }
    assert handled(world, "retry") == {"id": "1", "accepted": 2, "unknown": 0}


async def test_ledger_edited_meanwhile(world: World) -> None:
    """Between reading an entry and writing it somebody changes the shard: it is read again."""
    operator = await given_up(world)
    annotate(world, retry="1")
    edits = iter([{"note": "1"}])

    def edit(what: str) -> None:
        if what.startswith("get ConfigMap") and (note := next(edits, None)):
            world.cluster.merge(
                "ConfigMap", "media", "trawler-ledger-numberline-0", {"metadata": {"annotations": note}}
            )

    operator.api.fail = edit
    await operator.reconcile()
    assert handled(world, "retry") == {"id": "1", "accepted": 2, "unknown": 0}


async def run_to_the_end(world: World, kill_at: int | None = None, *, after: bool = False) -> int:
    """Dead letters are retried and one download is cancelled, by a process that is killed and one that goes on."""
    calm = await given_up(world)
    world.clock.advance(timedelta(hours=2))
    world.site.publish("w1")
    await calm.reconcile()
    assert len(world.cluster.running_jobs()) == 1
    annotate(world, retry="1", cancel="1;keys=youtube.w1")
    operator = first = world.operator(kill_at=kill_at, after=after)
    world.downloader = lambda request: 40
    for _ in range(8):
        try:
            await operator.reconcile()
        except Killed:
            operator = world.operator()
            await operator.reconcile()
        live = {request_of(job).video.key for job in world.cluster.running_jobs()}
        assert live == {key for key, state in world.cluster.states().items() if state is LedgerState.RUNNING}
        world.finish_jobs()
        world.cluster.collect_garbage()
        world.clock.advance(timedelta(minutes=1))
    return first.api.calls


@pytest.mark.parametrize("after", [False, True], ids=["before-it-takes-effect", "after-it-took-effect"])
async def test_killed_at_any_call(after: bool) -> None:
    """Each dead letter is retried once though it becomes one again; the cancelled download is over for good."""
    calls = await run_to_the_end(world_with_a_channel())
    for kill_at in range(calls):
        world = world_with_a_channel()
        await run_to_the_end(world, kill_at=kill_at, after=after)
        launches = {key: entry.launches for key, entry in world.cluster.ledger().items() if entry.launches}
        assert launches == {VIDEO: 2, OTHER: 2, "youtube.w1": 1}, f"killed at call {kill_at}"
        assert world.cluster.ledger()["youtube.w1"].reason == "CancelledByUser", f"killed at call {kill_at}"
        assert world.launches.count(("youtube.w1", 1)) == 0
        assert set(Counter(world.cluster.created).values()) == {1}
        assert handled(world, "retry") == {"id": "1", "accepted": 2, "unknown": 0}
