"""What happens to the lister when a worker, a site or a client misbehaves."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from component.lister_harness import (
    ROOT,
    YOUTUBE,
    Lister,
    Listing,
    Standin,
    children,
    running_lister,
    wait_until,
)
from trawler_downloader.contract.listing import LIST_PATH
from trawler_downloader.contract.outcomes import OutcomeClass

SEA = {"handle": "@sea", "videos": 40}
SEA_VIDEOS = f"{YOUTUBE}/@sea/videos"


@pytest.fixture(scope="module")
def shared_lister(tmp_path_factory: pytest.TempPathFactory, standin: Standin) -> Iterator[Lister]:
    options = ("--queue-seconds", "1", "--worker-memory-mib", "160")
    with running_lister(tmp_path_factory.mktemp("l"), standin, *options) as program:
        yield program


@pytest.fixture
def lister(shared_lister: Lister) -> Lister:
    shared_lister.standin.load(SEA)
    return shared_lister


@pytest.fixture
def own_lister(tmp_path: Path, standin: Standin) -> Iterator[Lister]:
    """For a test that leaves the program in another state than it found it."""
    standin.load(SEA)
    with running_lister(tmp_path, standin) as program:
        yield program


async def _hanging(lister: Lister, **fields: object) -> tuple["asyncio.Task[Listing]", int]:
    """A listing whose site never answers, and its worker's process id."""
    before = set(lister.workers())
    lister.standin.fault("hang", endpoint="channel_page", times=1)
    task = asyncio.create_task(lister.list(SEA_VIDEOS, **fields))
    fresh: set[int] = set()

    def asked() -> bool:
        fresh.update(set(lister.workers()) - before)
        return bool(fresh) and lister.standin.site.faults.all()[-1].struck > 0

    await asyncio.to_thread(wait_until, asked)
    return task, fresh.pop()


async def test_a_worker_that_is_killed_costs_one_listing(lister: Lister) -> None:
    """The trailer says what happened, and the next listing works."""
    task, worker = await _hanging(lister)
    os.kill(worker, signal.SIGKILL)
    killed = await task
    assert killed.trailer is not None
    assert (killed.end, killed.reason, killed.trailer.outcome) == ("error", "ListerWorkerDied", OutcomeClass.TRANSIENT)
    assert "SIGKILL" in (killed.trailer.message or "")
    assert (await lister.list(SEA_VIDEOS, newest=1)).end == "stopped"


async def test_a_hanging_site_ends_at_the_deadline(lister: Lister) -> None:
    """The worker is gone with it."""
    task, worker = await _hanging(lister, deadline_seconds=1)
    late = await task
    assert (late.end, late.reason) == ("error", "DeadlineExceeded")
    await asyncio.to_thread(wait_until, lambda: not Path(f"/proc/{worker}").exists())
    assert (await lister.list(SEA_VIDEOS, newest=1)).end == "stopped"


async def test_a_client_that_leaves_takes_its_worker_along(lister: Lister) -> None:
    """Nobody would read the rest."""
    task, worker = await _hanging(lister)
    task.cancel()
    await asyncio.to_thread(wait_until, lambda: not Path(f"/proc/{worker}").exists())
    assert (await lister.list(SEA_VIDEOS, newest=1)).end == "stopped"


async def test_what_was_listed_before_a_worker_died_arrives_as_whole_lines(lister: Lister) -> None:
    """The entries of a page leave before the next page is waited for; the trailer tells that they do not count."""
    lister.standin.fault("hang", endpoint="browse", page=2)
    task = asyncio.create_task(lister.list(SEA_VIDEOS, newest=40))
    await asyncio.to_thread(wait_until, lambda: lister.standin.site.faults.all()[-1].struck > 0)
    os.kill(lister.workers()[0], signal.SIGKILL)
    listing = await task
    assert (len(listing.entries), listing.reason) == (30, "ListerWorkerDied")


async def test_a_worker_that_wants_too_much_memory_ends_alone(lister: Lister) -> None:
    """A site cannot fill the pod's memory: the listing ends with a reason, the server goes on."""
    lister.standin.load({**SEA, "published": [{"title": "x" * 80_000_000}]})
    greedy = await lister.list(SEA_VIDEOS, newest=1)
    assert (greedy.end, greedy.reason) == ("error", "OutOfMemory")
    lister.standin.load(SEA)
    assert (await lister.list(SEA_VIDEOS, newest=1)).end == "stopped"


async def test_the_fork_server_is_started_again_when_it_dies(own_lister: Lister) -> None:
    """And the health check tells that it forks."""
    assert await own_lister.health() == 200
    dead = own_lister.fork_server()
    os.kill(dead, signal.SIGKILL)
    await asyncio.to_thread(wait_until, lambda: dead not in children(own_lister.process.pid) or _is_zombie(dead))
    # The new one imports yt-dlp first; the test's own time limit ends this.
    while await own_lister.health() != 200:  # noqa: ASYNC110 - another process sets no event
        await asyncio.sleep(0.1)
    assert (await own_lister.list(SEA_VIDEOS, newest=1)).end == "stopped"


async def test_listings_leave_nothing_behind(own_lister: Lister) -> None:
    """The program lives for months: a file or a descriptor for each listing would use its memory up."""

    def files() -> set[Path]:
        return set(own_lister.path.parent.rglob("*"))

    def descriptors() -> int:
        processes = (own_lister.process.pid, own_lister.fork_server())
        return sum(len(list(Path(f"/proc/{process}/fd").iterdir())) for process in processes)

    assert await own_lister.health() == 200
    before = files(), descriptors()
    for _ in range(3):
        assert (await own_lister.list(SEA_VIDEOS, newest=1)).end == "stopped"
    # What belongs to a request is put away a moment after its answer.
    await asyncio.to_thread(wait_until, lambda: descriptors() <= before[1])
    assert files() == before[0]


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


async def test_health_says_when_nothing_can_be_forked(own_lister: Lister) -> None:
    """A fork server that hangs is found by the probe, so that the pod is started anew."""
    stuck = own_lister.fork_server()
    os.kill(stuck, signal.SIGSTOP)
    try:
        assert await own_lister.health() == 503
    finally:
        os.kill(stuck, signal.SIGCONT)


async def test_a_full_lister_turns_requests_away(lister: Lister) -> None:
    """After a bounded wait, and with a hint when to come back."""
    first, _ = await _hanging(lister)
    second, _ = await _hanging(lister)
    body = lister.request(SEA_VIDEOS).to_json()
    async with lister.session() as session, session.post(LIST_PATH, data=body) as response:
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0
    first.cancel()
    assert (await lister.list(SEA_VIDEOS, newest=1)).end == "stopped"
    second.cancel()


@pytest.mark.parametrize(
    ("body", "named"),
    [
        pytest.param("{}", "url", id="no URL"),
        pytest.param('{"url": "https://x.test", "newest": 0}', "newest", id="a wrong window"),
        pytest.param('{"url": "https://x.test", "odd": 1}', "odd", id="a field of another version"),
        pytest.param("nonsense", "body", id="no JSON"),
    ],
)
async def test_a_request_that_breaks_the_contract_is_refused(lister: Lister, body: str, named: str) -> None:
    """With the field's name."""
    async with lister.session() as session, session.post(LIST_PATH, data=body) as response:
        assert response.status == 400
        assert named in (await response.json())["error"]


async def test_sigterm_lets_a_running_listing_end(own_lister: Lister) -> None:
    """New requests are refused, the running one gets its trailer, and the program ends well."""
    own_lister.standin.fault("slow", endpoint="channel_page", times=1)
    task = asyncio.create_task(own_lister.list(SEA_VIDEOS, newest=1))
    await asyncio.to_thread(wait_until, lambda: own_lister.standin.site.faults.all()[-1].struck > 0)
    own_lister.process.send_signal(signal.SIGTERM)
    assert (await task).end == "stopped"
    assert await asyncio.to_thread(own_lister.process.wait, 20) == 0


async def test_a_restarted_lister_takes_its_socket_over(own_lister: Lister, tmp_path: Path) -> None:
    """A killed program leaves its socket's file behind."""
    own_lister.process.kill()
    own_lister.process.wait(20)
    assert own_lister.path.exists()
    with running_lister(tmp_path, own_lister.standin) as restarted:
        assert (await restarted.list(SEA_VIDEOS, newest=1)).end == "stopped"


def test_a_wrong_setting_ends_the_program(tmp_path: Path) -> None:
    """At once, naming it."""
    ended = subprocess.run(
        [sys.executable, "-m", "trawler_downloader.lister", "--socket", str(tmp_path / "s")],
        env={**os.environ, "PYTHONPATH": str(ROOT / "downloader"), "TRAWLER_LISTER_MAX_WORKERS": "none"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.returncode == 2
    assert "TRAWLER_LISTER_MAX_WORKERS" in ended.stderr


def test_the_server_never_loads_yt_dlp() -> None:
    """What parses the internet are the workers; the server stays small and out of reach."""
    program = "import sys, trawler_downloader.lister.server; sys.exit('yt_dlp' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT / "downloader")},
        timeout=20,
        check=False,
    )
    assert ended.returncode == 0
