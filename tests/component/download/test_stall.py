"""A download in which nothing moves any more: ended in any case, with its children, and told by what can be known."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from component.download_job import Job
from component.lister_harness import ROOT, wait_until
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.reasons import Reason

PATIENCE = 4
"""Seconds without any movement; below yt-dlp's own patience with a socket."""
GREETINGS = {"ffmpeg": "ffmpeg version 9.9.9", "deno": "deno 9.9.9 (stable)"}
HANGING = """#!/bin/sh
case "$*" in *version*|*-bsfs*) echo "{greeting}"; exit 0;; esac
echo $$ >> {pids}
exec sleep 3600
"""


def hangs(job: Job, tool: str) -> Path:
    """From now on this tool never ends; the file names its processes."""
    pids = job.folder / f"{tool}.pids"
    # yt-dlp looks for deno beside the interpreter first, so that takes an environment of its own.
    folder = job.folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    job.python = str(folder / "bin/python")
    paths = [str(ROOT / "downloader"), sysconfig.get_path("purelib")]
    job.environment = {**job.environment, "PYTHONPATH": os.pathsep.join(paths)}
    script = (folder / "bin" if tool == "deno" else job.folder / "tools") / tool
    script.write_text(HANGING.format(greeting=GREETINGS[tool], pids=pids))
    script.chmod(0o755)
    return pids


def stagings(job: Job) -> list[Path]:
    return list((job.library / ".trawler/tv.one/staging").iterdir())


@pytest.mark.parametrize("endpoint", ["watch", "media"])
def test_a_site_that_says_nothing_any_more(job: Job, endpoint: str) -> None:
    """Inside a read of a socket, where nothing of yt-dlp's runs; what was downloaded is removed."""
    job.site.fault("hang", endpoint=endpoint)
    ended = job.run(job.request(stall_timeout_seconds=PATIENCE))
    assert (ended.told.outcome, ended.told.reason) == (OutcomeClass.TRANSIENT, Reason.STALLED), ended.log
    assert "job.stallTimeoutSeconds" in ended.told.message
    assert stagings(job) == []


@pytest.mark.parametrize("tool", ["ffmpeg", "deno"])
def test_a_tool_that_never_ends(job: Job, tool: str) -> None:
    """The processes that yt-dlp waits for end with it."""
    pids = hangs(job, tool)
    ended = job.run(job.request(stall_timeout_seconds=PATIENCE))
    assert (ended.told.outcome, ended.told.reason) == (OutcomeClass.TRANSIENT, Reason.STALLED), ended.log
    started = [int(line) for line in pids.read_text().split()]
    assert started
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))


def test_media_that_come_slowly_are_no_stall(job: Job) -> None:
    """The whole takes several times as long as the patience with silence."""
    job.site.site.faults.add(
        {"kind": "slow", "bytes_per_second": 8000, "match": {"endpoint": "media", "stream": "audio"}},
        job.site.site.catalogue,
    )
    ended = job.run(job.request(stall_timeout_seconds=PATIENCE))
    assert (ended.told.reason, ended.told.outcome) != (Reason.STALLED, OutcomeClass.TRANSIENT), ended.log


def test_a_volume_that_does_not_answer(job: Job) -> None:
    """Opening a pipe that nobody reads hangs as a file on a dead server does, and never comes back."""
    request = job.request(stall_timeout_seconds=PATIENCE)
    staging = job.library / f".trawler/tv.one/staging/1-pod-{job.subscription}-1"
    staging.mkdir(parents=True)
    (job.library / ".trawler/volume-id").write_text('{"id": "v"}')
    os.mkfifo(staging / "heartbeat")
    ended = job.run(request)
    assert (ended.told.outcome, ended.told.reason) == (OutcomeClass.ENVIRONMENT, Reason.STALE_VOLUME), ended.log
    assert "does not answer" in ended.told.message


def test_an_operation_of_ours_on_a_volume_that_answers_goes_on(job: Job) -> None:
    """Bringing much to a slow server takes its time, and no movement of it can be seen."""
    staging = job.library / f".trawler/tv.one/staging/1-pod-{job.subscription}-1"
    staging.mkdir(parents=True)
    os.mkfifo(job.library / ".trawler/volume-id")
    process = job.start(job.request(stall_timeout_seconds=1))
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=5)
    (job.library / ".trawler/volume-id").write_text('{"id": "v"}')
    out, log = process.communicate(timeout=30)
    assert job.ended(process.returncode, out, log).told.reason != Reason.STALE_VOLUME
