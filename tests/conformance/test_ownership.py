"""Deletion: owners and garbage collection, preconditions, finalizers, names that become free."""

from __future__ import annotations

import pytest

from conformance.stage import Stage, config_map, job, shard, subscribe
from trawler_operator.api.subscription import parse_subscription
from trawler_operator.domain.jobs.manifest import owner_reference
from trawler_operator.reconcile.ports import AlreadyExistsError, Manifest

FINALIZER = "trawler.dev/a-test-holds-it"


def owned_by(body: Manifest) -> list[Manifest]:
    """References as the operator writes them."""
    return [owner_reference(parse_subscription(body), controller=False)]


async def start_job(stage: Stage, owner: Manifest | None = None) -> tuple[str, str]:
    """A Job and its pod; their names."""
    manifest = job(stage, owner=owner)
    name = manifest["metadata"]["name"]
    await stage.api.create_job(stage.namespace, manifest)

    async def running() -> bool:
        pod = await stage.api.find_pod(stage.namespace, name)
        return pod is not None and pod.get("status", {}).get("phase") == "Running"

    await stage.eventually("the pod runs", running)
    pod = await stage.api.find_pod(stage.namespace, name)
    assert pod is not None
    return name, pod["metadata"]["name"]


async def gone(stage: Stage, kind: str, name: str) -> None:
    async def is_gone() -> bool:
        return await stage.read(kind, name) is None

    await stage.eventually(f"{kind} {name} is gone", is_gone)


async def test_what_a_subscription_owns_goes_with_it(stage: Stage) -> None:
    """Its Jobs, their pods, shards that it owns; not what it does not own."""
    body = await subscribe(stage)
    await stage.api.create_config_map(stage.namespace, shard(stage, "owned", "other", ownerReferences=owned_by(body)))
    await stage.api.create_config_map(stage.namespace, shard(stage, "retained", "other"))
    job_name, pod = await start_job(stage, body)
    await stage.delete("Subscription", "numberline")
    await gone(stage, "Subscription", "numberline")
    await gone(stage, "ConfigMap", "owned")
    await gone(stage, "Job", job_name)
    await gone(stage, "Pod", pod)
    assert await stage.read("ConfigMap", "retained") is not None


async def test_orphans_of_a_subscription_stay(stage: Stage) -> None:
    """`kubectl delete --cascade=orphan`: they have no owner any more, and no trace of one."""
    body = await subscribe(stage)
    await stage.api.create_config_map(stage.namespace, shard(stage, "owned", "other", ownerReferences=owned_by(body)))
    job_name, _ = await start_job(stage, body)
    await stage.delete("Subscription", "numberline", "Orphan")
    await gone(stage, "Subscription", "numberline")
    await stage.quiet()
    for kind, name in (("ConfigMap", "owned"), ("Job", job_name)):
        left = await stage.read(kind, name)
        assert left is not None
        assert "ownerReferences" not in left["metadata"]


async def test_orphans_of_a_job_stay(stage: Stage) -> None:
    """Its pod runs on, and the name is free."""
    job_name, pod = await start_job(stage)
    await stage.delete("Job", job_name, "Orphan")
    await gone(stage, "Job", job_name)
    await stage.quiet()
    assert await stage.read("Pod", pod) is not None


async def test_foreground_deletion_takes_all(stage: Stage) -> None:
    """`kubectl delete --cascade=foreground`: pods first."""
    job_name, pod = await start_job(stage)
    await stage.delete("Job", job_name, "Foreground")
    await gone(stage, "Job", job_name)
    assert await stage.read("Pod", pod) is None


async def test_an_owner_that_never_was(stage: Stage) -> None:
    """What names one, a Subscription deleted meanwhile, is collected."""
    body = await subscribe(stage)
    await stage.delete("Subscription", "numberline")
    await gone(stage, "Subscription", "numberline")
    await stage.api.create_config_map(stage.namespace, shard(stage, "late", "other", ownerReferences=owned_by(body)))
    await gone(stage, "ConfigMap", "late")


async def test_an_owner_of_that_name_made_anew_is_another(stage: Stage) -> None:
    """The uid counts, not the name; and nothing of the old status is there."""
    old = await subscribe(stage)
    await stage.delete("Subscription", "numberline")
    await gone(stage, "Subscription", "numberline")
    new = await subscribe(stage)
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert new["metadata"]["generation"] == 1
    await stage.api.create_config_map(stage.namespace, shard(stage, "late", "other", ownerReferences=owned_by(old)))
    await gone(stage, "ConfigMap", "late")


async def test_one_of_two_owners_is_gone(stage: Stage) -> None:
    """The other one keeps it."""
    first, second = await subscribe(stage), await subscribe(stage, "second")
    both = [*owned_by(first), *owned_by(second)]
    await stage.api.create_config_map(stage.namespace, shard(stage, "shared", "other", ownerReferences=both))
    await stage.delete("Subscription", "numberline")

    async def one_left() -> bool:
        body = await stage.read("ConfigMap", "shared")
        assert body is not None
        return body["metadata"]["ownerReferences"] == owned_by(second)

    await stage.eventually("the reference to the owner that is gone is removed", one_left)


async def test_deletion_of_this_very_job(stage: Stage) -> None:
    """Its pod goes with it; another Job of that name stays, and nothing is raised."""
    job_name, pod = await start_job(stage)
    await stage.api.delete_job(stage.namespace, job_name, "0a1b2c3d-0000-4000-8000-000000000000")
    await stage.quiet()
    body = await stage.api.get_job(stage.namespace, job_name)
    assert body is not None
    await stage.api.delete_job(stage.namespace, job_name, body["metadata"]["uid"])
    await gone(stage, "Job", job_name)
    await gone(stage, "Pod", pod)


async def test_the_name_of_a_deleted_job_is_free_at_once(stage: Stage) -> None:
    """Its pod may still be ending."""
    job_name, _ = await start_job(stage)
    before = await stage.api.get_job(stage.namespace, job_name)
    assert before is not None
    await stage.api.delete_job(stage.namespace, job_name, before["metadata"]["uid"])
    await stage.api.create_job(stage.namespace, job(stage))
    after = await stage.api.get_job(stage.namespace, job_name)
    assert after is not None
    assert after["metadata"]["uid"] != before["metadata"]["uid"]


async def test_a_finalizer_holds_the_name(stage: Stage) -> None:
    """A deleted object stays, with a deletionTimestamp and its name, until its last finalizer is removed."""
    manifest = job(stage)
    manifest["metadata"]["finalizers"] = [FINALIZER]
    name = manifest["metadata"]["name"]
    await stage.api.create_job(stage.namespace, manifest)
    await stage.delete("Job", name)
    await stage.quiet()
    held = await stage.api.get_job(stage.namespace, name)
    assert held is not None
    assert held["metadata"]["deletionTimestamp"]
    with pytest.raises(AlreadyExistsError):
        await stage.api.create_job(stage.namespace, job(stage))
    await stage.patch("Job", name, {"metadata": {"finalizers": None}})
    await gone(stage, "Job", name)
    await stage.api.create_job(stage.namespace, job(stage))


async def test_a_finalizer_holds_a_shard(stage: Stage) -> None:
    """It can still be written to, and is listed with its deletionTimestamp."""
    held = shard(stage, "held", "numberline", {"a": "1"}, finalizers=[FINALIZER])
    await stage.api.create_config_map(stage.namespace, held)
    await stage.delete("ConfigMap", "held")
    (head,) = await stage.api.list_shard_heads(stage.namespace, "numberline")
    assert head["metadata"]["deletionTimestamp"]
    await stage.api.patch_config_map(stage.namespace, "held", {"data": {"a": "2"}})
    await stage.patch("ConfigMap", "held", {"metadata": {"finalizers": None}})
    await gone(stage, "ConfigMap", "held")


async def test_a_deleted_config_map_is_made_anew(stage: Stage) -> None:
    """Under its name, with a version of its own."""
    before = await stage.api.create_config_map(stage.namespace, config_map(stage, "mine", {"a": "1"}))
    await stage.delete("ConfigMap", "mine")
    await gone(stage, "ConfigMap", "mine")
    after = await stage.api.create_config_map(stage.namespace, config_map(stage, "mine", {"a": "1"}))
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]
