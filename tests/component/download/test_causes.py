"""How a download ends for what is wrong on its way or here, caused for real: DNS, connections, TLS, proxy, disk, image.

As in test_download_outcomes, every row is literal: how the program ends, and what the operator makes of it.
"""

from __future__ import annotations

import shutil
import subprocess
import time

import pytest

from cannot_run import cannot_run
from component.aftermath import A_MINUTE, NEVER, NONE, PAUSE, VOLUME_GATE, Fate, prove
from component.download_job import VIDEO, Job
from component.landing import FakeEngine, launch_of, take_all_names
from component.proxies import answering_proxy
from component.web import OPEN, running_web
from trawler_downloader.download import program

UNREACHABLE = Fate("Unreachable", "Transient", 44, "Failed", NONE, A_MINUTE)
EMPTYING = """#!/bin/sh
echo ffmpeg version 9.9.9
for last; do :; done
case $last in file:*) : > "${last#file:}";; esac
"""
"""An ffmpeg that writes its output, and nothing into it."""


async def test_a_watch_page_that_limits_us_costs_nothing(job: Job) -> None:
    """The player answers all the same: what comes next is what would have come."""
    job.site.fault("status", status=429, endpoint="watch")
    job.site.fault("status", status=503, endpoint="media")
    now = time.time()
    await prove(job.run(job.request()), Fate("ServerError", "Transient", 44, "Failed", NONE, A_MINUTE), now)


async def test_a_connection_that_is_refused(job: Job) -> None:
    now = time.time()
    ended = job.run(job.request(proxy="http://me:secret@127.0.0.1:9"))
    assert "secret" not in ended.told.to_json()
    await prove(ended, UNREACHABLE, now)


@pytest.mark.parametrize(
    ("answer", "fate"),
    [
        pytest.param(
            "407 Proxy Authentication Required",
            Fate("ProxyLoginRefused", "Environment", 45, "Pending", PAUSE, A_MINUTE),
            id="it wants a password",
        ),
        pytest.param("502 Bad Gateway", UNREACHABLE, id="it cannot reach the site"),
    ],
)
async def test_a_proxy_that_does_not_connect(job: Job, answer: str, fate: Fate) -> None:
    now = time.time()
    with answering_proxy(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()) as proxy:
        ended = job.run(job.request(proxy=proxy))
    await prove(ended, fate, now)


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
async def test_a_proxy_inside_the_network_that_nobody_listed(job: Job, scheme: str) -> None:
    """Nothing connects to it, and no gate that others share hears of it."""
    now = time.time()
    with running_web(OPEN) as inside:
        ended = job.run(job.request(proxy=f"{scheme}://localhost:{inside.port}", proxy_trusted=False))
    assert f"spec.access.proxy localhost:{inside.port} is at {OPEN}" in ended.told.message
    assert "access.allowedProxies" in ended.told.message
    assert inside.connections == 0
    await prove(ended, Fate("ProxyNotAllowed", "Environment", 45, "Pending", PAUSE, A_MINUTE), now)


async def test_an_authority_that_nobody_trusts(job: Job) -> None:
    now = time.time()
    ended = job.run(job.request(ca_bundle=False))
    await prove(ended, Fate("TlsNotTrusted", "Configuration", 46, "DeadLetter", NONE, NEVER), now)


async def test_an_image_without_ffmpeg(job: Job) -> None:
    job.environment = {"PATH": str(job.folder)}
    now = time.time()
    ended = job.run(job.request())
    await prove(ended, Fate("ImageIncomplete", "Environment", 45, "Pending", PAUSE, A_MINUTE), now)


async def test_an_ffmpeg_that_makes_nothing_of_what_was_downloaded(job: Job) -> None:
    """The file that it leaves is empty; neither ffmpeg nor yt-dlp ends with an error."""
    (job.folder / "tools/ffmpeg").write_text(EMPTYING)
    now = time.time()
    ended = job.run(job.request())
    assert job.site.site.counts.snapshot()["media"][VIDEO["id"]].keys() == {"video", "audio"}
    await prove(ended, Fate("NothingDownloaded", "Transient", 44, "Failed", NONE, A_MINUTE), now)


@pytest.fixture(scope="module")
def namespaces() -> None:
    """`unshare` gives a program namespaces of its own."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rmn", "true"], check=False).returncode != 0:
        cannot_run("the kernel gives this user no namespaces")


@pytest.mark.usefixtures("namespaces")
async def test_a_name_that_cannot_be_resolved(job: Job) -> None:
    """In a network of its own, which has nothing but itself: no question leaves the machine."""
    job.inside = ("unshare", "-rn")
    now = time.time()
    ended = job.run(job.request(proxy=None))
    assert "name" in ended.told.message
    await prove(ended, UNREACHABLE, now)


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize(
    ("options", "fate"),
    [
        pytest.param(
            "size=96k",
            Fate("NotEnoughSpace", "Environment", 45, "Pending", NONE, A_MINUTE),
            id="the announced size does not fit",
        ),
        pytest.param(
            "nr_inodes=8", Fate("NoSpace", "Environment", 45, "Pending", VOLUME_GATE, A_MINUTE), id="it is full"
        ),
        pytest.param(
            "ro", Fate("ReadOnly", "Environment", 45, "Pending", VOLUME_GATE, A_MINUTE), id="it is mounted read-only"
        ),
    ],
)
async def test_a_volume_that_takes_no_file(job: Job, options: str, fate: Fate) -> None:
    mount = f'mount -t tmpfs -o {options} tmpfs {job.library} && exec "$@"'
    job.inside = ("unshare", "-rm", "sh", "-c", mount, "sh")
    now = time.time()
    await prove(job.run(job.request()), fate, now)


async def test_a_claim_that_is_not_mounted(job: Job) -> None:
    job.library.rmdir()
    now = time.time()
    await prove(job.run(job.request()), Fate("VolumeMissing", "Environment", 45, "Pending", VOLUME_GATE, A_MINUTE), now)


async def test_a_folder_in_which_all_names_of_the_video_are_taken(job: Job) -> None:
    """A name is one video's: the Subscription's others go on. What was downloaded stays, to be published later."""
    request = job.request()
    engine = FakeEngine(video_id=VIDEO["id"])
    assert program.fetch(launch_of(request, job.library, engine)) is None
    before = sorted(take_all_names(job.library, request, engine))
    now = time.time()
    ended = job.run(request, "publish")
    assert [job.library / name for name in job.tree()] == before
    await prove(ended, Fate("NoFreeName", "Environment", 45, "Pending", NONE, A_MINUTE), now)


async def test_a_file_that_is_larger_than_the_volume_takes(job: Job) -> None:
    """As of 4 GiB on FAT: the limit stands in for the file system's."""
    job.inside = ("sh", "-c", 'ulimit -f 100; exec "$@"', "sh")  # in blocks of 512 bytes
    now = time.time()
    ended = job.run(job.request())
    assert "media.maxHeight" in ended.told.message
    await prove(ended, Fate("FileTooLarge", "Configuration", 46, "DeadLetter", NONE, NEVER), now)
