"""The real yt-dlp and ffmpeg on the NAS that misbehaves: what they do to files is theirs, not ours."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from component.download_job import job_on
from component.lister_harness import running_standin
from nas.faults import Faults
from nas.mount import mounted
from nas.test_landing import NFS, SMB
from trawler_downloader.contract.download import MediaWish, Sidecar
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.download.media import probe

pytestmark = pytest.mark.image

EPISODE = "A channel/Season 24/Ein Titel - a-b (S24E1225).mp4"


@pytest.fixture(name="site", scope="module")
def _site(tmp_path_factory):
    with running_standin(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(name="nas")
def _nas(tmp_path):
    with mounted(tmp_path) as nas:
        yield nas


@pytest.fixture(name="job")
def _job(site, nas, tmp_path):
    return job_on(site, tmp_path, nas.root)


def request(job, **fields):
    return job.request(media=MediaWish(sidecars=tuple(Sidecar)), **fields)


@pytest.mark.parametrize("faults", [pytest.param(replace(NFS, replays=False), id="NFS"), pytest.param(SMB, id="SMB")])
def test_a_peculiar_nas_gets_the_video_with_all_that_belongs_to_it(job, nas, faults):
    """But for answers that got lost: yt-dlp believes them, and the launch is repeated."""
    nas.behave(faults)
    ended = job.run(request(job))
    assert ended.told.reason == "Published", ended.log
    assert len(job.tree()) == 6
    media = probe(nas.root / EPISODE)
    assert media is not None
    assert (len(media.video), len(media.audio)) == (1, 1)


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        # The video's streams are some 580 kB together: there is room for them alone.
        pytest.param(Faults(room=800_000, no_numbers=True), "NoSpace", id="a disk that is full while they are merged"),
        pytest.param(Faults(close_fails=errno.EIO), "VolumeError", id="a disk that breaks at close"),
    ],
)
def test_trouble_that_yt_dlp_or_ffmpeg_meets_is_the_volumes(job, nas, faults, reason):
    """Whatever words they find for it; and the next launch downloads what is then whole."""
    job.run(job.request(video_id="missing"))  # leaves the state folder, and is told by the site that there is nothing
    nas.behave(faults)
    ended = job.run(request(job))
    assert (ended.told.outcome, ended.told.reason) == (OutcomeClass.ENVIRONMENT, reason), ended.log
    assert job.tree() == []
    nas.heal()
    assert job.run(request(job)).told.path == EPISODE
    assert probe(nas.root / EPISODE) is not None
