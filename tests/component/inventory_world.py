"""A volume that downloads land on and inventories read, and what it takes to lose a ledger."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path

from component.cluster import print_survey as print_survey_of
from component.landing import FakeEngine, land
from component.world import World, videos
from trawler_downloader.contract.download import DownloadRequest, DownloadResult, SubscriptionRef
from trawler_downloader.contract.inventory import InventoryRequest
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_downloader.contract.survey import SurveyRequest
from trawler_downloader.inventory.manifests import print_inventory
from trawler_downloader.library.manifest import LandedFile, Manifest, Role, encode
from trawler_downloader.library.state import ClaimPaths
from trawler_downloader.survey.histories import print_survey
from trawler_operator.api import labels

SPEC = {"select": {"newest": 5}}
OWNER = SubscriptionRef(namespace="media", name="numberline")
STALE = DownloadResult(outcome=OutcomeClass.ENVIRONMENT, reason="StaleVolume", message="the server lost the handle")


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
        print_inventory(limited, self.root, output, lambda: 0.0)
        return output.getvalue()

    def survey(self, request: SurveyRequest, _: str) -> bytes:
        output = io.BytesIO()
        limited = request.model_copy(update={"limit": min(self.limit, request.limit)})
        print_survey(limited, self.root, output, lambda: 0.0)
        return output.getvalue()

    def media(self, name: str) -> Path:
        (path,) = self.root.glob(f"A channel/*/On {name} *.mp4")
        return path

    def write_manifests(self, count: int, owner: SubscriptionRef = OWNER) -> set[str]:
        """As many videos, all of whose files are gone."""
        paths = ClaimPaths(self.root, owner)
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


def make_world(volume: Volume) -> World:
    world = World(downloader=volume.download)
    world.cluster.claim()
    world.cluster.inventory, world.cluster.survey = volume.print, volume.survey
    world.site.publish(*(f"v{number}" for number in range(8)))
    return world


def pretend_histories(world: World, *names: str) -> None:
    """Surveys find manifests of these Subscriptions, so that each reads its own inventory."""
    world.cluster.survey = lambda request, _: print_survey_of(request, names)


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


def volume_of(world: World) -> str:
    """What the ledger believes of its claim's volume."""
    (shard,) = world.cluster.shards()
    return str(json.loads(shard["metadata"]["annotations"][labels.VOLUMES_ANNOTATION])["library"])
