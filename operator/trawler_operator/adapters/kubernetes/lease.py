"""The Lease that lets one of several operators work (coordination.k8s.io/v1), in the operator's own namespace.

The client's own leader election (kubernetes.aio.leaderelection, 37.0.2) can neither create a Lease nor live through an
API server that is away for a moment.

Three states, judged by our own clock. Held: renewed a short while ago. In doubt: it could not be renewed; nothing is
asked of the API server any more but the Lease itself, which goes on being ours if nobody has taken it when the API
server is back (the renewal is a compare-and-swap). Lost: somebody else has it; the process ends.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from trawler_operator.adapters.kubernetes.client import MERGE_PATCH, KubernetesClient
from trawler_operator.domain.leadership import (
    LeaseRecord,
    LeaseTerms,
    Step,
    decide,
    lease_spec,
    read_lease,
    released_spec,
)
from trawler_operator.reconcile.ports import AlreadyExistsError, ApiError, ConflictError, Manifest, NotFoundError

logger = logging.getLogger(__name__)

JITTER_SHARE = 0.2
"""Pauses are up to this much longer: two that wait for the same Lease do not stay in step."""


class LeaseLostError(Exception):
    """Another operator leads; this one must end."""


def boottime() -> float:
    """Seconds on a clock that goes on while the machine sleeps, unlike time.monotonic: the Lease does, too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """One Lease.

    Args:
        client: makes the requests; not the one that the Lease holds back.
        namespace: of the Lease.
        name: of the Lease.
        identity: our own; of all processes that live at a time, no other has it.
        terms: its times.
        clock: seconds, on which time is measured.
        sleep: waits between attempts.
    """

    def __init__(
        self,
        client: KubernetesClient,
        namespace: str,
        name: str,
        identity: str,
        terms: LeaseTerms,
        clock: Callable[[], float] = boottime,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._terms = terms
        self._clock = clock
        self._sleep = sleep
        self._record: LeaseRecord | None = None
        """As last seen; of our own, as last written."""
        self._transitions = 0
        """As when it was ours last."""
        self._unchanged_since = 0.0
        self._renewed_at: float | None = None
        self._answered_at: float | None = None

    @property
    def held(self) -> bool:
        """Whether we lead for certain."""
        return self._renewed_at is not None and self._clock() - self._renewed_at < self._terms.renew_within

    def complaint(self) -> str | None:
        """Why we neither lead nor stand by; None: one of the two is so."""
        if self.held:
            return None
        if self._answered_at is None or self._clock() - self._answered_at > self._terms.duration:
            return f"Lease {self._namespace}/{self._name} cannot be read or written"
        return None

    async def acquire(self) -> None:
        """Wait until it is ours."""
        while not await self._attempt():
            await self._pause()

    async def keep(self) -> None:
        """Renew it for ever.

        Raises:
            LeaseLostError: another operator has it.
        """
        while True:
            await self._pause()
            if not await self._attempt() and self._is_taken():
                self._renewed_at = None
                holder = self._record.holder if self._record else ""
                raise LeaseLostError(f"{holder or 'another operator'} has taken Lease {self._name}")

    async def release(self) -> None:
        """Leave it to the next one, if it is ours, without having it wait."""
        if not self.held or self._record is None:
            return
        self._renewed_at = None
        try:
            await self._write(self._record, released_spec(self._record, _now()))
        except ApiError as error:
            logger.warning("Lease %s was not released: %s", self._name, error)
        else:
            logger.info("Lease %s is released", self._name)

    def _is_taken(self) -> bool:
        """Whether somebody else has it, or had it since."""
        record = self._record
        if record is None or record.holder == self._identity:
            return False
        return bool(record.holder) or record.transitions != self._transitions

    async def _attempt(self) -> bool:
        """One try to take or to renew it; whether it is ours now."""
        was_ours = self._renewed_at is not None
        # The time before the request: others may see the renewal as early as that.
        began = self._clock()
        try:
            async with asyncio.timeout(self._terms.interval):
                ours = await self._swap(was_ours)
        except (ApiError, TimeoutError) as error:
            logger.warning("Lease %s: %s: %s", self._name, type(error).__name__, error)
            return False
        self._answered_at = self._clock()
        if ours:
            self._renewed_at = began
            if not was_ours:
                logger.info("%s leads", self._identity)
        return ours

    async def _swap(self, was_ours: bool) -> bool:
        if not (was_ours and self._record is not None):
            self._note(await self._read())
        step = decide(self._record, self._identity, self._clock() - self._unchanged_since)
        if step is Step.WAIT:
            return False
        try:
            body = await self._write(self._record, lease_spec(self._record, self._identity, self._terms, _now()))
        except (ConflictError, AlreadyExistsError, NotFoundError):
            # Somebody was faster, or it was deleted: the next attempt begins with what is there.
            self._note(await self._read())
            return False
        self._note(body)
        self._transitions = read_lease(body).transitions
        return True

    async def _read(self) -> Manifest | None:
        try:
            return await self._client.request("GET", f"{self._collection}/{self._name}", attempts=1)
        except NotFoundError:
            return None

    async def _write(self, before: LeaseRecord | None, spec: Manifest) -> Manifest:
        if before is None:
            metadata = {"name": self._name, "namespace": self._namespace}
            body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
            return await self._client.request("POST", self._collection, body=body, attempts=1)
        body = {"metadata": {"resourceVersion": before.version}, "spec": spec}
        path = f"{self._collection}/{self._name}"
        return await self._client.request("PATCH", path, body=body, content_type=MERGE_PATCH, attempts=1)

    def _note(self, body: Manifest | None) -> None:
        record = None if body is None else read_lease(body)
        if record != self._record:
            known = "" if self._record is None else self._record.holder
            if record is not None and record.holder not in {"", known, self._identity}:
                logger.info("%s leads, %s stands by", record.holder, self._identity)
            self._unchanged_since = self._clock()
        self._record = record

    async def _pause(self) -> None:
        await self._sleep(self._terms.interval * (1 + JITTER_SHARE * random.random()))  # noqa: S311 - no secret


def _now() -> datetime:
    return datetime.now(UTC)
