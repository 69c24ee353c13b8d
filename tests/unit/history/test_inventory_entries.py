"""What becomes of the records, and of what the status knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from builders import LISTING_DIGEST, NOON, built_status, ledger_entry, subscription
from trawler_downloader.contract.inventory import RecordLine
from trawler_downloader.contract.listing import Kind
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_downloader.contract.volume_job import MAX_RECORD_BYTES
from trawler_operator.api.status import RecentVideo, SubscriptionStatus
from trawler_operator.domain.history.inventory import (
    UNKNOWN_SOURCE,
    keep_recent,
    rebuilt_entries,
    remembered_facts,
    remembered_requests,
    started_sources,
)
from trawler_operator.domain.ledger.codec import HARD_VALUE_BYTES, encode_entry
from trawler_operator.domain.ledger.entry import LaunchTimes
from trawler_operator.domain.requests.grammar import decode_mark
from trawler_operator.domain.status.build import LedgerFacts

LANDED = datetime(2025, 1, 3, 6, 0, tzinfo=UTC)


def record(**fields: Any) -> RecordLine:
    defaults: dict[str, Any] = {
        "key": "youtube.a",
        "extractor": "Youtube",
        "id": "a",
        "url": "https://x.test/a",
        "kind": Kind.STREAM,
        "source": "youtubetab.UCnumber.streams",
        "title": "What is a number?",
        "published_date": "2024-12-25",
        "duration_seconds": 60,
        "launch": 2,
        "path": "c/a.mp4",
        "bytes": 10,
        "present_bytes": 10,
        "engine": "2026.10.26",
        "landed_at": int(LANDED.timestamp()),
    }
    return RecordLine(**{**defaults, **fields})


def test_a_landed_video_has_succeeded():
    """With all that a download would have told."""
    expected = ledger_entry(
        LedgerState.SUCCEEDED,
        seq=datetime(2024, 12, 25, tzinfo=UTC).toordinal(),
        source="youtubetab.UCnumber.streams",
        url="https://x.test/a",
        id="a",
        kind=Kind.STREAM,
        published_date="2024-12-25",
        duration_seconds=60,
        added_at=LANDED,
        launches=2,
        outcome=OutcomeClass.PUBLISHED,
        reason="AlreadyPublished",
        path="c/a.mp4",
        claim="library",
        bytes=10,
        engine="2026.10.26",
        times=LaunchTimes(published=LANDED, finished=LANDED),
    )
    assert rebuilt_entries([record()], lambda key: False, "library", NOON) == {"youtube.a": expected}


def test_a_file_that_is_gone_is_not_wanted_again():
    entry = rebuilt_entries([record(present_bytes=None)], lambda key: False, "library", NOON)["youtube.a"]
    assert (entry.state, entry.reason, entry.bytes) == (LedgerState.SKIPPED, "RemovedByUser", None)
    assert entry.message == "the file is not at c/a.mp4 any more"


def test_a_known_video_is_left_as_it_is():
    assert rebuilt_entries([record()], lambda key: key == "youtube.a", "library", NOON) == {}


@pytest.mark.parametrize(
    ("fields", "day"),
    [
        pytest.param({"published_date": None}, LANDED, id="landed, where the site tells no day"),
        pytest.param({"published_date": "soon"}, LANDED, id="landed, where the day is none"),
        pytest.param({"published_date": None, "landed_at": 10**11}, NOON, id="not in the future"),
        pytest.param({"published_date": None, "landed_at": -5}, datetime(1970, 1, 1, tzinfo=UTC), id="not before 1970"),
    ],
)
def test_the_order_of_publication_is_the_order_of_discovery(fields: dict[str, Any], day: datetime):
    entry = rebuilt_entries([record(**fields)], lambda key: False, "library", NOON)["youtube.a"]
    assert entry.seq == day.toordinal()


def test_sources_whose_videos_landed_have_had_their_first_run():
    records = [record(), record(source="b"), record(source=None)]
    assert started_sources(records) == {"youtubetab.UCnumber.streams": "ReadBack", "b": "ReadBack"}
    assert rebuilt_entries(records[2:], lambda key: False, "library", NOON)["youtube.a"].source == UNKNOWN_SOURCE


def test_the_longest_record_fits_the_ledger():
    """Whatever of it cannot be cut."""
    room = MAX_RECORD_BYTES - len(record(title="ü" * 120, url="x", path="x").to_json().encode())
    longest = record(title="ü" * 120, url="u" * (room // 2 + 1), path="p" * (room - room // 2 + 1))
    assert len(longest.to_json().encode()) == MAX_RECORD_BYTES
    entry = rebuilt_entries([longest], lambda key: False, "library", NOON)["youtube.a"]
    assert len(encode_entry(replace(entry, message="m" * 300)).encode()) <= HARD_VALUE_BYTES


def test_videos_that_wait_are_not_forgotten_while_a_history_is_read_back():
    """UpToDate goes on saying that some cannot be had yet; their reasons are in the ledger."""
    said = {"counts": {"downloaded": 3, "waiting": 6}, "lastSuccessfulCheckTime": "2026-11-21T11:00:00Z"}
    facts = remembered_facts(subscription(status=said).status, LedgerFacts(shards=1))
    told = built_status(status={**said, "lastCheckDigest": LISTING_DIGEST}, ledger=facts)
    (up_to_date,) = (c for c in told.conditions if c.type == "UpToDate")
    assert (up_to_date.status, up_to_date.reason) == ("True", "WaitingForVideos")
    assert "6 with a reason that is being read back" in up_to_date.message


def test_the_status_goes_on_saying_what_it_said():
    """While nobody knows better: counts, bytes and what was downloaded last."""
    recent = (RecentVideo(key="youtube.a"),)
    said = {
        "counts": {"downloaded": 3, "failed": 2, "deadLetter": 1, "queued": 4, "skipped": 5, "waiting": 6},
        "bytes": 30,
        "recentVideos": [{"key": "youtube.a"}],
    }
    status = subscription(status=said).status
    facts = remembered_facts(status, LedgerFacts(shards=1))
    assert facts == LedgerFacts(
        counts={
            LedgerState.SUCCEEDED: 3,
            LedgerState.PENDING: 4,
            LedgerState.RUNNING: 0,
            LedgerState.FAILED: 1,
            LedgerState.DEAD_LETTER: 1,
            LedgerState.WAITING: 6,
            LedgerState.SKIPPED: 5,
        },
        waiting={"with a reason that is being read back": 6},
        total_bytes=30,
        shards=1,
    )
    assert keep_recent(status, SubscriptionStatus()).recent_videos == recent


def test_what_was_carried_out_is_not_carried_out_again():
    """The annotation that asked for it is still there."""
    handled = {"id": "r1", "time": "2026-11-21T11:00:00Z", "accepted": 2, "unknown": 0}
    refused = {"id": "s1", "time": "2026-11-21T11:00:00Z", "message": "no such state"}
    marks = remembered_requests(subscription(status={"lastHandled": {"retry": handled, "skip": refused}}).status)
    assert set(marks) == {"retry"}
    mark = decode_mark(marks["retry"])
    assert mark is not None
    assert (mark.id, mark.accepted) == ("r1", 2)
    assert remembered_requests(subscription().status) == {}
