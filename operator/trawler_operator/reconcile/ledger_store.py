"""Ledgers in their ConfigMaps: reads what changed, writes with compare-and-swap, keeps the memory in step.

A pass first compares the shards' resourceVersions with those in memory (one request for metadata alone) and loads what
another hand has changed. Whoever changes something gives a function from the ledger to the changes, not the changes:
after a conflict the shard is read again and the function asked again, so a stale decision is never written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from trawler_operator.api import labels
from trawler_operator.api.spec import LedgerPolicy
from trawler_operator.api.subscription import Subscription
from trawler_operator.domain.job_manifest import owner_reference
from trawler_operator.domain.ledger import Changes, Ledger, Shard, ShardWrite
from trawler_operator.domain.naming import ledger_name
from trawler_operator.reconcile.ports import (
    AlreadyExistsError,
    ConflictError,
    Key,
    KubernetesApi,
    Manifest,
    NotFoundError,
    RejectedError,
)

logger = logging.getLogger(__name__)

MAX_CONFLICTS = 5


class LedgerBusyError(Exception):
    """The ledger cannot be used yet, most often because an earlier Subscription's shards are still being deleted."""


class LedgerStore:
    """The ledgers of all Subscriptions that have been looked at."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api
        self._ledgers: dict[Key, tuple[str, Ledger]] = {}

    def forget(self, key: Key) -> None:
        """Free the memory of a Subscription that is gone; its ConfigMaps stay."""
        self._ledgers.pop(key, None)

    async def open(self, subscription: Subscription) -> Ledger:
        """The ledger as it is now.

        Shards get or lose the Subscription as their owner as `ledgerPolicy` says. Those that are being deleted, or that
        belong to another Subscription of the same name whose garbage collection is under way, are never adopted.

        Raises:
            LedgerBusyError: come again in a few seconds.
        """
        key = (subscription.namespace, subscription.name)
        uid, ledger = self._ledgers.get(key, ("", Ledger()))
        if uid != subscription.uid:
            ledger = Ledger()
        heads: dict[int, Manifest] = {}
        for head in await self._api.list_shard_heads(*key):
            number = _shard_number(subscription.name, head["metadata"]["name"])
            if number is not None:
                _refuse_dying(head, subscription.uid)
                heads[number] = head
        for number in ledger.resource_versions.keys() - heads.keys():
            logger.warning("ledger shard %s/%s is gone", key[0], ledger_name(key[1], number))
            ledger.drop(number)
        try:
            for number, head in sorted(heads.items()):
                await self._agree(subscription, ledger, number, head)
        except (ConflictError, NotFoundError) as error:
            raise LedgerBusyError("the ledger changed while it was being read") from error
        self._ledgers[key] = (subscription.uid, ledger)
        return ledger

    async def commit(self, subscription: Subscription, ledger: Ledger, compute: Callable[[Ledger], Changes]) -> Changes:
        """Write what `compute` wants of the ledger; after a conflict it is asked again.

        Returns:
            The changes that were written, as computed last.

        Raises:
            LedgerBusyError: somebody else keeps writing, or a quota or a policy refuses it.
        """
        for _ in range(MAX_CONFLICTS):
            changes = compute(ledger)
            writes = ledger.plan_writes(changes) if changes else []
            try:
                for write in writes:
                    await self._write(subscription, ledger, write)
            except (ConflictError, AlreadyExistsError, NotFoundError) as error:
                logger.info("ledger of %s/%s changed meanwhile: %s", subscription.namespace, subscription.name, error)
                ledger = await self.open(subscription)
            except RejectedError as error:
                raise LedgerBusyError(f"the API server refuses its ConfigMap: {error}") from error
            else:
                return changes
        raise LedgerBusyError("the ledger is being changed by somebody else over and over")

    async def _agree(self, subscription: Subscription, ledger: Ledger, number: int, head: Manifest) -> None:
        metadata = head["metadata"]
        wanted = _owner_references(metadata, subscription)
        if wanted != (metadata.get("ownerReferences") or []):
            patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "ownerReferences": wanted}}
            head = await self._api.patch_config_map(subscription.namespace, metadata["name"], patch)
            metadata = head["metadata"]
        if ledger.resource_versions.get(number) == metadata["resourceVersion"]:
            return
        body = head if "data" in head else await self._api.get_config_map(subscription.namespace, metadata["name"])
        if body is None:
            raise NotFoundError(metadata["name"])
        _refuse_dying(body, subscription.uid)
        ledger.load(_shard(number, body))

    async def _write(self, subscription: Subscription, ledger: Ledger, write: ShardWrite) -> None:
        name = ledger_name(subscription.name, write.number)
        version = ledger.resource_versions.get(write.number)
        if version is None:
            try:
                body = await self._api.create_config_map(subscription.namespace, _new_shard(subscription, name, write))
            except AlreadyExistsError:
                await self._refuse_foreign(subscription, name)
                raise
        else:
            patch = {
                "metadata": {"resourceVersion": version, "annotations": dict(write.annotations)},
                "data": dict(write.data),
            }
            body = await self._api.patch_config_map(subscription.namespace, name, patch)
        ledger.applied(write, body["metadata"]["resourceVersion"])

    async def _refuse_foreign(self, subscription: Subscription, name: str) -> None:
        body = await self._api.get_config_map(subscription.namespace, name)
        present = ((body or {}).get("metadata") or {}).get("labels") or {}
        if body is not None and not labels.ledger_labels(subscription.name).items() <= present.items():
            raise LedgerBusyError(f"ConfigMap {name} is in the way: it does not bear the labels of a ledger")


def _refuse_dying(head: Manifest, uid: str) -> None:
    metadata = head["metadata"]
    if metadata.get("deletionTimestamp"):
        raise LedgerBusyError(f"ConfigMap {metadata['name']} is being deleted")
    for owner in metadata.get("ownerReferences") or ():
        if _is_subscription(owner) and owner.get("uid") != uid:
            raise LedgerBusyError(
                f"ConfigMap {metadata['name']} belongs to a deleted Subscription of this name and is about to go"
            )


def _is_subscription(owner: Mapping[str, Any]) -> bool:
    group = str(owner.get("apiVersion", "")).partition("/")[0]
    return group == labels.GROUP and owner.get("kind") == labels.KIND


def _owner_references(metadata: Mapping[str, Any], subscription: Subscription) -> list[dict[str, Any]]:
    """The references that the policy wants; those to other things than Subscriptions are left as they are."""
    present = list(metadata.get("ownerReferences") or ())
    others = [owner for owner in present if not _is_subscription(owner)]
    if subscription.spec.ledger_policy is LedgerPolicy.RETAIN:
        return others
    ours = [owner for owner in present if _is_subscription(owner)]
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
