"""How the client bears an API server that refuses, throttles, fails or is not there."""

from __future__ import annotations

import pytest
from kubernetes.aio import client

from component.api_server import Answer, ApiServer, refused
from trawler_operator.adapters.kubernetes.calls import KubernetesAdapter
from trawler_operator.adapters.kubernetes.client import ATTEMPTS, THROTTLED_ATTEMPTS, KubernetesClient
from trawler_operator.reconcile.ports import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    NotFoundError,
    RejectedError,
    StorageFullError,
    UnavailableError,
)


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


async def test_an_answer_that_is_no_json(server: ApiServer, api: KubernetesAdapter) -> None:
    """Of a proxy in between: asked again, and then an error like any other of the cluster."""
    page = Answer(raw=b"<html>")
    server.answers = [page, Answer(200, {"metadata": {"name": "a"}}), *[page] * ATTEMPTS]
    assert await api.get_config_map("media", "a") == {"metadata": {"name": "a"}}
    with pytest.raises(UnavailableError, match="no JSON"):
        await api.get_config_map("media", "a")


async def test_a_webhook_that_fails_is_a_refusal(
    server: ApiServer, api: KubernetesAdapter, pauses: list[float]
) -> None:
    """The API server answers, and lets nothing through: after the usual attempts that counts as its word."""
    text = 'Internal error occurred: failed calling webhook "policy.example.com": no endpoints available'
    server.answers = [refused(500, "InternalError", text)] * 4
    with pytest.raises(RejectedError, match=r"policy\.example\.com"):
        await api.create_job("media", {"metadata": {"name": "j"}})
    assert len(pauses) == 3
