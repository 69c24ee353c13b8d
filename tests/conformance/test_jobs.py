"""What a Job's conditions, and its pod, say of every ending; and what the operator makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.stage import DEFAULTS, Stage, job, quota
from trawler_downloader.contract.download import DownloadResult
from trawler_downloader.contract.outcomes import EXIT_CODES, OutcomeClass
from trawler_operator.domain.jobs.containers import download_has_begun, is_kept_alive, may_be_kept_alive
from trawler_operator.domain.jobs.outcome import is_finished, observe_container, observe_outcome
from trawler_operator.domain.jobs.start_trouble import Patience, find_trouble
from trawler_operator.reconcile.ports import Manifest

REPORT = DownloadResult(outcome=OutcomeClass.PUBLISHED, reason="Published", path="a.mp4", bytes=1).to_json()


async def start(stage: Stage, **wish: Any) -> str:
    """Create a Job; its name."""
    manifest = job(stage, **wish)
    await stage.api.create_job(stage.namespace, manifest)
    return str(manifest["metadata"]["name"])


async def running_pod(stage: Stage, name: str) -> str:
    """Wait until the Job's pod runs; its name."""

    async def look() -> str | None:
        pod = await stage.api.find_pod(stage.namespace, name)
        running = pod is not None and pod.get("status", {}).get("phase") == "Running"
        return pod["metadata"]["name"] if pod is not None and running else None

    return str(await stage.eventually("the pod runs", look))


async def finished(stage: Stage, name: str) -> Manifest:
    """Wait until the Job is finished."""

    async def look() -> Manifest | None:
        body = await stage.api.get_job(stage.namespace, name)
        return body if body is not None and is_finished(body) else None

    body: Manifest = await stage.eventually("the Job is finished", look)
    return body


def condition(body: Manifest, kind: str) -> dict[str, Any]:
    """One condition, which must be there."""
    return next(found for found in body["status"]["conditions"] if found["type"] == kind and found["status"] == "True")


async def test_a_job_that_runs(stage: Stage) -> None:
    """It has started, its one pod is ready, nothing is final."""
    name = await start(stage)
    await running_pod(stage, name)

    async def ready() -> Manifest | None:
        body = await stage.api.get_job(stage.namespace, name)
        return body if body and (body.get("status") or {}).get("ready") else None

    body = await stage.eventually("the Job knows that its pod runs", ready)
    assert not is_finished(body)
    assert body["metadata"]["generation"] == 1
    assert (body["status"]["active"], body["status"]["ready"], bool(body["status"]["startTime"])) == (1, 1, True)


async def test_a_job_that_completes(stage: Stage) -> None:
    """Its pod stays, with the termination message."""
    name = await start(stage, code=0, message=REPORT)
    body = await finished(stage, name)
    assert {found["type"] for found in body["status"]["conditions"]} == {"SuccessCriteriaMet", "Complete"}
    assert condition(body, "Complete")["lastTransitionTime"]
    ending = observe_outcome(body, await stage.api.find_pod(stage.namespace, name))
    assert (ending.outcome, ending.reason) == (OutcomeClass.PUBLISHED, "Published")
    assert ending.finished_at is not None


@pytest.mark.parametrize("outcome", [outcome for outcome in OutcomeClass if EXIT_CODES[outcome]])
async def test_a_documented_exit_code(stage: Stage, outcome: OutcomeClass) -> None:
    """The Job's own condition keeps it: it is known when the pod and its message are gone."""
    code = EXIT_CODES[outcome]
    name = await start(stage, code=code)
    body = await finished(stage, name)
    failed = condition(body, "Failed")
    assert {found["type"] for found in body["status"]["conditions"]} == {"FailureTarget", "Failed"}
    assert failed["reason"] == "PodFailurePolicy"
    assert failed["message"].startswith(f"Container download for pod {stage.namespace}/{name}-")
    assert failed["message"].endswith(f" failed with exit code {code} matching FailJob rule at index 1")
    assert observe_outcome(body, None).outcome is outcome


async def test_an_exit_code_that_no_rule_names(stage: Stage) -> None:
    """The condition does not tell it: only the pod does."""
    name = await start(stage, code=1)
    body = await finished(stage, name)
    assert condition(body, "Failed")["reason"] == "BackoffLimitExceeded"
    pod = await stage.api.find_pod(stage.namespace, name)
    assert (observe_outcome(body, pod).reason, observe_outcome(body, None).reason) == ("Exited", "LaunchVanished")


async def test_a_report_beside_a_failure(stage: Stage) -> None:
    """The message says more than the code."""
    report = DownloadResult(outcome=OutcomeClass.TERMINAL, reason="Removed", message="This video was removed")
    name = await start(stage, code=EXIT_CODES[OutcomeClass.TERMINAL], message=report.to_json())
    body = await finished(stage, name)
    ending = observe_outcome(body, await stage.api.find_pod(stage.namespace, name))
    assert (ending.reason, ending.message) == ("Removed", "This video was removed")


async def test_out_of_memory(stage: Stage) -> None:
    """Told from other kills by the container's reason alone, which a busy node now and then fails to notice."""
    name = await start(stage, eats_memory=True)
    body = await finished(stage, name)
    pod = await stage.api.find_pod(stage.namespace, name)
    assert observe_outcome(body, pod).reason in {"OutOfMemory", "Killed"}


async def test_an_evicted_pod(stage: Stage) -> None:
    """It is gone, and the Job says why, whatever code the container ended with."""
    name = await start(stage)
    pod = await running_pod(stage, name)
    await stage.evict(pod)
    body = await finished(stage, name)
    failed = condition(body, "Failed")
    assert failed["reason"] == "PodFailurePolicy"
    assert failed["message"] == (
        f"Pod {stage.namespace}/{pod} has condition DisruptionTarget matching FailJob rule at index 0"
    )
    ending = observe_outcome(body, None)
    assert (ending.outcome, ending.reason) == (OutcomeClass.TERMINATED, "Disrupted")

    async def gone() -> bool:
        return await stage.api.find_pod(stage.namespace, name) is None

    await stage.eventually("the pod is gone", gone)


async def test_a_pod_deleted_by_hand(stage: Stage) -> None:
    """It ends by SIGTERM; the Job fails with that code, and makes no other pod."""
    name = await start(stage)
    await stage.delete("Pod", await running_pod(stage, name))
    body = await finished(stage, name)
    assert "failed with exit code 143 " in condition(body, "Failed")["message"]
    assert observe_outcome(body, None).outcome is OutcomeClass.TERMINATED

    async def gone() -> bool:
        return await stage.api.find_pod(stage.namespace, name) is None

    await stage.eventually("the pod is gone", gone)


async def test_a_job_beyond_its_deadline(stage: Stage) -> None:
    """The controller deletes the pod."""
    name = await start(stage, deadline=15)
    body = await finished(stage, name)
    assert condition(body, "Failed")["reason"] == "DeadlineExceeded"
    assert observe_outcome(body, None).reason == "DeadlineExceeded"

    async def gone() -> bool:
        return await stage.api.find_pod(stage.namespace, name) is None

    await stage.eventually("the pod is gone", gone)


async def test_a_job_suspended_by_hand(stage: Stage) -> None:
    """It loses its pod and is not finished, even where the code with which the pod ended would fail it."""
    name = await start(stage)
    await running_pod(stage, name)
    await stage.patch("Job", name, {"spec": {"suspend": True}})

    async def suspended() -> Manifest | None:
        body = await stage.api.get_job(stage.namespace, name)
        conditions = (body or {}).get("status", {}).get("conditions") or []
        pod = await stage.api.find_pod(stage.namespace, name)
        return body if pod is None and "Suspended" in {found["type"] for found in conditions} else None

    body = await stage.eventually("the Job is suspended", suspended)
    assert not is_finished(body)
    assert "startTime" not in body["status"]


async def test_a_container_that_keeps_the_pod_alive(stage: Stage) -> None:
    """The Job's pod is ready no more, and nothing else of the Job tells that the download has ended."""
    name = await start(stage, code=0, message=REPORT, beside=DEFAULTS.image)

    async def left() -> Manifest | None:
        pod = await stage.api.find_pod(stage.namespace, name)
        return pod if pod is not None and is_kept_alive(pod) else None

    pod = await stage.eventually("the download has ended", left)
    assert pod["status"]["phase"] == "Running"
    ending = observe_container(pod)
    assert (ending.outcome, ending.reason, bool(ending.finished_at)) == (OutcomeClass.PUBLISHED, "Published", True)

    async def unready() -> Manifest | None:
        body = await stage.api.get_job(stage.namespace, name)
        return body if body is not None and may_be_kept_alive(body) else None

    body = await stage.eventually("the Job knows that its pod is not ready", unready)
    await stage.quiet()
    assert (body["status"]["active"], body["status"]["ready"], is_finished(body)) == (1, 0, False)
    assert await left()


async def test_a_container_that_cannot_start_beside_the_download(stage: Stage) -> None:
    """The pod is Pending for as long, and the download runs all the same."""
    name = await start(stage, beside="registry.invalid/no-such-image:1")

    async def begun() -> Manifest | None:
        pod = await stage.api.find_pod(stage.namespace, name)
        return pod if pod is not None and download_has_begun(pod) else None

    pod = await stage.eventually("the download runs", begun)
    assert pod["status"]["phase"] == "Pending"
    body = await stage.api.get_job(stage.namespace, name)
    assert body is not None
    assert find_trouble(body, pod, Patience()) is None
    assert not is_kept_alive(pod)


async def test_a_download_that_ends_beside_a_container_that_cannot_start(stage: Stage) -> None:
    """It is Pending after that as well."""
    name = await start(stage, code=0, message=REPORT, beside="registry.invalid/no-such-image:1")

    async def left() -> Manifest | None:
        pod = await stage.api.find_pod(stage.namespace, name)
        return pod if pod is not None and is_kept_alive(pod) else None

    pod = await stage.eventually("the download has ended", left)
    assert (pod["status"]["phase"], observe_container(pod).reason) == ("Pending", "Published")


async def test_a_quota_of_pods(stage: Stage) -> None:
    """The Job is taken and starts, and no pod ever comes; it says nothing of why."""
    await stage.create("ResourceQuota", quota(stage, pods=0))
    await stage.quiet()
    name = await start(stage)
    await stage.quiet()
    body = await stage.api.get_job(stage.namespace, name)
    assert body is not None
    assert not is_finished(body)
    assert body["status"]["startTime"]
    assert not body["status"].get("ready")
    assert await stage.api.find_pod(stage.namespace, name) is None
