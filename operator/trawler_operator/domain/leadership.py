"""Which of several operators works: decisions about the Lease that only one of them holds. Pure.

Clocks of two machines are never compared. Whoever waits measures on its own clock for how long the Lease has stayed as
it is, and takes it when that is longer than its holder said it would be; the times in the Lease are for people. The
same rules as in Kubernetes' own controllers (client-go, tools/leaderelection).

Nothing is proven by holding it: a process that was stopped for a while believes in a Lease that it has lost. That a
video is not downloaded twice rests on compare-and-swap of the ledger and on the names of Jobs; the Lease keeps two
operators from doing everything twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

MAX_DURATION_SECONDS = 3600.0
"""A Lease that says more, by mistake, is not waited for any longer."""


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
        duration: for which others leave it alone after it was renewed.
    """

    duration: float

    @property
    def renew_within(self) -> float:
        """After which a holder that could not renew it does nothing any more: well before others may take it."""
        return self.duration * 2 / 3

    @property
    def interval(self) -> float:
        """Between two attempts to renew or to take it."""
        return self.duration / 5


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A Lease as read.

    Args:
        version: its resourceVersion.
        holder: identity of who holds it; empty: nobody.
        duration: for which it holds without being renewed, in seconds.
        transitions: how often it went from one holder to another.
        acquired: when its holder got it, as its holder wrote it.
        renewed: the same of its last renewal.
    """

    version: str
    holder: str
    duration: float
    transitions: int
    acquired: str
    renewed: str


def read_lease(body: Mapping[str, Any]) -> LeaseRecord:
    """A Lease of the API; whatever is missing in it or unusable counts as nothing."""
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
        record: as it is now; None: there is none.
        identity: our own. A container that was restarted bears that of its predecessor, which is dead.
        unchanged_for: seconds on our own clock since it was first seen as it is.
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
        before: as it stands.
        identity: of the new holder.
        terms: of its Lease.
        now: for people to see.
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
    """The `spec` of the Lease as it is left by a holder that ends: free at once, whatever its duration was."""
    at = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": at, "leaseTransitions": before.transitions}
