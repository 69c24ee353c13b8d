"""What `spec.retry` changes about an ending: the pauses, and errors that are final at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from builders import NOON, ledger_entry
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api.spec import Retry
from trawler_operator.domain.jobs.outcome import ObservedOutcome
from trawler_operator.domain.launches.transitions import settle
from trawler_operator.domain.ledger.entry import LedgerEntry


def ended(outcome: OutcomeClass, text: str = "words") -> ObservedOutcome:
    return ObservedOutcome(outcome, "Why", text, NOON)


def settled(retry: Retry, observed: ObservedOutcome, failures: int = 0) -> LedgerEntry:
    entry = ledger_entry(failures=failures)
    return settle("youtube.abcdefghijk", entry, observed, retry=retry, built_from="d", now=NOON)


@pytest.mark.parametrize(
    ("first", "failures", "pause"),
    [
        pytest.param(10, 0, 10, id="the first"),
        pytest.param(10, 3, 80, id="doubled three times"),
        pytest.param(10, 50, 3600, id="an hour at most"),
        pytest.param(7200, 0, 7200, id="longer than an hour from the start"),
        pytest.param(7200, 5, 7200, id="and not doubled then"),
    ],
)
def test_backoff_seconds(first: int, failures: int, pause: int) -> None:
    """The first pause is the user's, and up to a fifth longer."""
    entry = settled(Retry(backoff_seconds=first, max_attempts=100), ended(OutcomeClass.TRANSIENT), failures)

    assert entry.retry_at is not None
    assert timedelta(seconds=pause) <= entry.retry_at - NOON <= timedelta(seconds=1.2 * pause)


@pytest.mark.parametrize("outcome", [OutcomeClass.TRANSIENT, OutcomeClass.NOT_YET, OutcomeClass.NEEDS_ACCESS])
def test_fatal_error(outcome: OutcomeClass) -> None:
    """A named part of the message, in whatever case, ends the tries; the ledger says which, and what was said."""
    retry = Retry(fatal_errors=("no such thing", "DRM protected"))
    entry = settled(retry, ended(outcome, "This video is drm PROTECTED here"))

    assert (entry.state, entry.reason, entry.outcome) == (LedgerState.DEAD_LETTER, "FatalError", outcome)
    assert entry.message == "spec.retry.fatalErrors names 'DRM protected': Why: This video is drm PROTECTED here"
    assert entry.retry_at is None


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (OutcomeClass.PUBLISHED, LedgerState.SUCCEEDED),
        (OutcomeClass.TERMINAL, LedgerState.DEAD_LETTER),
        (OutcomeClass.CONFIGURATION, LedgerState.DEAD_LETTER),
        (OutcomeClass.RATE_LIMITED, LedgerState.PENDING),
        (OutcomeClass.ENVIRONMENT, LedgerState.PENDING),
        (OutcomeClass.TERMINATED, LedgerState.PENDING),
    ],
)
def test_endings_that_no_text_makes_fatal(outcome: OutcomeClass, state: LedgerState) -> None:
    """What is final anyway keeps its own reason; a full disk is never held against a video."""
    entry = settled(Retry(fatal_errors=("words",)), ended(outcome))

    assert (entry.state, entry.reason) == (state, "Why")


def test_other_errors_are_tried_again() -> None:
    """Only what was named is fatal."""
    assert settled(Retry(fatal_errors=("DRM",)), ended(OutcomeClass.TRANSIENT)).state is LedgerState.FAILED
