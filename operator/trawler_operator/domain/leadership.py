"""Which of several operators works: decisions about the Lease that only one of them holds. Pure.

The clocks of two machines are never compared. An operator that waits measures on its own clock for how long the Lease
has stayed unchanged, and takes it after its holder's duration. The times in the Lease are for people. Kubernetes' own
controllers follow the same rules (client-go, tools/leaderelection).

Holding the Lease proves nothing: a process that was stopped for a while believes in a Lease that it has lost.
Compare-and-swap of the ledger and the names of Jobs ensure that a video is not downloaded twice; the Lease keeps two
operators from doing all work twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

MAX_DURATION_SECONDS = 3600.0
"""Longest time that a Lease is waited for, even if by mistake it says more."""


class Step(StrEnum):
    """What to do about the Lease."""

    CREATE = "create"
    TAKE = "take"
    RENEW = "renew"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """Times of our own Lease, in seconds.

    Args:
        duration: how long others leave the Lease alone after it was renewed.
    """

    duration: float

    @property
    def renew_within(self) -> float:
        """Seconds after which a holder that could not renew the Lease stops working: well before others may take it."""
        return self.duration * 2 / 3

    @property
    def interval(self) -> float:
        """Seconds between two attempts to renew or to take the Lease."""
        return self.duration / 5


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A Lease as read.

    Args:
        version: its resourceVersion.
        holder: identity of its holder; empty: nobody.
        duration: seconds for which it holds without being renewed.
        transitions: how often it changed its holder.
        acquired: when its holder got it, as the holder wrote it.
        renewed: when its holder renewed it last, as the holder wrote it.
    """

    version: str
    holder: str
    duration: float
    transitions: int
    acquired: str
    renewed: str


def read_lease(body: Mapping[str, Any]) -> LeaseRecord:
    """A Lease of the API. Missing and unusable values count as nothing."""
    spec = body.get("spec") or {}
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    return LeaseRecord(
        version=str(body["metadata"]["resourceVersion"]),
        holder=str(spec.get("holderIdentity") or ""),
        duration=min(float(duration), MAX_DURATION_SECONDS) if isinstance(duration, int) else 0.0,
        transitions=transitions if isinstance(transitions, int) else 0,
        acquired=str(spec.get("acquireTime") or ""),
        renewed=str(spec.get("renewTime") or ""),
    )


def decide(record: LeaseRecord | None, identity: str, unchanged_for: float) -> Step:
    """What to do about a Lease.

    Args:
        record: the Lease as it is now; None if there is none.
        identity: our own. A restarted container bears the identity of its dead predecessor.
        unchanged_for: seconds on our own clock since the Lease was first seen as it is.
    """
    if record is None:
        return Step.CREATE
    if record.holder == identity:
        return Step.RENEW
    if not record.holder or unchanged_for >= record.duration:
        return Step.TAKE
    return Step.WAIT


def lease_spec(before: LeaseRecord | None, identity: str, terms: LeaseTerms, now: datetime) -> dict[str, Any]:
    """The `spec` of the Lease as its holder writes it.

    Args:
        before: the Lease as it is; None if there is none.
        identity: the new holder.
        terms: times of our Lease.
        now: the present, for people to see.
    """
    kept = before is not None and before.holder == identity
    at = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": round(terms.duration),
        "acquireTime": before.acquired if before is not None and kept and before.acquired else at,
        "renewTime": at,
        "leaseTransitions": 0 if before is None else before.transitions + (0 if kept else 1),
    }


def released_spec(before: LeaseRecord, now: datetime) -> dict[str, Any]:
    """The `spec` of the Lease as a holder that ends leaves it: free at once, whatever its duration was."""
    at = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": at, "leaseTransitions": before.transitions}
