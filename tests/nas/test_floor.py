"""The floor of free space while a download runs: numbers of a real file system, the real yt-dlp, and the stand-in."""

from __future__ import annotations

import pytest

from component.download_job import job_with_idle_tools, running_bare_site
from component.lister_harness import wait_until
from nas.faults import Faults
from nas.mount import mounted
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.reasons import Reason

MIB = 2**20
ROOM = 64 * MIB
FLOOR = 32 * MIB
SPOOLING_FFMPEG = """#!/bin/sh
case "$*" in *version*|*-bsfs*) echo "ffmpeg version 9.9.9"; exit 0;; esac
for output; do :; done
head -c {size} /dev/zero > "${{output#file:}}"
exec sleep 3600
"""
"""Writes far more than the streams had, and is still at it."""


@pytest.fixture(name="site", scope="module")
def _site(tmp_path_factory):
    with running_bare_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(name="nas")
def _nas(tmp_path):
    with mounted(tmp_path) as nas:
        nas.behave(Faults(room=ROOM))
        yield nas


@pytest.fixture(name="job")
def _job(site, nas, tmp_path):
    return job_with_idle_tools(site, tmp_path, nas.root)


def staged(job):
    return list((job.library / ".trawler/tv.one/staging").iterdir())


def assert_ended_by_the_floor(job, ended):
    assert (ended.told.outcome, ended.told.reason) == (OutcomeClass.ENVIRONMENT, Reason.BELOW_MIN_FREE), ended.log
    assert "32.0 MiB must stay free (spec.library.minFree)" in ended.told.message
    assert ended.told.volume_id is not None, "the volume answers"
    assert staged(job) == []


def test_a_download_ends_when_others_use_up_the_room(job, nas):
    """Such as a second launch; what it had written itself is given back."""
    job.site.site.faults.add(
        {"kind": "slow", "bytes_per_second": 2000, "match": {"endpoint": "media"}}, job.site.site.catalogue
    )
    # With less patience yt-dlp writes in smaller blocks.
    process = job.start(job.request(min_free_bytes=FLOOR, stall_timeout_seconds=20))
    wait_until(lambda: list(nas.backing.rglob("*.part")), seconds=50)
    (nas.root / "of somebody else").write_bytes(bytes(ROOM - FLOOR))
    out, log = process.communicate(timeout=50)
    assert_ended_by_the_floor(job, job.ended(process.returncode, out, log))
    assert job.tree() == ["of somebody else"]


def test_a_download_ends_when_merging_takes_more_than_was_announced(job, nas):
    """Nothing of yt-dlp's runs while ffmpeg does."""
    (job.folder / "tools/ffmpeg").write_text(SPOOLING_FFMPEG.format(size=ROOM - FLOOR))
    assert_ended_by_the_floor(job, job.run(job.request(min_free_bytes=FLOOR)))
    assert job.tree() == []
