"""Ledgers in their ConfigMaps: reads what changed, writes with compare-and-swap, keeps the memory in step.

A pass first reads the shards that a watch reported as changed by others. If no watch can be trusted, the pass compares
the resourceVersions of all shards with those in memory. That is so after an interruption, for a Subscription that is
new here, and after a conflict. A caller that changes something passes a function from the ledger to the changes, not
the changes. After a conflict the ledger is read again and the function is called again, so a stale decision is never
written.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from trawler_operator.api import labels
from trawler_operator.api.spec import LedgerPolicy
from trawler_operator.api.subscription import Key, Subscription
from trawler_operator.domain.jobs.manifest import owner_reference, refers_to_subscription
from trawler_operator.domain.jobs.naming import ledger_name
from trawler_operator.domain.ledger.codec import decode_entry
from trawler_operator.domain.ledger.entry import LedgerEntry
from trawler_operator.domain.ledger.ledger import Changes, Ledger
from trawler_operator.domain.ledger.shards import Shard, ShardWrite
from trawler_operator.reconcile.ports import (
    AlreadyExistsError,
    ConflictError,
    KubernetesApi,
    Manifest,
    NotFoundError,
    RejectedError,
    UnavailableError,
)
from trawler_operator.reconcile.stores.shard_changes import ShardChanges

logger = logging.getLogger(__name__)

MAX_CONFLICTS = 5
READ_ONE_BY_ONE = 10
"""Up to this many shards are read one by one. More are read in pages of a list, as after a start with a long ledger."""
_CHANGED_MEANWHILE = "the ledger changed while it was being read"


class LedgerBusyError(Exception):
    """The ledger cannot be used yet, most often because an earlier Subscription's shards are still being deleted."""


class LedgerNotWritableError(LedgerBusyError):
    """The API server refuses a ledger's ConfigMap (quota, admission policy, RBAC) or cannot store it (full, away).

    Whoever administers the cluster acts. Nothing is lost meanwhile: no launch is claimed, and a Job stays until its
    ending is written.

    Args:
        cause: the API server's own error.
    """

    def __init__(self, cause: RejectedError | UnavailableError) -> None:
        super().__init__(str(cause))
        self.is_refusal = isinstance(cause, RejectedError)
        """Whether it is certain that nothing was written. If not, an answer may have been lost."""


@dataclass(slots=True)
class _Memory:
    """A ledger in memory.

    Args:
        uid: the Subscription's uid.
        ledger: the ledger as far as it was read.
        agreed: epoch of the watch and policy under which all shards were looked at; None: they were not all looked at.
    """

    uid: str
    ledger: Ledger
    agreed: tuple[int, LedgerPolicy] | None = None


class LedgerStore:
    """The ledgers of all Subscriptions that have been looked at.

    Args:
        api: the cluster.
        changes: what a watch of the shards reported.
    """

    def __init__(self, api: KubernetesApi, changes: ShardChanges) -> None:
        self._api = api
        self._changes = changes
        self._memories: dict[Key, _Memory] = {}

    def forget(self, key: Key) -> None:
        """Free the memory of a Subscription that is gone; its ConfigMaps stay."""
        self._memories.pop(key, None)
        self._changes.take(key)

    async def open(self, subscription: Subscription) -> Ledger:
        """The ledger as it is now.

        Shards get or lose the Subscription as their owner, as `ledgerPolicy` says. A shard is never adopted if it is
        being deleted, or if it belongs to another Subscription of the same name, which the garbage collector is about
        to clean up.

        Raises:
            LedgerBusyError: the ledger cannot be used yet; come again in a few seconds.
            LedgerNotWritableError: the API server does not take a new owner.
        """
        key = (subscription.namespace, subscription.name)
        memory = self._memories.get(key)
        if memory is None or memory.uid != subscription.uid:
            memory = self._memories[key] = _Memory(subscription.uid, Ledger())
        epoch = self._changes.epoch(subscription.namespace)
        agreed = None if epoch is None else (epoch, subscription.spec.ledger_policy)
        trusted = agreed is not None and agreed == memory.agreed
        # If anything goes wrong from here on, the next pass looks at all shards.
        memory.agreed = None
        changed = self._changes.take(key)
        try:
            if trusted:
                for name, version in changed.items():
                    await self._look_at(subscription, memory.ledger, name, version)
            else:
                await self._look_at_all(subscription, memory.ledger)
            if memory.ledger.needs_reload:
                memory.ledger = Ledger()
                await self._look_at_all(subscription, memory.ledger)
        except (ConflictError, NotFoundError) as error:
            raise LedgerBusyError(_CHANGED_MEANWHILE) from error
        memory.agreed = agreed
        return memory.ledger

    async def refresh(self, subscription: Subscription, ledger: Ledger) -> None:
        """Bring an open ledger up to date without the watch, which may not have reported everything yet.

        Raises:
            LedgerBusyError: as `open`.
        """
        try:
            await self._look_at_all(subscription, ledger)
        except (ConflictError, NotFoundError) as error:
            raise LedgerBusyError(_CHANGED_MEANWHILE) from error

    async def commit(self, subscription: Subscription, ledger: Ledger, compute: Callable[[Ledger], Changes]) -> Changes:
        """Write what `compute` wants. After a conflict `compute` is called again.

        Returns:
            The changes that were written, as computed last.

        Raises:
            LedgerBusyError: somebody else keeps writing.
            LedgerNotWritableError: the API server does not take the write.
        """
        return await self.rewrite(subscription, ledger, lambda _: (), lambda present, _: compute(present))

    async def rewrite(
        self,
        subscription: Subscription,
        ledger: Ledger,
        choose: Callable[[Ledger], Collection[str]],
        compute: Callable[[Ledger, Mapping[str, LedgerEntry]], Changes],
    ) -> Changes:
        """As `commit`, for changes of entries that need not be in memory.

        Args:
            subscription: the owner.
            ledger: as it is in memory.
            choose: returns the keys of the entries that `compute` needs.
            compute: gets the ledger and those entries, both of the same state.

        Raises:
            LedgerBusyError: as `commit`.
        """
        for _ in range(MAX_CONFLICTS):
            try:
                changes = compute(ledger, await self.entries(subscription, ledger, choose(ledger)))
                writes = ledger.plan_writes(changes) if changes else []
                for write in writes:
                    await self._write(subscription, ledger, write)
            except (ConflictError, AlreadyExistsError, NotFoundError) as error:
                logger.info("ledger of %s/%s changed meanwhile: %s", subscription.namespace, subscription.name, error)
                await self.refresh(subscription, ledger)
            except LedgerNotWritableError:
                # Whether it was written is not known: the next pass begins with what is there.
                self._memories[subscription.key].agreed = None
                raise
            else:
                return changes
        raise LedgerBusyError("the ledger is being changed by somebody else over and over")

    async def _look_at_all(self, subscription: Subscription, ledger: Ledger) -> None:
        namespace, name = subscription.namespace, subscription.name
        heads: dict[int, Manifest] = {}
        for head in await self._api.list_shard_heads(namespace, name):
            number = _shard_number(name, head["metadata"]["name"])
            if number is not None:
                _refuse_dying(head, subscription.uid)
                heads[number] = head
        for number in ledger.shard_numbers - heads.keys():
            self._drop(subscription, ledger, number)
        stale = [n for n, head in heads.items() if head["metadata"]["resourceVersion"] != ledger.version_of(n)]
        if len(stale) > READ_ONE_BY_ONE:
            async for body in self._api.read_shards(namespace, name):
                number = _shard_number(name, body["metadata"]["name"])
                if number is not None:
                    _refuse_dying(body, subscription.uid)
                    await self._agree(subscription, ledger, number, body)
                    heads.pop(number, None)
        for number, head in sorted(heads.items()):
            await self._agree(subscription, ledger, number, head)

    async def _look_at(self, subscription: Subscription, ledger: Ledger, name: str, version: str) -> None:
        """Read a shard that changed, unless the change was our own."""
        number = _shard_number(subscription.name, name)
        if number is None or ledger.version_of(number) == version:
            return
        body = await self._api.get_config_map(subscription.namespace, name)
        if body is not None and _is_labelled(body, subscription):
            _refuse_dying(body, subscription.uid)
            await self._agree(subscription, ledger, number, body)
        elif number in ledger.shard_numbers:
            self._drop(subscription, ledger, number)

    def _drop(self, subscription: Subscription, ledger: Ledger, number: int) -> None:
        logger.warning("ledger shard %s/%s is gone", subscription.namespace, ledger_name(subscription.name, number))
        ledger.drop(number)

    async def entries(
        self, subscription: Subscription, ledger: Ledger, keys: Collection[str]
    ) -> dict[str, LedgerEntry]:
        """Entries in full, whether they are in memory or not. Unknown and broken keys are left out.

        Raises:
            ConflictError: the ledger changed since it was opened.
        """
        found = {key: ledger.active[key] for key in keys if key in ledger.active}
        rows = {key: row for key in keys if key not in found and (row := ledger.row(key)) is not None}
        for number in sorted({row.shard for row in rows.values() if row.state is not None}):
            name = ledger_name(subscription.name, number)
            body = await self._api.get_config_map(subscription.namespace, name)
            if body is None or body["metadata"]["resourceVersion"] != ledger.version_of(number):
                raise ConflictError(f"ConfigMap {name} changed since it was read")
            wanted = {key for key, row in rows.items() if row.shard == number and row.state is not None}
            found |= {key: decode_entry(body["data"][key]) for key in wanted}
        return found

    async def _agree(self, subscription: Subscription, ledger: Ledger, number: int, head: Manifest) -> None:
        metadata = head["metadata"]
        wanted = _owner_references(metadata, subscription)
        if wanted != (metadata.get("ownerReferences") or []):
            patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "ownerReferences": wanted}}
            head = await _taken(self._api.patch_config_map(subscription.namespace, metadata["name"], patch))
            metadata = head["metadata"]
        if ledger.version_of(number) == metadata["resourceVersion"]:
            return
        body = head if "data" in head else await self._api.get_config_map(subscription.namespace, metadata["name"])
        if body is None:
            raise NotFoundError(metadata["name"])
        _refuse_dying(body, subscription.uid)
        ledger.load(_shard(number, body))

    async def _write(self, subscription: Subscription, ledger: Ledger, write: ShardWrite) -> None:
        name = ledger_name(subscription.name, write.number)
        version = ledger.version_of(write.number)
        if version is None:
            try:
                shard = _new_shard(subscription, name, write)
                body = await _taken(self._api.create_config_map(subscription.namespace, shard))
            except AlreadyExistsError:
                await self._refuse_foreign(subscription, name)
                raise
        else:
            patch = {
                "metadata": {"resourceVersion": version, "annotations": dict(write.annotations)},
                "data": dict(write.data),
            }
            body = await _taken(self._api.patch_config_map(subscription.namespace, name, patch))
        ledger.applied(write, body["metadata"]["resourceVersion"])

    async def _refuse_foreign(self, subscription: Subscription, name: str) -> None:
        body = await self._api.get_config_map(subscription.namespace, name)
        if body is not None and not _is_labelled(body, subscription):
            raise LedgerBusyError(f"ConfigMap {name} is in the way: it does not bear the labels of a ledger")


async def _taken(write: Awaitable[Manifest]) -> Manifest:
    try:
        return await write
    except (RejectedError, UnavailableError) as error:
        raise LedgerNotWritableError(error) from error


def _refuse_dying(head: Manifest, uid: str) -> None:
    metadata = head["metadata"]
    if metadata.get("deletionTimestamp"):
        raise LedgerBusyError(f"ConfigMap {metadata['name']} is being deleted")
    for owner in metadata.get("ownerReferences") or ():
        if refers_to_subscription(owner) and owner.get("uid") != uid:
            raise LedgerBusyError(
                f"ConfigMap {metadata['name']} belongs to a deleted Subscription of this name and is about to go"
            )


def _is_labelled(body: Manifest, subscription: Subscription) -> bool:
    present = body["metadata"].get("labels") or {}
    return bool(labels.ledger_labels(subscription.name).items() <= present.items())


def _owner_references(metadata: Mapping[str, Any], subscription: Subscription) -> list[dict[str, Any]]:
    """The references that the policy wants. References to other things than Subscriptions stay as they are."""
    present = list(metadata.get("ownerReferences") or ())
    others = [owner for owner in present if not refers_to_subscription(owner)]
    if subscription.spec.ledger_policy is LedgerPolicy.RETAIN:
        return others
    ours = [owner for owner in present if refers_to_subscription(owner)]
    return present if ours else [*others, owner_reference(subscription, controller=False)]


def _new_shard(subscription: Subscription, name: str, write: ShardWrite) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": subscription.namespace,
            "labels": labels.ledger_labels(subscription.name),
            "annotations": dict(write.annotations),
            "ownerReferences": _owner_references({}, subscription),
        },
        "data": dict(write.data),
    }


def _shard(number: int, body: Manifest) -> Shard:
    metadata = body["metadata"]
    return Shard(number, metadata["resourceVersion"], body.get("data") or {}, metadata.get("annotations") or {})


def _shard_number(subscription: str, name: str) -> int | None:
    """The number at the end of a shard's name; None for a ConfigMap that merely bears our labels."""
    digits = name.rpartition("-")[2]
    if not (digits.isascii() and digits.isdecimal()) or ledger_name(subscription, int(digits)) != name:
        return None
    return int(digits)
