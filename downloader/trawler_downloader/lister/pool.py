"""Workers: started from a fork server, read from with back-pressure, killed on a deadline.

multiprocessing's fork server does the forking: one single-threaded process that has loaded yt-dlp (`preload`), and that
is started again by itself when it dies. This process, with its event loop and threads, is never forked. All calls into
multiprocessing are made on one thread of their own: they block, and they are not made for several threads.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from multiprocessing.context import ForkServerProcess

from trawler_downloader.contract.listing import ListingEnd, TrailerLine
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.lister import child

START_SECONDS = 30
"""For a fork; the fork server may have to be started first, and to load yt-dlp."""
CHUNK_BYTES = 64 * 1024
"""Also the reader's high-water mark: beyond twice that much unread, the worker waits in its write."""
REAP_SECONDS = 2

_TRAILER = b'{"type":"trailer"'


class WorkerStartError(RuntimeError):
    """The fork server does not fork. The pod must be looked at; its liveness probe fails too."""


class WorkerPool:
    """Starts workers and streams their lines."""

    def __init__(self, *, worker_memory_mib: int) -> None:
        self.engine = version("yt-dlp")
        self._limits = child.Limits(memory_bytes=worker_memory_mib * 1024 * 1024)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([child.PRELOAD])
        self._forks = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fork")

    async def probe(self, seconds: float) -> bool:
        """Fork a child that does nothing: True when it comes up with yt-dlp loaded.

        Raises:
            WorkerStartError: nothing was forked within so many seconds.
        """
        process, reader, transport = await self._start(child.probe, (), seconds)
        try:
            async with asyncio.timeout(seconds):
                return await reader.read(CHUNK_BYTES) == b"warm"
        except TimeoutError:
            return False
        finally:
            self._dispose(process, transport)

    async def lines(self, body: bytes, deadline: float) -> AsyncGenerator[bytes, None]:
        """The lines of one listing in chunks of whole lines; the last one is a trailer, whatever happens.

        Args:
            body: a validated ListRequest as JSON.
            deadline: of the event loop's clock; the worker is killed then.

        Raises:
            WorkerStartError: nothing was forked.
        """
        process, reader, transport = await self._start(child.run, (body, self.engine, self._limits), START_SECONDS)
        rest = last = b""
        try:
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        chunk = await reader.read(CHUNK_BYTES)
                except TimeoutError:
                    yield self._trailer(
                        Reason.DEADLINE_EXCEEDED, "The listing took longer than its deadline and was ended."
                    )
                    return
                if not chunk:
                    break
                head, newline, rest = (rest + chunk).rpartition(b"\n")
                if newline:
                    last = head.rpartition(b"\n")[2]
                    yield head + newline
                if last.startswith(_TRAILER):
                    return
            yield self._trailer(Reason.LISTER_WORKER_DIED, await self._how_it_died(process))
        finally:
            self._dispose(process, transport)

    def close(self) -> None:
        """Take no more work."""
        self._forks.shutdown(wait=False, cancel_futures=True)

    def _trailer(self, reason: Reason, message: str) -> bytes:
        trailer = TrailerLine(
            end=ListingEnd.ERROR, outcome=reason.outcome, reason=reason, message=message, engine=self.engine
        )
        return trailer.to_json().encode() + b"\n"

    async def _start(
        self, target: Callable[..., object], arguments: tuple[object, ...], seconds: float
    ) -> tuple[ForkServerProcess, asyncio.StreamReader, asyncio.ReadTransport]:
        loop = asyncio.get_running_loop()

        def start() -> tuple[ForkServerProcess, int]:
            receiving, sending = self._context.Pipe(duplex=False)
            with receiving, sending:
                process = self._context.Process(target=target, args=(sending, *arguments), daemon=True)
                process.start()
                return process, os.dup(receiving.fileno())

        starting = loop.run_in_executor(self._forks, start)
        try:
            async with asyncio.timeout(seconds):
                process, pipe = await asyncio.shield(starting)
        except (TimeoutError, asyncio.CancelledError) as error:
            # The thread goes on: what it starts late must not stay.
            starting.add_done_callback(self._discard_late_start)
            if isinstance(error, TimeoutError):
                msg = f"The fork server did not fork within {seconds:g} s."
                raise WorkerStartError(msg) from error
            raise
        except (OSError, EOFError) as error:
            msg = f"The fork server does not fork: {error}"
            raise WorkerStartError(msg) from error
        reader = asyncio.StreamReader(limit=CHUNK_BYTES)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", 0)
        )
        return process, reader, transport

    def _discard_late_start(self, starting: asyncio.Future[tuple[ForkServerProcess, int]]) -> None:
        if starting.cancelled() or starting.exception() is not None:
            return
        process, pipe = starting.result()
        os.close(pipe)
        self._dispose(process, None)

    async def _how_it_died(self, process: ForkServerProcess) -> str:
        def wait() -> int | None:
            process.join(REAP_SECONDS)
            return process.exitcode

        code = await asyncio.get_running_loop().run_in_executor(self._forks, wait)
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            hint = ", most likely for lack of memory" if -code == signal.SIGKILL else ""
            return f"The listing's worker was ended by {name}{hint}."
        return f"The listing's worker ended without a result (exit code {code})."

    def _dispose(self, process: ForkServerProcess, transport: asyncio.ReadTransport | None) -> None:
        """Kill what is left of a worker; never waits, so that it also serves a cancelled request."""
        if transport is not None:
            transport.close()

        def reap() -> None:
            if process.exitcode is None and process.pid is not None:
                for kill in (os.kill, os.killpg):  # the second for what it started, if it got as far as having a group
                    with suppress(ProcessLookupError):
                        kill(process.pid, signal.SIGKILL)
                process.join(REAP_SECONDS)
            if process.exitcode is not None:
                process.close()

        with suppress(RuntimeError):  # closed: the fork server's children end with this process
            self._forks.submit(reap)
