"""The volume behind a claim that Subscriptions share: what is everybody's trouble, and what is one's own."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from itertools import pairwise

import pytest

from builders import beside_users_of
from component.cluster import KEY, publish
from component.gate_world import (
    FULL,
    LIMITED,
    MINUTE,
    OTHER,
    STALE,
    VISITOR,
    Block,
    ask_for_check,
    closed,
    closed_gate,
    ended,
    finish,
    make,
    of_events,
    owner,
    probe,
    run,
    tally,
    work,
)
from component.inventory_world import pretend_histories
from component.world import World, make_limits
from trawler_downloader.contract.download import DownloadRequest, DownloadResult
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_downloader.contract.survey import SurveyRequest


async def test_volume_gate(world: World) -> None:
    """A stale NAS is tried by one Job after the other, of two Subscriptions on one claim; checks go on."""
    block = Block(result=STALE)
    world.downloader = block(world)
    for name in (KEY[1], "other"):
        world.cluster.subscribe({"select": {"newest": 4}, "job": {"parallelism": 2}}, name=name)
    operator = world.operator()
    await run(world, operator, until=lambda: len(block.refused) >= 4)
    assert closed(world) == {"Volume claim media/library"}
    for key in (KEY, OTHER):
        assert world.cluster.condition("Ready", key) == ("False", "VolumeGateClosed")
    listed = len(world.site.requests)
    ask_for_check(world, "now")
    await work(world, operator)
    assert listed + 1 == len(world.site.requests)
    block.lifted = True
    await run(world, operator)
    assert tally(world)[LedgerState.SUCCEEDED] == 8
    assert all(entry.failures == 0 for entry in world.cluster.ledger().values())
    assert closed(world) == set()


async def test_a_gate_that_nobody_probes_concerns_nobody_else(world: World) -> None:
    """Whoever closed it is suspended, and the other one has nothing to download: it is well, once the pause is over."""
    world.cluster.subscribe({"select": {"newest": 1}}, name=OTHER[1])
    operator = world.operator()
    await world.settle(operator, OTHER)
    world.cluster.subscribe({"select": {"newest": 1}})
    world.downloader = lambda _: STALE
    await run(world, operator, until=lambda: bool(closed(world)))
    assert world.cluster.condition("Ready", OTHER) == ("False", "VolumeGateClosed")
    world.cluster.merge("Subscription", *KEY, {"spec": {"suspend": True}})
    world.clock.advance(5 * MINUTE)
    await work(world, operator)
    assert closed(world) == {"Volume claim media/library"}
    assert world.cluster.condition("Ready", OTHER) == ("True", "Watching")


async def test_a_gate_concerns_who_wants_to_pass(world: World) -> None:
    """However long its pause is over: with a video that waits for another's probe, or is the probe."""
    operator = world.operator()
    for name in (KEY[1], OTHER[1]):
        world.cluster.subscribe({"select": {"newest": 1}}, name=name)
    world.downloader = lambda _: STALE
    await run(world, operator, until=lambda: bool(closed(world)))
    await probe(world, operator)
    world.clock.advance(MINUTE)
    await work(world, operator)
    for key in (KEY, OTHER):
        assert world.cluster.condition("Ready", key) == ("False", "VolumeGateClosed")


async def test_site_and_volume_at_once(world: World) -> None:
    """One probe for both; what it proves opens."""
    world.cluster.subscribe({"select": {"newest": 4}, "job": {"parallelism": 2}})
    operator = world.operator()
    await work(world, operator)
    for job, result in zip(world.cluster.running_jobs(), (LIMITED, STALE), strict=True):
        finish(world, job, result)
    await work(world, operator)
    assert closed(world) == {VISITOR, "Volume claim media/library"}
    await probe(world, operator)
    (job,) = world.cluster.running_jobs()
    finish(world, job, ended(OutcomeClass.NEEDS_ACCESS, "Private"))
    await work(world, operator)
    assert closed(world) == {"Volume claim media/library"}
    await run(world, operator, until=lambda: not closed(world))
    await run(world, operator, until=lambda: tally(world)[LedgerState.SUCCEEDED] == 3)


def mount(world: World, volume_id: str | None) -> None:
    """From now on that volume stands under the claim, or nothing but the bare folder of a NAS that is away."""

    def download(request: DownloadRequest) -> DownloadResult:
        if request.volume_id in (None, volume_id):
            return publish(request).model_copy(update={"volume_id": volume_id})
        return ended(OutcomeClass.ENVIRONMENT, "VolumeMarkerMismatch" if volume_id else "VolumeMarkerMissing")

    world.downloader, world.cluster.volume_id = download, volume_id


async def test_another_volume_than_one_subscription_s_history_is_about(world: World) -> None:
    """It waits alone, without a try spent, and says why; whose history begins there goes on."""
    mount(world, "volume-1")
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await run(world, operator)
    world.site.publish("v8", "v9")
    world.clock.advance(70 * MINUTE)
    mount(world, "volume-2")
    world.cluster.subscribe({"select": {"newest": 3}}, name="other")
    for _ in range(10):
        await work(world, operator)
        world.finish_jobs()
        world.clock.advance(MINUTE)
    assert world.cluster.condition("Ready") == ("False", "SubscriptionGateClosed")
    assert "VolumeMarkerMismatch" in world.cluster.message("Ready")
    assert world.cluster.condition("Ready", OTHER) == ("True", "Watching")
    assert Counter(world.cluster.states("other").values())[LedgerState.SUCCEEDED] == 3
    assert (closed(world), of_events(operator, "GateClosed")) == (set(), [])
    mount(world, "volume-1")
    await run(world, operator)
    assert Counter(world.cluster.states().values())[LedgerState.SUCCEEDED] == 3
    assert all(entry.failures == 0 for entry in world.cluster.ledger().values())
    assert world.cluster.condition("Ready") == ("True", "Watching")


async def test_a_nas_that_is_not_mounted_under_its_folder(world: World) -> None:
    """Three Subscriptions find that out each by itself: one Job at a time, in pauses that grow."""
    names = (KEY[1], "b", "c")
    for name in names:
        world.cluster.subscribe({"select": {"newest": 1}, "job": {"parallelism": 2}}, name=name)
    mount(world, "volume-1")
    operator = world.operator(limits=make_limits(10, 2))
    await run(world, operator)
    world.site.publish("v8", "v9", "w1")
    world.clock.advance(70 * MINUTE)
    mount(world, None)
    tried: dict[str, list[datetime]] = defaultdict(list)
    for _ in range(8 * 60):
        await work(world, operator)
        for name, jobs in Counter(owner(job) for job in world.cluster.running_jobs()).items():
            assert jobs == 1 or not tried[name]
            tried[name].append(world.clock.now())
        world.finish_jobs()
        world.clock.advance(MINUTE)
    assert closed(world) == set()
    for name in names:
        gaps = [(later - earlier) / MINUTE for earlier, later in pairwise(tried[name])]
        pauses = [1, 2, 4, 8, 16, 32, 60, 60]
        assert all(least <= gap <= 1.2 * least + 2 for least, gap in zip(pauses, gaps, strict=False))
        assert 8 <= len(gaps) <= 12
        assert world.cluster.condition("Ready", ("media", name)) == ("False", "SubscriptionGateClosed")
    mount(world, "volume-1")
    await run(world, operator)
    assert tally(world)[LedgerState.SUCCEEDED] == 12
    assert all(entry.failures == 0 for name in names for entry in world.cluster.ledger(name).values())


def count_surveys(world: World) -> list[str]:
    """Of which claims the histories are looked for from now on."""
    read: list[str] = []
    given = world.cluster.survey
    assert given is not None

    def note(request: SurveyRequest, claim: str) -> bytes | DownloadResult:
        read.append(claim)
        return given(request, claim)

    world.cluster.survey = note
    return read


@pytest.mark.parametrize(("trouble", "waits"), [(STALE, True), (FULL, False)], ids=["stale", "full"])
async def test_a_history_is_not_read_from_a_volume_that_is_left_alone(
    world: World, trouble: DownloadResult, waits: bool
) -> None:
    """It waits for the gate, and says so; a volume that merely takes nothing more can be read."""
    block = await closed_gate(world, trouble)
    read = count_surveys(world)
    world.cluster.subscribe({"select": {"newest": 1}}, name="other")
    operator = world.operator()
    for _ in range(3):
        await work(world, operator)
    assert world.cluster.condition("Ready", OTHER) == ("False", "VolumeGateClosed")
    assert read == ([] if waits else ["library"])
    block.lifted = True
    await run(world, operator)
    assert read == ["library"]
    assert tally(world)[LedgerState.SUCCEEDED] == 4


async def test_those_that_wait_for_a_survey_behind_a_closed_gate(world: World) -> None:
    """Each is told how it asks for a probe itself, and what one is told wakes no other."""
    await closed_gate(world, STALE)
    operator = world.operator()
    names = ("other", "third")
    for name in names:
        world.cluster.subscribe({"select": {"newest": 1}}, name=name)
        await make(operator, ("media", name))
    operator.woken.clear()
    for name in names:
        await make(operator, ("media", name))
    assert operator.woken == {}
    for name in names:
        said = world.cluster.message("Ready", ("media", name))
        assert f"kubectl -n media annotate --overwrite subscription {name} " in said


async def test_the_only_one_left_behind_a_closed_gate_has_no_history(world: World) -> None:
    """The survey goes once the pause is over, is tried again by itself, and the first download opens the gate."""
    block = await closed_gate(world, STALE)
    broken = iter([True])
    given = world.cluster.survey
    assert given is not None
    world.cluster.survey = lambda request, claim: STALE if next(broken, False) else given(request, claim)
    world.cluster.delete("Subscription", *KEY)
    world.cluster.subscribe({"select": {"newest": 1}}, name="other")
    operator = world.operator()
    await make(operator, KEY)
    block.lifted = True
    pause = await operator.reconcile(OTHER)
    assert pause is not None
    assert pause <= MINUTE
    await run(world, operator)
    assert closed(world) == set()
    assert set(world.cluster.states("other").values()) == {LedgerState.SUCCEEDED, LedgerState.SKIPPED}


async def test_one_whose_volume_does_not_mount_waits_by_itself(world: World) -> None:
    """On a node without the mount it closes the gate for all; ever more rarely, so that the others go on."""
    unmounted = ended(OutcomeClass.ENVIRONMENT, "MountFailed")
    world.downloader = lambda request: unmounted if request.subscription.name == "other" else publish(request)
    for name in (KEY[1], "other"):
        world.cluster.subscribe({"select": {"newest": 8}, "job": {"parallelism": 1}}, name=name)
    operator = world.operator()
    began: list[datetime] = []

    def watch() -> None:
        began.extend(world.clock.now() for job in world.cluster.running_jobs() if owner(job) == "other")

    await run(world, operator, until=lambda: len(began) >= 6, watch=watch)
    pauses = [later - sooner for sooner, later in pairwise(began)]
    assert [pause >= 2**step * MINUTE for step, pause in enumerate(pauses)] == [True] * 5
    assert tally(world)[LedgerState.SUCCEEDED] == 8
    assert world.cluster.subscription(OTHER)["status"]["gate"]["reason"] == "MountFailed"
    assert all(entry.failures == 0 for entry in world.cluster.ledger("other").values())


def bear(world: World, mode: str) -> None:
    """The claim's volume has that access mode."""
    world.cluster.merge("PersistentVolumeClaim", "media", "library", {"status": {"accessModes": [mode]}})


@pytest.mark.parametrize(("mode", "together"), [("ReadWriteOnce", True), ("ReadWriteMany", False)])
async def test_where_jobs_of_a_claim_run(world: World, mode: str, together: bool) -> None:
    """Surveys, inventories and downloads of a volume that is on one node at a time, beside one another."""
    bear(world, mode)
    pretend_histories(world, "numberline")
    find, world.cluster.survey = world.cluster.survey, None
    print_all, world.cluster.inventory = world.cluster.inventory, None
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    (survey,) = world.cluster.survey_jobs()
    world.cluster.survey = find
    await operator.reconcile()
    (inventory,) = world.cluster.inventory_jobs()
    world.cluster.inventory = print_all
    await operator.reconcile()
    (download,) = world.cluster.running_jobs()
    pods = [job["spec"]["template"] for job in (survey, inventory, download)]
    assert [pod["spec"].get("affinity") for pod in pods] == [beside_users_of("library") if together else None] * 3
    assert {pod["metadata"]["labels"]["trawler.dev/claim"] for pod in pods} == {"library"}


async def test_a_claim_of_one_pod_is_named(world: World) -> None:
    """Its Jobs would wait for one another, and for a media server for ever."""
    bear(world, "ReadWriteOncePod")
    world.cluster.subscribe({"select": {"newest": 2}})
    await world.operator().reconcile()
    assert world.cluster.condition("Ready") == ("False", "ClaimForOnePod")
    assert "use one that is ReadWriteOnce or ReadWriteMany" in world.cluster.message("Ready")
    assert world.cluster.created == []
