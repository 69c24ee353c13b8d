"""The API server, one request at a time: address, credentials, time limits, retries, typed errors.

Built on the official client's asyncio flavour for what it is good at (configuration, TLS, tokens that rotate) and on
plain dictionaries for the rest: its models would cost memory and time for objects that we only pass on, and its
generated methods cannot ask for metadata alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from kubernetes.aio import client, config

from trawler_operator.reconcile.ports import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    Manifest,
    NotFoundError,
    RejectedError,
    UnavailableError,
)

logger = logging.getLogger(__name__)

ATTEMPTS = 4
REQUEST_TIMEOUT_SECONDS = 30.0
MAX_RETRY_AFTER_SECONDS = 30.0
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
MERGE_PATCH = "application/merge-patch+json"


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
    """

    def __init__(
        self, configuration: client.Configuration, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._sleep = sleep
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

        Every write of ours may be repeated safely: creations have fixed names, patches carry a resourceVersion.

        Raises:
            ApiError: one of its subclasses.
        """
        for attempt in range(1, attempts + 1):
            try:
                return await self._once(method, path, query or {}, body, content_type, accept)
            except _AgainError as again:
                if attempt == attempts:
                    raise UnavailableError(f"{method} {path}: {again.why}") from again
                delay = again.after if again.after is not None else 0.5 * 2.0 ** (attempt - 1)
                logger.info("%s %s: %s; again in %.1f s", method, path, again.why, delay)
                await self._sleep(delay)
        raise AssertionError("unreachable")

    async def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None,
        content_type: str,
        accept: str,
    ) -> Manifest:
        serialized = await self._client.param_serialize(
            method=method,
            resource_path=path,
            query_params=list(query.items()),
            header_params={"Content-Type": content_type, "Accept": accept},
            body=body,
            auth_settings=["BearerToken"],
        )
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS)
        try:
            response = await self._client.call_api(*serialized, _request_timeout=timeout)
            raw = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _AgainError(f"{type(error).__name__}: {error}", None) from error
        if 200 <= response.status < 300:
            document: Manifest = json.loads(raw)
            return document
        raise _failure(f"{method} {path}", response.status, raw, response.headers.get("Retry-After"))


class _AgainError(Exception):
    """Worth another attempt, after so many seconds if the server said so."""

    def __init__(self, why: str, after: float | None) -> None:
        super().__init__(why)
        self.why = why
        self.after = after


def _failure(what: str, status: int, raw: bytes, retry_after: str | None) -> Exception:
    """The exception for an HTTP status; the text is the API server's own message."""
    try:
        document = json.loads(raw)
        reason, text = str(document.get("reason", "")), str(document.get("message", ""))
    except (ValueError, AttributeError):
        reason, text = "", raw[:300].decode("utf-8", "replace")
    message = text or f"HTTP {status}"
    if status == 429 or status >= 500:
        seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
        return _AgainError(f"{status}: {message}", None if seconds is None else min(seconds, MAX_RETRY_AFTER_SECONDS))
    if status == 404:
        return NotFoundError(message)
    if status == 409:
        return AlreadyExistsError(message) if reason == "AlreadyExists" else ConflictError(message)
    if status in {400, 401, 403, 413, 422}:
        return RejectedError(message)
    return ApiError(f"{what}: HTTP {status}: {message}")
