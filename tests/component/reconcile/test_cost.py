"""What a check costs the API server: what is asked of it, and what is written."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from builders import beside_users_of
from component.cluster import KEY
from component.world import Operator, World
from trawler_operator.api import labels
from trawler_operator.api.times import parse_time
from trawler_operator.domain.jobs.settings import JobDefaults
from trawler_operator.domain.status.patch import LONGEST_LAG
from trawler_operator.reconcile.stores.recent_answers import KEPT_SECONDS

OTHER = ("media", "other")
MINUTE = timedelta(minutes=1)
KEPT = timedelta(seconds=KEPT_SECONDS)


async def at_rest(world: World, *, seconds: int, defaults: JobDefaults | None = None) -> Operator:
    """An operator of two Subscriptions that have been checked, and that have downloaded what there is."""
    operator = world.operator(defaults=defaults)
    for key in (KEY, OTHER):
        world.cluster.subscribe({"schedule": {"intervalSeconds": seconds}}, name=key[1])
        await world.settle(operator, key)
    forget_calls(world)
    return operator


def forget_calls(world: World) -> None:
    world.cluster.reads.clear()
    world.cluster.writes.clear()
    world.site.requests.clear()


async def work(world: World, operator: Operator, duration: timedelta) -> None:
    """All passes over one Subscription that are due in this time."""
    end = world.clock.now() + duration
    pause = await operator.reconcile()
    while pause is not None and world.clock.now() + pause <= end:
        world.clock.advance(pause)
        pause = await operator.reconcile()


def shown(world: World, name: str) -> str:
    return str(world.cluster.subscription()["status"][name])


# -- the status ----------------------------------------------------------------------------------------------------


async def test_quiet_checks_are_written_every_half_hour(world: World) -> None:
    """Nothing changed in between but their times."""
    operator = await at_rest(world, seconds=600)
    await work(world, operator, timedelta(hours=6))

    assert len(world.site.requests) >= 32
    assert set(world.cluster.writes) == {"patch status"}
    assert len(world.cluster.writes) <= len(world.site.requests) / 3 + 1


async def test_the_shown_times_are_never_far_behind(world: World) -> None:
    """By half an hour and what lies between two checks."""
    operator = await at_rest(world, seconds=600)
    for _ in range(40):
        world.clock.advance(5 * MINUTE)
        await operator.reconcile()
        assert world.clock.now() - parse_time(shown(world, "lastCheckTime")) < LONGEST_LAG + 11 * MINUTE


async def test_a_check_every_hour_is_always_written(world: World) -> None:
    """So that the column LAST-CHECK shows each."""
    operator = await at_rest(world, seconds=3600)
    await work(world, operator, timedelta(hours=12))

    assert len(world.cluster.writes) == len(world.site.requests) >= 10


async def test_a_check_that_is_not_stored_is_not_made_again(world: World) -> None:
    """The next pass knows of it."""
    operator = await at_rest(world, seconds=600)
    world.clock.advance(11 * MINUTE)
    for _ in range(3):
        await operator.reconcile()
        world.clock.advance(MINUTE)

    assert (len(world.site.requests), world.cluster.writes) == (1, [])


async def test_what_somebody_else_wrote_counts(world: World) -> None:
    """Times that are not stored belong to the status that was there then."""
    operator = await at_rest(world, seconds=600)
    world.clock.advance(11 * MINUTE)
    await operator.reconcile()
    world.cluster.merge_status("Subscription", *KEY, {"status": None})
    await operator.reconcile()

    assert len(world.site.requests) == 2


async def test_a_new_subscription_of_that_name_knows_nothing(world: World) -> None:
    """Times that are not stored belong to one that is gone."""
    operator = await at_rest(world, seconds=600)
    world.clock.advance(11 * MINUTE)
    await operator.reconcile()
    status = world.cluster.subscription()["status"]
    world.cluster.delete("Subscription", *KEY)
    world.cluster.subscribe({"schedule": {"intervalSeconds": 600}})
    world.cluster.merge_status("Subscription", *KEY, {"status": status})
    await operator.reconcile()

    assert len(world.site.requests) == 2


async def test_whatever_else_changes_is_written_with_the_times(world: World) -> None:
    """A video was found at once after a check that was not stored."""
    operator = await at_rest(world, seconds=600)
    world.clock.advance(11 * MINUTE)
    await operator.reconcile()
    assert world.cluster.writes == []
    world.site.publish("new")
    world.clock.advance(11 * MINUTE)
    await operator.reconcile()

    assert parse_time(shown(world, "lastCheckTime")) == world.clock.now()
    assert world.cluster.subscription()["status"]["counts"]["running"] == 1


async def test_a_restart_repeats_no_check_of_an_hourly_schedule(world: World) -> None:
    """Each of them is stored."""
    operator = await at_rest(world, seconds=3600)
    await work(world, operator, timedelta(hours=2))
    made = len(world.site.requests)
    await world.operator().reconcile()

    assert len(world.site.requests) == made


async def test_a_restart_repeats_no_check_that_was_asked_for(world: World) -> None:
    """However short the time since the last one: that it was made is stored at once."""
    operator = await at_rest(world, seconds=600)
    world.clock.advance(MINUTE)
    world.cluster.merge("Subscription", *KEY, {"metadata": {"annotations": {labels.CHECK_ANNOTATION: "now"}}})
    await operator.reconcile()
    await world.operator().reconcile()

    assert len(world.site.requests) == 1


# -- what the spec names -------------------------------------------------------------------------------------------


async def test_a_claim_is_read_once_for_all_that_name_it(world: World) -> None:
    """Within a few minutes, and the CA bundle likewise."""
    bundle = {"metadata": {"namespace": "media", "name": "authorities"}, "data": {"ca.crt": "PEM"}}
    world.cluster.put("ConfigMap", bundle)
    defaults = JobDefaults(image="downloader:1", claim_name="library", ca_bundle_config_map="authorities")
    operator = await at_rest(world, seconds=60, defaults=defaults)
    world.clock.advance(KEPT)
    for _ in range(4):
        world.clock.advance(MINUTE + timedelta(seconds=6))
        for key in (KEY, OTHER):
            await operator.reconcile(key)

    reads = Counter(world.cluster.reads)
    assert len(world.site.requests) >= 7
    assert {request.ca_bundle for request in world.site.requests} == {"PEM"}
    assert (reads["get claim"], reads["get ConfigMap/authorities"]) == (1, 1)


async def test_a_claim_that_goes_is_noticed_after_a_few_minutes(world: World) -> None:
    """Or at once by a Subscription that is asked for a check."""
    operator = await at_rest(world, seconds=60)
    world.cluster.delete("PersistentVolumeClaim", "media", "library")
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("True", "Watching")
    world.cluster.merge("Subscription", *OTHER, {"metadata": {"annotations": {labels.CHECK_ANNOTATION: "now"}}})
    await operator.reconcile(OTHER)
    assert world.cluster.condition("Ready", OTHER) == ("False", "ClaimNotFound")
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "ClaimNotFound")


async def test_a_claim_that_comes_is_seen_at_once(world: World) -> None:
    """That it was missing is never kept."""
    operator = await at_rest(world, seconds=60)
    world.cluster.delete("PersistentVolumeClaim", "media", "library")
    world.clock.advance(KEPT)
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "ClaimNotFound")
    world.cluster.claim()
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("True", "Watching")


async def test_what_is_kept_of_a_claim_says_on_how_many_nodes_it_is(world: World) -> None:
    """Who did not read it runs its Jobs beside those of the others all the same."""
    on_one_node = {"status": {"accessModes": ["ReadWriteOnce"]}}
    world.cluster.merge("PersistentVolumeClaim", "media", "library", on_one_node)
    operator = await at_rest(world, seconds=600)
    world.site.publish("new")
    world.clock.advance(11 * MINUTE)
    for key in (KEY, OTHER):
        await operator.reconcile(key)

    affinities = [job["spec"]["template"]["spec"].get("affinity") for job in world.cluster.running_jobs()]
    assert world.cluster.reads.count("get claim") == 1
    assert affinities == [beside_users_of("library")] * 2


@pytest.mark.parametrize(
    ("change", "reads"),
    [
        pytest.param({"library": {"claimName": "attic"}}, 1, id="another claim for downloads"),
        pytest.param({"access": {"caBundleRef": {"name": "authorities"}}}, 1, id="another bundle for both"),
        pytest.param({"select": {"newest": 3}}, 1, id="another choice for listings"),
        pytest.param({"schedule": {"intervalSeconds": 7200}}, 0, id="nothing that either depends on"),
    ],
)
async def test_a_changed_spec_is_looked_at_anew(world: World, change: dict[str, Any], reads: int) -> None:
    """It may name something that was in order a minute ago."""
    world.cluster.claim("attic")
    operator = await at_rest(world, seconds=3600)
    world.cluster.merge("Subscription", *KEY, {"spec": change})
    await operator.reconcile()
    assert world.cluster.reads.count("get claim") == reads
