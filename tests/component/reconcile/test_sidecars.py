"""A container that a webhook put into the pod goes on after the download has ended: the launch is settled."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest

from component.cluster import KEY, Killed, Object, print_records, publish, request_of
from component.inventory_world import mark, pretend_histories
from component.job_controller import INJECTED, JOB_NAME_LABEL, NO_REGISTRY, freeze_pod, leave_pod, start_pod
from component.world import Operator, World, make_limits
from trawler_downloader.contract.inventory import InventoryRequest
from trawler_downloader.contract.outcomes import LedgerState
from trawler_downloader.contract.survey import SurveyRequest
from trawler_operator.api import labels

CANNOT_START = {"name": "injected", "image": f"{NO_REGISTRY}proxy:1"}


def _publish_and_stay(world: World, job: Object) -> None:
    """The download has published, and its pod lives on."""
    leave_pod(world.cluster, job, 0, publish(request_of(job)).to_json())


async def _launched(world: World, newest: int = 1) -> tuple[Operator, Object]:
    """The first download of a Subscription, which runs beside an injected container."""
    world.cluster.subscribe({"select": {"newest": newest}})
    operator = world.operator(limits=make_limits(total=1))
    await operator.reconcile()
    (job,) = world.cluster.running_jobs()
    start_pod(world.cluster, job, INJECTED)
    return operator, job


async def test_a_published_download_beside_a_container_that_goes_on(world: World) -> None:
    """The pass that it brings about settles it as published, deletes its Job and gives its slot to the next one."""
    operator, job = await _launched(world, newest=2)
    video = request_of(job).video
    _publish_and_stay(world, job)
    await operator.reconcile()
    entry = world.cluster.ledger()[video.key]
    assert (entry.state, entry.launches, entry.failures) == (LedgerState.SUCCEEDED, 1, 0)
    assert entry.path == f"Numberline/Season 26/{video.title}.mp4"
    assert world.cluster.get("Job", "media", job["metadata"]["name"]) is None
    (second,) = world.cluster.running_jobs()
    _publish_and_stay(world, second)
    await operator.reconcile()
    assert world.cluster.running_jobs() == []
    assert set(world.cluster.states().values()) == {LedgerState.SUCCEEDED, LedgerState.SKIPPED}


async def test_a_download_that_ends_before_its_pod_was_ready(world: World) -> None:
    """No change of the Job tells of it: a young launch is looked at soon without any."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    pause = await operator.reconcile()
    (job,) = world.cluster.running_jobs()
    _publish_and_stay(world, job)
    assert pause == timedelta(seconds=30)
    world.clock.advance(pause)
    await operator.reconcile()
    assert world.cluster.states()["youtube.v7"] is LedgerState.SUCCEEDED


async def test_a_launch_that_is_not_young_any_more(world: World) -> None:
    """It is looked at every few minutes, as whatever is in flight."""
    operator, _ = await _launched(world)
    world.clock.advance(timedelta(seconds=30))
    assert await operator.reconcile() == timedelta(minutes=3)


async def test_a_failed_download_beside_a_container_that_goes_on(world: World) -> None:
    """By its exit code, as a Job of its own would have told."""
    operator, job = await _launched(world)
    leave_pod(world.cluster, job, 44)
    await operator.reconcile()
    entry = world.cluster.ledger()["youtube.v7"]
    assert (entry.state, entry.reason, entry.failures) == (LedgerState.FAILED, "Exited", 1)
    assert world.cluster.get("Job", "media", job["metadata"]["name"]) is None


async def test_a_download_beside_a_container_that_cannot_start(world: World) -> None:
    """It runs although its pod is Pending, for however long; its end is its own."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    (job,) = world.cluster.running_jobs()
    start_pod(world.cluster, job, CANNOT_START)
    world.clock.advance(timedelta(hours=1))
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("True", "Watching")
    assert world.cluster.states()["youtube.v7"] is LedgerState.RUNNING
    _publish_and_stay(world, job)
    await operator.reconcile()
    assert world.cluster.states()["youtube.v7"] is LedgerState.SUCCEEDED
    assert world.cluster.running_jobs() == []


async def test_a_container_that_ends_beside_a_download(world: World) -> None:
    """The download goes on, although the Job's pod is ready no more."""
    operator, job = await _launched(world)
    (pod,) = world.cluster.list("Pod", "media", **{JOB_NAME_LABEL: job["metadata"]["name"]})
    download, _ = pod["status"]["containerStatuses"]
    ended = {"name": INJECTED["name"], "ready": False, "state": {"terminated": {"exitCode": 1}}}
    world.cluster.merge("Pod", "media", pod["metadata"]["name"], {"status": {"containerStatuses": [download, ended]}})
    world.cluster.merge("Job", "media", job["metadata"]["name"], {"status": {"ready": 0}})
    world.clock.advance(timedelta(hours=1))
    await operator.reconcile()
    assert [each["metadata"]["name"] for each in world.cluster.running_jobs()] == [job["metadata"]["name"]]
    assert world.cluster.condition("Ready") == ("True", "Watching")


async def test_a_job_that_lags_behind_its_pod(world: World) -> None:
    """Its pod has ended, and the Job is about to say so: it is waited for, and kept."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    (job,) = world.cluster.running_jobs()
    start_pod(world.cluster, job)
    world.downloader = publish
    name = job["metadata"]["name"]
    pod = f"{name}-{job['metadata']['uid']}"
    ended = {"name": "download", "state": {"terminated": {"exitCode": 0}}}
    world.cluster.merge("Pod", "media", pod, {"status": {"phase": "Succeeded", "containerStatuses": [ended]}})
    world.cluster.merge("Job", "media", name, {"status": {"ready": 0}})
    await operator.reconcile()
    assert world.cluster.states()["youtube.v7"] is LedgerState.RUNNING
    world.finish_jobs()
    await operator.reconcile()
    assert world.cluster.states()["youtube.v7"] is LedgerState.SUCCEEDED
    assert world.cluster.get("Job", "media", name) is not None


async def test_a_pod_that_is_told_to_stop(world: World) -> None:
    """Its Job says how it ended, once the pod is gone."""
    operator, job = await _launched(world)
    leave_pod(world.cluster, job, 143)
    freeze_pod(world.cluster, job)
    world.cluster.merge("Job", "media", job["metadata"]["name"], {"status": {"active": 1}})
    await operator.reconcile()
    assert world.cluster.states()["youtube.v7"] is LedgerState.RUNNING


@pytest.mark.parametrize("call", range(12))
async def test_killed_while_it_settles(world: World, call: int) -> None:
    """Whatever call is the last, the next process comes to the same end, and leaves no Job behind."""
    _, job = await _launched(world)
    _publish_and_stay(world, job)
    with contextlib.suppress(Killed):
        await world.operator(kill_at=call).reconcile()
    await world.operator().reconcile()
    assert world.cluster.states()["youtube.v7"] is LedgerState.SUCCEEDED
    assert world.cluster.ledger()["youtube.v7"].launches == 1
    assert world.cluster.running_jobs() == []


def _leave_volume_job(world: World, code: int) -> Object:
    """The one Job over a volume that there is ends, and its pod lives on."""
    (job,) = (*world.cluster.survey_jobs(), *world.cluster.inventory_jobs())
    leave_pod(world.cluster, job, code)
    (pod,) = world.cluster.list("Pod", "media", **{JOB_NAME_LABEL: job["metadata"]["name"]})
    is_survey = labels.SURVEY_LABEL in job["metadata"]["labels"]
    request = request_of(job, SurveyRequest) if is_survey else request_of(job, InventoryRequest)
    world.cluster.logs["media", pod["metadata"]["name"]] = print_records(request, ())
    return job


def _mark_survey_changed(operator: Operator, job: Object) -> None:
    """The watch tells that its pod is ready no more."""
    operator.reconciler.survey_changed(("media", job["metadata"]["labels"][labels.SURVEY_LABEL]))


async def test_a_survey_beside_a_container_that_goes_on(world: World) -> None:
    """What it printed is read, and its Job deleted."""
    world.cluster.survey = None
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    _mark_survey_changed(operator, _leave_volume_job(world, 0))
    await operator.reconcile()
    assert mark(world) == "empty"
    assert world.cluster.survey_jobs() == []
    assert world.cluster.condition("Ready") == ("True", "Watching")


async def test_a_failed_survey_beside_a_container_that_goes_on(world: World) -> None:
    """It is said why, and made again after its pause."""
    world.cluster.survey = None
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    _mark_survey_changed(operator, _leave_volume_job(world, 45))
    await operator.reconcile()
    assert world.cluster.condition("Ready", KEY) == ("False", "InventoryFailed")
    world.clock.advance(timedelta(minutes=1))
    await operator.reconcile()
    (second,) = world.cluster.survey_jobs()
    assert second["metadata"]["annotations"][labels.LAUNCH_ANNOTATION] == "2"


async def test_an_inventory_beside_a_container_that_goes_on(world: World) -> None:
    """What it printed is read, and its Job deleted."""
    world.cluster.inventory = None
    pretend_histories(world, "numberline")
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    _leave_volume_job(world, 0)
    await operator.reconcile()
    assert mark(world) == "empty"
    assert world.cluster.inventory_jobs() == []
    assert world.cluster.condition("Ready") == ("True", "Watching")


async def test_a_failed_inventory_beside_a_container_that_goes_on(world: World) -> None:
    """It is said why, and made again after its pause."""
    world.cluster.inventory = None
    pretend_histories(world, "numberline")
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    first = _leave_volume_job(world, 45)
    await operator.reconcile()
    assert world.cluster.condition("Ready", KEY) == ("False", "InventoryFailed")
    world.clock.advance(timedelta(minutes=1))
    await operator.reconcile()
    (second,) = world.cluster.inventory_jobs()
    assert second["metadata"]["name"] != first["metadata"]["name"]
    assert second["metadata"]["annotations"][labels.LAUNCH_ANNOTATION] == "2"
