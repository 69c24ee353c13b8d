"""How a download ends, for every row of the table of outcomes: the program as a Job runs it, with the real yt-dlp.

What a site causes is caused by the stand-in; what it cannot cause happens for real. These endings come before ffmpeg
has anything to do, so that it only has to be there; what it makes of media is tested inside the image.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from cannot_run import cannot_run
from component.download_job import Job, job_with_idle_tools, running_bare_site
from component.lister_harness import Standin
from component.proxies import answering_proxy
from trawler_downloader.contract.outcomes import EXIT_CODES, OutcomeClass
from trawler_downloader.contract.reasons import Reason

HOUR = 3600
AS_A_DATE = "as a date"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    with running_bare_site(tmp_path_factory.mktemp("site")) as standin:
        yield standin


@pytest.fixture
def job(site: Standin, tmp_path: Path) -> Job:
    return job_with_idle_tools(site, tmp_path)


@dataclass(frozen=True)
class Row:
    """What the site does, and how the download ends.

    Args:
        name: the situation.
        fault: of the stand-in.
        reason: of the report.
        says: part of its message.
        waits: seconds from now that the site asks for or announces.
        besides: another fault.
    """

    name: str
    fault: dict[str, Any]
    reason: Reason
    says: str
    waits: float | None = None
    besides: dict[str, Any] = field(default_factory=dict)


def _state(kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, **more}


def _status(status: int, endpoint: str, **more: Any) -> dict[str, Any]:
    return {"kind": "status", "status": status, "match": {"endpoint": endpoint}, **more}


ROWS = (
    Row("private", _state("private"), Reason.PRIVATE, "private"),
    Row("removed by the uploader", _state("removed"), Reason.VIDEO_REMOVED, "uploader removed"),
    Row("account terminated", _state("account_terminated"), Reason.ACCOUNT_TERMINATED, "account"),
    Row("copyright", _state("copyright"), Reason.COPYRIGHT, "copyright claim"),
    Row("not available", _state("not_available"), Reason.VIDEO_UNAVAILABLE, "not available"),
    Row("not in this country", _state("geo"), Reason.GEO_RESTRICTED, "country"),
    Row("members only", _state("members_only"), Reason.MEMBERS_ONLY, "members"),
    Row("age", _state("age"), Reason.AGE_RESTRICTED, "age"),
    Row("bot check", _state("bot_check"), Reason.BOT_CHECK, "not a bot"),
    Row("rate limit in words", _state("rate_limit"), Reason.RATE_LIMITED, "an hour", waits=HOUR),
    Row("captcha", _state("captcha"), Reason.CAPTCHA, "captcha"),
    Row("wrong video", _state("wrong_video"), Reason.ADDRESS_BLOCKED, "wrong videos"),
    Row("payment", _state("payment"), Reason.PAYMENT, "costs money"),
    Row("DRM", _state("drm"), Reason.DRM, "DRM"),
    Row("no formats", _state("no_formats"), Reason.NO_FORMATS, "no format"),
    Row("premiere", _state("premiere", seconds=3 * HOUR), Reason.PREMIERE, "Premieres in", waits=3 * HOUR),
    Row("live later", _state("live_later", seconds=50 * HOUR), Reason.LIVE_SCHEDULED, "will begin in", waits=50 * HOUR),
    Row("live", _state("live"), Reason.LIVE, "live now"),
    Row("recording to come", _state("post_live"), Reason.POST_LIVE, "processed"),
    Row("429 of everything", _status(429, "extraction"), Reason.RATE_LIMITED, "fewer requests"),
    Row("429 of the player alone", _status(429, "player", retry_after=90), Reason.RATE_LIMITED, "fewer", waits=90),
    Row("5xx of the player alone", _status(502, "player"), Reason.SERVER_ERROR, "HTTP 502"),
    Row("404 of the player alone", _status(404, "player"), Reason.NOT_FOUND, "HTTP 404"),
    Row("403 of media", _status(403, "media"), Reason.MEDIA_FORBIDDEN, "HTTP 403"),
    Row("404 of media", _status(404, "media"), Reason.MEDIA_NOT_FOUND, "HTTP 404"),
    Row("429 of media", _status(429, "media"), Reason.RATE_LIMITED, "fewer requests"),
    Row("429 of media for a time", _status(429, "media", retry_after=120), Reason.RATE_LIMITED, "fewer", waits=120),
    Row(
        "429 of media until a date",
        _status(429, "media", retry_after=AS_A_DATE),
        Reason.RATE_LIMITED,
        "fewer requests",
        waits=HOUR,
    ),
    Row("5xx of media", _status(503, "media"), Reason.SERVER_ERROR, "HTTP 503"),
    Row("media that are cut off", {"kind": "reset", "match": {"endpoint": "media"}}, Reason.UNREACHABLE, "broke"),
    Row("media that break off", {"kind": "truncate", "match": {"endpoint": "media"}}, Reason.TRUNCATED, "cut short"),
    Row("no media at all", {"kind": "truncate", "bytes": 0, "match": {"endpoint": "media"}}, Reason.TRUNCATED, "cut"),
    Row(
        "a page for embedding without its settings",
        _state("age"),
        Reason.EXTRACTOR_FAILED,
        "newer yt-dlp",
        besides={"kind": "corrupt", "match": {"endpoint": "client_config"}},
    ),
    Row(
        "a player that is garbage",
        {"kind": "corrupt", "match": {"endpoint": "extraction"}},
        Reason.EXTRACTOR_FAILED,
        "newer yt-dlp",
    ),
)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
def test_an_ending_of_a_download(job: Job, row: Row) -> None:
    """Class, reason, exit code, a sentence for people, and when to try again; nothing stays behind."""
    fault = dict(row.fault)
    now = time.time()
    if fault.get("retry_after") == AS_A_DATE:
        fault["retry_after"] = formatdate(now + HOUR, usegmt=True)
    for each in filter(None, (fault, row.besides)):
        job.site.site.faults.add(each, job.site.site.catalogue)
    ended = job.run(job.request())
    told = ended.told
    assert (told.reason, told.outcome) == (row.reason, row.reason.outcome), ended.log
    assert ended.code == EXIT_CODES[row.reason.outcome]
    assert row.says in told.message
    assert "\n" not in told.message
    assert job.tree() == []
    assert list(job.temporary.iterdir()) == []
    if row.waits is None:
        assert told.retry_at is None
    else:
        assert told.retry_at is not None
        assert now + row.waits - 2 <= told.retry_at <= time.time() + row.waits + 2


def test_a_watch_page_that_limits_us_costs_nothing(job: Job) -> None:
    """The player answers all the same: what comes next is what would have come."""
    job.site.fault("status", status=429, endpoint="watch")
    job.site.fault("status", status=503, endpoint="media")
    assert job.run(job.request()).told.reason == Reason.SERVER_ERROR


def test_a_connection_that_is_refused(job: Job) -> None:
    ended = job.run(job.request(proxy="http://me:secret@127.0.0.1:9"))
    assert (ended.told.outcome, ended.told.reason) == (OutcomeClass.TRANSIENT, Reason.UNREACHABLE), ended.log
    assert "secret" not in ended.told.to_json()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param("407 Proxy Authentication Required", Reason.PROXY_REFUSED, id="it wants a password"),
        pytest.param("502 Bad Gateway", Reason.UNREACHABLE, id="it cannot reach the site"),
    ],
)
def test_a_proxy_that_does_not_connect(job: Job, answer: str, reason: Reason) -> None:
    with answering_proxy(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()) as proxy:
        ended = job.run(job.request(proxy=proxy))
    assert (ended.told.outcome, ended.told.reason) == (reason.outcome, reason), ended.log


def test_an_authority_that_nobody_trusts(job: Job) -> None:
    ended = job.run(job.request(ca_bundle=False))
    assert (ended.told.outcome, ended.told.reason) == (OutcomeClass.CONFIGURATION, Reason.TLS_NOT_TRUSTED), ended.log


def test_an_image_without_ffmpeg(job: Job) -> None:
    job.environment = {"PATH": str(job.folder)}
    ended = job.run(job.request())
    assert (ended.told.outcome, ended.told.reason) == (OutcomeClass.ENVIRONMENT, Reason.NO_FFMPEG), ended.log


@pytest.fixture(scope="module")
def namespaces() -> None:
    """`unshare` gives a program namespaces of its own."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rmn", "true"], check=False).returncode != 0:
        cannot_run("the kernel gives this user no namespaces")


@pytest.mark.usefixtures("namespaces")
def test_a_name_that_cannot_be_resolved(job: Job) -> None:
    """In a network of its own, which has nothing but itself: no question leaves the machine."""
    job.inside = ("unshare", "-rn")
    ended = job.run(job.request(proxy=None))
    assert (ended.told.outcome, ended.told.reason) == (OutcomeClass.TRANSIENT, Reason.UNREACHABLE), ended.log
    assert "name" in ended.told.message


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param("size=96k", Reason.NOT_ENOUGH_SPACE, id="the announced size does not fit"),
        pytest.param("nr_inodes=8", Reason.NO_SPACE, id="it is full"),
        pytest.param("ro", Reason.READ_ONLY, id="it is mounted read-only"),
    ],
)
def test_a_volume_that_takes_no_file(job: Job, options: str, reason: Reason) -> None:
    mount = f'mount -t tmpfs -o {options} tmpfs {job.library} && exec "$@"'
    job.inside = ("unshare", "-rm", "sh", "-c", mount, "sh")
    ended = job.run(job.request(min_free_bytes=0))
    assert (ended.told.outcome, ended.told.reason) == (OutcomeClass.ENVIRONMENT, reason), ended.log


def test_a_file_that_is_larger_than_the_volume_takes(job: Job) -> None:
    """As of 4 GiB on FAT: the limit stands in for the file system's."""
    job.inside = ("sh", "-c", 'ulimit -f 100; exec "$@"', "sh")  # in blocks of 512 bytes
    ended = job.run(job.request())
    assert (ended.told.outcome, ended.told.reason) == (OutcomeClass.CONFIGURATION, Reason.FILE_TOO_LARGE), ended.log
    assert "media.maxHeight" in ended.told.message
