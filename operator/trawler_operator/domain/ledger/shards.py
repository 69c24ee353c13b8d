"""The ConfigMaps ("shards") that hold a ledger: how one is read, what memory knows of it, and how it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trawler_operator.api import labels
from trawler_operator.domain.ledger.entry import LedgerEntry

SHARD_CAPACITY = 200
"""An entry never takes more than 4 KiB, so 200 of them stay under a ConfigMap's 1 MiB however they change."""
SEALED_ANNOTATION = f"{labels.GROUP}/sealed"
"""Marks a shard that takes no new entries: a later one exists or is about to."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A ConfigMap of the ledger, as read."""

    number: int
    resource_version: str
    data: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ShardWrite:
    """One API call: the creation of a shard, or one merge patch with its resourceVersion.

    The ledger says which of the two it is, and with which version, when the write's turn comes
    (`Ledger.version_of`): an earlier write of the same list may have created the shard.

    Args:
        number: number of the shard.
        data: keys to set.
        annotations: annotations to set.
        entries: the same as `data`, decoded.
    """

    number: int
    data: Mapping[str, str]
    annotations: Mapping[str, str]
    entries: Mapping[str, LedgerEntry]


@dataclass(slots=True)
class ShardState:
    """What memory holds of a shard; its entries are in the ledger's index."""

    resource_version: str
    sealed: bool
    bytes: int = 0
    """Of the media files of its entries."""
    keys: list[str] = field(default_factory=list)


def with_head_annotations(writes: list[ShardWrite], head: dict[str, str]) -> list[ShardWrite]:
    """Put shard 0's annotations into its write if that is the last one, else into a write of their own at the end."""
    if not head:
        return writes
    if writes and writes[-1].number == 0:
        last = writes.pop()
        return [*writes, ShardWrite(0, last.data, {**last.annotations, **head}, last.entries)]
    return [*writes, ShardWrite(0, {}, head, {})]
