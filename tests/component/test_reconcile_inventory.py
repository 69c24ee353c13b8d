"""Ledgers that are lost: read back from the volume before anything is listed, whatever comes in between.

What the Jobs print here is printed by the real program, over a folder that the real publishing code has filled.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from component.cluster import KEY, Inventory, Killed, print_nothing
from component.job_controller import JOB_NAME_LABEL, exceed_deadline
from component.landing import FakeEngine, land
from component.world import World, videos
from trawler_downloader.contract.download import DownloadRequest, DownloadResult, SubscriptionRef
from trawler_downloader.contract.inventory import InventoryRequest
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_downloader.inventory.chunk import write_chunk
from trawler_downloader.library.manifest import LandedFile, Manifest, Role, encode
from trawler_downloader.library.state import ClaimPaths
from trawler_operator.api import labels
from trawler_operator.reconcile.ports import RejectedError, UnavailableError

SPEC = {"select": {"newest": 5}}
OWNER = SubscriptionRef(namespace="media", name="numberline")


@dataclass
class Volume:
    """The NAS: downloads land on it, inventories read it."""

    root: Path
    downloads: list[str] = field(default_factory=list)
    """Ids, in the order in which their files came."""
    limit: int = 2000
    """Records per chunk at most."""

    def download(self, request: DownloadRequest) -> DownloadResult:
        engine = FakeEngine(video_id=request.video.id, title=f"On {request.video.id}")
        result = land(request, self.root, engine, pod=f"pod-{request.launch}")
        if result.reason == "Published":
            self.downloads.append(request.video.id)
        return result

    def print(self, request: InventoryRequest) -> bytes:
        output = io.BytesIO()
        limited = request.model_copy(update={"limit": min(self.limit, request.limit)})
        write_chunk(limited, ClaimPaths(self.root, request.subscription), output, lambda: 0.0)
        return output.getvalue()

    def media(self, name: str) -> Path:
        (path,) = self.root.glob(f"A channel/*/On {name} *.mp4")
        return path

    def write_manifests(self, count: int) -> set[str]:
        """As many videos, all of whose files are gone."""
        paths = ClaimPaths(self.root, OWNER)
        paths.state.mkdir()
        paths.marker.write_text(json.dumps({"id": "v-1"}))
        for number in range(count):
            key = f"youtube.video{number:05}"
            path = paths.manifest(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            media = LandedFile(role=Role.MEDIA, path=f"c/{key}.mp4", bytes=10)
            manifest = Manifest(
                key=key, extractor="Youtube", id=key, url=f"https://x.test/{key}", title=key, launch=1,
                files=(media,), committed=True, engine="2026.10.26",
            )  # fmt: skip
            path.write_bytes(encode(manifest))
        return {f"youtube.video{number:05}" for number in range(count)}


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path)


@pytest.fixture
def world(volume: Volume) -> World:
    """A claim, a channel of eight videos, and a volume behind the claim."""
    return make_world(volume)


def make_world(volume: Volume) -> World:
    world = World(downloader=volume.download)
    world.cluster.claim()
    world.cluster.inventory = volume.print
    world.site.publish(*(f"v{number}" for number in range(8)))
    return world


def lose_cluster(world: World, volume: Volume) -> World:
    """Another cluster, with the same NAS and the same channel."""
    later = make_world(volume)
    later.site.videos = list(world.site.videos)
    later.clock.time = world.clock.time
    return later


def lose_ledger(world: World) -> None:
    """`kubectl delete configmap -l trawler.dev/subscription=numberline`."""
    for shard in world.cluster.shards():
        world.cluster.delete("ConfigMap", "media", shard["metadata"]["name"])


def mark(world: World) -> str:
    return str(world.cluster.shards()[0]["metadata"]["annotations"][labels.INVENTORY_ANNOTATION])


def in_state(world: World, state: LedgerState) -> set[str]:
    return {key for key, present in world.cluster.states().items() if present is state}


async def filled(world: World) -> None:
    """The newest five are downloaded."""
    world.cluster.subscribe(SPEC)
    await world.settle(world.operator())
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 4, 5, 6, 7)


async def test_a_new_subscription_costs_one_job(world, volume):
    """On a volume that nobody used: the first shard says so, and the Job is gone before the first listing."""
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await operator.reconcile()
    assert operator.silent.events[0].reason == "VideosFound"
    assert mark(world) == "empty"
    assert world.cluster.inventory_jobs() == []
    assert len(world.site.requests) == 1
    assert [write for write in world.cluster.writes if "ConfigMap" not in write and "status" not in write][:2] == [
        "create Job",
        "delete Job",
    ]


async def test_the_history_of_a_lost_cluster_is_rebuilt(world, volume):
    """Nothing is downloaded again, what was removed by hand stays away, and what is new comes, however much it is."""
    await filled(world)
    volume.media("v4").unlink()
    world.site.publish(*(f"w{number}" for number in range(7)))
    world = lose_cluster(world, volume)
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    downloaded = len(volume.downloads)
    await world.settle(operator)
    new = {f"youtube.w{number}" for number in range(7)}
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 5, 6, 7) | new
    removed = world.cluster.ledger()["youtube.v4"]
    assert (removed.state, removed.reason) == (LedgerState.SKIPPED, "RemovedByUser")
    assert set(volume.downloads[downloaded:]) == {f"w{number}" for number in range(7)}
    assert {key for key, _ in world.launches} == new
    told = [event.message for event in operator.silent.events if event.reason == "HistoryRebuilt"]
    assert told == ["the ledger was made anew from the volume: 4 videos are there, 1 were removed"]
    status = world.cluster.subscription()["status"]
    assert (status["counts"]["downloaded"], status["counts"]["skipped"]) == (11, 4)
    assert world.cluster.condition("Ready") == ("True", "Watching")


async def test_the_first_listing_after_it_is_an_ordinary_check(world, volume):
    """The source and its newest known videos are in the request, newest first."""
    await filled(world)
    world = lose_cluster(world, volume)
    world.cluster.subscribe(SPEC)
    await world.operator().reconcile()
    (request,) = world.site.requests
    (known,) = request.known.values()
    assert set(known) == videos(3, 4, 5, 6, 7)
    assert volume_of(world) == json.loads((volume.root / ".trawler/volume-id").read_text())["id"]


def volume_of(world: World) -> str:
    """What the ledger believes of its claim's volume."""
    (shard,) = world.cluster.shards()
    return str(json.loads(shard["metadata"]["annotations"][labels.VOLUMES_ANNOTATION])["library"])


async def test_another_name_finds_nothing(world, volume):
    """A Subscription's folder on the volume is its identity."""
    await filled(world)
    world = lose_cluster(world, volume)
    world.cluster.subscribe({"select": {"newest": 1}}, name="other")
    operator = world.operator()
    await operator.reconcile(("media", "other"))
    assert {event.reason for event in operator.silent.events}.isdisjoint({"HistoryRebuilt"})
    assert world.cluster.states("other")["youtube.v7"] is LedgerState.RUNNING


async def test_a_ledger_deleted_while_the_subscription_lives(world, volume):
    """Rebuilt without a launch; the status goes on saying what it said meanwhile."""
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await world.settle(operator)
    await operator.reconcile()
    before = world.cluster.subscription()["status"]
    launched = list(world.launches)
    lose_ledger(world)
    world.cluster.inventory = None
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "RebuildingHistory")
    during = world.cluster.subscription()["status"]
    assert [during[name] for name in ("counts", "bytes", "recentVideos")] == [
        before[name] for name in ("counts", "bytes", "recentVideos")
    ]
    world.cluster.inventory = volume.print
    world.cluster.run_inventory(KEY)
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("True", "Watching")
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 4, 5, 6, 7)
    assert world.cluster.subscription()["status"]["counts"]["downloaded"] == 5
    assert world.launches == launched


async def test_a_request_waits_for_the_history(world, volume):
    """A ledger that a request wrote first would pass for whole; one that was carried out is not carried out again."""
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await world.settle(operator)
    ask = {"metadata": {"annotations": {"trawler.dev/skip": "one;keys=youtube.v2"}}}
    world.cluster.merge("Subscription", *KEY, ask)
    await operator.reconcile()
    handled = world.cluster.subscription()["status"]["lastHandled"]["skip"]
    lose_ledger(world)
    world.cluster.inventory = None
    await operator.reconcile()
    assert world.cluster.shards() == []
    world.cluster.inventory = volume.print
    world.cluster.run_inventory(KEY)
    await operator.reconcile()
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 4, 5, 6, 7)
    assert world.cluster.subscription()["status"]["lastHandled"]["skip"] == handled


async def test_a_ledger_that_is_older_than_inventories_is_left_alone(world):
    await filled(world)
    (shard,) = world.cluster.shards()
    unmarked = {"metadata": {"annotations": {labels.INVENTORY_ANNOTATION: None}}}
    world.cluster.merge("ConfigMap", "media", shard["metadata"]["name"], unmarked)
    world.cluster.reads.clear()
    await world.operator().reconcile()
    assert "list inventory Jobs" not in world.cluster.reads


async def test_nothing_is_listed_before(world):
    """While the inventory runs, its Subscription waits for its end: neither a listing nor a download."""
    world.cluster.inventory = None
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    for _ in range(3):
        world.clock.advance(timedelta(minutes=1))
        await operator.reconcile()
    assert world.site.requests == []
    assert world.cluster.created == []
    assert len(world.cluster.inventory_jobs()) == 1
    assert world.cluster.condition("Ready") == ("False", "RebuildingHistory")
    assert operator.admission.running == 0


async def test_without_a_claim_there_is_nothing_to_read(world):
    """The claim's absence is what is told; a suspended Subscription waits as well."""
    world.cluster.delete("PersistentVolumeClaim", "media", "library")
    world.cluster.subscribe(SPEC)
    world.cluster.subscribe({**SPEC, "suspend": True}, name="other")
    operator = world.operator()
    await operator.reconcile()
    await operator.reconcile(("media", "other"))
    assert world.cluster.condition("Ready") == ("False", "ClaimNotFound")
    assert world.cluster.inventory_jobs() == []
    assert world.site.requests == []
    world.cluster.claim()
    await operator.reconcile()
    await operator.reconcile(("media", "other"))
    assert mark(world) == "empty"
    assert world.cluster.shards("other") == []


async def test_thousands_of_manifests_come_in_chunks(world, volume):
    """Five thousand: three Jobs, each entry once."""
    keys = volume.write_manifests(5000)
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await operator.reconcile()
    ledger = world.cluster.ledger()
    assert {key for key in ledger if key.startswith("youtube.video")} == keys
    assert {ledger[key].reason for key in keys} == {"RemovedByUser"}
    assert world.cluster.writes.count("create Job") - len(world.cluster.created) == 3
    assert world.cluster.inventory_jobs() == []
    assert {event.reason for event in operator.silent.events} >= {"HistoryRebuilt"}


async def test_an_unreadable_manifest_is_told_and_stops_nothing(world, volume):
    await filled(world)
    ClaimPaths(volume.root, OWNER).manifest("youtube.v5").write_text("{")
    world = lose_cluster(world, volume)
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await operator.reconcile()
    (event,) = [event for event in operator.silent.events if event.reason == "ManifestUnreadable"]
    assert event.warning
    assert "youtube.v5.json" in event.message
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 4, 6, 7)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        pytest.param(lambda log: log[: len(log) // 2], "of no use", id="cut"),
        pytest.param(lambda log: log[len(log) // 2 :], "of no use", id="rotated"),
        pytest.param(lambda log: log.replace(b"On v5", b"On w5"), "records came through", id="changed"),
        pytest.param(lambda log: b"", "of no use", id="empty"),
    ],
)
async def test_a_log_that_did_not_come_through_is_not_used(world, volume, spoil, why):
    """Nothing is written; the next try is made after a pause, and asks for less."""
    await filled(world)
    world = lose_cluster(world, volume)
    asked: list[int] = []
    world.cluster.inventory = lambda request: asked.append(request.limit) or spoil(volume.print(request))
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "InventoryFailed")
    assert why in world.cluster.subscription()["status"]["conditions"][0]["message"]
    assert world.cluster.shards() == []
    await operator.reconcile()
    world.cluster.inventory = lambda request: asked.append(request.limit) or volume.print(request)
    world.clock.advance(timedelta(minutes=1, seconds=1))
    await operator.reconcile()
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 4, 5, 6, 7)
    assert asked == [2000, 1000]
    assert world.cluster.inventory_jobs() == []


STALE = DownloadResult(outcome=OutcomeClass.ENVIRONMENT, reason="StaleVolume", message="the server lost the handle")


async def test_a_failed_inventory_is_told_and_made_again(world, volume):
    """Ever later, and at once when the spec changes or a check is asked for; others are not held up."""
    await filled(world)
    world = lose_cluster(world, volume)
    world.cluster.inventory = lambda request: STALE if request.subscription == OWNER else volume.print(request)
    world.cluster.subscribe(SPEC)
    world.cluster.subscribe(SPEC, name="other")
    operator = world.operator()
    pauses = []
    for _ in range(4):
        await operator.reconcile()
        (job,) = world.cluster.inventory_jobs()
        pauses.append(job["metadata"]["annotations"][labels.LAUNCH_ANNOTATION])
        world.clock.advance(timedelta(seconds=61))
    assert pauses == ["1", "2", "2", "3"]
    ready = world.cluster.subscription()["status"]["conditions"][0]
    assert ready["reason"] == "InventoryFailed"
    assert "StaleVolume: the server lost the handle; tried again at 2026-11-2" in ready["message"]
    await operator.reconcile(("media", "other"))
    assert world.cluster.condition("Ready", ("media", "other")) == ("True", "Watching")
    world.cluster.inventory = volume.print
    world.cluster.merge("Subscription", *KEY, {"metadata": {"annotations": {labels.CHECK_ANNOTATION: "now"}}})
    await operator.reconcile()
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 4, 5, 6, 7)


async def test_a_volume_that_is_not_mounted_is_not_empty(world, volume, tmp_path):
    """The status knows of downloads, and the mount point's bare folder has no marker."""
    await filled(world)
    await world.operator().reconcile()
    lose_ledger(world)
    world.cluster.inventory = print_nothing
    operator = world.operator()
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "InventoryFailed")
    assert "is the NAS mounted" in world.cluster.subscription()["status"]["conditions"][0]["message"]
    assert world.cluster.shards() == []
    world.cluster.inventory = volume.print
    world.clock.advance(timedelta(minutes=2))
    await operator.reconcile()
    assert in_state(world, LedgerState.SUCCEEDED) == videos(3, 4, 5, 6, 7)


async def test_an_inventory_that_never_starts_is_ended_by_its_deadline(world, volume):
    world.cluster.inventory = None
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await operator.reconcile()
    (job,) = world.cluster.inventory_jobs()
    exceed_deadline(world.cluster, job)
    await operator.reconcile()
    assert "did not end within 600 s" in world.cluster.subscription()["status"]["conditions"][0]["message"]


@pytest.mark.parametrize("gone", ["pod", "log"])
async def test_a_log_that_is_gone_is_printed_again(world, volume, gone):
    """The node was replaced after the Job had ended."""
    world.cluster.subscribe(SPEC)
    world.cluster.inventory = None
    operator = world.operator()
    await operator.reconcile()
    (job,) = world.cluster.inventory_jobs()
    world.cluster.inventory = print_nothing
    world.cluster.run_inventory(KEY)
    (pod,) = world.cluster.list("Pod", "media", **{JOB_NAME_LABEL: job["metadata"]["name"]})
    if gone == "pod":
        world.cluster.delete("Pod", "media", pod["metadata"]["name"])
    else:
        world.cluster.logs.clear()
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "InventoryFailed")
    world.clock.advance(timedelta(minutes=2))
    await operator.reconcile()
    assert mark(world) == "empty"


async def test_a_log_that_cannot_be_read_now_is_asked_for_again(world):
    """The kubelet does not answer: the Job is kept, and no other is made."""
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    operator.api.fail = lambda what: UnavailableError("dial tcp: no route to host") if what == "read log" else None
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "InventoryFailed")
    assert len(world.cluster.inventory_jobs()) == 1
    operator.api.fail = lambda what: None
    await operator.reconcile()
    assert mark(world) == "empty"


async def test_a_log_that_is_forbidden_is_told(world):
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    operator.api.fail = lambda what: RejectedError("pods/log is forbidden") if what == "read log" else None
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "InventoryFailed")
    assert "is forbidden" in world.cluster.subscription()["status"]["conditions"][0]["message"]


async def test_a_quota_that_refuses_the_job_is_told(world):
    world.cluster.reject_jobs = RejectedError("exceeded quota: jobs")
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "JobRejected")
    world.cluster.reject_jobs = None
    await operator.reconcile()
    assert mark(world) == "empty"


async def test_a_few_run_at_a_time(world):
    """The fifth waits for a place, and is woken when one is free."""
    world.cluster.inventory = None
    keys = [("media", f"sub-{number}") for number in range(6)]
    operator = world.operator()
    for _, name in keys:
        world.cluster.subscribe(SPEC, name=name)
        await operator.reconcile(("media", name))
    assert len(world.cluster.inventory_jobs()) == 4
    assert world.cluster.condition("Ready", keys[4]) == ("False", "RebuildingHistory")
    assert operator.woken == {}
    world.cluster.inventory = print_nothing
    world.cluster.run_inventory(keys[0])
    await operator.reconcile(keys[0])
    assert keys[4] in operator.woken
    await operator.reconcile(keys[4])
    world.cluster.delete("Subscription", *keys[1])
    operator.woken.clear()
    await operator.reconcile(keys[1])
    assert keys[5] in operator.woken


async def test_a_changed_claim_begins_anew(world, volume, tmp_path_factory):
    """Halfway through, the Subscription is pointed at another volume: its manifests count, from the first one on."""
    await filled(world)
    world = lose_cluster(world, volume)
    volume.limit = 2
    pages: list[Inventory] = [volume.print]
    world.cluster.inventory = lambda request: pages.pop()(request) if pages else STALE
    world.cluster.subscribe(SPEC)
    operator = world.operator()
    await operator.reconcile()
    assert json.loads(mark(world))["claim"] == "library"
    other = Volume(tmp_path_factory.mktemp("other"))
    world.cluster.claim("second")
    world.cluster.inventory = other.print
    world.cluster.merge("Subscription", *KEY, {"spec": {"library": {"claimName": "second"}}})
    await operator.reconcile()
    assert mark(world) == "empty"
    assert len(in_state(world, LedgerState.SUCCEEDED)) == 2


@pytest.mark.parametrize("after", [False, True], ids=["before-it-takes-effect", "after-it-took-effect"])
async def test_killed_at_any_call(world, volume, after):
    """Whichever API call is the last one of a process that rebuilds a ledger in three chunks."""
    await filled(world)
    volume.media("v4").unlink()
    volume.limit = 2
    downloaded = list(volume.downloads)

    async def rebuild(kill_at: int | None) -> tuple[World, int]:
        later = lose_cluster(world, volume)
        later.cluster.subscribe(SPEC)
        first = later.operator(kill_at=kill_at, after=after)
        try:
            await later.settle(first)
        except Killed:
            later.cluster.run_inventory(KEY)
            await later.settle(later.operator())
        return later, first.api.calls

    undisturbed, calls = await rebuild(None)
    expected = undisturbed.cluster.states()
    assert (len(expected), 20 < calls < 100) == (8, True)
    for kill_at in range(calls):
        later, _ = await rebuild(kill_at)
        assert later.cluster.states() == expected, f"killed at call {kill_at}"
        assert later.launches == [], f"killed at call {kill_at}"
        assert "{" not in mark(later), f"killed at call {kill_at}"
    assert volume.downloads == downloaded
