"""The API server, one request at a time: address, credentials, time limits, retries, typed errors.

Built on the official client's asyncio flavour for what it is good at (configuration, TLS, tokens that rotate) and on
plain dictionaries for the rest: its models would cost memory and time for objects that we only pass on, and its
generated methods cannot ask for metadata alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from kubernetes.aio import client, config

from trawler_operator.reconcile.ports import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    Manifest,
    NotFoundError,
    NotLeadingError,
    RejectedError,
    StorageFullError,
    UnavailableError,
)

logger = logging.getLogger(__name__)

ATTEMPTS = 4
THROTTLED_ATTEMPTS = 10
"""Of a request that the API server told when to come again: it is alive, and was not asked to do anything yet. The same
number as in Kubernetes' own client."""
PATIENCE_SECONDS = 60.0
"""What one request waits between its attempts, all together: a pass has two minutes beside its listing."""
FIRST_PAUSE_SECONDS = 0.5
SAME_TIME = timedelta(seconds=30)
"""Clocks that differ by less, an answer's way included, show the same time."""
JITTER_SHARE = 0.5
"""Pauses are up to this much longer: whoever was turned away together shall not return together."""
CONNECT_TIMEOUT_SECONDS = 10.0
REQUEST_TIMEOUT_SECONDS = 30.0
STORAGE_FULL_STATUS = 507
STORAGE_FULL_TEXT = "database space exceeded"
"""etcd's word, which the API server passes on with status 500 (etcd: ErrNoSpace, "mvcc: database space exceeded")."""
WEBHOOK_FAILED_TEXT = "failed calling webhook"
"""The API server's word, with status 500, for an admission webhook that does not answer, or with an error. It is there
and refuses (k8s.io/apiserver, plugin/webhook/errors: ErrCallingWebhook)."""
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True)
class _Call:
    """What the API server is asked."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content_type: str = "application/json"
    accept: str = "application/json"

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


async def load_configuration() -> client.Configuration:
    """In a pod its service account (the token is reread as it rotates), elsewhere the kubeconfig.

    Raises:
        config.ConfigException: neither is there.
    """
    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        await config.load_kube_config(client_configuration=configuration)
    return configuration


class KubernetesClient:
    """Requests to the API server. Close it when done.

    Args:
        configuration: address and credentials.
        sleep: waits between attempts; tests record it instead.
        jitter: 0 to 1, anew at each call.
        permitted: whether anything may be asked just now, looked at before each attempt.
        now: the time here, UTC.
    """

    def __init__(
        self,
        configuration: client.Configuration,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        permitted: Callable[[], bool] = lambda: True,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._sleep = sleep
        self._permitted = permitted
        self._jitter = jitter
        self._now = now
        self.clock_ahead = timedelta()
        """How far our clock is ahead of the API server's, as its newest answer told."""
        # Retries are ours: the client's own cover neither PATCH nor POST. None and not False, which it takes for a
        # number of attempts and then tries a GET without end (seen with kubernetes 37.0.2).
        configuration.retries = None
        self._client = client.ApiClient(configuration)
        self._client.user_agent = "trawler-operator"

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        attempts: int = ATTEMPTS,
    ) -> Manifest:
        """Make a request and read its JSON; 429, 5xx and lost connections are tried again.

        Every write of ours may be repeated safely: creations have fixed names, patches carry a resourceVersion. A
        server that says when to come again (API priority and fairness does, with 429 and Retry-After) is obeyed, and
        for longer than one that fails.

        Raises:
            ApiError: one of its subclasses.
        """
        call = _Call(method, path, query or {}, body, content_type, accept)
        waited = 0.0
        for attempt in range(1, THROTTLED_ATTEMPTS + 1):
            try:
                return await self._once(call)
            except _AgainError as again:
                delay = FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1) if again.after is None else again.after
                delay *= 1 + JITTER_SHARE * self._jitter()
                allowed = attempts if again.after is None else max(attempts, THROTTLED_ATTEMPTS * (attempts > 1))
                if attempt >= allowed or waited + delay > PATIENCE_SECONDS:
                    raise again.kind(f"{call}: {again.why}") from again
                logger.info("%s: %s; again in %.1f s", call, again.why, delay)
                await self._sleep(delay)
                waited += delay
        raise AssertionError("unreachable")

    async def stream(
        self, path: str, *, query: Mapping[str, str], accept: str, silence_seconds: float
    ) -> AsyncGenerator[Manifest, None]:
        """Read an answer of JSON lines as they come, until the server ends it.

        Args:
            path: of the request, a GET.
            query: its parameters.
            accept: content type of the lines.
            silence_seconds: a connection that brings nothing for so long is given up.

        Raises:
            ApiError: refused, cut off, or silent.
        """
        timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT_SECONDS, sock_read=silence_seconds)
        async with self._content(_Call("GET", path, query, accept=accept), timeout) as content:
            async for line in content:
                yield json.loads(line)

    async def _once(self, call: _Call) -> Manifest:
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS)
        try:
            response = await self._send(call, timeout)
            raw = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _AgainError(f"{type(error).__name__}: {error}", None) from error
        self._compare_clocks(response.headers.get("Date"))
        if 200 <= response.status < 300:
            try:
                document: Manifest = json.loads(raw)
            except ValueError as error:  # of something in between: the API server itself answers in JSON
                raise _AgainError(f"an answer that is no JSON: {error}", None) from error
            return document
        raise _failure(str(call), response.status, raw, response.headers.get("Retry-After"))

    def _compare_clocks(self, date: str | None) -> None:
        try:
            ahead = self._now() - parsedate_to_datetime(date or "")
        except (ValueError, TypeError):  # something in between answered; TypeError: without a zone
            return
        self.clock_ahead = ahead if abs(ahead) > SAME_TIME else timedelta()

    @asynccontextmanager
    async def _content(
        self,
        call: _Call,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - it is aiohttp's, which knows connecting from reading
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """What comes in; asked for once. Whatever goes wrong meanwhile, in reading it too, is an ApiError."""
        response = None
        try:
            response = await self._send(call, timeout)
            if response.status != 200:
                raise _failure(str(call), response.status, await response.read(), None)
            yield response.response.content
        except _AgainError as again:
            raise again.kind(f"{call}: {again.why}") from again
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise UnavailableError(f"{call}: {type(error).__name__}: {error}") from error
        finally:
            if response is not None:
                response.response.close()

    async def _send(
        self,
        call: _Call,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - as above
    ) -> Any:  # noqa: ANN401 - the client has no types
        if not self._permitted():
            raise NotLeadingError(f"{call}: this operator does not hold its Lease for certain")
        serialized = await self._client.param_serialize(
            method=call.method,
            resource_path=call.path,
            query_params=list(call.query.items()),
            header_params={"Content-Type": call.content_type, "Accept": call.accept},
            body=call.body,
            auth_settings=["BearerToken"],
        )
        return await self._client.call_api(*serialized, _request_timeout=timeout)

    async def read(self, path: str, *, query: Mapping[str, str], max_bytes: int) -> bytes:
        """The beginning of an answer that is no JSON. Asked for once: who reads a log comes again by himself.

        Args:
            path: of the request, a GET.
            query: its parameters.
            max_bytes: that are read; the rest is left unread.

        Raises:
            ApiError: one of its subclasses.
        """
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS)
        parts = bytearray()
        async with self._content(_Call("GET", path, query, accept="*/*"), timeout) as content:
            async for part in content.iter_any():
                parts += part
                if len(parts) >= max_bytes:
                    break
        return bytes(parts[:max_bytes])


class _AgainError(Exception):
    """Worth another attempt, after so many seconds if the server said so; in the end it is an error of that kind."""

    def __init__(self, why: str, after: float | None, kind: type[ApiError] = UnavailableError) -> None:
        super().__init__(why)
        self.why = why
        self.after = after
        self.kind = kind


def _failure(what: str, status: int, raw: bytes, retry_after: str | None) -> Exception:
    """The exception for an HTTP status; the text is the API server's own message."""
    try:
        document = json.loads(raw)
        reason, text = str(document.get("reason", "")), str(document.get("message", ""))
    except (ValueError, AttributeError):
        reason, text = "", raw[:300].decode("utf-8", "replace")
    message = text or f"HTTP {status}"
    if status == STORAGE_FULL_STATUS or STORAGE_FULL_TEXT in message:
        return StorageFullError(f"{what}: {status}: {message}")
    if status == 429 or status >= 500:
        # A date, which the standard allows as well, is not what an API server sends.
        seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
        refused = WEBHOOK_FAILED_TEXT in message
        return _AgainError(f"{status}: {message}", seconds, RejectedError if refused else UnavailableError)
    if status == 404:
        return NotFoundError(message)
    if status == 409:
        return AlreadyExistsError(message) if reason == "AlreadyExists" else ConflictError(message)
    if status in {400, 401, 403, 413, 422}:
        return RejectedError(message)
    return ApiError(f"{what}: HTTP {status}: {message}")
