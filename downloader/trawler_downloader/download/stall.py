"""The watch over a launch: ends it when nothing moves any more, or when the volume fills up below its floor.

What hangs cannot be asked to stop: a socket, ffmpeg, deno and a volume hold the main thread in calls that do not
return, and an exception raised in it from outside might be swallowed or never be looked at. So the watch is a thread
of its own that ends the whole process, after writing the report: to the termination log, which is not on the NAS.

What counts as moving: an answer of the site, bytes of media, a step of yt-dlp's processing, and bytes that a child
process (ffmpeg, deno) reads or writes.

What is knowable of a hang: whether the volume answers, by asking it. If it does not, the volume is the trouble,
whatever else was going on. If it does, what hangs is the site, yt-dlp or a tool; and where none of those is at work, or
one is held in the kernel, it is an operation on the volume, which all end by themselves as long as the volume answers
(bringing 20 GB to a slow NAS takes its time, at our fsync as at ffmpeg's close): then the watch goes on waiting.

The floor is looked at before a download too. While it runs others may use up what is left, and a site need not tell how
large a video is, nor tell the truth. ffmpeg cannot be asked to stop either.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download import children
from trawler_downloader.download.errors import LaunchError, raise_volume_error
from trawler_downloader.download.files import Files
from trawler_downloader.download.staging import beat
from trawler_downloader.library.space import below_floor, floor_of
from trawler_downloader.library.state import HEARTBEAT

LOOK_SECONDS = 5.0
"""Between two looks; more often where the whole patience is short."""
ANSWER_SECONDS = 10.0
"""In which a volume must answer that nothing was heard of for minutes."""
CLEAN_SECONDS = 10.0
"""For removing what was downloaded; what stays is swept by a later launch."""
CLEAN_TIMES = 3
"""The main thread goes on meanwhile, and may make a file in a folder that is being emptied; once the folder is gone, it
cannot."""
FLOOR_LOOK_SECONDS = 2.0
"""Between two looks at the free space: 1 Gbit/s brings 250 MB meanwhile, a quarter of the usual floor."""
FLOOR_TURNS_SECONDS = 20.0
"""Over which launches that are below the floor together end, each in a turn that follows from its folder's name."""


class Watch:
    """Watches from a thread of its own, from entering to leaving."""

    def __init__(
        self,
        seconds: float,
        root: Path,
        staging: Path,
        end: Callable[[LaunchError], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """What is watched.

        Args:
            seconds: without any movement, after which the launch is ended.
            root: where the claim is mounted.
            staging: the launch's own folder on it, which need not exist yet.
            end: writes the report and ends the process.
            monotonic: a clock in seconds.
        """
        self._seconds = seconds
        self._root = root
        self._staging = staging
        self._end = end
        self._monotonic = monotonic
        self._last = monotonic()
        self._working = ""
        self._moved = 0
        self._position: tuple[object, ...] = ()
        self._ending = threading.Lock()
        self._over = threading.Event()

    def __enter__(self) -> Self:
        """Begins to watch."""
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The launch has its result: from here on it is not ended any more."""
        with self._ending:
            self._over.set()

    def progressed(self) -> None:
        """Something moved."""
        self._last = self._monotonic()

    def downloading(self, status: Mapping[str, Any]) -> None:
        """A progress hook of yt-dlp: bytes arrived, unless it says the same again."""
        position = (status.get("filename"), status.get("downloaded_bytes"), status.get("status"))
        if position != self._position:
            self._position = position
            self.progressed()

    def processing(self, _status: Mapping[str, Any]) -> None:
        """A postprocessor hook of yt-dlp: a step begins or ends."""
        self.progressed()

    @contextmanager
    def over(self, what: str) -> Iterator[None]:
        """While the site, yt-dlp or a tool is at work; `what` says so to people."""
        self.progressed()
        self._working = what
        try:
            yield
        finally:
            self.progressed()
            self._working = ""

    @contextmanager
    def keeping_free(self, wish: int | None) -> Iterator[None]:
        """While the launch fills the volume: ends it when less than the floor is left there.

        Not at once, but in its turn, the sooner the less is left and at half of the floor at the latest: others see the
        same at the same time, and what the first of them gives back may be enough for the rest.

        Looks from a thread of its own, which hangs where the volume does: that is the watch's to find out.

        Args:
            wish: bytes that the request wants to be left; None: by the volume's size.
        """
        filled = threading.Event()
        turn = FLOOR_TURNS_SECONDS * zlib.crc32(self._staging.name.encode()) / 2**32

        def look() -> None:
            since: float | None = None
            while not filled.wait(FLOOR_LOOK_SECONDS):
                room = None
                with suppress(OSError):  # the download will meet it too, and can tell more
                    room = Files().room(self._root)
                problem = below_floor(room, wish)
                if room is None or problem is None:
                    since = None
                    continue
                since = self._monotonic() if since is None else since
                if self._monotonic() - since < turn * (2 * room.free / floor_of(room, wish) - 1):
                    continue
                error = LaunchError(Reason.BELOW_MIN_FREE, f"ended while the video was downloaded: {problem}")
                self._stop(error, filled, clean=True)
                return

        threading.Thread(target=look, name="floor", daemon=True).start()
        try:
            yield
        finally:
            with self._ending:
                filled.set()

    def _watch(self) -> None:
        while not self._over.wait(min(LOOK_SECONDS, self._seconds / 10)):
            self.look()

    def look(self) -> None:
        """One look: ends the launch when its patience is over."""
        moved = children.bytes_moved(children.descendants(os.getpid()))
        if moved != self._moved:
            self._moved = moved
            self.progressed()
        if self._patient():
            return
        error = self._trouble_of_the_volume()
        if error is None and (not self._working or self._waits_for_the_volume()):
            self.progressed()
        if self._patient():
            return
        self._stop(error or self._stalled(), self._over, clean=error is None)

    def _stop(self, error: LaunchError, too_late: threading.Event, *, clean: bool) -> None:
        with self._ending:
            if too_late.is_set():
                return
            children.end(children.descendants(os.getpid()))
            if clean:
                _within(CLEAN_SECONDS, self._clean)
            self._end(error)

    def _clean(self) -> None:
        for _ in range(CLEAN_TIMES):
            shutil.rmtree(self._staging, ignore_errors=True)

    def _patient(self) -> bool:
        return self._monotonic() - self._last < self._seconds

    def _waits_for_the_volume(self) -> bool:
        own = os.getpid()  # stands for its main thread
        return children.waits_for_a_device([own, *children.descendants(own)])

    def _stalled(self) -> LaunchError:
        return LaunchError(
            Reason.STALLED,
            f"nothing moved for {self._seconds:g} s while {self._working}: ended, see job.stallTimeoutSeconds",
        )

    def _trouble_of_the_volume(self) -> LaunchError | None:
        """None when it answers."""
        answers: list[OSError | None] = []

        def ask() -> None:
            try:
                os.statvfs(self._root)
                # A write too: of what it remembers, a client tells without asking the server.
                with suppress(FileNotFoundError, NotADirectoryError):
                    beat(self._staging / HEARTBEAT)
            except OSError as error:
                answers.append(error)
            else:
                answers.append(None)

        _within(ANSWER_SECONDS, ask)
        if not answers:
            return LaunchError(
                Reason.STALE_VOLUME, f"nothing moved for {self._seconds:g} s, and the volume does not answer"
            )
        if answers[0] is None:
            return None
        try:
            raise_volume_error(answers[0])
        except LaunchError as error:
            return error


def _within(seconds: float, action: Callable[[], object]) -> None:
    """Does it in a thread that is left behind when it takes longer: it may hang on the volume."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    thread.join(seconds)
