"""The inventory's program over a claim that real launches filled: what is there is told, and nothing is changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from component.landing import MEDIA, FakeEngine, land, request_for
from trawler_downloader.contract.download import DownloadResult, SubscriptionRef
from trawler_downloader.contract.inventory import InventoryRequest, RecordLine
from trawler_downloader.contract.volume_job import (
    MAX_CHUNK_BYTES,
    MAX_LOG_BYTES,
    MAX_RECORD_BYTES,
    MAX_RECORDS,
    Chunk,
    parse_chunk,
)
from trawler_downloader.library.manifest import LandedFile, Manifest, Role, decode_manifest, encode
from trawler_downloader.library.state import ClaimPaths

ROOT = Path(__file__).parents[3]
OWNER = SubscriptionRef(namespace="tv", name="one")


@dataclass
class Ended:
    """How a run of the program ended."""

    code: int
    log: bytes
    """Both streams, as the kubelet would have them."""
    result: DownloadResult | None

    @property
    def chunk(self) -> Chunk[RecordLine]:
        assert self.code == 0, self.log.decode()
        return parse_chunk(self.log, RecordLine)


@dataclass
class Program:
    """`python -m trawler_downloader.inventory`, over a folder as the claim."""

    folder: Path

    @property
    def claim(self) -> Path:
        return self.folder / "claim"

    def start(self, request: str, claim: Path | None = None) -> subprocess.Popen[bytes]:
        (self.folder / "termination-log").unlink(missing_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "downloader"),
            "TRAWLER_REQUEST": request,
            "TRAWLER_LIBRARY": str(claim or self.claim),
            "TRAWLER_TERMINATION_LOG": str(self.folder / "termination-log"),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "trawler_downloader.inventory"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, claim: Path | None = None, **fields: object) -> Ended:
        request = InventoryRequest.model_validate({"subscription": OWNER, **fields}).to_json()
        return self.end(self.start(request, claim))

    def end(self, process: subprocess.Popen[bytes]) -> Ended:
        log, _ = process.communicate(timeout=50)
        message = self.folder / "termination-log"
        result = DownloadResult.model_validate_json(message.read_text()) if message.exists() else None
        return Ended(process.returncode, log, result)


@pytest.fixture
def program(tmp_path: Path) -> Program:
    (tmp_path / "claim").mkdir()
    return Program(tmp_path)


def publish(program: Program, *names: str, subscription: str = "one") -> list[DownloadResult]:
    return [
        land(request_for(name, subscription=subscription), program.claim, FakeEngine(video_id=name, title=f"On {name}"))
        for name in names
    ]


def manifest_of(program: Program, name: str) -> Path:
    return ClaimPaths(program.claim, OWNER).manifest(f"youtube.{name}")


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def write_manifests(program: Program, count: int) -> set[str]:
    """Manifests whose files are gone, as many as a large channel has, with titles as long as they come."""
    paths = ClaimPaths(program.claim, OWNER)
    keys = {f"youtube.video{number:06}" for number in range(count)}
    for key in keys:
        path = paths.manifest(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        media = LandedFile(role=Role.MEDIA, path=f"A channel/Season 24/{'ü' * 100} {key}.mp4", bytes=10)
        manifest = Manifest(
            key=key,
            extractor="Youtube",
            id=key.partition(".")[2],
            url=f"https://www.youtube.com/watch?v={key}",
            source="youtubetab.UCnumber.videos",
            title="ü" * 200,
            launch=1,
            files=(media,),
            committed=True,
            engine="2026.10.26",
        )
        path.write_bytes(encode(manifest))
    paths.marker.write_text(json.dumps({"id": "v-1"}))
    return keys


def test_landed_videos_are_told(program):
    """All that the ledger wants to know of them, and nothing on the volume has changed."""
    results = publish(program, "aaaaaaaaaaa", "bbbbbbbbbbb")
    publish(program, "ccccccccccc", subscription="two")
    before = snapshot(program.claim)
    chunk = program.run().chunk
    assert snapshot(program.claim) == before
    assert (chunk.header.volume_id, chunk.header.scope) == (results[0].volume_id, "tv/one")
    told = {record.key: record for record in chunk.records}
    assert set(told) == {"youtube.aaaaaaaaaaa", "youtube.bbbbbbbbbbb"}
    record, manifest = told["youtube.aaaaaaaaaaa"], decode_manifest(manifest_of(program, "aaaaaaaaaaa").read_bytes())
    assert record.model_dump(exclude={"type", "landed_at"}, by_alias=False) == {
        "key": "youtube.aaaaaaaaaaa",
        "extractor": "Youtube",
        "id": "aaaaaaaaaaa",
        "url": "https://x.test/aaaaaaaaaaa",
        "kind": "Video",
        "source": "youtubetab.UCnumber.videos",
        "title": "On aaaaaaaaaaa",
        "published_date": "2024-12-25",
        "duration_seconds": 60,
        "launch": 1,
        "path": results[0].path,
        "bytes": len(MEDIA),
        "present_bytes": len(MEDIA),
        "engine": manifest.engine,
    }
    assert record.landed_at == int(manifest.times.published or 0)
    assert chunk.trailer.next_after is None


def test_a_volume_that_nobody_used_is_empty_and_stays_so(program):
    chunk = program.run().chunk
    assert (chunk.header.volume_id, chunk.records, chunk.trailer.next_after) == (None, (), None)
    assert snapshot(program.claim) == {}


def test_removed_and_replaced_files_are_told(program):
    gone, replaced = publish(program, "aaaaaaaaaaa", "bbbbbbbbbbb")
    (program.claim / str(gone.path)).unlink()
    (program.claim / str(replaced.path)).write_bytes(b"smaller")
    records = {record.id: record for record in program.run().chunk.records}
    assert records["aaaaaaaaaaa"].present_bytes is None
    assert (records["bbbbbbbbbbb"].bytes, records["bbbbbbbbbbb"].present_bytes) == (len(MEDIA), 7)


def test_unreadable_manifests_are_named_and_stop_nothing(program):
    publish(program, "aaaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc", "ddddddddddd", "eeeeeeeeeee", "fffffffffff")
    manifest_of(program, "bbbbbbbbbbb").write_text("{")
    wrong = manifest_of(program, "ccccccccccc")
    wrong.write_bytes(wrong.read_bytes().replace(b"youtube.ccccccccccc", b"youtube.zzzzzzzzzzz"))
    outside = manifest_of(program, "ddddddddddd")
    outside.write_bytes(outside.read_bytes().replace(b"A channel/Season", b"../Season"))
    endless = manifest_of(program, "eeeeeeeeeee")
    endless.write_bytes(endless.read_bytes().replace(b"https://x.test/", b"https://x.test/" + b"x" * 3000))
    large = manifest_of(program, "fffffffffff")
    large.write_bytes(b" " * 2**20 + large.read_bytes())
    trailer = program.run().chunk.trailer
    assert (trailer.count, trailer.unreadable) == (1, 5)
    said = {name.partition(".json: ")[0].partition(".")[2][0]: name for name in trailer.unreadable_names}
    assert "the file" in said["b"] or "JSON" in said["b"]
    assert "another video, youtube.zzzzzzzzzzz" in said["c"]
    assert "leads out of the claim" in said["d"]
    assert "too long" in said["e"]
    assert "longer than" in said["f"]


def test_what_is_no_manifest_is_passed_over(program):
    """A manifest being written, one that no launch has committed, and what macOS leaves on a share."""
    publish(program, "aaaaaaaaaaa", "bbbbbbbbbbb")
    uncommitted = manifest_of(program, "aaaaaaaaaaa")
    uncommitted.write_bytes(uncommitted.read_bytes().replace(b'"committed": true', b'"committed": false'))
    whole = manifest_of(program, "bbbbbbbbbbb")
    whole.with_name(f"._{whole.name}").write_text("AppleDouble")
    whole.with_name(f".{whole.name}.17.abcd.tmp").write_text("{")
    (whole.parent.parent / "notes").mkdir()
    chunk = program.run().chunk
    assert ([record.id for record in chunk.records], chunk.trailer.unreadable) == (["bbbbbbbbbbb"], 0)


def test_chunks_follow_each_other(program):
    """Five thousand manifests: each is told once, and no log comes near to being rotated."""
    expected = write_manifests(program, 5000)
    seen: list[str] = []
    after, sizes = "", []
    while True:
        ended = program.run(after=after, volume_id="v-1")
        sizes.append(len(ended.log))
        chunk = ended.chunk
        assert chunk.header.after == after
        seen += [record.key for record in chunk.records]
        if chunk.trailer.next_after is None:
            break
        after = chunk.trailer.next_after
    assert (len(seen), set(seen)) == (5000, expected)
    assert len(sizes) == -(-5000 // MAX_RECORDS)
    assert max(sizes) < MAX_LOG_BYTES < 10 * 2**20
    assert MAX_RECORD_BYTES * 2 < MAX_CHUNK_BYTES


def test_a_smaller_limit_makes_smaller_chunks(program):
    expected = write_manifests(program, 5)
    first = program.run(limit=2).chunk
    assert first.trailer.next_after is not None
    rest = program.run(after=first.trailer.next_after).chunk
    assert {record.key for record in (*first.records, *rest.records)} == expected
    assert (len(first.records), rest.trailer.next_after) == (2, None)


@pytest.mark.parametrize(
    ("prepare", "volume_id", "reason"),
    [
        pytest.param(lambda claim: None, "v-1", "VolumeMarkerMissing", id="not mounted"),
        pytest.param(lambda claim: marked(claim, "v-2"), "v-1", "VolumeMarkerMismatch", id="another volume"),
        pytest.param(lambda claim: own(claim), None, "VolumeMarkerMissing", id="marker lost"),
        pytest.param(lambda claim: claim.rmdir(), None, "VolumeMissing", id="no folder"),
        pytest.param(lambda claim: marked(claim, ""), None, "VolumeMarkerUnreadable", id="marker broken"),
    ],
)
def test_a_wrong_volume_makes_no_chunk(program, prepare, volume_id, reason):
    prepare(program.claim)
    before = snapshot(program.folder)
    ended = program.run(volume_id=volume_id)
    assert (ended.code, ended.result.outcome, ended.result.reason) == (45, "Environment", reason)
    assert b'"trailer"' not in ended.log
    assert snapshot(program.claim) == {name[6:]: seen for name, seen in before.items() if name.startswith("claim/")}


def marked(claim: Path, volume_id: str) -> None:
    (claim / ".trawler").mkdir()
    (claim / ".trawler/volume-id").write_text(json.dumps({"id": volume_id}))


def own(claim: Path) -> None:
    (claim / ".trawler/tv.one").mkdir(parents=True)


def test_a_manifest_that_cannot_be_looked_at_is_not_gone(program):
    """A volume that fails in the middle ends the chunk without its trailer."""
    publish(program, "aaaaaaaaaaa")
    # Who runs the tests may read everything: a link to itself stands for a volume that answers with an error.
    manifest = manifest_of(program, "aaaaaaaaaaa")
    manifest.unlink()
    manifest.symlink_to(manifest)
    ended = program.run()
    assert (ended.code, ended.result.reason) == (45, "VolumeError")
    assert b'"trailer"' not in ended.log


def test_a_bad_request_names_the_field(program):
    ended = program.end(program.start('{"subscription":{"namespace":"tv","name":"one"},"limit":0}'))
    assert (ended.code, ended.result.reason) == (45, "RequestInvalid")
    assert "limit" in ended.result.message


def test_sigterm_ends_it_cleanly(program):
    """While it waits for a volume that does not answer: a pipe that nobody writes to."""
    publish(program, "aaaaaaaaaaa")
    manifest = manifest_of(program, "aaaaaaaaaaa")
    manifest.unlink()
    os.mkfifo(manifest)
    process = program.start(InventoryRequest(subscription=OWNER).to_json())
    writer = os.open(manifest, os.O_WRONLY)  # returns once the program reads
    process.send_signal(signal.SIGTERM)
    ended = program.end(process)
    os.close(writer)
    assert (ended.code, ended.result.outcome) == (143, "Terminated")
    assert b'"trailer"' not in ended.log


def test_it_needs_no_yt_dlp(program):
    """A short Job must start fast and take little memory."""
    modules = subprocess.run(
        [sys.executable, "-c", "import sys, trawler_downloader.inventory.manifests; print(*sys.modules)"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "downloader")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "trawler_downloader.inventory.manifests" in modules
    assert "yt_dlp" not in modules
