"""The reconciler against a cluster in memory: what a user sees, pass by pass."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from component.world import KEY, Site, World, end_job, publish, request_of
from trawler_downloader.contract.download import DownloadResult
from trawler_downloader.contract.listing import ListingEnd, ListRequest, TrailerLine
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api import labels
from trawler_operator.domain.admission import AdmissionLimits
from trawler_operator.domain.job_manifest import JobDefaults
from trawler_operator.domain.naming import job_name
from trawler_operator.reconcile.checking import ListingGate
from trawler_operator.reconcile.ledger_store import LedgerBusyError
from trawler_operator.reconcile.ports import RawListing, RejectedError, UnavailableError


@pytest.fixture
def world() -> World:
    """A claim, and a channel of eight videos."""
    world = World()
    world.cluster.claim()
    world.site.publish(*(f"v{number}" for number in range(8)))
    return world


def videos(*numbers: int) -> set[str]:
    return {f"youtube.v{number}" for number in numbers}


async def test_first_run(world: World) -> None:
    """The newest few are downloaded, one Job each; the rest is known and left alone."""
    world.cluster.subscribe({"select": {"newest": 3}})
    await world.settle(world.operator())
    states = world.cluster.states()
    assert videos(5, 6, 7) == {key for key, state in states.items() if state is LedgerState.SUCCEEDED}
    assert videos(0, 1, 2, 3, 4) == {key for key, state in states.items() if state is LedgerState.SKIPPED}
    assert 3 == len(world.cluster.created) == len(set(world.cluster.created))
    status = world.cluster.subscription()["status"]
    assert status["counts"]["downloaded"] == 3
    assert status["bytes"] == 3000
    assert world.cluster.condition("Ready") == ("True", "Watching")
    assert world.cluster.condition("UpToDate") == ("True", "AllDownloaded")
    assert status["source"]["title"] == "Numberline"


async def test_first_jobs_are_the_oldest_of_the_window(world: World) -> None:
    """Downloads follow the order of publication."""
    world.cluster.subscribe({"select": {"newest": 3}})
    await world.settle(world.operator())
    assert [key for key, _ in world.launches] == ["youtube.v5", "youtube.v6", "youtube.v7"]


async def test_nothing_new(world: World) -> None:
    """A check that finds nothing new is one listing, no ledger write, no look at Jobs, one status patch."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await world.settle(operator)
    world.clock.advance(timedelta(hours=2))
    listings = len(world.site.requests)
    world.cluster.writes.clear()
    world.cluster.reads.clear()
    await operator.reconcile()
    assert listings + 1 == len(world.site.requests)
    assert world.cluster.writes == ["patch status"]
    assert world.cluster.reads == ["get Subscription", "list shards", "get claim"]


async def test_pass_without_anything_to_do(world: World) -> None:
    """Between checks a pass writes nothing at all."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await world.settle(operator)
    await operator.reconcile()
    world.cluster.writes.clear()
    pause = await operator.reconcile()
    assert world.cluster.writes == []
    assert pause is not None
    assert timedelta(0) < pause <= timedelta(hours=1, minutes=6)


async def test_new_videos(world: World) -> None:
    """Two videos published: the next check makes two Jobs."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await world.settle(operator)
    world.site.publish("w1", "w2")
    world.clock.advance(timedelta(hours=2))
    await world.settle(operator)
    await world.settle(operator)
    assert len(world.cluster.created) == 4
    assert {"youtube.v6", "youtube.v7", "youtube.w1", "youtube.w2"} == {key for key, _ in world.launches}
    assert {"youtube.v6", "youtube.v7"} <= set(world.site.requests[-1].known["youtubetab.UCnumber.videos"])


async def test_history_of_jobs(world: World) -> None:
    """Settled Jobs are deleted beyond the newest three, whose logs stay readable."""
    world.cluster.subscribe({"select": {"newest": 8}})
    operator = world.operator()
    await world.settle(operator)
    await operator.reconcile()
    assert len(world.cluster.list("Job")) == 3


async def test_parallelism_and_caps(world: World) -> None:
    """Never more Jobs at a time than the Subscription and the operator allow."""
    world.cluster.subscribe({"select": {"newest": 8}, "job": {"parallelism": 3}})
    operator = world.operator(limits=AdmissionLimits(4, 2, timedelta(0)))
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 2
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 2


async def test_spacing(world: World) -> None:
    """Starts keep their distance; the Subscription is woken when the next one may be."""
    world.cluster.subscribe({"select": {"newest": 8}, "job": {"parallelism": 2}})
    operator = world.operator(limits=AdmissionLimits(4, 2, timedelta(seconds=5)))
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 1
    assert operator.woken == {KEY: 5.0}
    world.clock.advance(timedelta(seconds=5))
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 2


async def test_fair_turns(world: World) -> None:
    """A Subscription that came later gets every second slot, however long the first one's queue is."""
    world.cluster.subscribe({"select": {"newest": 8}})
    world.cluster.subscribe({"select": {"newest": 8}}, name="other")
    operator = world.operator(limits=AdmissionLimits(1, 1, timedelta(0)))
    keys = [KEY, ("media", "other")]
    started: list[str] = []
    for key in keys:
        await operator.reconcile(key)
    for _ in range(8):
        job = world.cluster.running_jobs()[0]
        owner = job["metadata"]["labels"][labels.SUBSCRIPTION_LABEL]
        started.append(owner)
        world.finish_jobs()
        await operator.reconcile(("media", owner))
        while operator.woken:
            await operator.reconcile(next(iter(operator.woken)))
        world.clock.advance(timedelta(seconds=1))
    assert started == ["numberline", "other"] * 4


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


async def test_rate_limit_pauses_the_subscription(world: World) -> None:
    """A site that asks to slow down holds back all videos of the Subscription; one probe goes first afterwards."""
    limited = DownloadResult(outcome=OutcomeClass.RATE_LIMITED, reason="BotCheck", message="prove you are human")
    world.downloader = lambda request: limited
    world.cluster.subscribe({"select": {"newest": 5}, "job": {"parallelism": 2}})
    operator = world.operator()
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 2
    world.finish_jobs()
    await operator.reconcile()
    assert world.cluster.running_jobs() == []
    assert world.cluster.condition("Ready") == ("False", "RateLimited")
    assert {LedgerState.PENDING} == {state for k, state in world.cluster.states().items() if k in videos(3, 4, 5, 6, 7)}
    assert all(entry.failures == 0 for entry in world.cluster.ledger().values())
    world.clock.advance(timedelta(minutes=2))
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 1
    world.downloader = publish
    await world.settle(operator)
    assert world.cluster.condition("Ready") == ("True", "Watching")


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


async def test_suspended(world: World) -> None:
    """While suspended nothing is checked or started; what runs is settled."""
    world.cluster.subscribe({"select": {"newest": 3}})
    operator = world.operator()
    await operator.reconcile()
    world.cluster.merge("Subscription", *KEY, {"spec": {"suspend": True}, "metadata": {"generation": 2}})
    world.finish_jobs()
    world.clock.advance(timedelta(hours=5))
    await operator.reconcile()
    assert Counter(world.cluster.states().values())[LedgerState.SUCCEEDED] == 1
    assert len(world.cluster.created) == 1
    assert len(world.site.requests) == 1
    assert world.cluster.condition("Ready") == ("True", "Suspended")
    world.cluster.merge("Subscription", *KEY, {"spec": {"suspend": False}, "metadata": {"generation": 3}})
    await world.settle(operator)
    assert len(world.cluster.created) == 3


async def test_requested_check(world: World) -> None:
    """The annotation is carried out once per value and stays on the object."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await world.settle(operator)
    world.cluster.merge("Subscription", *KEY, {"metadata": {"annotations": {labels.CHECK_ANNOTATION: "now-1"}}})
    before = len(world.site.requests)
    await operator.reconcile()
    await operator.reconcile()
    assert before + 1 == len(world.site.requests)
    assert world.cluster.subscription()["status"]["lastHandled"]["check"]["id"] == "now-1"
    assert world.cluster.subscription()["metadata"]["annotations"][labels.CHECK_ANNOTATION] == "now-1"


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


async def test_deleted_and_applied_again(world: World) -> None:
    """The ledger stays and is adopted: nothing is downloaded twice, and the user is told."""
    world.cluster.subscribe({"select": {"newest": 3}})
    operator = world.operator()
    await world.settle(operator)
    world.cluster.delete("Subscription", *KEY)
    assert await operator.reconcile() is None
    world.cluster.collect_garbage()
    assert world.cluster.list("Job") == []
    assert operator.silent.gone == [KEY]
    world.cluster.subscribe({"select": {"newest": 3}})
    await operator.reconcile()
    await operator.reconcile()
    assert len(world.cluster.created) == 3
    assert world.cluster.subscription()["status"]["counts"]["downloaded"] == 3
    assert any(event.reason == "LedgerAdopted" for event in operator.silent.events)


async def test_applied_again_while_pods_still_end(world: World) -> None:
    """The name of a launch is waited for until the Job of the deleted Subscription is gone, then used again."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    name = job_name(*KEY, "youtube.v7", 1)
    world.cluster.delete("Subscription", *KEY)
    await operator.reconcile()
    world.cluster.subscribe({"select": {"newest": 1}})
    pause = await operator.reconcile()
    assert [name] == world.cluster.created
    assert pause == timedelta(seconds=3)
    world.cluster.collect_garbage()
    await operator.reconcile()
    assert [name, name] == world.cluster.created
    await world.settle(operator)
    assert LedgerState.SUCCEEDED is world.cluster.states()["youtube.v7"]


async def test_policy_delete(world: World) -> None:
    """With ledgerPolicy Delete the shards go with their Subscription; a dying one's are waited for, never adopted."""
    world.cluster.subscribe({"select": {"newest": 1}, "ledgerPolicy": "Delete"})
    operator = world.operator()
    await world.settle(operator)
    world.cluster.delete("Subscription", *KEY)
    await operator.reconcile()
    world.cluster.subscribe({"select": {"newest": 1}, "ledgerPolicy": "Delete"})
    with pytest.raises(LedgerBusyError, match="about to go"):
        await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "LedgerBusy")
    world.cluster.collect_garbage()
    assert world.cluster.shards() == []
    await world.settle(operator)
    assert len(world.cluster.created) == 2


@pytest.mark.parametrize(("policies", "owned"), [(("Retain", "Delete"), True), (("Delete", "Retain"), False)])
async def test_policy_changes(world: World, policies: tuple[str, str], owned: bool) -> None:
    """The owner of the shards follows the policy."""
    world.cluster.subscribe({"select": {"newest": 1}, "ledgerPolicy": policies[0]})
    operator = world.operator()
    await world.settle(operator)
    world.cluster.merge("Subscription", *KEY, {"spec": {"ledgerPolicy": policies[1]}, "metadata": {"generation": 2}})
    await operator.reconcile()
    uid = world.cluster.subscription()["metadata"]["uid"]
    owners = world.cluster.shards()[0]["metadata"].get("ownerReferences")
    assert owned == any(owner["uid"] == uid for owner in owners or ())


async def test_rejected_job(world: World) -> None:
    """A quota that refuses the Job gives its slot back, says so, and the download comes later."""
    world.cluster.reject_jobs = RejectedError("exceeded quota: jobs")
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


async def test_volume_id_is_remembered(world: World) -> None:
    """The first launch learns the volume's id, later ones demand it."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await operator.reconcile()
    first = request_of(world.cluster.running_jobs()[0])
    world.finish_jobs()
    await operator.reconcile()
    second = request_of(world.cluster.running_jobs()[0])
    assert (first.volume_id, second.volume_id) == (None, "volume-1")


async def test_many_shards(world: World) -> None:
    """A playlist of 1,000 fills shards one after the other; all of it is known afterwards."""
    world.site.videos = [f"x{number}" for number in range(1000)]
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await world.settle(operator)
    assert [len(shard["data"]) for shard in world.cluster.shards()] == [200, 200, 200, 200, 200]
    sealed = ["trawler.dev/sealed" in shard["metadata"]["annotations"] for shard in world.cluster.shards()]
    assert sealed == [True] * 5
    world.site.publish("new")
    world.clock.advance(timedelta(hours=2))
    await world.settle(operator)
    await world.settle(operator)
    assert len(world.cluster.shards()) == 6
    assert len(world.cluster.created) == 3


async def test_spec_changed_while_listing(world: World) -> None:
    """What a listing found is not written for a spec that is not wanted any more."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()

    def change() -> None:
        world.site.during = lambda: None
        world.cluster.merge("Subscription", *KEY, {"spec": {"select": {"newest": 1}}, "metadata": {"generation": 2}})

    world.site.during = change
    assert timedelta(0) == await operator.reconcile()
    assert world.cluster.ledger() == {}
    await world.settle(operator)
    assert len(world.cluster.created) == 1


async def test_deleted_by_hand_while_running(world: World) -> None:
    """A ledger that someone deleted does not lead to a second Job beside the one that runs."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    world.cluster.delete("ConfigMap", "media", "trawler-ledger-numberline-0")
    world.cluster.merge("Subscription", *KEY, {"metadata": {"annotations": {labels.CHECK_ANNOTATION: "x"}}})
    operator = world.operator()
    await operator.reconcile()
    assert len(world.cluster.running_jobs()) == 1
    await world.settle(operator)
    assert len(world.cluster.created) == 1


async def test_api_server_away(world: World) -> None:
    """A pass that fails in the middle loses nothing and does not hold up the line."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    operator.api.fail = lambda what: UnavailableError("away") if what == "create Job" else None
    with pytest.raises(UnavailableError):
        await operator.reconcile()
    assert operator.admission.waiting == 0
    operator.api.fail = lambda what: None
    await world.settle(operator)
    assert len(world.cluster.created) == 2


async def test_only_our_jobs_are_deleted(world: World) -> None:
    """A finished Job that a Running entry still needs is never deleted, however long the history."""
    world.cluster.subscribe({"select": {"newest": 8}, "job": {"parallelism": 2}})
    operator = world.operator()
    for _ in range(3):
        await operator.reconcile()
        for job in world.cluster.running_jobs():
            end_job(world.cluster, job, publish(request_of(job)), world.clock.now())
        world.clock.advance(timedelta(seconds=1))
    needed = {
        job_name(*KEY, key, entry.launches)
        for key, entry in world.cluster.ledger().items()
        if entry.state is LedgerState.RUNNING
    }
    assert needed
    assert needed <= {job["metadata"]["name"] for job in world.cluster.list("Job")}


async def test_configmap_in_the_way(world: World) -> None:
    """A ConfigMap that bears a shard's name and is no ledger is neither overwritten nor adopted."""
    name = "trawler-ledger-numberline-0"
    world.cluster.put("ConfigMap", {"metadata": {"namespace": "media", "name": name}, "data": {"mine": "!"}})
    world.cluster.subscribe()
    with pytest.raises(LedgerBusyError, match="in the way"):
        await world.operator().reconcile()
    assert world.cluster.condition("Ready") == ("False", "LedgerBusy")
    body = world.cluster.get("ConfigMap", "media", name)
    assert body is not None
    assert body["data"] == {"mine": "!"}


async def test_listing_places(world: World) -> None:
    """A check beyond the allowed listings waits in line without holding its worker, and is woken by a free place."""
    keys = [KEY, ("media", "second"), ("media", "third")]
    for _, name in keys:
        world.cluster.subscribe(name=name)
    operator = world.operator()
    started, finish = asyncio.Semaphore(0), asyncio.Event()

    async def list_slowly(request: ListRequest) -> RawListing:
        started.release()
        await finish.wait()
        return await Site.list(world.site, request)

    world.site.list = list_slowly  # type: ignore[method-assign]
    passes = [asyncio.create_task(operator.reconcile(key)) for key in keys[:2]]
    for _ in passes:
        await started.acquire()
    await operator.reconcile(keys[2])
    assert operator.woken == {}
    finish.set()
    await asyncio.gather(*passes)
    assert keys[2] in operator.woken
    await operator.reconcile(keys[2])
    assert world.cluster.condition("SourceReachable", keys[2]) == ("True", "Listed")


async def test_place_passes_on(world: World) -> None:
    """A Subscription that was woken for a free listing place but wants none passes it on."""
    keys = [KEY, ("media", "second")]
    woken: list[tuple[str, str]] = []
    gate = ListingGate(1, woken.append)
    assert gate.try_enter(("media", "first"))
    assert [gate.try_enter(key) for key in keys] == [False, False]
    gate.leave()
    gate.withdraw(keys[0])
    assert woken == keys


async def test_pause_survives_a_pass_that_cannot_report(world: World) -> None:
    """A site that asked to slow down is not asked again because the status could not be written."""
    limited = DownloadResult(outcome=OutcomeClass.RATE_LIMITED, reason="BotCheck")
    world.downloader = lambda request: limited
    world.cluster.subscribe({"select": {"newest": 5}})
    operator = world.operator()
    await operator.reconcile()
    world.finish_jobs()
    operator.api.fail = lambda what: UnavailableError("away") if what == "patch status" else None
    with pytest.raises(UnavailableError):
        await operator.reconcile()
    operator.api.fail = lambda what: None
    await operator.reconcile()
    assert len(world.cluster.created) == 1
    assert world.cluster.condition("Ready") == ("False", "RateLimited")


async def test_status_of_another_is_not_overwritten(world: World) -> None:
    """A Subscription that was deleted and applied again during a pass does not inherit the old one's status."""
    world.cluster.subscribe({"select": {"newest": 2}})
    operator = world.operator()
    await world.settle(operator)
    world.clock.advance(timedelta(hours=2))

    def replace() -> None:
        world.site.during = lambda: None
        world.cluster.delete("Subscription", *KEY)
        world.cluster.subscribe({"select": {"newest": 2}})

    world.site.during = replace
    await operator.reconcile()
    assert "status" not in world.cluster.subscription()


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


async def test_stopping(world: World) -> None:
    """A process that was told to stop settles and reports, and starts neither checks nor downloads."""
    world.cluster.subscribe({"select": {"newest": 3}})
    operator = world.operator()
    await operator.reconcile()
    world.finish_jobs()
    operator.reconciler.stop()
    world.clock.advance(timedelta(hours=3))
    await operator.reconcile()
    assert (len(world.cluster.created), len(world.site.requests)) == (1, 1)
    assert world.cluster.subscription()["status"]["counts"]["downloaded"] == 1
    assert operator.woken == {}


async def test_download_that_does_not_start(world: World) -> None:
    """A pod that waits for its volume or image is named after a while, and no longer once it runs."""
    world.cluster.subscribe({"select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    name = world.cluster.created[0]
    world.cluster.merge("Job", "media", name, {"status": {"active": 1, "startTime": "2026-11-21T12:00:00Z"}})
    waiting = {"name": "download", "state": {"waiting": {"reason": "ContainerCreating"}}}
    pod = {
        "metadata": {"namespace": "media", "name": "pod-1", "labels": {"batch.kubernetes.io/job-name": name}},
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
