"""When a launch is ended because nothing moves or the room is used up, and what it is told as."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download import children, stall
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.download.files import Files
from trawler_downloader.download.stall import Watch
from trawler_downloader.library.space import Room

PATIENCE = 600.0


class Watched:
    """A watch with a clock of its own, which notes how it would have ended the launch."""

    def __init__(self, root: Path) -> None:
        self.now = 0.0
        self.ended: list[LaunchError] = []
        self.has_ended = threading.Event()
        self.staging = root / "staging"
        self.staging.mkdir()
        (self.staging / "half a film").touch()
        self.watch = Watch(PATIENCE, root, self.staging, self._end, lambda: self.now)
        self.watch.look()

    def _end(self, error: LaunchError) -> None:
        self.ended.append(error)
        self.has_ended.set()

    def look_after(self, seconds: float) -> list[str]:
        self.now += seconds
        self.watch.look()
        return [error.reason for error in self.ended]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_silence_is_waited_out(watched: Watched) -> None:
    with watched.watch.over("yt-dlp is downloading"):
        assert watched.look_after(PATIENCE - 1) == []
        watched.watch.progressed()
        assert watched.look_after(PATIENCE - 1) == []


def test_a_silence_that_is_too_long_ends_the_launch_and_clears_its_folder(watched: Watched) -> None:
    with watched.watch.over("yt-dlp is downloading"):
        assert watched.look_after(PATIENCE) == [Reason.STALLED]
    assert "nothing moved for 600 s while yt-dlp is downloading" in watched.ended[0].message
    assert not watched.staging.exists()


def test_our_own_work_on_a_volume_that_answers_is_waited_for(watched: Watched) -> None:
    assert watched.look_after(10 * PATIENCE) == []
    assert watched.look_after(10 * PATIENCE) == []


def test_beginning_and_ending_a_work_are_movement(watched: Watched) -> None:
    watched.now = PATIENCE
    with watched.watch.over("yt-dlp is downloading"):
        assert watched.look_after(PATIENCE - 1) == []


def test_a_volume_that_tells_an_error_is_the_trouble(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(_path: Path) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(stall, "beat", stale)
    with watched.watch.over("yt-dlp is downloading"):
        assert watched.look_after(PATIENCE) == [Reason.STALE_VOLUME]
    assert watched.staging.exists(), "nothing is removed from a volume that is in trouble"


def test_a_volume_that_does_not_answer_is_the_trouble(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stall, "ANSWER_SECONDS", 0.1)
    os.mkfifo(watched.staging / "heartbeat")
    assert watched.look_after(PATIENCE) == [Reason.STALE_VOLUME]
    assert "does not answer" in watched.ended[0].message


def test_a_launch_that_has_its_result_is_not_ended(watched: Watched) -> None:
    with watched.watch, watched.watch.over("yt-dlp is downloading"):
        pass
    watched.watch._working = "what came too late"
    assert watched.look_after(PATIENCE) == []


def test_a_tool_whose_file_is_being_brought_to_the_volume_is_waited_for(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing a merged file on NFS takes as long as the NAS needs for what the node's memory held back."""
    monkeypatch.setattr(children, "waits_for_a_device", lambda _pids: True)
    with watched.watch.over("yt-dlp is at work"):
        assert watched.look_after(PATIENCE) == []


MORE_THAN_ANY_VOLUME_HAS = 2**80


@pytest.fixture
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a floor which is crossed is seen at once."""
    monkeypatch.setattr(stall, "FLOOR_LOOK_SECONDS", 0.001)


@pytest.mark.usefixtures("looks_often")
def test_below_the_floor_the_launch_is_ended_and_gives_its_room_back(watched: Watched) -> None:
    with watched.watch.keeping_free(MORE_THAN_ANY_VOLUME_HAS):
        assert watched.has_ended.wait(20)
    assert [error.reason for error in watched.ended] == [Reason.BELOW_MIN_FREE]
    assert "ended while the video was downloaded" in watched.ended[0].message
    assert "must stay free (spec.library.minFree)" in watched.ended[0].message
    assert not watched.staging.exists()


@pytest.mark.usefixtures("looks_often")
@pytest.mark.parametrize(
    "room", [pytest.param(Room(2**30, 2**40), id="just the floor"), pytest.param(None, id="a volume without numbers")]
)
def test_a_launch_that_keeps_the_floor_goes_on(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, room: Room | None
) -> None:
    asked_twice = threading.Semaphore(0)
    monkeypatch.setattr(Files, "room", lambda _files, _path: asked_twice.release() or room)
    with watched.watch.keeping_free(2**30):
        assert asked_twice.acquire(timeout=20)
        assert asked_twice.acquire(timeout=20)
    assert watched.ended == []


@pytest.mark.usefixtures("looks_often")
def test_of_downloads_below_the_floor_together_one_makes_room_for_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, ended, looks = [0.0], [], threading.Semaphore(0)
    floor = 2**30

    def room(_files: Files, _path: Path) -> Room:
        looks.release()
        return Room(floor if ended else floor - 1, 2**40)

    monkeypatch.setattr(Files, "room", room)
    names = ("1-one", "1-two", "1-three", "1-four")
    with ExitStack() as downloads:
        for name in names:
            watch = Watch(PATIENCE, tmp_path, tmp_path / name, ended.append, lambda: now[0])
            downloads.enter_context(watch.keeping_free(floor))
        while now[0] < stall.FLOOR_TURNS_SECONDS and not ended:
            now[0] += 0.25
            for _ in range(10 * len(names)):
                assert looks.acquire(timeout=20)
        for _ in range(10 * len(names)):
            assert looks.acquire(timeout=20)
    assert [error.reason for error in ended] == [Reason.BELOW_MIN_FREE]


@pytest.mark.usefixtures("looks_often")
def test_a_volume_that_fills_up_fast_is_not_waited_for(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below half of the floor, nobody waits until the others have had their turn."""
    monkeypatch.setattr(Files, "room", lambda _files, _path: Room(2**29 - 1, 2**40))
    with watched.watch.keeping_free(2**30):
        assert watched.has_ended.wait(20)
    assert [error.reason for error in watched.ended] == [Reason.BELOW_MIN_FREE]


@pytest.mark.usefixtures("looks_often")
def test_the_floor_follows_from_the_volumes_size_where_nobody_set_one(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Files, "room", lambda _files, _path: Room(2**20, 2**40))
    with watched.watch.keeping_free(None):
        assert watched.has_ended.wait(20)
    assert "50.0 GiB must stay free (spec.library.minFree is not set: " in watched.ended[0].message


@pytest.mark.usefixtures("looks_often")
def test_a_volume_that_tells_an_error_is_asked_again(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """The download meets the same error, and ends by it."""
    answers = iter([OSError(errno.ESTALE, "Stale file handle"), 0])

    def answer(_files: Files, _path: Path) -> Room:
        match next(answers):
            case OSError() as error:
                raise error
            case free:
                return Room(free, 2**40)

    monkeypatch.setattr(Files, "room", answer)
    with watched.watch.keeping_free(1):
        assert watched.has_ended.wait(20)
    assert [error.reason for error in watched.ended] == [Reason.BELOW_MIN_FREE]


@pytest.mark.usefixtures("looks_often")
def test_what_is_downloaded_does_not_end_for_want_of_room(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is whole: the look that found too little came too late."""
    looking, downloaded = threading.Event(), threading.Event()

    def slow(_files: Files, _path: Path) -> Room:
        looking.set()
        downloaded.wait(20)
        return Room(0, 2**40)

    monkeypatch.setattr(Files, "room", slow)
    before = set(threading.enumerate())
    with watched.watch.keeping_free(1):
        assert looking.wait(20)
    downloaded.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(20)
    assert watched.ended == []


def _child(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE)


@pytest.fixture
def grandchild() -> Callable[[], list[int]]:
    """A child with a child of its own that waits; asks for their ids."""
    inner = "import sys; print('ready', flush=True); sys.stdin.read()"
    process = _child(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    yield lambda: children.descendants(process.pid)
    process.communicate()


def test_children_of_children_are_found_and_ended(grandchild: Callable[[], list[int]]) -> None:
    (pid,) = grandchild()
    children.end([pid])
    assert Path(f"/proc/{pid}/stat").exists() is False or children.descendants(pid) == []


def test_bytes_of_a_child_are_movement_and_its_waiting_is_not(grandchild: Callable[[], list[int]]) -> None:
    before = children.bytes_moved(grandchild())
    assert before > 0
    assert before == children.bytes_moved(grandchild())
    assert children.bytes_moved([2**22 + 1]) == 0, "one that ended meanwhile"


def test_what_waits_in_the_kernel_is_told_from_what_waits_for_somebody(
    grandchild: Callable[[], list[int]], tmp_path: Path
) -> None:
    assert not children.waits_for_a_device([*grandchild(), 2**22 + 1])
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # It waits uninterruptibly until what it starts has its files, and one of them is never opened.
    starting = _child(f"""if True:
        import os
        actions = [(os.POSIX_SPAWN_OPEN, 0, {str(fifo)!r}, os.O_RDONLY, 0)]
        print('ready', flush=True)
        os.posix_spawn('/bin/true', ['true'], {{}}, file_actions=actions)
    """)
    assert starting.stdout is not None
    assert starting.stdout.readline() == b"ready\n"
    until = time.monotonic() + 20
    while not (waits := children.waits_for_a_device([starting.pid])) and time.monotonic() < until:
        time.sleep(0.01)
    fifo.open("wb").close()
    starting.communicate()
    assert waits
