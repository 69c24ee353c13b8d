"""New Subscriptions: one Job per volume says which of them have a history, and only those read it back.

What the Jobs print here is printed by the real programs, over a folder that the real publishing code has filled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from component.cluster import KEY, Killed, print_survey
from component.inventory_world import SPEC, STALE, Volume, filled, in_state, lose_cluster, lose_ledger, mark
from component.object_store import Object
from component.survey_world import SECOND, end_surveys, jobs_made, pass_once, subscribe, work_off
from component.world import Operator, World, videos
from trawler_downloader.contract.outcomes import LedgerState
from trawler_downloader.contract.survey import SurveyRequest
from trawler_operator.api import labels

OTHER = ("media", "other")


async def test_a_new_subscription_costs_one_job(world, volume):
    """On a volume that nobody used: the first shard says so, and the Job is gone before the first listing."""
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await operator.reconcile()
    assert operator.silent.events[0].reason == "VideosFound"
    assert mark(world) == "empty"
    assert (world.cluster.survey_jobs(), world.cluster.inventory_jobs()) == ([], [])
    assert len(world.site.requests) == 1
    assert [write for write in world.cluster.writes if "ConfigMap" not in write and "status" not in write][:2] == [
        "create Job",
        "delete Job",
    ]


async def test_a_ledger_that_begins_anew_is_about_its_volume(world, volume):
    """Of one that others have used: what is downloaded must land there."""
    await filled(world)
    world.cluster.subscribe({"select": {"newest": 1}}, name="other")
    await world.operator().reconcile(OTHER)
    marks = [shard["metadata"]["annotations"][labels.INVENTORY_ANNOTATION] for shard in world.cluster.shards("other")]
    assert marks == [mark_of(volume)]


def mark_of(volume: Volume) -> str:
    text = (volume.root / ".trawler/volume-id").read_text()
    return text.partition('"id": "')[2].partition('"')[0]


async def test_two_hundred_new_subscriptions_cost_one_job(world):
    """They wait together, are woken together, and nobody asks for the Job but one."""
    keys = subscribe(world, 200)
    world.site.down = True
    operator = world.operator()
    await asyncio.gather(*(pass_once(operator, key) for key in keys))
    assert jobs_made(world) == 1
    world.cluster.reads.clear()
    end_surveys(world, operator)
    assert len(operator.woken) == 1
    assert await work_off(operator) >= 200
    assert jobs_made(world) == 1
    assert all(len(world.cluster.shards(name)) == 1 for _, name in keys)
    assert [world.cluster.reads.count(read) for read in ("list survey Jobs", "find Pod", "read log")] == [1, 1, 1]
    assert "list inventory Jobs" not in world.cluster.reads


async def test_one_with_a_history_among_many_reads_it_back(world, volume):
    await filled(world)
    world = lose_cluster(world, volume)
    world.site.down = True
    world.cluster.subscribe(SPEC)
    keys = subscribe(world, 20)
    operator = world.operator()
    for key in (*keys, KEY):
        await pass_once(operator, key)
    end_surveys(world, operator)
    await work_off(operator)
    (job,) = world.cluster.inventory_jobs()
    assert job["metadata"]["labels"][labels.SUBSCRIPTION_LABEL] == "numberline"
    assert all(len(world.cluster.shards(name)) == 1 for _, name in keys)
    await operator.reconcile()
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 4, 5, 6, 7)
    assert jobs_made(world) == 2


async def test_a_history_that_was_found_is_not_looked_for_again(world, volume):
    """However long its inventory takes and fails."""
    await filled(world)
    world = lose_cluster(world, volume)
    world.cluster.inventory = lambda request: STALE
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    for _ in range(3):
        await operator.reconcile()
        world.clock.advance(timedelta(minutes=10))
    assert world.cluster.reads.count("list survey Jobs") == 2


async def test_many_histories_come_in_parts(world, volume):
    """More than one Job prints: all of them count."""
    await filled(world)
    for name in ("a", "b", "c", "d", "e"):
        folder = volume.root / f".trawler/media.{name}/videos/3f"
        folder.mkdir(parents=True)
        (folder / "youtube.x.json").write_text("{}")
    world = lose_cluster(world, volume)
    volume.limit = 2
    world.cluster.inventory = None
    for name in ("numberline", "e", "f"):
        world.cluster.subscribe(SPEC, name=name)
        await world.operator().reconcile(("media", name))
    owners = {job["metadata"]["labels"][labels.SUBSCRIPTION_LABEL] for job in world.cluster.inventory_jobs()}
    assert owners == {"numberline", "e"}
    assert len(world.cluster.shards("f")) == 1


async def test_who_comes_while_the_survey_runs_waits_for_the_next(world):
    """A Subscription of its name may have downloaded before it was deleted: the answer is not about that."""
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await pass_once(operator, KEY)
    world.clock.advance(SECOND)
    world.cluster.subscribe(SPEC, name="other")
    await pass_once(operator, OTHER)
    assert jobs_made(world) == 1
    end_surveys(world, operator)
    await work_off(operator)
    assert (len(world.cluster.shards()), world.cluster.shards("other"), jobs_made(world)) == (1, [], 2)
    end_surveys(world, operator)
    await work_off(operator)
    assert len(world.cluster.shards("other")) == 1


async def test_a_late_comer_that_reads_the_answer_wakes_those_it_is_for(world):
    """It needs another Job for itself."""
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await pass_once(operator, KEY)
    world.clock.advance(SECOND)
    world.cluster.subscribe(SPEC, name="other")
    for survey in world.cluster.run_surveys():
        operator.reconciler.survey_changed(survey)
    await pass_once(operator, OTHER)
    assert operator.woken[KEY] == 0.0
    await pass_once(operator, KEY)
    assert len(world.cluster.shards()) == 1


async def test_a_subscription_that_came_before_it_began_shares_an_answer(world):
    """One that is looked at half a minute later, too."""
    world.cluster.subscribe(SPEC, name="other")
    world.clock.advance(SECOND)
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await operator.reconcile()
    world.clock.advance(timedelta(seconds=30))
    await operator.reconcile(OTHER)
    assert (jobs_made(world), len(world.cluster.shards("other"))) == (1, 1)


async def test_an_answer_does_not_count_for_long(world, volume):
    """A NAS is mounted a minute later: what it holds is seen by whoever comes then."""
    world.cluster.subscribe({**SPEC, "suspend": True}, name="other")
    world.clock.advance(SECOND)
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await operator.reconcile()
    world.clock.advance(timedelta(seconds=61))
    world.cluster.survey = lambda request, _: print_survey(request, ["other"])
    world.cluster.inventory = None
    world.cluster.merge("Subscription", *OTHER, {"spec": {"suspend": False}})
    await operator.reconcile(OTHER)
    assert (world.cluster.shards("other"), len(world.cluster.inventory_jobs())) == ([], 1)


async def test_a_recreated_subscription_is_not_new_by_an_older_answer(world, volume):
    """It downloads, is deleted with its ledger, and is applied again within the minute."""
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await world.settle(operator, step=timedelta(seconds=1))
    world.cluster.delete("Subscription", *KEY)
    await operator.reconcile()
    lose_ledger(world)
    world.cluster.subscribe(SPEC)
    downloaded = list(volume.downloads)
    await operator.reconcile()
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 4, 5, 6, 7)
    assert volume.downloads == downloaded


async def test_a_ledger_that_is_deleted_within_the_minute_is_read_back(world, volume):
    """Of a Subscription that lives: it was checked, so it is not new, whatever a survey said before."""
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await world.settle(operator, step=timedelta(seconds=1))
    lose_ledger(world)
    await operator.reconcile()
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 4, 5, 6, 7)


async def test_a_volume_that_is_not_mounted_is_not_taken_for_a_new_one(world, volume, tmp_path_factory):
    """The status knows of downloads: no survey of a bare mount point is believed."""
    await filled(world)
    await world.operator().reconcile()
    lose_ledger(world)
    bare = Volume(tmp_path_factory.mktemp("bare"))
    world.cluster.inventory, world.cluster.survey = bare.print, bare.survey
    operator = world.operator()
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "InventoryFailed")
    assert "is the NAS mounted" in world.cluster.message("Ready")
    assert world.cluster.shards() == []


@pytest.mark.parametrize("after", [False, True], ids=["before-it-takes-effect", "after-it-took-effect"])
async def test_killed_at_any_call(world, volume, after):
    """Of three Subscriptions, one of which has a history: each ends as if nothing had happened."""
    await filled(world)
    downloaded = list(volume.downloads)
    keys = [KEY, OTHER, ("media", "third")]

    async def begin(kill_at: int | None) -> tuple[World, int]:
        later = lose_cluster(world, volume)
        later.site.down = True
        for _, name in keys:
            later.cluster.subscribe(SPEC, name=name)
        later.clock.advance(SECOND)
        first = later.operator(kill_at=kill_at, after=after)
        try:
            await begin_with(later, first)
        except Killed:
            await begin_with(later, later.operator())
        return later, first.api.calls

    async def begin_with(later: World, operator: Operator) -> None:
        for _ in range(4):
            for key in keys:
                await pass_once(operator, key)
            end_surveys(later, operator)
            later.cluster.run_inventory(KEY)
            later.clock.advance(SECOND)

    undisturbed, calls = await begin(None)
    expected = undisturbed.cluster.states()
    assert (len(expected), 20 < calls < 100) == (8 - 3, True)
    for kill_at in range(calls):
        later, _ = await begin(kill_at)
        assert later.cluster.states() == expected, f"killed at call {kill_at}"
        assert all(len(later.cluster.shards(name)) == 1 for _, name in keys), f"killed at call {kill_at}"
        assert later.cluster.survey_jobs() == [], f"killed at call {kill_at}"
    assert volume.downloads == downloaded


async def test_a_restart_meets_the_job_that_runs(world):
    """Its name follows from what it looks at: none is made beside it."""
    world.cluster.subscribe(SPEC)
    await pass_once(world.operator(), KEY)
    world.clock.advance(SECOND)
    operator = world.operator()
    await pass_once(operator, KEY)
    assert len(world.cluster.survey_jobs()) == 1
    end_surveys(world, operator)
    await work_off(operator)
    await operator.reconcile()
    assert len(world.cluster.shards()) == 1


async def test_a_job_that_ended_long_ago_is_not_believed(world):
    """The operator was away for an hour: it is read once more."""
    world.cluster.subscribe(SPEC)
    world.clock.advance(SECOND)
    await pass_once(world.operator(), KEY)
    world.cluster.run_surveys()
    world.clock.advance(timedelta(hours=1))
    world.cluster.survey = lambda request, _: print_survey(request, ["numberline"])
    world.cluster.inventory = None
    await world.operator().reconcile()
    assert (world.cluster.shards(), len(world.cluster.inventory_jobs())) == ([], 1)


async def test_two_operators_share_the_job(world):
    world.cluster.subscribe(SPEC)
    first, second = world.operator(), world.operator()
    await asyncio.gather(pass_once(first, KEY), pass_once(second, KEY))
    assert len(world.cluster.survey_jobs()) == 1
    end_surveys(world, first)
    await asyncio.gather(pass_once(first, KEY), pass_once(second, KEY))
    for operator in (first, second):
        await operator.reconcile()
    assert len(world.cluster.shards()) == 1


async def test_pods_that_differ_have_surveys_of_their_own(world):
    """As another user, a volume may show other things, or nothing."""
    users: dict[int, list[str]] = {65532: [], 1000: ["other"]}
    world.cluster.inventory = None
    world.cluster.subscribe(SPEC)
    world.cluster.subscribe({**SPEC, "job": {"runAsUser": 1000}}, name="other")
    operator = world.operator()
    await pass_once(operator, KEY)
    await pass_once(operator, OTHER)
    jobs = world.cluster.survey_jobs()
    assert {user(job) for job in jobs} == {65532, 1000}
    for identity in users:
        world.cluster.survey = lambda request, _, names=users[identity]: print_survey(request, names)
        end_survey_of(world, operator, lambda job, wanted=identity: user(job) == wanted)
    await work_off(operator)
    assert (len(world.cluster.shards()), world.cluster.shards("other")) == (1, [])
    assert len(world.cluster.inventory_jobs()) == 1


def user(job: Object) -> int:
    return int(job["spec"]["template"]["spec"]["securityContext"]["runAsUser"])


def end_survey_of(world: World, operator: Operator, wanted: Callable[[Object], bool]) -> None:
    """Only this one ends."""
    others = [job for job in world.cluster.survey_jobs() if not wanted(job)]
    for job in others:
        world.cluster.delete("Job", "media", job["metadata"]["name"])
    end_surveys(world, operator)
    for job in others:
        world.cluster.put("Job", job)


async def test_another_claim_is_another_survey(world):
    """While it waits, the Subscription is pointed at another volume: the first one's answer is not about that."""
    asked: list[str] = []

    def note(request: SurveyRequest, claim: str) -> bytes:
        asked.append(claim)
        return print_survey(request, ())

    world.cluster.survey = note
    world.cluster.claim("attic")
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await pass_once(operator, KEY)
    world.cluster.merge("Subscription", *KEY, {"spec": {"library": {"claimName": "attic"}}})
    await pass_once(operator, KEY)
    end_surveys(world, operator)
    await work_off(operator)
    assert set(asked) == {"library", "attic"}
    assert len(world.cluster.shards()) == 1
