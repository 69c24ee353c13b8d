"""The HTTP side: one listing per request, streamed; a client that leaves takes its worker with it.

Runs beside the operator and must never load yt-dlp: what parses the internet are the workers.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import ValidationError

from trawler_downloader.contract.listing import HEALTH_PATH, LIST_PATH, ListRequest
from trawler_downloader.lister.pool import WorkerPool, WorkerStartError
from trawler_downloader.lister.settings import Settings, parse_settings

log = logging.getLogger("trawler.lister")

MAX_BODY_BYTES = 4 * 1024 * 1024
"""500 known keys for some sources and a large CA bundle stay far below it."""
RETRY_AFTER_SECONDS = 5
PROBE_SECONDS = 3
STARTUP_SECONDS = 60
"""Loading yt-dlp takes a second, and more on a busy single-board computer."""
LAST_WRITE_SECONDS = 5
"""Beyond the deadline, for a client that reads slowly to take the trailer."""

SETTINGS: web.AppKey[Settings] = web.AppKey("settings", Settings)
POOL: web.AppKey[WorkerPool] = web.AppKey("pool", WorkerPool)
SLOTS: web.AppKey[asyncio.Semaphore] = web.AppKey("slots", asyncio.Semaphore)


def build_app(settings: Settings) -> web.Application:
    """The application; starting it starts the fork server.

    Raises:
        WorkerStartError: at startup, when the fork server does not come up with yt-dlp loaded.
    """
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app[SETTINGS] = settings
    app[SLOTS] = asyncio.Semaphore(settings.max_workers)
    app[POOL] = WorkerPool(worker_memory_mib=settings.worker_memory_mib)
    app.router.add_post(LIST_PATH, _list)
    app.router.add_get(HEALTH_PATH, _health)
    app.cleanup_ctx.append(_fork_server)
    return app


def main() -> None:
    """Serve until SIGTERM."""
    settings = parse_settings(sys.argv[1:])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    address = {"path": str(settings.socket)} if settings.socket else {}
    if settings.listen:
        address = {"host": settings.listen[0], "port": settings.listen[1]}  # type: ignore[dict-item]
    try:
        web.run_app(
            build_app(settings),
            **address,  # type: ignore[arg-type]
            access_log=None,
            print=None,
            handler_cancellation=True,  # a client that leaves ends its listing
            shutdown_timeout=settings.shutdown_seconds,
        )
    except (WorkerStartError, OSError) as error:
        sys.exit(f"trawler-lister: {error}")


async def _fork_server(app: web.Application) -> AsyncIterator[None]:
    if not await app[POOL].probe(STARTUP_SECONDS):
        msg = "The fork server came up without yt-dlp: is the distribution installed with its `engine` extra?"
        raise WorkerStartError(msg)
    log.info("ready, yt-dlp %s", app[POOL].engine)
    yield
    app[POOL].close()


async def _health(request: web.Request) -> web.Response:
    """Also proves that the fork server can still fork."""
    pool = request.app[POOL]
    try:
        warm = await pool.probe(PROBE_SECONDS)
    except WorkerStartError as error:
        return web.json_response({"error": str(error)}, status=503)
    return web.json_response({"engine": pool.engine, "warm": warm}, status=200 if warm else 503)


async def _list(request: web.Request) -> web.StreamResponse:
    try:
        listing = ListRequest.model_validate_json(await request.read())
    except ValidationError as error:
        # Without the input: a proxy's address may hold a password.
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        text = "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}" for problem in problems)
        return web.json_response({"error": text}, status=400)
    slots = request.app[SLOTS]
    try:
        async with asyncio.timeout(request.app[SETTINGS].queue_seconds):
            await slots.acquire()
    except TimeoutError:
        return web.json_response(
            {"error": "All workers are busy."}, status=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)}
        )
    try:
        return await _stream(request, listing)
    finally:
        slots.release()


async def _stream(request: web.Request, listing: ListRequest) -> web.StreamResponse:
    began = time.monotonic()
    deadline = asyncio.get_running_loop().time() + listing.deadline_seconds
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    last = b""
    async with aclosing(request.app[POOL].lines(listing.to_json().encode(), deadline)) as chunks:
        try:
            async for chunk in chunks:
                async with asyncio.timeout_at(deadline + LAST_WRITE_SECONDS):
                    if not response.prepared:
                        await response.prepare(request)
                    await response.write(chunk)
                last = chunk
        except WorkerStartError as error:
            return web.json_response({"error": str(error)}, status=503)
        except TimeoutError:
            # The client does not read: without a trailer it knows that nothing of this counts.
            if request.transport is not None:
                request.transport.abort()
            return response
    await response.write_eof()
    log.info(
        "listed %s in %.2f s: %s",
        _where(listing.url),
        time.monotonic() - began,
        last.rstrip().rpartition(b"\n")[2].decode(errors="replace"),
    )
    return response


def _where(url: str) -> str:
    """Host and path: a query may hold what is nobody's business."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "what is no URL"
    return f"{parts.hostname}{parts.path}"
