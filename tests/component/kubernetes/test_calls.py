"""Requests to the API server over real HTTP: paths, content types, retries, errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest
from kubernetes.aio import client

from builders import NOON, subscription_body
from component.api_server import Answer, ApiServer, run_api_server
from trawler_operator.adapters.kubernetes.calls import KubernetesAdapter
from trawler_operator.adapters.kubernetes.client import ATTEMPTS, THROTTLED_ATTEMPTS, KubernetesClient
from trawler_operator.adapters.kubernetes.event_recorder import MAX_PER_PASS, KubernetesEventRecorder
from trawler_operator.api import labels
from trawler_operator.reconcile.ports import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    Event,
    NotFoundError,
    RejectedError,
    StorageFullError,
    UnavailableError,
)


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with run_api_server() as server:
        yield server


@pytest.fixture
def pauses() -> list[float]:
    """What the client would have slept."""
    return []


@pytest.fixture
async def requests(server: ApiServer, pauses: list[float]) -> AsyncIterator[KubernetesClient]:
    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    made = KubernetesClient(client.Configuration(host=server.url), sleep, lambda: 0.0)
    yield made
    await made.close()


@pytest.fixture
def api(requests: KubernetesClient) -> KubernetesAdapter:
    return KubernetesAdapter(requests, ())


def refused(status: int, reason: str, text: str = "no") -> Answer:
    return Answer(status, {"kind": "Status", "reason": reason, "message": text})


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
    server: ApiServer, requests: KubernetesClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Left out, and said; its Subscriptions count as gone until it may be read again, those of others never do."""
    api = KubernetesAdapter(requests, ("media", "gone"))
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


async def test_none_of_the_namespaces_may_be_read(server: ApiServer, requests: KubernetesClient) -> None:
    """Then it is our rights that miss, and nothing begins."""
    server.forbidden = {"media", "gone"}
    for listing in (KubernetesAdapter.list_subscriptions, KubernetesAdapter.list_all_jobs):
        with pytest.raises(RejectedError):
            await listing(KubernetesAdapter(requests, ("media", "gone")))


async def test_a_namespace_that_cannot_be_read_now(server: ApiServer, requests: KubernetesClient) -> None:
    """No answer is no refusal: a list without it would pass its Subscriptions off as gone, and its Jobs."""
    server.answers = [Answer(500)] * 2 * ATTEMPTS
    with pytest.raises(UnavailableError):
        await KubernetesAdapter(requests, ("media", "other")).list_subscriptions()


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


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(409, "AlreadyExists"), AlreadyExistsError),
        (refused(409, "Conflict"), ConflictError),
        (refused(404, "NotFound"), NotFoundError),
        (refused(403, "Forbidden", "exceeded quota: jobs"), RejectedError),
        (refused(422, "Invalid"), RejectedError),
        (Answer(418, {}), ApiError),
    ],
)
async def test_errors(server: ApiServer, api: KubernetesAdapter, answer: Answer, error: type[Exception]) -> None:
    """Each answer as the error that says who must act, with the API server's own words; not tried again."""
    server.answers = [answer]
    with pytest.raises(ApiError) as raised:
        await api.create_job("media", {"metadata": {"name": "j"}})
    assert type(raised.value) is error
    assert str(answer.body.get("message", "418")) in str(raised.value)
    assert len(server.seen) == 1


async def test_retries(server: ApiServer, api: KubernetesAdapter, pauses: list[float]) -> None:
    """Throttling and server errors are tried again, as late as the server says, else ever later."""
    server.answers = [
        Answer(429, {}, {"Retry-After": "3"}),
        Answer(503, {}),
        Answer(500, {}, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        Answer(body={"metadata": {"name": "a"}}),
    ]
    assert await api.get_subscription(("media", "a")) == {"metadata": {"name": "a"}}
    assert pauses == [3.0, 1.0, 2.0]


async def test_throttled_for_long(server: ApiServer, api: KubernetesAdapter, pauses: list[float]) -> None:
    """Who is told when to come again comes again more often than who meets a broken server, but not for ever."""
    server.answers = [Answer(429, {}, {"Retry-After": "1"})] * (THROTTLED_ATTEMPTS - 1) + [Answer()]
    await api.get_subscription(("media", "a"))
    assert pauses == [1.0] * (THROTTLED_ATTEMPTS - 1)
    server.answers = [Answer(429, {"message": "too many requests"}, {"Retry-After": "1"})] * THROTTLED_ATTEMPTS
    with pytest.raises(UnavailableError, match="too many requests"):
        await api.get_subscription(("media", "a"))


async def test_patience_ends(server: ApiServer, api: KubernetesAdapter, pauses: list[float]) -> None:
    """A server that wants to be left alone for longer than a pass may take ends the pass, which comes again later."""
    server.answers = [Answer(429, {}, {"Retry-After": "9999"})]
    with pytest.raises(UnavailableError):
        await api.get_subscription(("media", "a"))
    assert pauses == []


async def test_those_turned_away_together_do_not_return_together(server: ApiServer, pauses: list[float]) -> None:
    """Never earlier than the server said, and up to half as long again."""

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    shares = iter([0.0, 1.0])
    made = KubernetesClient(client.Configuration(host=server.url), sleep, lambda: next(shares))
    server.answers = [Answer(429, {}, {"Retry-After": "2"})] * 2
    try:
        await made.request("GET", "/version")
    finally:
        await made.close()
    assert pauses == [2.0, 3.0]


@pytest.mark.parametrize(
    "answer",
    [
        refused(500, "", "etcdserver: mvcc: database space exceeded"),
        refused(507, "", "insufficient storage"),
    ],
    ids=["etcd's quota", "by its status"],
)
async def test_full_storage(server: ApiServer, api: KubernetesAdapter, pauses: list[float], answer: Answer) -> None:
    """Somebody has to make room first: not tried again and again."""
    server.answers = [answer]
    with pytest.raises(StorageFullError, match=str(answer.body["message"])):
        await api.create_job("media", {"metadata": {"name": "j"}})
    assert pauses == []


async def test_gives_up(server: ApiServer, api: KubernetesAdapter) -> None:
    """After some attempts, with the last reason."""
    server.answers = [refused(503, "ServiceUnavailable", "storage is initializing")] * ATTEMPTS
    with pytest.raises(UnavailableError, match="storage is initializing"):
        await api.get_job("media", "j")
    assert len(server.seen) == ATTEMPTS


async def test_nobody_listens(pauses: list[float]) -> None:
    """A connection that is refused counts as unavailable."""

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    made = KubernetesClient(client.Configuration(host="http://127.0.0.1:9"), sleep)
    try:
        with pytest.raises(UnavailableError, match=r"127\.0\.0\.1"):
            await made.request("GET", "/version")
    finally:
        await made.close()
    assert len(pauses) == ATTEMPTS - 1


async def test_answers(server: ApiServer, api: KubernetesAdapter) -> None:
    """One attempt only: a probe must not wait."""
    server.answers = [Answer(), Answer(503, {})]
    assert [await api.answers(), await api.answers()] == [True, False]


async def test_watched_namespaces(server: ApiServer, requests: KubernetesClient) -> None:
    """With namespaces given, each is listed by itself."""
    api = KubernetesAdapter(requests, ("media", "kids"))
    listed = Answer(body={"items": [{"metadata": {"namespace": "n", "name": "s"}}]})
    server.answers = [listed] * 4
    assert await api.list_subscriptions() == [("n", "s")] * 2
    assert len(await api.list_all_jobs()) == 2
    assert {seen.path for seen in server.seen} == {
        f"/apis/{group}/namespaces/{namespace}/{plural}"
        for group, plural in (("trawler.dev/v1alpha1", "subscriptions"), ("batch/v1", "jobs"))
        for namespace in ("media", "kids")
    }


async def test_an_answer_that_is_no_json(server: ApiServer, api: KubernetesAdapter) -> None:
    """Of a proxy in between: asked again, and then an error like any other of the cluster."""
    page = Answer(raw=b"<html>")
    server.answers = [page, Answer(200, {"metadata": {"name": "a"}}), *[page] * ATTEMPTS]
    assert await api.get_config_map("media", "a") == {"metadata": {"name": "a"}}
    with pytest.raises(UnavailableError, match="no JSON"):
        await api.get_config_map("media", "a")


async def test_events(server: ApiServer, requests: KubernetesClient) -> None:
    """One Event per happening, never the same one twice in a row, never more than a few per pass."""
    recorder = KubernetesEventRecorder(requests, "pod-1")
    body = subscription_body()
    happening = Event("VideosFound", "2 new videos", warning=False)
    server.answers = [Answer()] * 20
    await recorder.record(body, [happening, happening])
    await recorder.record(body, [happening, Event("CheckFailed", "é" * 2000, warning=True)])
    first, second = (seen.body for seen in server.seen)
    assert (first["type"], first["reason"], first["regarding"]["name"]) == ("Normal", "VideosFound", "numberline")
    assert (second["type"], len(second["note"].encode())) == ("Warning", 1024)
    await recorder.record(body, [Event("DownloadCreated", str(number)) for number in range(50)])
    assert len(server.seen) == 2 + MAX_PER_PASS


async def test_events_are_best_effort(server: ApiServer, requests: KubernetesClient) -> None:
    """What cannot be posted is forgotten after one attempt; one that is not answered stands for the pass's others."""
    recorder = KubernetesEventRecorder(requests, "pod-1")
    server.answers = [Answer(503, {})]
    await recorder.record(subscription_body(), [Event("VideosFound", "x"), Event("DownloadCreated", "y")])
    assert len(server.seen) == 1


async def test_a_namespace_that_takes_no_events_is_logged_once(
    server: ApiServer, requests: KubernetesClient, caplog: pytest.LogCaptureFixture
) -> None:
    """By each time that this begins; nobody's pass fails."""
    recorder = KubernetesEventRecorder(requests, "pod-1")
    quota = refused(403, "Forbidden", "exceeded quota: small, requested: count/events.events.k8s.io=1")
    server.answers = [quota, quota, Answer(), quota]
    for number in range(4):
        await recorder.record(subscription_body(), [Event("VideosFound", str(number))])
    assert len(server.seen) == 4
    assert ["exceeded quota" in record.message for record in caplog.records if record.levelname == "WARNING"] == [
        True,
        True,
    ]


async def test_a_webhook_that_fails_is_a_refusal(
    server: ApiServer, api: KubernetesAdapter, pauses: list[float]
) -> None:
    """The API server answers, and lets nothing through: after the usual attempts that counts as its word."""
    text = 'Internal error occurred: failed calling webhook "policy.example.com": no endpoints available'
    server.answers = [refused(500, "InternalError", text)] * 4
    with pytest.raises(RejectedError, match=r"policy\.example\.com"):
        await api.create_job("media", {"metadata": {"name": "j"}})
    assert len(pauses) == 3
