"""Requests to the API server over real HTTP: paths, content types, and what an answer means."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest
from kubernetes.aio import client

from builders import NOON, subscription_body
from component.api_server import Answer, ApiServer, refused
from trawler_operator.adapters.kubernetes.calls import KubernetesAdapter
from trawler_operator.adapters.kubernetes.client import ATTEMPTS, KubernetesClient
from trawler_operator.api import labels
from trawler_operator.reconcile.ports import (
    NotFoundError,
    RejectedError,
    UnavailableError,
)


async def test_missing_objects(server: ApiServer, api: KubernetesAdapter) -> None:
    """A read of something that is not there answers None."""
    server.answers = [refused(404, "NotFound")] * 2
    assert await api.get_subscription(("media", "a")) is None
    assert await api.get_claim("media", "library") is None
    assert [seen.path for seen in server.seen] == [
        "/apis/trawler.dev/v1alpha1/namespaces/media/subscriptions/a",
        "/api/v1/namespaces/media/persistentvolumeclaims/library",
    ]


async def test_a_namespace_that_may_not_be_read(
    server: ApiServer, scripted: KubernetesClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Left out, and said; its Subscriptions count as gone until it may be read again, those of others never do."""
    api = KubernetesAdapter(scripted, ("media", "gone"))
    server.stored["subscriptions"] = [subscription_body(None, None, name="a")]
    server.stored["jobs"] = [{"metadata": {"namespace": "media", "name": "job"}}]
    server.forbidden = {"gone"}
    for reading in (api.get_subscription(("gone", "b")), api.list_jobs("gone", "b")):
        with pytest.raises(RejectedError):
            await reading
    assert await api.list_subscriptions() == [("media", "a")]
    assert [job["metadata"]["name"] for job in await api.list_all_jobs()] == ["job"]
    assert "namespace gone is not served, its subscriptions may not be listed" in caplog.text
    assert (await api.get_subscription(("gone", "b")), await api.list_jobs("gone", "b")) == (None, [])
    server.forbidden = set()
    await api.list_subscriptions()
    server.forbidden = {"gone"}
    with pytest.raises(RejectedError):
        await api.get_subscription(("gone", "b"))


async def test_none_of_the_namespaces_may_be_read(server: ApiServer, scripted: KubernetesClient) -> None:
    """Then it is our rights that miss, and nothing begins."""
    server.forbidden = {"media", "gone"}
    for listing in (KubernetesAdapter.list_subscriptions, KubernetesAdapter.list_all_jobs):
        with pytest.raises(RejectedError):
            await listing(KubernetesAdapter(scripted, ("media", "gone")))


async def test_a_namespace_that_cannot_be_read_now(server: ApiServer, scripted: KubernetesClient) -> None:
    """No answer is no refusal: a list without it would pass its Subscriptions off as gone, and its Jobs."""
    server.answers = [Answer(500)] * 2 * ATTEMPTS
    with pytest.raises(UnavailableError):
        await KubernetesAdapter(scripted, ("media", "other")).list_subscriptions()


@pytest.mark.parametrize(
    ("date", "ahead"),
    [
        pytest.param(NOON - timedelta(minutes=7), timedelta(minutes=7), id="behind ours"),
        pytest.param(NOON + timedelta(minutes=7), timedelta(minutes=-7), id="ahead of ours"),
        pytest.param(NOON - timedelta(seconds=20), timedelta(), id="as the way takes"),
    ],
)
async def test_clock_of_the_api_server(server: ApiServer, date: datetime, ahead: timedelta) -> None:
    """Every answer tells its time; one that does not leaves what is known."""
    requests = KubernetesClient(client.Configuration(host=server.url), now=lambda: NOON)
    api = KubernetesAdapter(requests, ())
    server.answers = [Answer(headers={"Date": format_datetime(date, usegmt=True)}), Answer(headers={"Date": "today"})]
    for _ in range(2):
        await api.get_claim("media", "library")
        assert api.clock_ahead == ahead
    await requests.close()


async def test_status_patch(server: ApiServer, api: KubernetesAdapter) -> None:
    """One merge patch of the status subresource, tied to a resourceVersion."""
    server.answers = [Answer()]
    await api.patch_subscription_status(("media", "a"), "7", {"bytes": 1, "backoff": None})
    seen = server.seen[0]
    assert (seen.method, seen.path) == (
        "PATCH",
        "/apis/trawler.dev/v1alpha1/namespaces/media/subscriptions/a/status",
    )
    assert seen.headers["Content-Type"] == "application/merge-patch+json"
    assert seen.body == {"metadata": {"resourceVersion": "7"}, "status": {"bytes": 1, "backoff": None}}


async def test_shards_without_their_data(server: ApiServer, api: KubernetesAdapter) -> None:
    """A ledger's metadata alone, page by page."""
    server.answers = [
        Answer(body={"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "x-0"}}]}),
        Answer(body={"metadata": {}, "items": [{"metadata": {"name": "x-1"}}]}),
    ]
    heads = await api.list_shard_heads("media", "x")
    assert [head["metadata"]["name"] for head in heads] == ["x-0", "x-1"]
    assert all("PartialObjectMetadataList" in seen.headers["Accept"] for seen in server.seen)
    assert [seen.query.get("continue") for seen in server.seen] == [None, "more"]
    assert server.seen[0].query["labelSelector"] == ("app.kubernetes.io/component=ledger,trawler.dev/subscription=x")


async def test_delete_this_very_job(server: ApiServer, api: KubernetesAdapter) -> None:
    """With its uid and its pod; one that is gone already is fine, and so is another one under its name."""
    server.answers = [Answer(), refused(404, "NotFound"), refused(409, "Conflict")]
    for _ in range(3):
        await api.delete_job("media", "j", "uid-1")
    assert server.seen[0].body == {"propagationPolicy": "Background", "preconditions": {"uid": "uid-1"}}


async def test_log(server: ApiServer, api: KubernetesAdapter) -> None:
    """Byte by byte, up to the limit: the server is told of it, and need not keep to it."""
    log = "Größe\n".encode() + b"\xff" * 100_000
    server.answers = [Answer(raw=log), Answer(raw=log)]
    assert await api.read_log("media", "p", "download", 1_000_000) == log
    assert await api.read_log("media", "p", "download", 10) == log[:10]
    seen = server.seen[1]
    assert (seen.method, seen.path) == ("GET", "/api/v1/namespaces/media/pods/p/log")
    assert seen.query == {"container": "download", "limitBytes": "10"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(404, "NotFound"), NotFoundError),
        (refused(400, "BadRequest", "container is waiting to start"), RejectedError),
        (refused(500, "InternalError", "dial tcp 10.0.0.1:10250: connection refused"), UnavailableError),
    ],
)
async def test_log_that_cannot_be_read(
    server: ApiServer, api: KubernetesAdapter, answer: Answer, error: type[Exception]
) -> None:
    """Said at once, in the API server's own words: whoever reads a log asks again by himself."""
    server.answers = [answer]
    with pytest.raises(error, match=str(answer.body["message"])):
        await api.read_log("media", "p", "download", 10)
    assert len(server.seen) == 1


async def test_log_without_a_server(server: ApiServer) -> None:
    """No connection at all."""
    client_of_nobody = KubernetesClient(client.Configuration(host="http://127.0.0.1:1"))
    with pytest.raises(UnavailableError):
        await KubernetesAdapter(client_of_nobody, ()).read_log("media", "p", "download", 10)
    await client_of_nobody.close()


async def test_inventories_are_no_downloads(server: ApiServer, api: KubernetesAdapter) -> None:
    """Each kind of Job is asked for by its own label."""
    server.answers = [Answer(body={"items": []}), Answer(body={"items": []})]
    await api.list_jobs("media", "x")
    await api.list_volume_jobs("media", labels.inventory_labels("x"))
    of_trawler = "app.kubernetes.io/managed-by=trawler,app.kubernetes.io/component="
    assert [seen.query["labelSelector"] for seen in server.seen] == [
        f"{of_trawler}download,trawler.dev/subscription=x",
        f"{of_trawler}inventory,trawler.dev/subscription=x",
    ]


async def test_newest_pod(server: ApiServer, api: KubernetesAdapter) -> None:
    """Of a Job whose pod was replaced."""
    pods = [{"metadata": {"name": name, "creationTimestamp": at}} for name, at in (("new", "2"), ("old", "1"))]
    server.answers = [Answer(body={"items": pods}), Answer(body={"items": []})]
    pod = await api.find_pod("media", "j")
    assert pod is not None
    assert pod["metadata"]["name"] == "new"
    assert await api.find_pod("media", "j") is None


async def test_answers(server: ApiServer, api: KubernetesAdapter) -> None:
    """One attempt only: a probe must not wait."""
    server.answers = [Answer(), Answer(503, {})]
    assert [await api.answers(), await api.answers()] == [True, False]


async def test_watched_namespaces(server: ApiServer, scripted: KubernetesClient) -> None:
    """With namespaces given, each is listed by itself."""
    api = KubernetesAdapter(scripted, ("media", "kids"))
    listed = Answer(body={"items": [{"metadata": {"namespace": "n", "name": "s"}}]})
    server.answers = [listed] * 4
    assert await api.list_subscriptions() == [("n", "s")] * 2
    assert len(await api.list_all_jobs()) == 2
    assert {seen.path for seen in server.seen} == {
        f"/apis/{group}/namespaces/{namespace}/{plural}"
        for group, plural in (("trawler.dev/v1alpha1", "subscriptions"), ("batch/v1", "jobs"))
        for namespace in ("media", "kids")
    }
