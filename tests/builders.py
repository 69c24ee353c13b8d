"""Builders of the things that tests are about: everything that a test does not name has an unremarkable value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from trawler_downloader.contract.listing import EntryLine, Kind, SourceLine
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api.subscription import Subscription, parse_subscription
from trawler_operator.domain.ledger_entry import LedgerEntry

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
URL = "https://www.youtube.com/@numberline/videos"


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
