"""Decisions about launches, each from what a pass sees."""

from __future__ import annotations

from typing import Any

import pytest

from builders import NOON, entry_line, ledger_entry
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.domain.checks.selection import NewEntry, new_entries
from trawler_operator.domain.jobs.cleanup import HistoryLimits, jobs_to_delete, may_delete
from trawler_operator.domain.launches.claims import (
    LaunchAction,
    busy_videos,
    claim,
    forgotten_jobs,
    give_back,
    judge_launch,
)

UID = "sub-1"


def job(name: str = "j", *, uid: str = UID, ended: str | None = None, at: int = 0, **metadata: Any) -> dict[str, Any]:
    conditions = (
        [{"type": ended, "status": "True", "lastTransitionTime": f"2026-11-21T12:{at:02}:00Z"}] if ended else []
    )
    return {
        "metadata": {"name": name, "ownerReferences": [{"uid": uid}], "annotations": {}, **metadata},
        "status": {"conditions": conditions},
    }


@pytest.mark.parametrize(
    ("found", "action"),
    [
        pytest.param(None, LaunchAction.CREATE, id="no such Job"),
        pytest.param(job(), LaunchAction.ADOPT, id="ours, alive"),
        pytest.param(job(ended="Complete"), LaunchAction.SETTLE, id="ours, complete"),
        pytest.param(job(ended="Failed"), LaunchAction.SETTLE, id="ours, failed"),
        pytest.param(job(uid="sub-0"), LaunchAction.WAIT, id="an earlier Subscription's, alive"),
        pytest.param(job(uid="sub-0", ended="Complete"), LaunchAction.WAIT, id="an earlier Subscription's, complete"),
        pytest.param(job(deletionTimestamp="2026-11-21T12:00:00Z"), LaunchAction.WAIT, id="ours, being deleted"),
        pytest.param(job(ownerReferences=None), LaunchAction.ADOPT, id="nobody's, left behind as an orphan"),
    ],
)
def test_judge_launch(found: dict[str, Any] | None, action: LaunchAction) -> None:
    """What becomes of a Running entry."""
    assert action is judge_launch(found, UID)


def test_claim() -> None:
    """The next launch, with its time; how the last one ended stays for the pauses to come."""
    entry = ledger_entry(
        LedgerState.FAILED, launches=2, failures=2, retry_at=NOON, outcome=OutcomeClass.TRANSIENT, reason="Reset"
    )
    claimed = claim(entry, NOON)
    assert (claimed.state, claimed.launches, claimed.failures, claimed.retry_at) == (LedgerState.RUNNING, 3, 2, None)
    assert (claimed.outcome, claimed.reason, claimed.times.claimed) == (OutcomeClass.TRANSIENT, None, NOON)
    assert (claimed.is_claimed, claimed.claimed_at) == (True, NOON)


def test_busy_videos() -> None:
    """Those of live Jobs."""
    jobs = [
        job("stray", annotations={"trawler.dev/video": "b"}),
        job("ended", ended="Complete", annotations={"trawler.dev/video": "c"}),
    ]
    assert {"b"} == busy_videos(jobs)


@pytest.mark.parametrize(
    ("entry", "settled"),
    [
        pytest.param(ledger_entry(LedgerState.RUNNING, launches=2), False, id="runs"),
        pytest.param(ledger_entry(LedgerState.PENDING, launches=2), True, id="given up for now"),
        pytest.param(ledger_entry(LedgerState.SKIPPED, launches=2), True, id="cancelled"),
        pytest.param(ledger_entry(LedgerState.RUNNING, launches=3), True, id="a later launch runs"),
        pytest.param(ledger_entry(LedgerState.PENDING, launches=1), False, id="an old copy of the ledger"),
        pytest.param(None, False, id="the ledger was lost"),
    ],
)
def test_forgotten_jobs(entry: Any, settled: bool) -> None:
    """A live Job of launch 2 goes if, and only if, the ledger knows that launch as over."""
    live = job("live", annotations={"trawler.dev/video": "a", "trawler.dev/launch": "2"})
    entries = {} if entry is None else {"a": entry}
    assert forgotten_jobs([live], entries) == ([live] if settled else [])


def test_jobs_that_are_never_forgotten() -> None:
    """Ended ones are the history's, and one that does not name its launch may be anything."""
    annotations = {"trawler.dev/video": "a", "trawler.dev/launch": "1"}
    jobs = [job("ended", ended="Failed", annotations=annotations), job("odd", annotations={"trawler.dev/video": "a"})]
    assert forgotten_jobs(jobs, {"a": ledger_entry(LedgerState.PENDING)}) == []


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(job(), True, id="ours"),
        pytest.param(job(uid="sub-0"), False, id="an earlier Subscription's"),
        pytest.param(job(deletionTimestamp="x"), False, id="going already"),
    ],
)
def test_may_delete(found: dict[str, Any], expected: bool) -> None:
    """The garbage collector's work is left to it."""
    assert may_delete(found, UID) is expected


def test_jobs_to_delete() -> None:
    """The oldest beyond the limits, successful and failed ones counted apart; never what lives or is not ours."""
    jobs = [
        *(job(f"ok-{at}", ended="Complete", at=at) for at in (3, 1, 2)),
        *(job(f"bad-{at}", ended="Failed", at=at) for at in (6, 4, 5)),
        job("alive"),
        job("foreign", uid="sub-0", ended="Complete"),
        job("going", ended="Complete", deletionTimestamp="x"),
    ]
    doomed = jobs_to_delete(jobs, UID, HistoryLimits(successful=1, failed=2))
    assert [found["metadata"]["name"] for found in doomed] == ["ok-1", "ok-2", "bad-4"]


def test_new_entries_are_numbered_in_their_order() -> None:
    """Ledger entries carry what was listed, and the number of their discovery."""
    chosen = NewEntry(entry_line("a"), LedgerState.PENDING)
    left = NewEntry(entry_line("b"), LedgerState.SKIPPED, "BeforeWindow", "not among the newest 1")
    made = new_entries((left, chosen), 7, NOON)
    assert [(key, entry.seq, entry.state, entry.reason, entry.added_at) for key, entry in made.items()] == [
        (left.line.key, 7, LedgerState.SKIPPED, "BeforeWindow", NOON),
        (chosen.line.key, 8, LedgerState.PENDING, None, NOON),
    ]


def test_a_claim_is_given_back_without_a_trace_but_its_number() -> None:
    """The launch's name may have been seen by somebody: the next one has another."""
    entry = claim(ledger_entry(LedgerState.PENDING, launches=2, failures=1), NOON)
    given = give_back(entry)
    assert (given.state, given.launches, given.failures) == (LedgerState.PENDING, 3, 1)
