"""What must not stop a Subscription for ever: Jobs without an owner, audits that fail, entries too long to keep."""

from __future__ import annotations

from datetime import timedelta

import pytest

from component.cluster import KEY, publish
from component.world import Operator, World
from trawler_downloader.contract.listing import ListingEnd, ListRequest, TrailerLine
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api import labels
from trawler_operator.domain.jobs.naming import job_name
from trawler_operator.reconcile.ports import ListerError, RawListing

WEEK = timedelta(days=7)
OVERDUE = WEEK * 1.2
"""An audit comes a week after the last one, and up to a tenth later."""


async def test_orphaned_job_is_adopted(world: World) -> None:
    """A Job that lost its owner (`kubectl delete --cascade=orphan`) is taken up when the name is used again."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    world.cluster.delete("Subscription", *KEY)
    await operator.reconcile()
    (job,) = world.cluster.running_jobs()
    world.cluster.merge("Job", "media", job["metadata"]["name"], {"metadata": {"ownerReferences": []}})
    world.cluster.subscribe({"select": {"newest": 1}})
    assert await operator.reconcile() == timedelta(seconds=30)
    await world.settle(operator)
    assert len(world.cluster.created) == 1
    assert LedgerState.SUCCEEDED is world.cluster.states()["youtube.v7"]


async def second_launch(world: World) -> Operator:
    """The first one of a video failed, and its Job is gone, as the history limits do in time; the second runs."""
    world.downloader = lambda request: 1
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    world.finish_jobs()
    for _ in range(3):
        world.clock.advance(timedelta(minutes=2))
        await operator.reconcile()
    assert running(world) == [job_name(*KEY, "youtube.v7", 2)]
    world.cluster.delete("Job", "media", job_name(*KEY, "youtube.v7", 1))
    return operator


def running(world: World) -> list[str]:
    return [job["metadata"]["name"] for job in world.cluster.running_jobs()]


async def assert_waited_for(world: World, operator: Operator, job: str) -> None:
    """It stays the only one in all passes, each of which lists the site anew."""
    for value in "abc":
        world.cluster.merge("Subscription", *KEY, {"metadata": {"annotations": {labels.CHECK_ANNOTATION: value}}})
        await operator.reconcile()
        assert running(world) == [job]


async def test_job_unknown_to_the_ledger_is_waited_for(world: World) -> None:
    """A second launch that runs while the ledger is deleted gets no rival, in none of the passes until it ends."""
    operator = await second_launch(world)
    world.cluster.delete("ConfigMap", "media", "trawler-ledger-numberline-0")
    await assert_waited_for(world, operator, job_name(*KEY, "youtube.v7", 2))
    world.downloader = publish
    await world.settle(operator)
    assert LedgerState.SUCCEEDED is world.cluster.states()["youtube.v7"]


async def test_job_whose_entry_was_deleted_is_waited_for(world: World) -> None:
    """As well where the rest of the ledger is still there."""
    operator = await second_launch(world)
    world.cluster.merge("ConfigMap", "media", "trawler-ledger-numberline-0", {"data": {"youtube.v7": None}})
    await assert_waited_for(world, operator, job_name(*KEY, "youtube.v7", 2))


async def test_job_unknown_to_the_ledger_holds_its_slot(world: World) -> None:
    """What runs counts, whoever knows of it: caps hold after a hand was in the ledger, too."""
    world.cluster.subscribe({"select": {"newest": 2}, "job": {"parallelism": 1}})
    operator = world.operator()
    await operator.reconcile()
    world.cluster.merge("ConfigMap", "media", "trawler-ledger-numberline-0", {"data": {"youtube.v7": None}})
    await assert_waited_for(world, operator, job_name(*KEY, "youtube.v7", 1))
    await world.settle(operator)
    assert LedgerState.SUCCEEDED is world.cluster.states()["youtube.v6"]


@pytest.mark.parametrize("cut_off", [False, True], ids=["ends as an error", "is cut off"])
async def test_failing_audit_does_not_hide_new_videos(world: World, cut_off: bool) -> None:
    """An audit that cannot be finished is put off for a day; ordinary checks go on and find what is new."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await world.settle(operator)
    audits: list[bool] = []
    listed = world.site.list

    async def no_audits(request: ListRequest) -> RawListing:
        audits.append(request.audit)
        if not request.audit:
            return await listed(request)
        if cut_off:
            raise ListerError("the listing was cut off before its trailer")
        trailer = TrailerLine(
            end=ListingEnd.ERROR, outcome=OutcomeClass.TRANSIENT, reason="DeadlineExceeded", engine=""
        )
        return RawListing((), trailer)

    world.site.list = no_audits  # type: ignore[method-assign]
    world.clock.advance(OVERDUE)
    await operator.reconcile()
    world.site.publish("w1")
    for _ in range(4):
        world.clock.advance(timedelta(hours=2))
        await world.settle(operator)
    assert LedgerState.SUCCEEDED is world.cluster.states()["youtube.w1"]
    assert audits[0]
    assert not any(audits[1:])
    world.clock.advance(timedelta(days=1))
    await operator.reconcile()
    assert audits[-1]


async def test_blocked_first_check_writes_once(world: World) -> None:
    """A check that is due and cannot be made does not rewrite the status in every pass."""
    world.cluster.subscribe({"access": {"caBundleRef": {"name": "home-ca"}}})
    operator = world.operator()
    await operator.reconcile()
    world.cluster.writes.clear()
    for _ in range(3):
        world.clock.advance(timedelta(minutes=1))
        await operator.reconcile()
    assert world.cluster.writes == []


async def test_clock_that_was_ahead(world: World) -> None:
    """A node whose clock ran a year ahead for a while does not stop the checks for a year."""
    world.cluster.subscribe({"select": {"newest": 1}})
    right = world.clock.time
    world.clock.advance(timedelta(days=365))
    operator = world.operator()
    await world.settle(operator)
    world.clock.time = right
    world.site.publish("w1")
    operator = world.operator()
    await world.settle(operator)
    world.clock.advance(timedelta(hours=2))
    await world.settle(operator)
    assert LedgerState.SUCCEEDED is world.cluster.states()["youtube.w1"]


async def test_ledger_with_another_controller(world: World) -> None:
    """An object has one controller at most: a shard that has one already still gets its owner."""
    world.cluster.subscribe({"select": {"newest": 1}, "ledgerPolicy": "Delete"})
    await world.settle(world.operator())
    (owner,) = world.cluster.shards()[0]["metadata"]["ownerReferences"]
    assert owner["controller"] is False


async def test_invalid_spec_keeps_its_slots(world: World) -> None:
    """Jobs that run on while the spec is broken still count; their slots come back as they end."""
    world.cluster.subscribe({"select": {"newest": 2}, "job": {"parallelism": 2}})
    operator = world.operator()
    await operator.reconcile()
    assert operator.admission.running == 2
    cron = {"cron": "61 * * * *"}
    world.cluster.merge("Subscription", *KEY, {"spec": {"schedule": cron}, "metadata": {"generation": 2}})
    await operator.reconcile()
    assert operator.admission.running == 2
    world.finish_jobs()
    await operator.reconcile()
    assert operator.admission.running == 0


async def test_source_that_was_gone(world: World) -> None:
    """Believed gone after three checks, asked once a day from then on, and watched again as soon as it answers."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await world.settle(operator)
    listed = world.site.trailer
    world.site.trailer = TrailerLine(
        end=ListingEnd.ERROR, outcome=OutcomeClass.TERMINAL, reason="SourceGone", message="no such channel", engine=""
    )
    for _ in range(3):
        world.clock.advance(timedelta(hours=2))
        await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "SourceGone")
    asked = len(world.site.requests)
    world.clock.advance(timedelta(hours=23))
    await operator.reconcile()
    assert len(world.site.requests) == asked
    world.site.trailer = listed
    world.clock.advance(timedelta(hours=4))
    await operator.reconcile()
    assert len(world.site.requests) == asked + 1
    assert world.cluster.condition("Ready") == ("True", "Watching")


async def test_listed_videos_that_fit_in_no_ledger(world: World) -> None:
    """Left out, and said at each check: nothing else tells of them."""
    world.site.trailer = world.site.trailer.model_copy(update={"omitted": 2, "omitted_example": "A very long one"})
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    (event,) = [event for event in operator.silent.events if event.reason == "VideosOmitted"]
    assert event.warning
    assert event.message.startswith("2 listed videos are left out")
    assert event.message.endswith("A very long one")
    assert world.cluster.condition("Ready")[0] == "True"
