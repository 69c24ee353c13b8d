"""An API server over HTTP, small enough to read: discovery, lists and watches for kopf, scripted answers for clients.

It runs in a thread of its own: kopf cancels, when it ends, every task of its own loop that it did not find there.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from component.cluster import Cluster
from component.http_objects import HttpObjects

Object = dict[str, Any]

_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
_RESOURCES = {
    "trawler.dev/v1alpha1": {"name": "subscriptions", "singularName": "subscription", "kind": "Subscription"},
    "batch/v1": {"name": "jobs", "singularName": "job", "kind": "Job"},
}
_OF_THE_CLUSTER = {
    "apiextensions.k8s.io/v1": [("customresourcedefinitions", "CustomResourceDefinition")],
    "v1": [("namespaces", "Namespace"), ("events", "Event")],
}
"""kopf does not begin before it has found these, although it is told to ask for none of them."""


@dataclass
class Answer:
    """What a scripted path answers once."""

    status: int = 200
    body: Object = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    """Instead of `body`, for what is no JSON."""


def refused(status: int, reason: str, text: str = "no") -> Answer:
    """An error as the API server words it."""
    return Answer(status, {"kind": "Status", "reason": reason, "message": text})


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


def write_kubeconfig(folder: Path, url: str) -> Path:
    """A kubeconfig that leads to an API server."""
    path = folder / "kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {"token": "secret"}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


class ApiServer:
    """State of the server: what is stored, what was asked, what comes next."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.stored: dict[str, list[Object]] = {plural["name"]: [] for plural in _RESOURCES.values()}
        self.answers: list[Answer] = []
        """For paths that are neither discovery nor lists, in order."""
        self.missing: set[str] = set()
        """Paths of objects that are not there."""
        self.forbidden: set[str] = set()
        """Namespaces in which nothing is allowed, as where our Role is gone with the namespace."""
        self.objects = HttpObjects(Cluster())
        """What is behind ConfigMaps and Leases."""
        self.url = ""
        self._streams: dict[str, list[asyncio.Queue[Object]]] = {name: [] for name in self.stored}
        self._watching = threading.Event()
        self._loop = asyncio.new_event_loop()

    def emit(self, plural: str, kind: str, body: Object) -> None:
        """Send an event to whoever watches."""
        for stream in self._streams[plural]:
            self._loop.call_soon_threadsafe(stream.put_nowait, {"type": kind, "object": body})

    async def until_watched(self) -> None:
        """Until every resource is being watched."""
        assert await asyncio.to_thread(self._watching.wait, 30)

    def kubeconfig(self, folder: Path) -> Path:
        """A file that leads here."""
        return write_kubeconfig(folder, self.url)

    def run(self, started: threading.Event, stop: asyncio.Event) -> None:
        """The thread."""

        async def serve() -> None:
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", self.handle)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
                started.set()
                await stop.wait()
            finally:
                await runner.cleanup()

        with asyncio.Runner(loop_factory=lambda: self._loop) as runner_of_loop:
            runner_of_loop.run(serve())

    def end(self, stop: asyncio.Event) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(stop.set)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        text = await request.text()
        body = json.loads(text) if text else None
        self.seen.append(Seen(request.method, request.path, dict(request.query), dict(request.headers), body))
        found = self._discover(request.path)
        if found is not None:
            return web.json_response(found)
        if self.forbidden & set(request.path.split("/")):
            text = f'{request.path.rsplit("/", 1)[-1]} is forbidden: User "trawler" cannot do that'
            return web.json_response({"reason": "Forbidden", "message": text}, status=403)
        if request.path in self.missing:
            return web.json_response({"reason": "NotFound", "message": "not found"}, status=404)
        plural = request.path.rsplit("/", 1)[-1]
        if request.method == "GET" and plural in self.stored and not self.answers:
            return await self._watch(request, plural) if "watch" in request.query else self._list(request, plural)
        if not self.answers and {"configmaps", "leases"} & set(request.path.split("/")):
            return await self.objects.handle(request)
        answer = self.answers.pop(0) if self.answers else Answer()
        if answer.raw is not None:
            return web.Response(body=answer.raw, status=answer.status, headers=answer.headers)
        return web.json_response(answer.body, status=answer.status, headers=answer.headers)

    def _discover(self, path: str) -> Object | None:
        if path == "/api":
            return {"versions": ["v1"]}
        if path == "/apis":
            groups = []
            for group_version in ("apiextensions.k8s.io/v1", *_RESOURCES):
                group, version = group_version.split("/")
                named = {"groupVersion": group_version, "version": version}
                groups.append({"name": group, "versions": [named], "preferredVersion": named})
            return {"groups": groups}
        group_version = path.removeprefix("/apis/").removeprefix("/api/")
        named = [
            {"name": name, "singularName": kind.lower(), "kind": kind, "namespaced": kind == "Event", "verbs": _VERBS}
            for name, kind in _OF_THE_CLUSTER.get(group_version, [])
        ]
        if group_version in _RESOURCES:
            named.append({**_RESOURCES[group_version], "namespaced": True, "verbs": _VERBS})
        return {"groupVersion": group_version, "resources": named} if named else None

    def _list(self, request: web.Request, plural: str) -> web.Response:
        """A page of as many as are asked for; `continue` is where the next one begins."""
        stored, begin = self.stored[plural], int(request.query.get("continue", 0))
        end = begin + int(request.query.get("limit", len(stored)))
        more = {"continue": str(end)} if end < len(stored) else {}
        return web.json_response({"metadata": {"resourceVersion": "1", **more}, "items": stored[begin:end]})

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        stream: asyncio.Queue[Object] = asyncio.Queue()
        self._streams[plural].append(stream)
        if all(self._streams.values()):
            self._watching.set()
        try:
            while True:
                event = await stream.get()
                await response.write(json.dumps(event).encode() + b"\n")
        finally:
            self._streams[plural].remove(stream)


@contextmanager
def run_api_server() -> Iterator[ApiServer]:
    """Serve on a loopback port."""
    server = ApiServer()
    started, stop = threading.Event(), asyncio.Event()
    thread = threading.Thread(target=server.run, args=(started, stop))
    thread.start()
    try:
        assert started.wait(30)
        yield server
    finally:
        server.end(stop)
        thread.join(30)
