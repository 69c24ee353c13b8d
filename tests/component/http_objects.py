"""A cluster in memory behind HTTP: the paths, content types and answers of an API server, for the real adapters.

It counts what a real one would write to its storage: every write stores the whole object anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from component.cluster import Cluster, Object
from trawler_operator.reconcile.ports import AlreadyExistsError, ConflictError, NotFoundError

KINDS = {
    "configmaps": "ConfigMap",
    "events": "Event",
    "jobs": "Job",
    "leases": "Lease",
    "persistentvolumeclaims": "PersistentVolumeClaim",
    "pods": "Pod",
    "subscriptions": "Subscription",
}
_PATH = re.compile(
    r"/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[a-z]+)"
    r"(?:/(?P<name>[^/]+))?(?P<status>/status)?"
)


def failure(status: int, reason: str, message: str) -> web.Response:
    """What the API server answers to what it does not do."""
    return web.json_response({"kind": "Status", "code": status, "reason": reason, "message": message}, status=status)


class HttpObjects:
    """Requests for objects of a Cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.stored: Counter[str] = Counter()
        """plural/name → bytes of the object as it was stored, each time anew."""
        self.writes: Counter[str] = Counter()
        """plural/name → how often it was stored."""
        self.away = False
        """Nothing is answered but 503."""
        self.oldest = 0
        """What happened before this version is forgotten."""
        self._events: list[tuple[int, Object]] = []
        self._before: dict[tuple[str, str], Object] = {}
        """Namespace and name → metadata as they were last."""
        self._streams: set[asyncio.Queue[Object | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        cluster.watchers.append(self._note)

    def cut_streams(self) -> None:
        """End every watch, as a load balancer does."""
        self._in_its_loop(self._publish, None)

    @property
    def watches(self) -> int:
        """Watches that are open."""
        return len(self._streams)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        self._loop = asyncio.get_running_loop()
        if self.away:
            return failure(503, "ServiceUnavailable", "away")
        found = _PATH.fullmatch(request.path)
        if found is None or found["plural"] not in KINDS:
            return web.json_response({})
        plural, kind, namespace, name = found["plural"], KINDS[found["plural"]], found["namespace"], found["name"]
        raw = await request.read()
        body = json.loads(raw) if raw else {}
        try:
            match request.method:
                case "GET" if name:
                    return _one(request, self.cluster.get(kind, namespace, name), name)
                case "GET" if "watch" in request.query:
                    return await self._watch(request, namespace)
                case "GET":
                    return self._list(request, kind, namespace)
                case "POST":
                    body["metadata"].setdefault("name", f"{body['metadata'].get('generateName')}{self.cluster.version}")
                    body["metadata"]["namespace"] = namespace
                    answer = self.cluster.create(kind, body)
                case "PATCH" if found["status"]:
                    answer = self.cluster.merge_status(kind, namespace, name, body)
                case "PATCH":
                    answer = self.cluster.merge(kind, namespace, name, body)
                case _:
                    self.cluster.delete(kind, namespace, name)
                    return web.json_response({})
        except AlreadyExistsError as error:
            return failure(409, "AlreadyExists", str(error))
        except ConflictError as error:
            return failure(409, "Conflict", str(error))
        except NotFoundError as error:
            return failure(404, "NotFound", str(error))
        place = f"{plural}/{answer['metadata']['name']}"
        self.writes[place] += 1
        self.stored[place] += len(json.dumps(answer, ensure_ascii=False).encode())
        return web.json_response(answer)

    def _list(self, request: web.Request, kind: str, namespace: str | None) -> web.Response:
        chosen = [body for body in self.cluster.select(kind, namespace) if _is_selected(request, body)]
        first, limit = int(request.query.get("continue", "0")), int(request.query.get("limit", "0")) or len(chosen)
        page = chosen[first : first + limit]
        metadata = {"resourceVersion": str(self.cluster.version)}
        if first + limit < len(chosen):
            metadata["continue"] = str(first + limit)
        if _wants_metadata(request):
            page = [{"metadata": body["metadata"]} for body in page]
        return web.json_response({"metadata": metadata, "items": page})

    async def _watch(self, request: web.Request, namespace: str | None) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        stream: asyncio.Queue[Object | None] = asyncio.Queue()
        since = int(request.query["resourceVersion"])
        if since < self.oldest:
            stream.put_nowait({"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}})
        for version, event in self._events:
            if version > since:
                stream.put_nowait(event)
        self._streams.add(stream)
        try:
            # A reader that has gone is no error of ours.
            with contextlib.suppress(ConnectionResetError):
                await self._write_events(request, response, stream, namespace)
        finally:
            self._streams.discard(stream)
        return response

    async def _write_events(
        self,
        request: web.Request,
        response: web.StreamResponse,
        stream: asyncio.Queue[Object | None],
        namespace: str | None,
    ) -> None:
        while (event := await stream.get()) is not None:
            shown = event if event["type"] == "ERROR" else _as_seen(request, event)
            failed = event["type"] == "ERROR"
            if shown and (namespace is None or failed or shown["object"]["metadata"]["namespace"] == namespace):
                await response.write(json.dumps(shown).encode() + b"\n")

    def _note(self, happened: str, kind: str, metadata: Object) -> None:
        if kind != "ConfigMap":
            return
        place = (metadata["namespace"], metadata["name"])
        event: Object = {"type": happened, "object": {"metadata": metadata}, "before": self._before.get(place)}
        self._before[place] = metadata
        self._in_its_loop(self._remember, int(metadata["resourceVersion"]), event)

    def _in_its_loop(self, act: Callable[..., None], *given: Any) -> None:
        """Tests change objects from a thread of their own."""
        if self._loop is None:
            act(*given)
        else:
            self._loop.call_soon_threadsafe(act, *given)

    def _remember(self, version: int, event: Object) -> None:
        self._events.append((version, event))
        self._publish(event)

    def _publish(self, event: Object | None) -> None:
        for stream in self._streams:
            stream.put_nowait(event)


def _one(request: web.Request, body: Object | None, name: str) -> web.Response:
    if body is None:
        return failure(404, "NotFound", f"{name} not found")
    return web.json_response({"metadata": body["metadata"]} if _wants_metadata(request) else body)


def _wants_metadata(request: web.Request) -> bool:
    return "PartialObjectMetadata" in request.headers.get("Accept", "")


def _as_seen(request: web.Request, event: Object) -> Object | None:
    """A change as one sees it who watches what a selector matches: what ceases to match is deleted, as it was then."""
    body, before = event["object"], event["before"]
    if _is_selected(request, body):
        return {"type": event["type"], "object": body}
    if event["type"] != "MODIFIED" or before is None or not _is_selected(request, {"metadata": before}):
        return None
    version = body["metadata"]["resourceVersion"]
    return {"type": "DELETED", "object": {"metadata": {**before, "resourceVersion": version}}}


def _is_selected(request: web.Request, body: Object) -> bool:
    labels: dict[str, Any] = body["metadata"].get("labels") or {}
    for term in filter(None, request.query.get("labelSelector", "").split(",")):
        name, equals, value = term.partition("=")
        if name not in labels or (equals and labels[name] != value):
            return False
    return True


@contextmanager
def serve_objects(objects: HttpObjects) -> Iterator[str]:
    """Serve on a loopback port, in a thread; yields the URL."""
    started, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    url: list[str] = []

    async def serve() -> None:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", objects.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
            started.set()
            await stop.wait()
        finally:
            await runner.cleanup()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner_of_loop:
            runner_of_loop.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert started.wait(30)
        yield url[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
