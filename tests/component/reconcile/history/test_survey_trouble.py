"""Surveys of volumes that fail, do not start, do not end, or whose answer is lost."""

from __future__ import annotations

from datetime import timedelta

from component.cluster import KEY
from component.inventory_world import SPEC, STALE, mark
from component.job_controller import JOB_NAME_LABEL, exceed_deadline
from component.survey_world import end_surveys, jobs_made, pass_once, subscribe, work_off
from trawler_operator.api import labels
from trawler_operator.reconcile.ports import ApiError, RejectedError, UnavailableError


async def test_a_failure_is_told_to_all_and_made_again_once(world, volume):
    """Its pause is the Job's, however many wait."""
    keys = subscribe(world, 10)
    world.cluster.survey = lambda request, _: STALE
    operator = world.operator()
    for key in keys:
        await pass_once(operator, key)
    end_surveys(world, operator)
    await work_off(operator)
    for key in keys:
        assert world.cluster.condition("Ready", key) == ("False", "InventoryFailed")
        said = world.cluster.message("Ready", key)
        assert "its survey: StaleVolume: the server lost the handle; tried again at" in said
    world.clock.advance(timedelta(seconds=59))
    for key in keys:
        await pass_once(operator, key)
    assert jobs_made(world) == 1
    world.clock.advance(timedelta(seconds=2))
    world.cluster.survey = volume.survey
    for key in keys:
        await pass_once(operator, key)
    end_surveys(world, operator)
    await work_off(operator)
    assert jobs_made(world) == 2
    assert all(len(world.cluster.shards(name)) == 1 for _, name in keys)


async def test_a_wish_for_a_check_ends_the_pause(world, volume):
    """Whoever asks has mended something, most likely."""
    keys = subscribe(world, 3)
    world.cluster.survey = lambda request, _: STALE
    operator = world.operator()
    for key in keys:
        await operator.reconcile(key)
    world.cluster.survey = volume.survey
    world.cluster.merge("Subscription", *keys[1], {"metadata": {"annotations": {labels.CHECK_ANNOTATION: "now"}}})
    await operator.reconcile(keys[1])
    assert len(world.cluster.shards(keys[1][1])) == 1


async def test_a_quota_that_refuses_the_job_is_told_to_all(world):
    """It is asked once for all of them, and again half a minute later."""
    keys = subscribe(world, 10)
    world.cluster.reject_jobs = RejectedError("exceeded quota: jobs")
    operator = world.operator()
    for _ in range(2):
        for key in keys:
            await pass_once(operator, key)
    assert {world.cluster.condition("Ready", key) for key in keys} == {("False", "JobRejected")}
    assert world.cluster.writes.count("create Job") == 1
    assert [event.reason for event in operator.silent.events] == ["JobRejected"] * 10
    world.cluster.reject_jobs = None
    world.clock.advance(timedelta(seconds=30))
    for key in keys:
        await operator.reconcile(key)
    assert jobs_made(world) == 2
    assert all(len(world.cluster.shards(name)) == 1 for _, name in keys)


async def test_an_api_server_that_fails_is_met_once(world):
    """A webhook that does not answer: one pass fails, the others tell of it."""
    keys = subscribe(world, 5)
    operator = world.operator()
    operator.api.fail = lambda what: UnavailableError("500: failed calling webhook") if what == "create Job" else None
    failed = 0
    for key in keys:
        try:
            await pass_once(operator, key)
        except ApiError:
            failed += 1
    assert failed == 1
    assert {world.cluster.condition("Ready", key) for key in keys[1:]} == {("False", "InventoryFailed")}
    operator.api.fail = lambda what: None
    world.clock.advance(timedelta(seconds=30))
    for key in keys:
        await operator.reconcile(key)
    assert all(len(world.cluster.shards(name)) == 1 for _, name in keys)


async def test_a_survey_that_does_not_start_is_said_and_given_up(world):
    world.cluster.survey = None
    keys = subscribe(world, 2)
    operator = world.operator()
    for key in keys:
        await pass_once(operator, key)
    for minutes, reason in ((3, "RebuildingHistory"), (2.5, "InventoryFailed")):
        world.clock.advance(timedelta(minutes=minutes))
        for key in keys:
            await pass_once(operator, key)
        await work_off(operator)
        assert {world.cluster.condition("Ready", key) for key in keys} == {("False", reason)}
        assert all("has no pod" in world.cluster.message("Ready", key) for key in keys)
    assert [event.reason for event in operator.silent.events] == ["JobNotStarting"] * 2


async def test_a_survey_that_never_ends_is_ended_by_its_deadline(world):
    world.cluster.survey = None
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await pass_once(operator, KEY)
    (job,) = world.cluster.survey_jobs()
    exceed_deadline(world.cluster, job)
    world.clock.advance(timedelta(seconds=30))
    await pass_once(operator, KEY)
    assert "did not end within 600 s" in world.cluster.message("Ready")


async def test_an_end_that_nobody_told_of_is_seen_half_a_minute_later(world):
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await pass_once(operator, KEY)
    world.cluster.run_surveys()
    await pass_once(operator, KEY)
    assert world.cluster.shards() == []
    world.clock.advance(timedelta(seconds=30))
    await pass_once(operator, KEY)
    assert len(world.cluster.shards()) == 1


async def test_who_would_read_the_answer_and_goes_leaves_it_to_the_next(world):
    """The one that was woken for all is deleted before its pass."""
    keys = subscribe(world, 3)
    operator = world.operator()
    for key in keys:
        await pass_once(operator, key)
    end_surveys(world, operator)
    (woken,) = operator.woken
    world.cluster.delete("Subscription", *woken)
    await pass_once(operator, woken)
    await work_off(operator)
    assert all(len(world.cluster.shards(name)) == 1 for _, name in keys if name != woken[1])


async def test_a_log_that_is_gone_is_printed_again(world):
    """The node was replaced after the Job had ended."""
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await pass_once(operator, KEY)
    (job,) = world.cluster.survey_jobs()
    end_surveys(world, operator)
    (pod,) = world.cluster.list("Pod", "media", **{JOB_NAME_LABEL: job["metadata"]["name"]})
    world.cluster.delete("Pod", "media", pod["metadata"]["name"])
    await work_off(operator)
    assert world.cluster.condition("Ready") == ("False", "InventoryFailed")
    world.clock.advance(timedelta(minutes=2))
    await operator.reconcile()
    assert mark(world) == "empty"
