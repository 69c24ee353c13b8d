"""The gates in their ConfigMap: read once, then kept in step by compare-and-swap.

One ConfigMap in the operator's namespace has one key per shared gate. The gates of one Subscription alone are in its
status, which the reports write. This store also holds these in memory, so that one book has all gates. A caller that
changes something passes a function from the book to the changes. After a conflict the ConfigMap is read again and the
function is called again. So of two operators that overlap, one gets a probe and the other sees that it is taken.

Nobody passes gates that cannot be stored: after a refused write, one write must succeed before the next launch or
listing. Otherwise every Subscription would list a site that asks to slow down, and none could record that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import TypeVar

from trawler_operator.api import labels
from trawler_operator.domain.gates.book import GateBook, GateChanges
from trawler_operator.domain.gates.codec import InvalidGateError, decode_gate, encode_gate
from trawler_operator.domain.gates.gate import Gate
from trawler_operator.domain.gates.route import GateId
from trawler_operator.reconcile.ports import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    KubernetesApi,
    Manifest,
    NotFoundError,
    NotLeadingError,
)

logger = logging.getLogger(__name__)

MAX_CONFLICTS = 5
T = TypeVar("T")


class GatesUnavailableError(ApiError):
    """The API server refuses the gates' ConfigMap (RBAC, quota, admission policy) or cannot store it (full, away).

    Whoever administers the cluster acts. Nothing is lost meanwhile: nothing is listed or launched, and a Job stays
    until what its ending says of gates is written.
    """


class GateStore:
    """Keeps the gates.

    Args:
        api: the cluster.
        namespace: the operator's own namespace.
        name: name of the ConfigMap.
    """

    def __init__(self, api: KubernetesApi, namespace: str, name: str) -> None:
        self._api = api
        self.namespace = namespace
        self.name = name
        self.book = GateBook()
        """The shared gates as they were last read or written, and all Subscriptions' own gates."""
        self._own: dict[str, Gate] = {}
        self._version: str | None = None
        self._loaded = False
        self._refused = False
        """Whether the last write failed. Then a write must succeed before anybody passes, whatever it changes."""
        self._said: dict[str, str] = {}
        # The lock makes one change after the other: workers of one process need no conflicts among themselves.
        self._lock = asyncio.Lock()

    async def load(self) -> None:
        """Read the ConfigMap unless that was done before.

        Raises:
            GatesUnavailableError: the ConfigMap cannot be read.
        """
        if not self._loaded:
            await self.refresh()

    async def refresh(self) -> None:
        """Read the ConfigMap: a person may have opened a gate by hand.

        Raises:
            GatesUnavailableError: the ConfigMap cannot be read.
        """
        async with self._lock:
            await self._read()

    async def commit(self, compute: Callable[[GateBook], GateChanges], now: datetime) -> GateChanges:
        """Write what `compute` wants, and forget gates that nothing depends on.

        After a conflict `compute` is called again. If it changes no shared gate, nothing is written, unless the last
        write failed.

        Returns:
            The changes that were written, as computed last.

        Raises:
            GatesUnavailableError: the API server does not take the write.
            ConflictError: somebody else keeps writing.
        """
        async with self._lock:
            if not self._loaded:
                await self._read()
            for _ in range(MAX_CONFLICTS):
                changes = compute(self.book)
                shared = {name: gate for name, gate in changes.gates.items() if gate.id.is_shared}
                own = {name: gate for name, gate in changes.gates.items() if not gate.id.is_shared}
                if not shared and not self._refused:
                    self._show(own=own)
                    return changes
                forgotten = self.book.forgettable(now) - changes.gates.keys() - self._own.keys()
                try:
                    await self._write(shared, forgotten)
                except (ConflictError, AlreadyExistsError, NotFoundError) as error:
                    logger.info("the gates changed meanwhile: %s", error)
                    await self._read()
                else:
                    self._show(own=own)
                    return changes
        raise ConflictError(f"ConfigMap {self.name} is being changed by somebody else over and over")

    def keep_own(self, gates: Iterable[Gate]) -> None:
        """Take over gates of one Subscription alone, as its status or an annotation has them."""
        self._show(own={gate.id.name: gate for gate in gates})

    def forget_own(self, identities: Iterable[GateId]) -> None:
        """Forget the own gates of a Subscription that is gone."""
        for identity in identities:
            self._own.pop(identity.name, None)
        self._show()

    def _show(self, *, shared: Mapping[str, Gate] | None = None, own: Mapping[str, Gate] | None = None) -> None:
        """Make a new book, with other shared gates or with some own gates changed."""
        if shared is None:
            shared = {name: gate for name, gate in self.book.gates.items() if gate.id.is_shared}
        self._own.update(own or {})
        self.book = GateBook({**shared, **self._own})

    async def _read(self) -> None:
        body = await self._reach(self._api.get_config_map(self.namespace, self.name))
        version = body["metadata"]["resourceVersion"] if body is not None else None
        if not self._loaded or version != self._version:
            self._show(shared=self._decode((body or {}).get("data") or {}))
        self._version, self._loaded = version, True

    def _decode(self, data: dict[str, str]) -> dict[str, Gate]:
        gates: dict[str, Gate] = {}
        broken: dict[str, str] = {}
        for name, text in data.items():
            try:
                gates[name] = decode_gate(name, text)
            except InvalidGateError as error:
                broken[name] = str(error)
                if self._said.get(name) != broken[name]:
                    logger.warning(
                        "gate %s of ConfigMap %s/%s cannot be read (%s): it counts as open, its next trouble writes it "
                        "anew; remove the key to be rid of this",
                        name,
                        self.namespace,
                        self.name,
                        error,
                    )
        self._said = broken
        return gates

    async def _reach(self, request: Awaitable[T]) -> T:
        try:
            return await request
        except (ConflictError, AlreadyExistsError, NotFoundError, NotLeadingError):
            raise
        except ApiError as error:
            raise GatesUnavailableError(f"ConfigMap {self.name} of namespace {self.namespace}: {error}") from error

    async def _write(self, gates: Mapping[str, Gate], forgotten: set[str]) -> None:
        try:
            body = await self._reach(self._put(gates, forgotten))
        except (GatesUnavailableError, asyncio.CancelledError):
            self._refused = True  # after a cancellation (the pass's time was over) the write may have been made
            raise
        self._refused, self._version = False, body["metadata"]["resourceVersion"]
        kept = {n: gate for n, gate in self.book.gates.items() if gate.id.is_shared and n not in forgotten}
        self._show(shared={**kept, **gates})

    def _put(self, gates: Mapping[str, Gate], forgotten: set[str]) -> Awaitable[Manifest]:
        data: dict[str, str | None] = {name: encode_gate(gate) for name, gate in gates.items()}
        if self._version is None:
            manifest: Manifest = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": self.name, "namespace": self.namespace, "labels": labels.gates_labels()},
                "data": data,
            }
            return self._api.create_config_map(self.namespace, manifest)
        patch = {
            "metadata": {"resourceVersion": self._version},
            "data": {**data, **dict.fromkeys(forgotten)},
        }
        return self._api.patch_config_map(self.namespace, self.name, patch)
