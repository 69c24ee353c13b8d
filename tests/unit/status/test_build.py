"""What the status remembers of checks, and shows of the ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from builders import CHECK_FAILED, LIBRARY, LISTING_DIGEST, NO_LISTER, NOON, WELL, built_status, ledger_entry
from trawler_downloader.contract.listing import ListingEnd
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api.status import GateStatus, LibraryStatus, parse_status
from trawler_operator.domain.ledger.entry import LaunchTimes
from trawler_operator.domain.ledger.recent import ended
from trawler_operator.domain.status.build import LedgerFacts
from trawler_operator.domain.status.condition_rules import CheckReport


def test_counts_show_every_state() -> None:
    """Failed includes what was given up: that is the number to look at."""
    counts = {state: number for number, state in enumerate(LedgerState, 1)}

    assert built_status(ledger=LedgerFacts(counts=counts, total_bytes=99)).to_dict()["counts"] == {
        "queued": counts[LedgerState.PENDING],
        "running": counts[LedgerState.RUNNING],
        "failed": counts[LedgerState.FAILED] + counts[LedgerState.DEAD_LETTER],
        "deadLetter": counts[LedgerState.DEAD_LETTER],
        "waiting": counts[LedgerState.WAITING],
        "downloaded": counts[LedgerState.SUCCEEDED],
        "skipped": counts[LedgerState.SKIPPED],
    }


def test_a_check_that_went_well_is_remembered() -> None:
    """Times, the source, and that failures are over."""
    status = built_status({}, {"failedChecks": 3, "lastCheckOutcome": "Transient"}, check=WELL, generation=5)

    assert status.last_check_time == status.last_successful_check_time == NOON
    assert (status.failed_checks, status.last_check_outcome, status.last_audit_time) == (0, None, None)
    assert (status.last_check_digest, status.observed_generation) == (LISTING_DIGEST, 5)
    assert status.source is not None
    assert (status.source.id, status.source.title) == ("UCnumber", "Numberline")


@pytest.mark.parametrize("end", [ListingEnd.COMPLETE, ListingEnd.LIMIT])
def test_a_walk_to_the_end_counts_as_an_audit(end: ListingEnd) -> None:
    """Whatever it was made for; a source too long to be walked whole is not walked at every check."""
    assert built_status(check=replace(WELL, end=end, source_title=None)).last_audit_time == NOON


def test_a_listing_without_sources_leaves_the_source_alone() -> None:
    """Nothing was seen that could name it."""
    known = built_status(check=WELL)

    assert built_status({}, known.to_dict(), check=replace(WELL, source_id=None)).source == known.source


@pytest.mark.parametrize(
    ("check", "outcome"),
    [
        (CHECK_FAILED, OutcomeClass.TRANSIENT),
        (replace(CHECK_FAILED, outcome=OutcomeClass.RATE_LIMITED), OutcomeClass.RATE_LIMITED),
        (replace(CHECK_FAILED, outcome=None), OutcomeClass.TRANSIENT),
        (NO_LISTER, OutcomeClass.ENVIRONMENT),
    ],
)
def test_a_failed_check_is_counted(check: CheckReport, outcome: OutcomeClass) -> None:
    """The schedule grows slower from it; the last success stays."""
    status = built_status({}, {"lastSuccessfulCheckTime": "2026-11-21T11:00:00Z", "failedChecks": 1}, check=check)

    assert (status.failed_checks, status.last_check_outcome) == (2, outcome)
    assert (status.last_check_time, status.last_successful_check_time) == (NOON, NOON - timedelta(hours=1))


def test_a_request_is_recorded_whatever_came_of_it() -> None:
    """Else a failing check would be asked for again and again."""
    status = built_status(check=replace(CHECK_FAILED, requested="now-1"))
    later = built_status({}, status.to_dict(), check=WELL)

    assert status.to_dict()["lastHandled"] == {"check": {"id": "now-1", "time": "2026-11-21T12:00:00Z"}}
    assert later.last_handled == status.last_handled


def test_recent_videos_and_failures_are_shown_newest_first() -> None:
    """Ten of each at most, their texts cut to what the schema takes."""
    done = ledger_entry(
        LedgerState.SUCCEEDED, path="p" * 2000, claim="attic", times=LaunchTimes(finished=NOON), title="t" * 999
    )
    dead = ledger_entry(LedgerState.DEAD_LETTER, reason="R" * 99, message="m" * 999, title="t" * 999, failures=3)
    bare = ledger_entry(LedgerState.FAILED, title=None, retry_at=NOON + timedelta(minutes=1))
    facts = LedgerFacts(
        recent_successes=[ended("youtube.a", done), ended("youtube.b", ledger_entry(LedgerState.SUCCEEDED))] * 20,
        recent_failures=[ended("youtube.c", dead), ended("youtube.d", bare)] * 20,
    )
    status = built_status(ledger=facts)

    assert (len(status.recent_videos), len(status.recent_failures)) == (10, 10)
    assert status.to_dict()["recentVideos"][0] == {
        "key": "youtube.a",
        "path": "p" * 1023 + "…",
        "claimName": "attic",
        "finishedTime": "2026-11-21T12:00:00Z",
    }
    assert status.to_dict()["recentFailures"][:2] == [
        {
            "key": "youtube.c",
            "title": "t" * 511 + "…",
            "state": "DeadLetter",
            "reason": "R" * 63 + "…",
            "message": "m" * 511 + "…",
            "failures": 3,
        },
        {"key": "youtube.d", "state": "Failed", "failures": 0, "retryTime": "2026-11-21T12:01:00Z"},
    ]
    assert parse_status(status.to_dict()) == status


@pytest.mark.parametrize(
    ("library", "shown"),
    [
        pytest.param(LIBRARY, [None, "attic", None], id="what the library says is not said again"),
        pytest.param(None, ["library", "attic", None], id="no library is known"),
    ],
)
def test_a_recent_video_names_its_claim_where_the_library_does_not(
    library: LibraryStatus | None, shown: list[str | None]
) -> None:
    """Most stand where all do; of an entry that somebody made by hand nothing is known."""
    entries = [ledger_entry(LedgerState.SUCCEEDED, claim=claim) for claim in ("library", "attic", None)]
    facts = LedgerFacts(recent_successes=[ended("youtube.a", entry) for entry in entries])

    assert [video.claim_name for video in built_status(ledger=facts, library=library).recent_videos] == shown


def test_the_ledger_can_be_found_from_the_status() -> None:
    """By the selector that kubectl takes."""
    assert built_status(ledger=LedgerFacts(shards=2)).to_dict()["ledger"] == {
        "selector": "app.kubernetes.io/component=ledger,trawler.dev/subscription=numberline",
        "shards": 2,
    }


GATE = GateStatus(
    epoch=1,
    since_time=NOON,
    paused_time=NOON,
    until_time=NOON + timedelta(minutes=1),
    step=1,
    reason="PermissionDenied",
)


@pytest.mark.parametrize(
    ("state", "later", "wanted", "shown"),
    [
        pytest.param(LedgerState.PENDING, timedelta(0), True, True, id="while it pauses"),
        pytest.param(LedgerState.PENDING, timedelta(hours=1), False, True, id="until a download has proved it"),
        pytest.param(LedgerState.SUCCEEDED, timedelta(hours=1), True, True, id="until a follow-up has proved it"),
        pytest.param(LedgerState.SUCCEEDED, timedelta(hours=1), False, False, id="nothing is left that could prove it"),
        pytest.param(LedgerState.SUCCEEDED, timedelta(0), False, True, id="nothing is left, while it pauses"),
    ],
)
def test_the_subscriptions_own_gate(state: LedgerState, later: timedelta, wanted: bool, shown: bool) -> None:
    """It stands there while it is closed and anything may come of it."""
    counts = LedgerFacts(counts={state: 1})
    status = built_status(ledger=counts, gate=GATE, gate_is_wanted=wanted, now=NOON + later)

    assert status.gate == (GATE if shown else None)
