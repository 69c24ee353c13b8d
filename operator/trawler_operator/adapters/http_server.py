"""/livez, /readyz and /metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from trawler_operator.adapters.health import Health


@asynccontextmanager
async def serve_http(
    port: int,
    health: Health,
    lease_complaint: Callable[[], str | None],
    api_answers: Callable[[], Awaitable[bool]],
    render_metrics: Callable[[], Awaitable[bytes]],
    host: str | None = None,
) -> AsyncIterator[int]:
    """Serve on all addresses, or on one, while the context is open; yields the port (useful when asked for 0).

    Liveness is answered by the loop that it judges: a stuck loop answers nothing, which fails the probe as well. An
    operator that stands by is ready: it does nothing and is meant to, and a rollout must not wait for it to lead.
    """

    async def livez(_: web.Request) -> web.Response:
        complaint = health.complaint()
        return web.Response(text=complaint or "ok", status=500 if complaint else 200)

    async def readyz(_: web.Request) -> web.Response:
        complaint = lease_complaint()
        if complaint:
            return web.Response(text=complaint, status=503)
        if not health.leading:
            return web.Response(text="ok: another operator leads, this one stands by")
        if not health.watching:
            return web.Response(text="the first list of Subscriptions has not been seen yet", status=503)
        if not await api_answers():
            return web.Response(text="the API server does not answer", status=503)
        return web.Response(text="ok")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=await render_metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
