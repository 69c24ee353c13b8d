"""The survey's program over a claim that real launches filled: whose histories are there, and nothing is changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from component.landing import FakeEngine, land, request_for
from trawler_downloader.contract.download import DownloadResult
from trawler_downloader.contract.survey import HistoryLine, SurveyRequest
from trawler_downloader.contract.volume_job import Chunk, parse_chunk

ROOT = Path(__file__).parents[3]


@pytest.fixture
def claim(tmp_path: Path) -> Path:
    (tmp_path / "claim").mkdir()
    return tmp_path / "claim"


def run(claim: Path, **fields: object) -> tuple[int, bytes, DownloadResult | None]:
    """Exit code, both streams, and the report if there is one."""
    report = claim.parent / "termination-log"
    report.unlink(missing_ok=True)
    request = SurveyRequest.model_validate({"namespace": "tv", **fields})
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "downloader"),
        "TRAWLER_REQUEST": request.to_json(),
        "TRAWLER_LIBRARY": str(claim),
        "TRAWLER_TERMINATION_LOG": str(report),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "trawler_downloader.survey"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=50,
        check=False,
    )
    result = DownloadResult.model_validate_json(report.read_text()) if report.exists() else None
    return ended.returncode, ended.stdout, result


def survey(claim: Path, **fields: object) -> Chunk[HistoryLine]:
    code, log, _ = run(claim, **fields)
    assert code == 0, log.decode()
    return parse_chunk(log, HistoryLine)


def names(claim: Path, **fields: object) -> list[str]:
    return [record.name for record in survey(claim, **fields).records]


def publish(claim: Path, *subscriptions: str) -> list[DownloadResult]:
    return [
        land(request_for("aaaaaaaaaaa", subscription=name), claim, FakeEngine(video_id="aaaaaaaaaaa", title="A video"))
        for name in subscriptions
    ]


def folder(claim: Path, name: str, *files: str) -> None:
    """A folder in the state folder, with empty files in it."""
    for file in files:
        path = claim / ".trawler" / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_the_histories_of_a_namespace_are_named(claim):
    """With the volume's id; those of other namespaces are nobody's business here."""
    (result, *_) = publish(claim, "two", "one")
    folder(claim, "films.three", "videos/3f/youtube.x.json")
    before = sorted(claim.rglob("*"))
    chunk = survey(claim)
    assert sorted(claim.rglob("*")) == before
    assert [record.name for record in chunk.records] == ["one", "two"]
    assert (chunk.header.scope, chunk.header.volume_id, chunk.trailer.next_after) == ("tv", result.volume_id, None)


@pytest.mark.parametrize(
    ("name", "file", "found"),
    [
        pytest.param("tv.x", "videos/3f/youtube.x.json", ["x"], id="a manifest, committed or not, readable or not"),
        pytest.param("tv.a.b", "videos/3f/youtube.x.json", ["a.b"], id="a name with a dot"),
        pytest.param("tv.x", "staging/1-pod/record.json", [], id="a launch that landed nothing"),
        pytest.param("tv.x", "videos/3f/.youtube.x.json.17.tmp", [], id="a manifest that is being written"),
        pytest.param("tv.x", "videos/notes/youtube.x.json", [], id="a folder that is none of ours"),
        pytest.param("tv.X (copy)", "videos/3f/youtube.x.json", [], id="a name that no Subscription can have"),
        pytest.param("tvx.x", "videos/3f/youtube.x.json", [], id="a namespace that begins alike"),
    ],
)
def test_what_counts_as_a_history(claim, name, file, found):
    folder(claim, name, file)
    assert names(claim) == found


def test_a_volume_that_nobody_used_holds_none_and_stays_so(claim):
    chunk = survey(claim)
    assert (chunk.header.volume_id, chunk.records, chunk.trailer.next_after) == (None, (), None)
    assert list(claim.iterdir()) == []


def test_parts_follow_each_other(claim):
    expected = [f"s{number:02}" for number in range(5)]
    for name in expected:
        folder(claim, f"tv.{name}", "videos/00/youtube.x.json")
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        chunk = survey(claim, after=after, limit=2)
        seen += [record.name for record in chunk.records]
        after = chunk.trailer.next_after
    assert seen == expected


@pytest.mark.parametrize(
    ("prepare", "volume_id", "reason"),
    [
        pytest.param(lambda claim: claim.rmdir(), None, "VolumeMissing", id="no folder"),
        pytest.param(lambda claim: None, "v-1", "VolumeMarkerMissing", id="away since the last part"),
        pytest.param(lambda claim: folder(claim, "", "volume-id"), None, "VolumeMarkerUnreadable", id="marker broken"),
    ],
)
def test_a_wrong_volume_makes_no_chunk(claim, prepare, volume_id, reason):
    prepare(claim)
    code, log, result = run(claim, volume_id=volume_id)
    assert (code, result.outcome, result.reason) == (45, "Environment", reason)
    assert b'"trailer"' not in log


def test_a_folder_that_cannot_be_looked_at_is_not_empty(claim):
    """Who runs the tests may read everything: a link to itself stands for a volume that answers with an error."""
    (claim / ".trawler").mkdir()
    own = claim / ".trawler/tv.one"
    own.symlink_to(own)
    code, log, result = run(claim)
    assert (code, result.reason) == (45, "VolumeError")
    assert b'"trailer"' not in log
