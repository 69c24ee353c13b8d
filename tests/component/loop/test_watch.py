"""kopf between a real HTTP server and our queue: events become keys, and nothing is ever written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from builders import subscription_body
from component.api_server import ApiServer, run_api_server
from trawler_operator.api import labels
from trawler_operator.loop.watch import LISTED_AT_ONCE, WATCHED_JOBS, watch

Key = tuple[str, str]


def subscription(name: str, *, version: int = 1, status: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return subscription_body(None, status, name=name, uid=f"uid-{name}", resourceVersion=str(version), **more)


def job(subscription: str, *, ended: bool, of: dict[str, str] | None = None) -> dict[str, Any]:
    conditions = [{"type": "Complete", "status": "True"}] if ended else [{"type": "Suspended", "status": "True"}]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "namespace": "media",
            "name": f"job-of-{subscription}",
            "uid": f"job-{subscription}",
            "resourceVersion": "5",
            "labels": of or labels.download_labels(subscription, 1),
        },
        "status": {"conditions": conditions},
    }


@asynccontextmanager
async def watching(server: ApiServer, **options: Any) -> AsyncIterator[asyncio.Queue[Key]]:
    """Kopf at work, until the block ends; gives what it enqueued."""
    keys: asyncio.Queue[Key] = asyncio.Queue()
    surveys: Callable[[Key], None] = options.get("surveys", lambda _: None)
    ready, stop = asyncio.Event(), asyncio.Event()
    namespaces = options.get("namespaces", ())
    task = asyncio.create_task(watch(keys.put_nowait, surveys, namespaces=namespaces, ready=ready, stop=stop))
    try:
        async with asyncio.timeout(30):
            await ready.wait()
            await server.until_watched()
        yield keys
    finally:
        stop.set()
        async with asyncio.timeout(30):
            await task


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    with run_api_server() as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path)))
        yield server


async def next_key(keys: asyncio.Queue[Key]) -> Key:
    async with asyncio.timeout(30):
        return await keys.get()


async def test_every_subscription_comes_once_at_the_start(server: ApiServer) -> None:
    """Kopf's first list brings all that there are."""
    server.stored["subscriptions"] = [subscription("a"), subscription("b")]
    async with watching(server) as keys:
        assert {await next_key(keys), await next_key(keys)} == {("media", "a"), ("media", "b")}
        assert keys.empty()


async def test_events_become_keys(server: ApiServer) -> None:
    """What a pass looks at is worth one; a status that we wrote ourselves is not."""
    async with watching(server) as keys:
        server.emit("subscriptions", "ADDED", subscription("a"))
        assert await next_key(keys) == ("media", "a")
        server.emit("subscriptions", "MODIFIED", subscription("a", version=2, status={"bytes": 1}))
        server.emit("subscriptions", "MODIFIED", subscription("a", version=3, generation=2))
        assert await next_key(keys) == ("media", "a")
        asked: dict[str, str] = {}
        for version, annotation in enumerate(labels.REQUEST_ANNOTATIONS, start=4):
            asked |= {annotation: "1"}
            body = subscription("a", version=version, generation=2, annotations=asked)
            server.emit("subscriptions", "MODIFIED", body)
            assert await next_key(keys) == ("media", "a")
        server.emit("subscriptions", "DELETED", subscription("a", version=9, generation=2, annotations=asked))
        assert await next_key(keys) == ("media", "a")
    assert keys.empty()


async def test_ended_jobs_wake_their_subscription(server: ApiServer) -> None:
    """An ended or deleted Job does, one that merely started does not."""
    async with watching(server) as keys:
        server.emit("jobs", "ADDED", job("running", ended=False))
        server.emit("jobs", "MODIFIED", job("ended", ended=True))
        assert await next_key(keys) == ("media", "ended")
        server.emit("jobs", "DELETED", job("deleted", ended=False))
        assert await next_key(keys) == ("media", "deleted")
        server.emit("jobs", "MODIFIED", job("lost", ended=True, of=labels.inventory_labels("lost")))
        assert await next_key(keys) == ("media", "lost")
        assert keys.empty()


async def test_ended_surveys_are_told_apart(server: ApiServer) -> None:
    """They belong to no Subscription: whoever waits for them is told by their label."""
    surveys: asyncio.Queue[Key] = asyncio.Queue()
    async with watching(server, surveys=surveys.put_nowait) as keys:
        server.emit("jobs", "ADDED", job("running", ended=False, of=labels.survey_labels("0a")))
        server.emit("jobs", "MODIFIED", job("ended", ended=True, of=labels.survey_labels("1b")))
        assert await next_key(surveys) == ("media", "1b")
        server.emit("jobs", "DELETED", job("deleted", ended=False, of=labels.survey_labels("2c")))
        assert await next_key(surveys) == ("media", "2c")
        body = job("kept-alive", ended=False, of=labels.survey_labels("3d"))
        server.emit("jobs", "ADDED", {**body, "status": {"active": 1, "ready": 1}})
        body["metadata"]["resourceVersion"] = "6"
        server.emit("jobs", "MODIFIED", {**body, "status": {"active": 1, "ready": 0}})
        assert await next_key(surveys) == ("media", "3d")
        assert surveys.empty()
        assert keys.empty()


async def test_a_job_whose_pod_is_ready_no_more_wakes_its_subscription(server: ApiServer) -> None:
    """Once each time: its download may have ended beside a container that goes on. One that starts does not."""

    def ready(version: int, **status: int) -> dict[str, Any]:
        body = job("a", ended=False)
        body["metadata"]["resourceVersion"] = str(version)
        return {**body, "status": status}

    async with watching(server) as keys:
        server.emit("jobs", "ADDED", ready(5))
        server.emit("jobs", "MODIFIED", ready(6, active=1, ready=0))
        server.emit("jobs", "MODIFIED", ready(7, active=1, ready=1))
        server.emit("jobs", "ADDED", job("marker", ended=True))
        assert await next_key(keys) == ("media", "marker")
        server.emit("jobs", "MODIFIED", ready(8, active=1, ready=0))
        assert await next_key(keys) == ("media", "a")
        server.emit("jobs", "MODIFIED", ready(9, active=1, ready=0))
        server.emit("jobs", "MODIFIED", ready(10, active=1, ready=1))
        server.emit("jobs", "MODIFIED", ready(11, active=0, ready=0))
        server.emit("jobs", "MODIFIED", job("marker", ended=True))
        assert await next_key(keys) == ("media", "marker")
        assert keys.empty()


async def test_objects_that_are_there_come_page_by_page(server: ApiServer) -> None:
    """Thousands in memory at the same time would leave their mark on it for good."""
    there = [subscription(f"s{number}") for number in range(2 * LISTED_AT_ONCE + 1)]
    server.stored["subscriptions"] = there
    async with watching(server) as keys:
        assert {await next_key(keys) for _ in there} == {("media", body["metadata"]["name"]) for body in there}
    lists = [seen for seen in server.seen if seen.path.endswith("/subscriptions") and "watch" not in seen.query]
    assert [seen.query.get("limit") for seen in lists] == [str(LISTED_AT_ONCE)] * 3


async def test_nothing_is_written(server: ApiServer) -> None:
    """No finalizer, no annotation, no Event; and of the Jobs only ours are asked for."""
    server.stored["subscriptions"] = [subscription("a")]
    async with watching(server) as keys:
        await next_key(keys)
        server.emit("subscriptions", "MODIFIED", subscription("a", version=2, generation=2))
        await next_key(keys)
        server.emit("jobs", "MODIFIED", job("a", ended=True))
        await next_key(keys)
    assert {request.method for request in server.seen} == {"GET"}
    selectors = {request.query.get("labelSelector") for request in server.seen if request.path.endswith("/jobs")}
    assert selectors == {WATCHED_JOBS}


async def test_namespaced(server: ApiServer) -> None:
    """With namespaces given, nothing of the cluster at large is asked for."""
    server.stored["subscriptions"] = [subscription("a")]
    async with watching(server, namespaces=("media",)) as keys:
        await next_key(keys)
    asked = {request.path for request in server.seen if request.path.endswith(("/subscriptions", "/jobs"))}
    assert asked == {
        "/apis/trawler.dev/v1alpha1/namespaces/media/subscriptions",
        "/apis/batch/v1/namespaces/media/jobs",
    }


async def test_a_namespace_that_may_not_be_watched(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleted, with our rights in it: the others are watched, however long that lasts, and it is once it is back."""
    monkeypatch.setattr("trawler_operator.loop.watch.FIRST_PAUSES_SECONDS", (0.01,) * 8)
    monkeypatch.setattr("trawler_operator.loop.watch.LONGEST_PAUSE_SECONDS", 0.02)
    server.forbidden = {"gone"}
    path = "/apis/trawler.dev/v1alpha1/namespaces/gone/subscriptions"
    async with watching(server, namespaces=("media", "gone")) as keys:
        async with asyncio.timeout(30):
            while [request.path for request in server.seen].count(path) < 20:  # noqa: ASYNC110 - another thread's list
                await asyncio.sleep(0.02)
        server.emit("subscriptions", "ADDED", subscription("a"))
        assert await next_key(keys) == ("media", "a")
        server.stored["subscriptions"] = [subscription("b", namespace="gone")]
        server.forbidden = set()
        assert await next_key(keys) == ("gone", "b")


async def test_tasks_begun_before_outlive_it(server: ApiServer) -> None:
    """Workers that exist before kopf starts are not cancelled when it ends."""
    release = asyncio.Event()
    worker = asyncio.create_task(release.wait())
    async with watching(server):
        pass
    assert not worker.done()
    release.set()
    assert await worker
