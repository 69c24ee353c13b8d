"""Two namespaces under one operator: who may write in one of them moves nothing of the other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from component.cluster import Object
from component.gate_world import LIMITED, STALE, closed, finish, make, work
from component.world import Operator, World, world_with_a_channel
from trawler_downloader.contract.download import REQUEST_ENV
from trawler_operator.api import labels
from trawler_operator.domain.gates.route import GateId, GateKind

OURS, THEIRS = ("media", "numberline"), ("films", "numberline")
THEIR_VOLUME = "Volume claim films/library"


@pytest.fixture
def world() -> World:
    world = world_with_a_channel()
    world.cluster.claim(namespace="films")
    for namespace, _ in (OURS, THEIRS):
        world.cluster.subscribe({"select": {"newest": 1}}, namespace=namespace)
    return world


async def _begun(world: World, operator: Operator) -> Object:
    """Both download; the Job in the one namespace."""
    await work(world, operator)
    await work(world, operator)
    (job,) = [job for job in world.cluster.running_jobs() if job["metadata"]["namespace"] == OURS[0]]
    return job


def _annotated(world: World, job: Object, text: str) -> Object:
    """As whoever may patch Jobs can do."""
    metadata = job["metadata"]
    patch = {"metadata": {"annotations": {labels.GATES_ANNOTATION: text}}}
    return world.cluster.merge("Job", metadata["namespace"], metadata["name"], patch)


def _replaced(world: World, job: Object, **changes: Any) -> Object:
    """As whoever may delete and create Jobs can do: one of the same name that was told something else."""
    metadata = job["metadata"]
    world.cluster.delete("Job", metadata["namespace"], metadata["name"])
    variables = job["spec"]["template"]["spec"]["containers"][0]["env"]
    variable = next(one for one in variables if one["name"] == REQUEST_ENV)
    variable["value"] = json.dumps({**json.loads(variable["value"]), **changes})
    kept = {name: metadata[name] for name in ("name", "namespace", "labels", "annotations", "ownerReferences")}
    return world.cluster.create("Job", {**job, "metadata": kept, "status": {}})


@pytest.mark.parametrize(
    "gate",
    [
        GateId(GateKind.VOLUME, claim="films/library"),
        GateId(GateKind.EGRESS, "vimeo.com"),
        GateId(GateKind.COOKIES, "youtube.com", cookies="films/jar"),
    ],
    ids=["a volume", "an address at another site", "a cookie jar"],
)
@pytest.mark.parametrize("result", [STALE, LIMITED], ids=["a volume's trouble", "a site's trouble"])
async def test_an_annotation_names_gates_that_the_job_never_passed(world: World, gate: GateId, result: Any) -> None:
    """Its ending moves those that the pod was let through, and no other."""
    operator = world.operator()
    job = await _begun(world, operator)
    fields = {"kind": gate.kind, "site": gate.site, "cookies": gate.cookies, "claim": gate.claim, "epoch": 10**30}
    finish(world, _annotated(world, job, json.dumps([{k: v for k, v in fields.items() if v}])), result)
    await make(operator, OURS)
    expected = "Volume claim media/library" if result is STALE else "Cookies youtube.com"
    assert closed(world) == {expected}


async def test_a_job_made_by_hand_names_a_claim_of_another_namespace(world: World) -> None:
    """The name is taken for one of its own namespace."""
    operator = world.operator()
    job = await _begun(world, operator)
    job["spec"]["template"]["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] = "../films/library"
    finish(world, _replaced(world, job), STALE)
    await make(operator, OURS)
    await make(operator, THEIRS)
    assert THEIR_VOLUME not in closed(world)
    assert world.cluster.condition("Ready", THEIRS) == ("True", "Watching")


async def test_a_job_made_by_hand_blames_a_proxy_that_others_use(world: World) -> None:
    """The Subscription does not use it: whoever does will see for themselves."""
    operator = world.operator()
    job = _replaced(world, await _begun(world, operator), proxy="http://theirs.example:3128")
    finish(world, job, LIMITED)
    await make(operator, OURS)
    assert closed(world) == set()


@pytest.mark.parametrize("annotation", [labels.SPEC_ANNOTATION, labels.LAUNCH_ANNOTATION, labels.SHARD_ANNOTATION])
async def test_a_number_that_no_machine_can_hold(world: World, annotation: str) -> None:
    """It fails no pass: the slot that the Job held is free for the others."""
    operator = world.operator()
    job = await _begun(world, operator)
    patch = {"metadata": {"annotations": {annotation: "9" * 5000}}}
    finish(world, world.cluster.merge("Job", *OURS[:1], job["metadata"]["name"], patch), STALE)
    await operator.reconcile(OURS)
    assert operator.admission.running == 1
