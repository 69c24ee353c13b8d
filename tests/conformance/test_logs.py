"""What operators read of pods' logs, and what becomes of the Jobs that print there."""

from __future__ import annotations

import pytest

from component.cluster import print_records
from conformance.stage import CLAIM, Stage, download_job, inventory_job, job, printing_inventory, subscribe, survey_job
from trawler_downloader.contract.download import SubscriptionRef
from trawler_downloader.contract.inventory import InventoryRequest, RecordLine
from trawler_downloader.contract.volume_job import MAX_LOG_BYTES, parse_chunk
from trawler_operator.api.labels import DOWNLOAD_CONTAINER, inventory_labels
from trawler_operator.domain.jobs.outcome import is_finished
from trawler_operator.reconcile.ports import Manifest, NotFoundError, RejectedError

TITLE = "東京 🎞 Zürich"


async def pod_of(stage: Stage, manifest: Manifest, *phases: str) -> Manifest:
    """Create a Job; its pod, once it is there and, where any are named, in one of these phases."""
    name = manifest["metadata"]["name"]
    await stage.api.create_job(stage.namespace, manifest)

    async def look() -> Manifest | None:
        pod = await stage.api.find_pod(stage.namespace, name)
        return pod if pod is not None and (not phases or pod.get("status", {}).get("phase") in phases) else None

    pod: Manifest = await stage.eventually(f"the pod of {name}, {phases or 'in any phase'}", look)
    return pod


async def log_of(stage: Stage, pod: Manifest, max_bytes: int = MAX_LOG_BYTES) -> bytes:
    """What a pod has printed."""
    return await stage.api.read_log(stage.namespace, pod["metadata"]["name"], DOWNLOAD_CONTAINER, max_bytes)


async def test_the_log_of_a_pod_that_ended(stage: Stage) -> None:
    """Every byte of it, of whatever language, as long as the pod is there."""
    text = f"{TITLE}\n\nno line feed at the end"
    pod = await pod_of(stage, job(stage, code=0, prints=text), "Succeeded")
    assert await log_of(stage, pod) == text.encode()


async def test_the_log_of_a_pod_that_failed(stage: Stage) -> None:
    """It is kept as well."""
    pod = await pod_of(stage, job(stage, code=1, prints="the last words\n"), "Failed")
    assert await log_of(stage, pod) == b"the last words\n"


async def test_the_log_of_a_pod_that_runs(stage: Stage) -> None:
    """What it has printed so far; the answer does not wait for more."""
    pod = await pod_of(stage, job(stage, prints="begun\n"), "Running")

    async def printed() -> bytes:
        return await log_of(stage, pod)

    assert await stage.eventually("it has printed", printed) == b"begun\n"


async def test_a_pod_that_printed_nothing(stage: Stage) -> None:
    """No bytes, no error."""
    assert await log_of(stage, await pod_of(stage, job(stage, code=0), "Succeeded")) == b""


async def test_no_more_of_a_log_than_was_asked_for(stage: Stage) -> None:
    """Its beginning, cut at the very byte."""
    pod = await pod_of(stage, job(stage, code=0, prints="0123456789abcdef\n", times=10_000), "Succeeded")
    assert await log_of(stage, pod, 20) == b"0123456789abcdef\n012"


async def test_a_log_as_long_as_a_chunk(stage: Stage) -> None:
    """It comes whole: the kubelet has not rotated it."""
    line, times = "x" * 1023 + "\n", 4 * 1024
    pod = await pod_of(stage, job(stage, code=0, prints=line, times=times), "Succeeded")
    assert await log_of(stage, pod) == line.encode() * times


async def test_the_log_of_a_pod_that_is_gone(stage: Stage) -> None:
    """It is not found."""
    pod = await pod_of(stage, job(stage, code=0, prints="words\n"), "Succeeded")
    await stage.delete("Pod", pod["metadata"]["name"])

    async def gone() -> bool:
        return await stage.read("Pod", pod["metadata"]["name"]) is None

    await stage.eventually("the pod is gone", gone)
    with pytest.raises(NotFoundError):
        await log_of(stage, pod)


async def test_the_log_of_a_container_that_is_not_there(stage: Stage) -> None:
    """Refused: asking again is of no use."""
    pod = await pod_of(stage, job(stage, code=0), "Succeeded")
    with pytest.raises(RejectedError):
        await stage.api.read_log(stage.namespace, pod["metadata"]["name"], "another", MAX_LOG_BYTES)


@pytest.mark.parametrize("build", [download_job, inventory_job, survey_job])
async def test_the_pods_of_our_jobs_are_admitted(stage: Stage, build: object) -> None:
    """By a namespace that enforces the profile `restricted`; the claim, which is not there, comes later."""
    owner = await subscribe(stage)
    assert callable(build)
    pod = await pod_of(stage, build(stage, owner))
    spec = pod["spec"]
    assert CLAIM in {volume.get("persistentVolumeClaim", {}).get("claimName") for volume in spec["volumes"]}
    assert spec["automountServiceAccountToken"] is False
    assert [container["name"] for container in spec["containers"]] == [DOWNLOAD_CONTAINER]


async def test_a_pod_that_breaks_the_profile_never_comes(stage: Stage) -> None:
    """Its Job is taken all the same, and says nothing of it."""
    manifest = job(stage)
    manifest["spec"]["template"]["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    await stage.api.create_job(stage.namespace, manifest)
    await stage.quiet()
    name = manifest["metadata"]["name"]
    body = await stage.api.get_job(stage.namespace, name)
    assert body is not None
    assert not is_finished(body)
    assert await stage.api.find_pod(stage.namespace, name) is None


async def test_inventory_jobs_are_listed_apart(stage: Stage) -> None:
    """They are no downloads, and hold no slot of theirs."""
    owner = await subscribe(stage)
    manifest = inventory_job(stage, owner)
    await stage.api.create_job(stage.namespace, manifest)
    await stage.api.create_job(stage.namespace, download_job(stage, owner))
    (listed,) = await stage.api.list_volume_jobs(stage.namespace, inventory_labels("numberline"))
    assert listed["metadata"]["name"] == manifest["metadata"]["name"]
    assert listed["spec"]["ttlSecondsAfterFinished"] == manifest["spec"]["ttlSecondsAfterFinished"]
    assert manifest["metadata"]["name"] not in {
        found["metadata"]["name"] for found in await stage.api.list_jobs(stage.namespace, "numberline")
    }
    assert await stage.api.list_volume_jobs(stage.namespace, inventory_labels("fugues")) == []


async def test_a_chunk_comes_through_the_log(stage: Stage) -> None:
    """As an inventory prints it: nothing of it is lost or changed on the way."""
    owner = await subscribe(stage)
    request = InventoryRequest(subscription=SubscriptionRef(namespace=stage.namespace, name="numberline"))
    records = [
        RecordLine(
            key=f"youtube.{number}",
            extractor="Youtube",
            id=str(number),
            url=f"https://www.youtube.com/watch?v={number}",
            title=TITLE * 10,
            launch=1,
            path=f"{TITLE}/{number}.mp4",
            bytes=10,
            present_bytes=10,
            engine="2026.10.26",
            landed_at=1_700_000_000,
        )
        for number in range(50)
    ]
    printed = print_records(request, records, "volume-1")
    manifest = printing_inventory(stage, owner, printed.decode())
    pod = await pod_of(stage, manifest, "Succeeded")
    chunk = parse_chunk(await log_of(stage, pod), RecordLine)
    assert [*chunk.records] == records
    assert chunk.header.volume_id == "volume-1"
