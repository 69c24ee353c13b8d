"""What a user is told, and what happens next, when a site, a volume, a spec or the API server fails."""

from __future__ import annotations

from datetime import timedelta

import pytest

from component.cluster import KEY, publish
from component.world import World
from trawler_downloader.contract.download import DownloadResult
from trawler_downloader.contract.listing import ListingEnd, TrailerLine
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.domain.jobs.settings import JobDefaults
from trawler_operator.reconcile.ports import RejectedError, UnavailableError
from trawler_operator.reconcile.reconciler import PassFailedError


async def test_failed_try_is_repeated(world: World) -> None:
    """A transient failure costs a try and comes again later, as another launch."""
    world.downloader = lambda request: 44 if request.launch == 1 else publish(request)
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    world.finish_jobs()
    await operator.reconcile()
    entry = world.cluster.ledger()["youtube.v7"]
    assert (entry.state, entry.failures, entry.launches) == (LedgerState.FAILED, 1, 1)
    failures = world.cluster.subscription()["status"]["recentFailures"]
    assert [failure["key"] for failure in failures] == ["youtube.v7"]
    world.clock.advance(timedelta(minutes=2))
    await operator.reconcile()
    await world.settle(operator)
    assert world.launches == [("youtube.v7", 1), ("youtube.v7", 2)]
    assert LedgerState.SUCCEEDED is world.cluster.states()["youtube.v7"]


async def test_tries_used_up(world: World) -> None:
    """After maxAttempts a video is given up, visibly."""
    world.downloader = lambda request: 44
    world.cluster.subscribe({"select": {"newest": 1}, "retry": {"maxAttempts": 2}})
    operator = world.operator()
    for _ in range(6):
        await operator.reconcile()
        world.finish_jobs()
        world.clock.advance(timedelta(minutes=20))
    assert len(world.launches) == 2
    assert LedgerState.DEAD_LETTER is world.cluster.states()["youtube.v7"]
    assert world.cluster.subscription()["status"]["counts"]["deadLetter"] == 1
    assert any(event.reason == "DownloadGivenUp" for event in operator.silent.events)


async def test_claim_missing(world: World) -> None:
    """No claim, no Job, and a condition that names it; it is looked at again and heals by itself."""
    world.cluster.delete("PersistentVolumeClaim", "media", "library")
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    pauses = [await operator.reconcile() for _ in range(3)]
    assert world.cluster.created == []
    assert world.cluster.condition("Ready") == ("False", "ClaimNotFound")
    assert [pause.total_seconds() for pause in pauses if pause] == [5, 10, 20]
    world.cluster.claim()
    await world.settle(operator)
    assert world.cluster.condition("Ready") == ("True", "Watching")
    assert len(world.cluster.created) == 1


async def test_ca_bundle_missing(world: World) -> None:
    """Without the authorities that it should trust the source is not even listed."""
    world.cluster.subscribe({"access": {"caBundleRef": {"name": "my-ca"}}})
    operator = world.operator()
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "CaBundleNotFound")
    assert world.site.requests == []
    world.cluster.put("ConfigMap", {"metadata": {"namespace": "media", "name": "my-ca"}, "data": {"ca.crt": "PEM"}})
    await operator.reconcile()
    assert [request.ca_bundle for request in world.site.requests] == ["PEM"]


async def test_no_claim_configured(world: World) -> None:
    """Neither the spec nor the operator names a claim."""
    world.cluster.subscribe()
    await world.operator(defaults=JobDefaults(image="downloader:1")).reconcile()
    assert world.cluster.condition("Ready") == ("False", "ClaimNotConfigured")


async def test_unreachable_source(world: World) -> None:
    """A source that cannot be listed is named, backed off from, and nothing of the listing is used."""
    world.site.trailer = TrailerLine(
        end=ListingEnd.ERROR,
        outcome=OutcomeClass.TRANSIENT,
        reason="Unreachable",
        message="no such host",
        engine="2026.10.26",
    )
    world.cluster.subscribe()
    operator = world.operator()
    pause = await operator.reconcile()
    assert world.cluster.condition("SourceReachable") == ("False", "Unreachable")
    assert world.cluster.condition("Ready") == ("False", "CheckFailed")
    assert world.cluster.ledger() == {}
    assert pause is not None
    assert timedelta(minutes=1) <= pause < timedelta(minutes=2)
    await operator.reconcile()
    assert len(world.site.requests) == 1


async def test_lister_down(world: World) -> None:
    """A lister that does not answer is the operator's trouble, not the source's."""
    world.site.down = True
    world.cluster.subscribe()
    await world.operator().reconcile()
    assert world.cluster.condition("Ready") == ("False", "ListerUnavailable")
    assert world.cluster.condition("SourceReachable") == ("Unknown", "NotCheckedYet")


async def test_invalid_spec(world: World) -> None:
    """A spec that breaks a rule is said once and waits for its user, not for a timer."""
    world.cluster.subscribe({"schedule": {"cron": "61 * * * *"}})
    operator = world.operator()
    assert await operator.reconcile() is None
    assert world.cluster.condition("Ready") == ("False", "InvalidSpec")
    world.cluster.writes.clear()
    assert await operator.reconcile() is None
    assert world.cluster.writes == []
    assert [event.reason for event in operator.silent.events] == ["InvalidSpec"]


async def test_broken_value(world: World) -> None:
    """A value that someone broke is named, kept, and its video is not taken for new; the others go on."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await world.settle(operator)
    broken = '{"state": "Sucess"}'
    world.cluster.merge("ConfigMap", "media", "trawler-ledger-numberline-0", {"data": {"youtube.v7": broken}})
    world.site.publish("w1")
    world.clock.advance(timedelta(hours=2))
    await operator.reconcile()
    await world.settle(operator)
    assert world.cluster.condition("LedgerIntact") == ("False", "EntriesBroken")
    assert broken == world.cluster.shards()[0]["data"]["youtube.v7"]
    assert sum(1 for key, _ in world.launches if key == "youtube.v7") == 1
    assert LedgerState.SUCCEEDED is world.cluster.states()["youtube.w1"]
    events = [event for event in operator.silent.events if event.reason == "LedgerEntryBroken"]
    assert len(events) == 1
    assert "trawler-ledger-numberline-0" in events[0].message


async def test_mended_by_hand(world: World) -> None:
    """An entry that a person set back to Pending is downloaded again."""
    world.downloader = lambda request: 40
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await world.settle(operator)
    text = world.cluster.shards()[0]["data"]["youtube.v7"].replace('"DeadLetter"', '"Pending"')
    world.cluster.merge("ConfigMap", "media", "trawler-ledger-numberline-0", {"data": {"youtube.v7": text}})
    world.downloader = publish
    await world.settle(operator)
    assert world.launches == [("youtube.v7", 1), ("youtube.v7", 2)]


async def test_rejected_job(world: World) -> None:
    """A quota that refuses the Job gives its slot back, says so, and the download comes later."""
    world.site.during = lambda: setattr(world.cluster, "reject_jobs", RejectedError("exceeded quota: jobs"))
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "JobRejected")
    assert operator.admission.running == 0
    assert LedgerState.PENDING is world.cluster.states()["youtube.v7"]
    world.cluster.reject_jobs = None
    world.clock.advance(timedelta(minutes=2))
    await world.settle(operator)
    assert world.cluster.condition("Ready") == ("True", "Watching")


async def test_the_end_of_a_pause_is_not_slept_through(world: World) -> None:
    """Nothing else has a time of its own but a premiere in a week: it is the pause that ends first."""
    premiere = int((world.clock.now() + timedelta(days=7)).timestamp())
    world.site.facts["v7"] = {"live_status": "is_upcoming", "release_at": premiere}
    world.cluster.subscribe({"select": {"newest": 3}, "job": {"parallelism": 1}})
    operator = world.operator()
    world.site.during = lambda: setattr(world.cluster, "reject_jobs", RejectedError("exceeded quota: jobs"))
    await operator.reconcile()
    skip = {"trawler.dev/skip": "1;keys=youtube.v5"}
    world.cluster.merge("Subscription", *KEY, {"metadata": {"annotations": skip}})
    await operator.reconcile()
    assert 60 <= operator.woken[KEY] <= 72


async def test_configuration_error_waits_for_a_new_spec(world: World) -> None:
    """What the spec asks for cannot work: tried again when it changes, and not before."""
    world.downloader = lambda request: 46
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await world.settle(operator)
    world.clock.advance(timedelta(days=3))
    await operator.reconcile()
    assert len(world.cluster.created) == 1
    world.downloader = publish
    world.cluster.merge("Subscription", *KEY, {"spec": {"media": {"container": "mkv"}}, "metadata": {"generation": 2}})
    await operator.reconcile()
    await world.settle(operator)
    assert LedgerState.SUCCEEDED is world.cluster.states()["youtube.v7"]


async def test_an_image_of_another_release_costs_no_video(world: World) -> None:
    """It understands no request: one launch after the other asks it, and with the right image all are downloaded."""
    refused = DownloadResult(outcome=OutcomeClass.CONFIGURATION, reason="RequestInvalid", message="more: not permitted")
    world.downloader = lambda request: refused
    world.cluster.subscribe({"select": {"newest": 8}, "job": {"parallelism": 2}})
    operator = world.operator()
    for _ in range(60):
        await operator.reconcile()
        world.finish_jobs()
        world.clock.advance(timedelta(minutes=1))
    assert set(world.cluster.states().values()) == {LedgerState.PENDING}
    assert world.cluster.condition("Ready") == ("False", "SubscriptionGateClosed")
    assert len(world.launches) == 2 + 5  # at 0, 1, 3, 7, 15 and 31 minutes
    world.downloader = publish
    await world.settle(operator, step=timedelta(minutes=20))
    assert set(world.cluster.states().values()) == {LedgerState.SUCCEEDED}


async def test_api_server_away(world: World) -> None:
    """A pass that fails in the middle loses nothing and does not hold up the line."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    operator.api.fail = lambda what: UnavailableError("away") if what == "create Job" else None
    with pytest.raises(PassFailedError):
        await operator.reconcile()
    assert operator.admission.waiting == 0
    operator.api.fail = lambda what: None
    await world.settle(operator)
    assert len(world.cluster.created) == 2


async def test_configmap_in_the_way(world: World) -> None:
    """A ConfigMap that bears a shard's name and is no ledger is neither overwritten nor adopted."""
    name = "trawler-ledger-numberline-0"
    world.cluster.put("ConfigMap", {"metadata": {"namespace": "media", "name": name}, "data": {"mine": "!"}})
    world.cluster.subscribe()
    with pytest.raises(PassFailedError, match="in the way"):
        await world.operator().reconcile()
    assert world.cluster.condition("Ready") == ("False", "LedgerBusy")
    body = world.cluster.get("ConfigMap", "media", name)
    assert body is not None
    assert body["data"] == {"mine": "!"}


async def test_pause_survives_a_pass_that_cannot_report(world: World) -> None:
    """A site that asked to slow down is not asked again because the status could not be written."""
    limited = DownloadResult(outcome=OutcomeClass.RATE_LIMITED, reason="BotCheck")
    world.downloader = lambda request: limited
    world.cluster.subscribe({"select": {"newest": 5}})
    operator = world.operator()
    await operator.reconcile()
    world.finish_jobs()
    operator.api.fail = lambda what: UnavailableError("away") if what == "patch status" else None
    with pytest.raises(PassFailedError):
        await operator.reconcile()
    operator.api.fail = lambda what: None
    await operator.reconcile()
    assert len(world.cluster.created) == 1
    assert world.cluster.condition("Ready") == ("False", "EgressGateClosed")


async def test_status_conflict(world: World) -> None:
    """A label that changes during a pass does not lose the check's result."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    world.site.during = lambda: world.cluster.merge("Subscription", *KEY, {"metadata": {"labels": {"a": "b"}}})
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("True", "Watching")
    assert "lastCheckTime" in world.cluster.subscription()["status"]


async def test_lost_claim(world: World) -> None:
    """A claim whose volume is gone is named; one that waits for its first consumer is fine."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    world.cluster.merge("PersistentVolumeClaim", "media", "library", {"status": {"phase": "Lost"}})
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "ClaimLost")
    world.cluster.merge("PersistentVolumeClaim", "media", "library", {"status": {"phase": "Pending"}})
    await operator.reconcile()
    assert len(world.cluster.created) == 1


async def test_download_that_does_not_start(world: World) -> None:
    """A pod that waits for its volume or image is named after a while, and no longer once it runs."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    name = world.cluster.created[0]
    world.cluster.merge("Job", "media", name, {"status": {"active": 1, "startTime": "2026-11-21T12:00:00Z"}})
    waiting = {"name": "download", "state": {"waiting": {"reason": "ContainerCreating"}}}
    pod = {
        "metadata": {
            "namespace": "media",
            "name": "pod-1",
            "creationTimestamp": "2026-11-21T12:00:00Z",
            "labels": {"batch.kubernetes.io/job-name": name},
        },
        "status": {"phase": "Pending", "containerStatuses": [waiting]},
    }
    world.cluster.put("Pod", pod)
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("True", "Watching")
    world.clock.advance(timedelta(minutes=3))
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "DownloadNotStarting")
    world.cluster.merge("Job", "media", name, {"status": {"ready": 1}})
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("True", "Watching")


async def test_a_pod_that_a_quota_refuses_is_told_by_one_event(world: World) -> None:
    """When it is first seen, with a command that can be copied; passes that see it still say nothing more."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    (job,) = world.cluster.running_jobs()
    for _ in range(3):
        world.clock.advance(timedelta(minutes=1))
        await operator.reconcile()
    (event,) = [event for event in operator.silent.events if event.warning]
    hint = f"kubectl -n media get events --field-selector involvedObject.name={job['metadata']['name']}"
    assert (event.reason, hint in event.message) == ("JobNotStarting", True)
    assert world.cluster.condition("Ready") == ("False", "DownloadNotStarting")


async def test_events_name_a_video_by_its_title_and_key(world: World) -> None:
    """The one of its Job as well as those of its end."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await world.settle(operator)
    entry = world.cluster.ledger()["youtube.v7"]
    told = [event for event in operator.silent.events if event.reason in {"DownloadCreated", "VideoPublished"}]
    assert [f"{entry.title} (youtube.v7)" in event.message for event in told] == [True, True]


async def test_entries_that_cannot_be_read_are_mended_by_a_command_that_can_be_copied(world: World) -> None:
    """With the namespace, and the ledger's own selector."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await world.settle(operator)
    shard = world.cluster.shards()[0]["metadata"]["name"]
    world.cluster.merge("ConfigMap", "media", shard, {"data": {"youtube.v7": "{"}})
    await world.operator().reconcile()
    selector = "app.kubernetes.io/component=ledger,trawler.dev/subscription=numberline"
    assert world.cluster.message("LedgerIntact").endswith(f"kubectl -n media edit configmap -l {selector}")
