"""One namespace's trouble is its own: others start, and its Subscriptions say what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from component.cluster import DOWNLOAD_JOBS, KEY, Object
from component.gate_world import MINUTE, TwoSites, keys, make
from component.world import Operator, World, make_limits
from trawler_operator.domain.gates.codec import decode_gate
from trawler_operator.domain.gates.route import GateKind
from trawler_operator.reconcile.ports import ApiError, RejectedError, UnavailableError
from trawler_operator.reconcile.reconciler import PassFailedError
from trawler_operator.reconcile.stores.recent_answers import KEPT_SECONDS

WEBHOOK = UnavailableError('500: failed calling webhook "policy.example.com": no endpoints available')
QUOTA = RejectedError("exceeded quota: jobs, requested: count/jobs.batch=1")
HEALTHY = ("family", "healthy")


def world_of_two_namespaces() -> World:
    """Two Subscriptions in one namespace, and one of another site in another."""
    world = World(site=TwoSites())
    world.site.publish("v1", "v2", "v3")
    for namespace in ("media", "family"):
        world.cluster.claim(namespace=namespace)
    world.cluster.subscribe()
    world.cluster.subscribe(name="second")
    world.cluster.subscribe({"url": "https://example.com/videos"}, name=HEALTHY[1], namespace=HEALTHY[0])
    return world


def refuse_jobs(operator: Operator, namespace: str, error: ApiError) -> None:
    """Every creation of a download Job in the namespace fails."""
    create = operator.api.create_job

    async def refusing(where: str, manifest: Object) -> None:
        if where == namespace and DOWNLOAD_JOBS.items() <= manifest["metadata"]["labels"].items():
            raise error
        await create(where, manifest)

    operator.api.create_job = refusing  # type: ignore[method-assign]


async def pass_over_all(world: World, operator: Operator, minutes: int) -> None:
    for _ in range(minutes):
        for key in keys(world):
            await make(operator, key)
        world.finish_jobs()
        world.clock.advance(MINUTE)


@pytest.mark.parametrize("error", [WEBHOOK, QUOTA], ids=["a webhook that fails", "a quota"])
async def test_refused_jobs_of_one_namespace_leave_the_slots_to_others(error: ApiError) -> None:
    """Two Subscriptions whose Jobs are refused hold neither of two slots."""
    world = world_of_two_namespaces()
    operator = world.operator(limits=make_limits(2, 2))
    refuse_jobs(operator, "media", error)

    await pass_over_all(world, operator, 5)

    assert world.cluster.states(HEALTHY[1]).keys() == {f"youtube.v{n}" for n in (1, 2, 3)}
    assert set(world.cluster.states(HEALTHY[1]).values()) == {"Succeeded"}
    assert operator.admission.running == 0


@pytest.mark.parametrize("error", [WEBHOOK, QUOTA], ids=["a webhook that fails", "a quota"])
async def test_refused_jobs_are_told_and_do_not_stop_the_checks(error: ApiError) -> None:
    """Ready says who refuses, in the API server's words; what waits is counted, and the source is looked at."""
    world = world_of_two_namespaces()
    operator = world.operator()
    refuse_jobs(operator, "media", error)

    await pass_over_all(world, operator, 70)

    assert world.cluster.condition("Ready") == ("False", "JobRejected")
    assert str(error) in world.cluster.message("Ready")
    assert world.cluster.condition("UpToDate") == ("False", "DownloadsPending")
    assert world.cluster.subscription(KEY)["status"]["counts"]["queued"] == 3
    mine = [request for request in world.site.requests if "numberline" in request.url]
    assert len(mine) == 2 * 2  # both Subscriptions at their beginning, and an hour later
    assert "JobRejected" in {event.reason for event in operator.silent.events}


async def test_a_start_that_was_refused_costs_nothing_of_the_hour() -> None:
    """The site was not asked."""
    world = world_of_two_namespaces()
    operator = world.operator(limits=make_limits(2, 2, per_hour=60))
    refuse_jobs(operator, "media", WEBHOOK)

    await pass_over_all(world, operator, 10)

    assert begun(world) == 0


async def test_claims_that_a_webhook_keeps_from_being_written_cost_nothing_of_the_hour() -> None:
    """Nobody can tell from the answer whether they were written; the ledger says so."""
    world = world_of_two_namespaces()
    operator = world.operator(limits=make_limits(2, 2, per_hour=60))

    def fail(what: str) -> ApiError | None:
        has_videos = len(world.cluster.ledger()) == 3
        return WEBHOOK if has_videos and what.startswith("patch ConfigMap/trawler-ledger-numberline") else None

    operator.api.fail = fail
    for _ in range(5):
        await make(operator)
        world.clock.advance(MINUTE)

    assert world.cluster.condition("Ready") == ("False", "LedgerNotWritable")
    assert begun(world) == 0


async def test_claims_are_not_charged_again_while_the_ledger_can_be_neither_written_nor_read() -> None:
    """Whether those of the first pass were written is not known; no further one is made."""
    world = world_of_two_namespaces()
    operator = world.operator(limits=make_limits(2, 2, per_hour=60))

    def fail(what: str) -> ApiError | None:
        has_videos = len(world.cluster.ledger()) == 3
        of_ledgers = what.startswith("patch ConfigMap/trawler-ledger") or what in {"list shards", "read shards"}
        return WEBHOOK if has_videos and of_ledgers else None

    operator.api.fail = fail
    for _ in range(5):
        await make(operator)
        world.clock.advance(MINUTE)

    assert world.cluster.condition("Ready") == ("False", "LedgerNotReadable")
    assert begun(world) == 1


async def test_who_cannot_claim_its_launches_stands_in_no_line() -> None:
    """It would have each turn, over and over, and others none. Its pass is made again after a pause."""
    world = world_of_two_namespaces()
    world.cluster.merge("Subscription", *KEY, {"spec": {"job": {"parallelism": 2}}})
    operator = world.operator(limits=make_limits(2, 2, spacing=timedelta(seconds=5)))

    def fail(what: str) -> ApiError | None:
        has_videos = len(world.cluster.ledger()) == 3
        return QUOTA if has_videos and what.startswith("patch ConfigMap/trawler-ledger-numberline") else None

    operator.api.fail = fail
    await make(operator)

    assert world.cluster.condition("Ready") == ("False", "LedgerNotWritable")
    assert operator.admission.waiting == 0
    assert KEY not in operator.called


async def test_claims_whose_answer_is_lost_are_charged_once() -> None:
    """The next pass makes their Jobs."""
    world = world_of_two_namespaces()
    operator = world.operator(limits=make_limits(2, 2, per_hour=60))
    patch = operator.api.patch_config_map

    async def lose(namespace: str, name: str, change: Mapping[str, Any]) -> Object:
        body = await patch(namespace, name, change)
        if "Running" in str(change):
            raise UnavailableError("the answer got lost")
        return body

    operator.api.patch_config_map = lose  # type: ignore[method-assign]
    await make(operator)
    operator.api.patch_config_map = patch  # type: ignore[method-assign]
    await make(operator)

    assert len(world.cluster.running_jobs()) == begun(world) == 1


def begun(world: World) -> int:
    """How many starts count against the hour of the first site."""
    gates = world.cluster.get("ConfigMap", "trawler-system", "trawler-gates")
    assert gates is not None
    book = [decode_gate(name, text) for name, text in gates["data"].items()]
    tube = next(gate for gate in book if gate.id.kind is GateKind.EGRESS and gate.id.site == "youtube.com")
    return tube.budget.begun(world.clock.now())


async def test_ended_jobs_hold_no_slot_while_their_endings_cannot_be_recorded() -> None:
    """Another namespace's downloads go on."""
    world = world_of_two_namespaces()
    operator = world.operator(limits=make_limits(1, 1))
    await make(operator)
    await make(operator)
    assert operator.admission.running == 1
    operator.api.fail = lambda what: QUOTA if what.startswith("patch ConfigMap/trawler-ledger-numberline") else None
    world.finish_jobs()

    await make(operator)

    assert operator.admission.running == 0
    assert world.cluster.condition("Ready") == ("False", "LedgerNotWritable")
    await make(operator, HEALTHY)
    await make(operator, HEALTHY)
    assert [job["metadata"]["namespace"] for job in world.cluster.running_jobs()] == [HEALTHY[0]]


STEPS = [
    pytest.param("list Jobs", "JobsNotReadable", id="Jobs cannot be listed"),
    pytest.param("get claim", "PrerequisitesNotReadable", id="the claim cannot be read"),
    pytest.param("delete Job", "JobsNotDeleted", id="Jobs cannot be deleted"),
]


@pytest.mark.parametrize(("call", "reason"), STEPS)
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RejectedError("jobs is forbidden"), "the API server refuses it: jobs is forbidden"),
        (UnavailableError("timed out"), "the API server did not do it: timed out"),
    ],
    ids=["refused", "away"],
)
async def test_a_step_that_fails_is_named_and_stops_no_check(
    call: str, reason: str, error: ApiError, words: str
) -> None:
    """Ready says which step, who is at fault in whose words, with one Event however often it fails."""
    world = world_of_two_namespaces()
    operator = world.operator()
    await make(operator)
    for _ in range(8):  # more ended Jobs than are kept
        await make(operator)
        world.finish_jobs()
        world.site.publish(f"w{len(world.site.videos)}")
        world.clock.advance(timedelta(hours=2))
    checks = len(world.site.requests)
    await make(operator)
    operator.api.fail = lambda what: error if what == call else None
    for _ in range(3):
        world.clock.advance(timedelta(hours=2))
        world.finish_jobs()
        with pytest.raises(PassFailedError):
            await operator.reconcile()

    assert world.cluster.condition("Ready") == ("False", reason)
    assert words in world.cluster.message("Ready")
    assert [event.reason for event in operator.silent.events].count(reason) == 1
    expected = 1 if reason == "PrerequisitesNotReadable" else 4
    assert len(world.site.requests) - checks == expected


async def test_a_status_that_cannot_be_stored_repeats_no_check() -> None:
    """What was found out is known to the next pass all the same; an Event says that the status is out of date."""
    world = world_of_two_namespaces()
    operator = world.operator()
    operator.api.fail = lambda what: RejectedError("denied by policy") if what == "patch status" else None

    for _ in range(60):
        await make(operator)
        world.finish_jobs()
        world.clock.advance(MINUTE)

    assert len(world.site.requests) == 1
    assert set(world.cluster.states().values()) == {"Succeeded"}
    assert "StatusNotWritable" in {event.reason for event in operator.silent.events}


async def test_a_status_that_an_older_crd_cuts_repeats_no_check() -> None:
    """The API server drops fields that it does not know, and answers that all is well."""
    world = world_of_two_namespaces()
    operator = world.operator()
    merge = world.cluster.merge_status

    def prune(kind: str, namespace: str, name: str, patch: Object) -> Object:
        status = {field: value for field, value in patch["status"].items() if not field.startswith("lastCheck")}
        return merge(kind, namespace, name, {**patch, "status": status})

    world.cluster.merge_status = prune  # type: ignore[method-assign,assignment]
    for _ in range(30):
        await make(operator)
        world.finish_jobs()
        world.clock.advance(MINUTE)

    assert len(world.site.requests) == 1


async def test_a_pass_that_hangs_is_cut_and_reported() -> None:
    """By its own deadline; Ready names the step that took too long."""
    world = world_of_two_namespaces()
    operator = world.operator()
    await make(operator)

    async def hang(namespace: str, name: str) -> Object | None:
        await timeless.wait()
        return None

    world.clock.advance(timedelta(seconds=KEPT_SECONDS))
    timeless = asyncio.Event()
    operator.api.get_claim = hang  # type: ignore[method-assign]
    operator.reconciler._deadline = 0.5  # real time: long enough to come to the step that hangs on a busy machine
    with pytest.raises(PassFailedError):
        await operator.reconcile()

    assert world.cluster.condition("Ready") == ("False", "PassTooLong")
    assert "reading what the spec names" in world.cluster.message("Ready")


async def test_a_spec_that_cannot_be_read_is_looked_at_until_its_jobs_have_ended() -> None:
    """They hold their slots, and their end may be told to nobody."""
    world = world_of_two_namespaces()
    operator = world.operator()
    await make(operator)
    await make(operator)
    assert operator.admission.running == 1
    world.cluster.merge("Subscription", *KEY, {"spec": {"surprise": 1}})

    assert await operator.reconcile() == timedelta(minutes=3)
    world.finish_jobs()
    assert await operator.reconcile() is None
    assert operator.admission.running == 0


async def test_a_spec_that_cannot_be_read_is_told_where_jobs_cannot_be_listed() -> None:
    """They may run still, so it is looked at again."""
    world = world_of_two_namespaces()
    operator = world.operator()
    world.cluster.merge("Subscription", *KEY, {"spec": {"surprise": 1}})
    operator.api.fail = lambda what: RejectedError("jobs is forbidden") if what == "list Jobs" else None

    assert await operator.reconcile() == timedelta(minutes=3)

    assert world.cluster.condition("Ready") == ("False", "InvalidSpec")


async def test_a_spec_that_cannot_be_read_is_told_by_events_where_the_status_is_refused() -> None:
    """Both: what is wrong with the spec, and with the status."""
    world = world_of_two_namespaces()
    operator = world.operator()
    world.cluster.merge("Subscription", *KEY, {"spec": {"surprise": 1}})
    operator.api.fail = lambda what: RejectedError("denied by policy") if what == "patch status" else None

    with pytest.raises(RejectedError):
        await operator.reconcile()

    assert [event.reason for event in operator.silent.events] == ["InvalidSpec", "StatusNotWritable"]


async def test_a_step_that_fails_is_named_by_a_suspended_subscription_too() -> None:
    """That it is suspended it may say once all goes well."""
    world = world_of_two_namespaces()
    operator = world.operator()
    await make(operator)
    world.cluster.merge("Subscription", *KEY, {"spec": {"suspend": True}})
    world.clock.advance(timedelta(seconds=KEPT_SECONDS))
    operator.api.fail = lambda what: RejectedError("forbidden") if what == "get claim" else None
    with pytest.raises(PassFailedError):
        await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "PrerequisitesNotReadable")

    operator.api.fail = lambda _: None
    await make(operator)
    assert world.cluster.condition("Ready") == ("True", "Suspended")
