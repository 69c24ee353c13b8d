"""The downloader as a Job runs it, with the real yt-dlp, deno and ffmpeg, against the stand-in."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from component.aftermath import A_MINUTE, NONE, Fate, prove
from component.download_job import VIDEO, Job, job_on
from component.lister_harness import Standin
from trawler_downloader.contract.download import FollowUpKind, Layout, LibraryPlace, MediaType, MediaWish, Sidecar
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.progress import Phase, Progress
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.media import probe

pytestmark = pytest.mark.image
MEDIA = {"match": {"endpoint": "media"}}


@pytest.fixture
def job(standin, tmp_path) -> Job:
    return job_on(standin, tmp_path)


def strike(site: Standin, kind: str, **spec: Any) -> None:
    """The site's media servers misbehave from now on."""
    site.site.faults.add({"kind": kind, "match": {"endpoint": "media"}, **spec}, site.site.catalogue)


def test_a_video_lands_with_everything_beside_it(job):
    """Separate streams, the JS challenge solved by deno, merged, verified, and named from the site's facts."""
    ended = job.run(job.request(media=MediaWish(sidecars=tuple(Sidecar))))
    assert ended.code == 0, ended.log
    episode = "A channel/Season 24/Ein Titel - a-b (S24E1225)"
    assert job.tree() == sorted(
        ["A channel/tvshow.nfo"]
        + [episode + suffix for suffix in (".mp4", ".nfo", ".description", ".info.json", "-thumb.jpg")]
    )
    media = probe(job.library / f"{episode}.mp4")
    assert media is not None
    assert (len(media.video), len(media.audio)) == (1, 1)
    assert media.duration_seconds == pytest.approx(4, abs=0.5)
    result = ended.told
    assert (result.reason, result.path, result.title) == ("Published", f"{episode}.mp4", "Ein Titel: a/b")
    assert (result.published_date, result.duration_seconds) == ("2024-12-25", 4)
    assert result.bytes == (job.library / f"{episode}.mp4").stat().st_size
    times = result.times
    assert times.started < times.fetched <= times.verified <= times.published
    nfo = ET.parse(job.library / f"{episode}.nfo").getroot()
    assert [nfo.findtext(tag) for tag in ("title", "showtitle", "season", "episode", "plot", "aired")] == [
        "Ein Titel: a/b",
        "A channel",
        "24",
        "1225",
        "Was es ist",
        "2024-12-25",
    ]
    assert (job.library / f"{episode}.description").read_text() == "Was es ist"
    info = json.loads((job.library / f"{episode}.info.json").read_text())
    assert info["id"] == VIDEO["id"]
    assert "googlevideo.com/" not in json.dumps(info)
    thumbnail = probe(job.library / f"{episode}-thumb.jpg")
    assert thumbnail is not None
    assert thumbnail.video == ("mjpeg",)
    assert not list((job.library / ".trawler/tv.one/staging").iterdir())
    assert not list(job.temporary.iterdir())


def test_progress_covers_all_phases_in_their_order(job):
    phases = [line.phase for line in job.run(job.request()).progress]
    assert list(dict.fromkeys(phases))[:2] == [Phase.PREPARING, Phase.DOWNLOADING]
    assert phases[-1] is Phase.PUBLISHING
    assert set(phases) == set(Phase)


def test_a_landed_video_costs_no_request(job):
    """Its manifest says so, also to a Job that knows nothing else of it."""
    job.run(job.request())
    assert job.site.asked > 0
    again = job.run(job.request())
    assert (again.told.reason, again.code) == ("AlreadyPublished", 0)
    assert job.site.asked == 0


def test_files_are_as_open_as_the_umask_lets_them(job):
    """Also those that yt-dlp and ffmpeg made: a media server reads them as another user."""
    job.run(job.request(umask="002", media=MediaWish(sidecars=tuple(Sidecar))))
    landed = [job.library / name for name in job.tree()]
    assert {oct(path.stat().st_mode & 0o777) for path in landed} == {"0o664"}
    assert {oct(path.parent.stat().st_mode & 0o777) for path in landed} == {"0o775"}


def test_fetch_and_publish_are_commands_of_their_own(job):
    """What was fetched is published later, without the site."""
    request = job.request()
    fetched = job.run(request, "fetch")
    assert (fetched.code, fetched.result, job.tree()) == (0, None, [])
    assert job.site.asked > 0
    published = job.run(request, "publish")
    assert (published.code, published.told.reason) == (0, "Published")
    assert job.site.asked == 0


def test_publish_without_fetch_says_so(job):
    ended = job.run(job.request(), "publish")
    assert (ended.told.outcome, ended.told.reason) == (OutcomeClass.ENVIRONMENT, "NothingStaged")


def test_another_subscription_in_the_same_folder_takes_the_file_that_is_there(job):
    """One file, named by both manifests; the media are not downloaded again."""
    first = job.run(job.request())
    before = job.tree()
    other = Job(job.site, job.folder, job.library, subscription="two")
    second = other.run(other.request())
    assert (second.told.reason, second.told.path) == ("AlreadyPublished", first.told.path)
    assert other.tree() == before


def test_sound_only(job):
    wish = MediaWish(type=MediaType.AUDIO, container="m4a")
    ended = job.run(job.request(media=wish, library=LibraryPlace(layout=Layout.FLAT, folder="Sound", path="tim")))
    assert ended.code == 0, ended.log
    assert job.tree() == ["tim/Sound/Ein Titel - a-b [aaaaaaaaaa1].m4a"]
    media = probe(job.library / job.tree()[0])
    assert media is not None
    assert (media.video, media.audio) == ((), ("aac",))


@pytest.mark.parametrize("container", ["mkv", "webm", "mp4"])
def test_a_container_is_a_preference(job, container):
    """Whatever the site has for it, the video lands whole."""
    ended = job.run(job.request(media=MediaWish(container=container, max_height=144)))
    assert ended.code == 0, ended.log
    media = probe(job.library / str(ended.told.path))
    assert media is not None
    assert (len(media.video), len(media.audio)) == (1, 1)


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("private", OutcomeClass.NEEDS_ACCESS),
        ("removed", OutcomeClass.TERMINAL),
        ("bot_check", OutcomeClass.RATE_LIMITED),
        ("premiere", OutcomeClass.NOT_YET),
    ],
)
def test_what_the_site_refuses_is_told_by_class_and_leaves_no_file(job, state, outcome):
    job.site.fault(state, video=VIDEO["id"])
    ended = job.run(job.request())
    assert ended.told.outcome is outcome, ended.log
    assert job.tree() == []


def test_a_thumbnail_that_cannot_be_had_does_not_cost_the_video(job):
    job.site.fault("status", status=404, endpoint="thumbnail")
    ended = job.run(job.request(media=MediaWish(sidecars=(Sidecar.THUMBNAIL,))))
    assert ended.code == 0, ended.log
    assert [Path(name).suffix for name in job.tree()] == [".mp4"]
    assert ended.told.follow_up is FollowUpKind.THUMBNAIL


def test_a_thumbnail_that_came_late_is_added(job):
    wish = MediaWish(sidecars=(Sidecar.THUMBNAIL,))
    job.site.fault("status", times=None, status=404, endpoint="thumbnail")
    job.run(job.request(media=wish))
    still = job.run(job.request(media=wish, follow_up=FollowUpKind.THUMBNAIL))
    assert (still.told.reason, still.told.follow_up) == (Reason.STILL_MISSING, FollowUpKind.THUMBNAIL), still.log
    job.site.site.faults.remove()
    added = job.run(job.request(media=wish, follow_up=FollowUpKind.THUMBNAIL))
    assert (added.told.reason, added.told.follow_up) == (Reason.PUBLISHED, None), added.log
    (picture,) = [job.library / name for name in job.tree() if name.endswith("-thumb.jpg")]
    thumbnail = probe(picture)
    assert thumbnail is not None
    assert thumbnail.video == ("mjpeg",)


def slow_download(job: Job) -> subprocess.Popen[str]:
    """A launch whose media are coming in, for longer than any test takes."""
    strike(job.site, "slow", bytes_per_second=2000)
    process = job.start(job.request())
    assert process.stdout is not None
    for line in process.stdout:
        if Progress.model_validate_json(line).phase is Phase.DOWNLOADING:
            break
    return process


def test_sigterm_ends_cleanly_and_the_next_launch_lands_the_video(job):
    process = slow_download(job)
    process.send_signal(signal.SIGTERM)
    out, log = process.communicate(timeout=30)
    ended = job.ended(process.returncode, out, log)
    assert (ended.code, ended.told.outcome) == (143, OutcomeClass.TERMINATED)
    assert job.tree() == []
    job.site.site.faults.remove()
    assert job.run(job.request()).told.reason == "Published"


def test_sigkill_during_the_download_leaves_no_final_name(job):
    process = slow_download(job)
    process.kill()
    process.communicate(timeout=30)
    assert job.tree() == []
    job.site.site.faults.remove()
    assert job.run(job.request()).told.reason == "Published"


@pytest.mark.parametrize(
    ("fault", "says", "reason"),
    [
        pytest.param({**MEDIA, "kind": "truncate", "bytes": 2000}, "cut short", "Truncated", id="they break off"),
        pytest.param({**MEDIA, "kind": "corrupt"}, "", "ProcessingFailed", id="they are garbage"),
        pytest.param(
            {"kind": "wrong_length"}, "4 s, the site announced 64 s", "VerificationFailed", id="a minute is missing"
        ),
    ],
)
async def test_media_that_are_not_the_video_are_not_published(job, fault, says, reason):
    """Whoever notices, yt-dlp, ffmpeg or the verification: the video is downloaded anew."""
    job.site.site.faults.add(fault, job.site.site.catalogue)
    now = time.time()
    ended = job.run(job.request())
    assert says in ended.told.message
    assert job.tree() == []
    await prove(ended, Fate(reason, "Transient", 44, "Failed", NONE, A_MINUTE), now)


def test_two_videos_of_one_day_with_one_title_landing_at_once(job):
    """Both land, under different numbers."""
    job.site.load(
        {
            "handle": "@chan",
            "title": "A channel",
            "videos": 0,
            "published": [VIDEO | {"id": f"aaaaaaaaaa{n}", "title": "Twins"} for n in (1, 2)],
        }
    )
    twins = [Job(job.site, job.folder, job.library, subscription=f"s{n}") for n in (1, 2)]
    for n, twin in enumerate(twins, 1):
        twin.environment = {"TRAWLER_TERMINATION_LOG": str(job.folder / f"log-{n}")}
    running = [twin.start(twin.request(f"aaaaaaaaaa{n}")) for n, twin in enumerate(twins, 1)]
    for process in running:
        _, log = process.communicate(timeout=50)
        assert process.returncode == 0, log
    assert job.tree() == [
        "A channel/Season 24/Twins (S24E1225).mp4",
        "A channel/Season 24/Twins (S24E122502).mp4",
    ]


def test_an_authority_that_is_not_ours_is_not_trusted(job):
    ended = job.run(job.request(ca_bundle=False))
    assert (ended.told.outcome, ended.told.reason) == (OutcomeClass.CONFIGURATION, "TlsNotTrusted"), ended.log


def test_a_broken_bundle_names_the_field(job):
    (job.folder / "ca.crt").write_text("no certificate")
    ended = job.run(job.request())
    assert (ended.told.outcome, ended.told.reason) == (OutcomeClass.CONFIGURATION, "CaBundleInvalid")
    assert "access.caBundleRef" in ended.told.message


def test_without_ffmpeg_the_image_is_to_blame(job):
    job.environment = {"PATH": str(job.folder)}
    ended = job.run(job.request())
    assert (ended.told.outcome, ended.told.reason) == (OutcomeClass.ENVIRONMENT, "ImageIncomplete")
