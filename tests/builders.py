"""Builders of the things that tests are about: everything that a test does not name has an unremarkable value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from trawler_downloader.contract.listing import EntryLine, Kind, ListingEnd, SourceLine
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api.status import GateStatus, LibraryStatus, SubscriptionStatus
from trawler_operator.api.subscription import Subscription, parse_subscription
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.ledger.entry import LedgerEntry
from trawler_operator.domain.status.build import Digests, LedgerFacts, build_status
from trawler_operator.domain.status.condition_rules import CheckReport

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
URL = "https://www.youtube.com/@numberline/videos"
CONTROLLER = {
    "apiVersion": "trawler.dev/v1alpha1",
    "kind": "Subscription",
    "name": "numberline",
    "uid": "0a1b2c3d",
    "controller": True,
    "blockOwnerDeletion": False,
}
"""The owner reference of the Subscription's Jobs."""
LIBRARY = LibraryStatus(claim_name="library", layout="Show")
WELL = CheckReport(at=NOON, end=ListingEnd.STOPPED, source_id="UCnumber", source_title="Numberline")
CHECK_FAILED = CheckReport(
    at=NOON, end=ListingEnd.ERROR, outcome=OutcomeClass.TRANSIENT, reason="Unreachable", detail="no such host"
)
NO_LISTER = CheckReport(at=NOON, end=None, detail="connection refused")


def subscription_body(
    spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None, **metadata: Any
) -> dict[str, Any]:
    """A Subscription as the API server gives it."""
    return {
        "apiVersion": "trawler.dev/v1alpha1",
        "kind": "Subscription",
        "metadata": {
            "namespace": "media",
            "name": "numberline",
            "uid": "0a1b2c3d",
            "generation": 1,
            "creationTimestamp": "2026-11-01T08:00:00Z",
            **metadata,
        },
        "spec": {"url": URL} if spec is None else spec,
        **({} if status is None else {"status": status}),
    }


def subscription(
    spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None, **metadata: Any
) -> Subscription:
    """A parsed Subscription; `spec` goes on top of the url."""
    return parse_subscription(subscription_body({"url": URL, **(spec or {})}, status, **metadata))


LISTING_DIGEST = "listing-1"


def built_status(
    spec: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    ledger: LedgerFacts | None = None,
    *,
    library: LibraryStatus | None = LIBRARY,
    check: CheckReport | None = None,
    blocker: Blocker | None = None,
    gate: GateStatus | None = None,
    gate_is_wanted: bool = False,
    next_check: datetime | None = NOON + timedelta(hours=1),
    generation: int = 1,
    listing: str = LISTING_DIGEST,
    now: datetime = NOON,
) -> SubscriptionStatus:
    """The status after a pass over a Subscription that had `status` before.

    `listing` is the digest of what a listing is made from now; in `status` it is that one where nothing else is said.
    """
    status = {"lastCheckDigest": LISTING_DIGEST, **(status or {})}
    return build_status(
        subscription(spec, status, generation=generation),
        ledger or LedgerFacts(),
        library=library,
        check=check,
        blocker=blocker,
        gate=gate,
        gate_is_wanted=gate_is_wanted,
        next_check=next_check,
        now=now,
        digests=Digests(listing, "job-1"),
    )


def restricted_pod(container: dict[str, Any], volumes: list[dict[str, Any]]) -> dict[str, Any]:
    """What the pods of all Jobs have in common: Pod Security `restricted`, no token, no names of Services.

    Args:
        container: its command, environment, resources and mounts.
        volumes: of the pod.
    """
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "download",
                "image": "trawler-downloader:1",
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                **container,
            }
        ],
        "volumes": volumes,
    }


def beside_users_of(claim_label: str) -> dict[str, Any]:
    """The affinity of a pod whose volume is attached to one node at a time."""
    users = {"app.kubernetes.io/managed-by": "trawler", "trawler.dev/claim": claim_label}
    term = {"labelSelector": {"matchLabels": users}, "topologyKey": "kubernetes.io/hostname"}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def ledger_entry(state: LedgerState = LedgerState.RUNNING, **fields: Any) -> LedgerEntry:
    """A video's entry."""
    defaults: dict[str, Any] = {
        "seq": 7,
        "source": "youtubetab.UCnumber.videos",
        "url": "https://www.youtube.com/watch?v=abcdefghijk",
        "extractor": "Youtube",
        "id": "abcdefghijk",
        "title": "What is a number?",
        "added_at": NOON - timedelta(days=1),
        "launches": 1,
    }
    return LedgerEntry(state=state, **{**defaults, **fields})


def source_line(key: str = "youtubetab.UCnumber.videos", *, newest_first: bool = True) -> SourceLine:
    """The beginning of a listing."""
    return SourceLine(key=key, id="UCnumber", title="Numberline", newest_first=newest_first)


def entry_line(name: str, *, kind: Kind = Kind.VIDEO, timestamp: int | None = None) -> EntryLine:
    """A listed video with the key `youtube.<name>`."""
    return EntryLine(
        source="youtubetab.UCnumber.videos",
        key=f"youtube.{name}",
        extractor="Youtube",
        id=name,
        url=f"https://www.youtube.com/watch?v={name}",
        title=f"Video {name}",
        kind=kind,
        timestamp=timestamp,
    )
