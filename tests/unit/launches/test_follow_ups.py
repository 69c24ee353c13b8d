"""What is looked for after a video was downloaded: when, for how long, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from builders import NOON, ledger_entry
from trawler_downloader.contract.download import DownloadResult, FollowUpKind
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api.spec import Retry
from trawler_operator.domain.jobs.outcome import ObservedOutcome
from trawler_operator.domain.launches.claims import claim, forgotten_jobs, give_back
from trawler_operator.domain.launches.follow_ups import MAX_TRIES, PAUSE, describe_ending, describe_launch
from trawler_operator.domain.launches.transitions import settle
from trawler_operator.domain.ledger.entry import FollowUp, LaunchTimes, LedgerEntry

KEY = "youtube.abcdefghijk"
THUMBNAIL = FollowUpKind.THUMBNAIL
DAY = timedelta(days=1)


def on_disk(tries: int = 0, **fields: Any) -> LedgerEntry:
    """A video that stands, and whose thumbnail is due."""
    times = LaunchTimes(claimed=NOON - DAY, published=NOON - DAY, finished=NOON - DAY)
    return ledger_entry(
        LedgerState.SUCCEEDED,
        outcome=OutcomeClass.PUBLISHED,
        path="a.mp4",
        bytes=5,
        times=times,
        follow_up=FollowUp(THUMBNAIL, NOON, tries),
        **fields,
    )


def ended(outcome: OutcomeClass, reason: str = "Why", message: str = "", **report: Any) -> ObservedOutcome:
    result = DownloadResult(outcome=outcome, reason=reason, **report) if report else None
    return ObservedOutcome(outcome, reason, message, NOON, result)


ADDED = ended(OutcomeClass.PUBLISHED, "Published", path="a.mp4")
STILL_MISSING = ended(OutcomeClass.PUBLISHED, "StillMissing", path="a.mp4", follow_up=THUMBNAIL)
FILE_GONE = ended(OutcomeClass.TERMINAL, "FileGone", "it is not where it was put", volume_id="v")


def after(entry: LedgerEntry, observed: ObservedOutcome) -> LedgerEntry:
    return settle(KEY, entry, observed, retry=Retry(fatalErrors=["words"]), built_from="d", now=NOON)


@dataclass(frozen=True)
class Row:
    name: str
    # status
    tries: int
    # environment
    observed: ObservedOutcome
    # expectation: tries of the next one; None: there is none
    left: int | None


ROWS = (
    Row("added", 0, ADDED, None),
    Row("added at the last try", 2, ADDED, None),
    Row("still missing", 0, STILL_MISSING, 1),
    Row("still missing after three tries", 2, STILL_MISSING, None),
    Row("the video is gone", 0, ended(OutcomeClass.TERMINAL), None),
    Row("its file is gone", 0, FILE_GONE, None),
    Row("the site hiccups", 1, ended(OutcomeClass.TRANSIENT), 2),
    Row("private by now", 0, ended(OutcomeClass.NEEDS_ACCESS), 1),
    Row("a spec that cannot work", 2, ended(OutcomeClass.CONFIGURATION), None),
    Row("the site asks to stop", 2, ended(OutcomeClass.RATE_LIMITED), 2),
    Row("the NAS is away", 2, ended(OutcomeClass.ENVIRONMENT), 2),
    Row("its manifest cannot be read", 1, ended(OutcomeClass.ENVIRONMENT, "ManifestUnreadable"), 2),
    Row("its manifest can still not be read", 2, ended(OutcomeClass.ENVIRONMENT, "ManifestUnreadable"), None),
    Row("the pod was stopped", 2, ended(OutcomeClass.TERMINATED), 2),
    Row("a text of fatalErrors is about downloads", 0, ended(OutcomeClass.TRANSIENT, message="words"), 1),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_an_ending_is_about_the_follow_up_alone(row: Row) -> None:
    """The entry stays as the download left it; what is missing is looked for a day later, or not any more."""
    before = claim(on_disk(row.tries), NOON)
    settled = after(before, row.observed)
    assert replace(settled, follow_up=None) == replace(before, follow_up=None)
    if row.left is None:
        assert settled.follow_up is None
    else:
        assert settled.follow_up is not None
        assert (settled.follow_up.tries, settled.follow_up.claimed) == (row.left, None)
        assert NOON + DAY <= settled.follow_up.at <= NOON + 1.2 * DAY


def test_a_download_without_a_thumbnail_plans_to_look_for_it() -> None:
    """A day later, with all tries left."""
    observed = ended(OutcomeClass.PUBLISHED, "Published", path="a.mp4", follow_up=THUMBNAIL)
    settled = after(ledger_entry(LedgerState.RUNNING), observed)
    assert settled.state is LedgerState.SUCCEEDED
    assert settled.follow_up is not None
    assert (settled.follow_up.kind, settled.follow_up.tries) == (THUMBNAIL, 0)
    assert NOON + PAUSE <= settled.follow_up.at <= NOON + 1.2 * PAUSE


@pytest.mark.parametrize(
    "observed", [ADDED, ended(OutcomeClass.PUBLISHED, "Published")], ids=["nothing is missing", "no report"]
)
def test_a_download_that_brought_all_plans_nothing(observed: ObservedOutcome) -> None:
    """Its entry is final."""
    assert after(ledger_entry(LedgerState.RUNNING), observed).follow_up is None


def test_tries_come_to_an_end() -> None:
    """So many launches look, a day apart, and the last one says that nobody looks any more."""
    entry, launches = on_disk(), 0
    while entry.follow_up is not None:
        entry = after(claim(entry, entry.follow_up.at), STILL_MISSING)
        launches += 1
    assert launches == MAX_TRIES == 3


def test_a_claim_leaves_the_entry_succeeded() -> None:
    """Only the number of its launches grows; how the download went stays."""
    entry = on_disk(launches=1)
    claimed = claim(entry, NOON)
    assert (claimed.state, claimed.launches, claimed.times) == (LedgerState.SUCCEEDED, 2, entry.times)
    assert claimed.is_claimed
    assert claimed.claimed_at == NOON
    assert not entry.is_claimed


def test_a_claim_that_is_given_back_is_due_again() -> None:
    """Its number is not used again."""
    entry = on_disk(launches=1)
    assert give_back(claim(entry, NOON)) == replace(entry, launches=2)


def test_the_job_of_a_follow_up_is_remembered_until_it_ends() -> None:
    """A live Job of the claimed launch is no forgotten one; once it is settled, it is."""
    claimed = claim(on_disk(), NOON)
    job = {
        "metadata": {
            "name": "j",
            "annotations": {"trawler.dev/video": KEY, "trawler.dev/launch": str(claimed.launches)},
        }
    }
    assert forgotten_jobs([job], {KEY: claimed}) == []
    assert forgotten_jobs([job], {KEY: after(claimed, ADDED)}) == [job]


def test_words_for_a_launch() -> None:
    """They say that only a part of the video is meant."""
    assert describe_launch(KEY, ledger_entry(title="A title")) == f"A title ({KEY})"
    assert describe_launch(KEY, replace(on_disk(), title="A title")) == f"Thumbnail of A title ({KEY})"


@pytest.mark.parametrize(
    ("tries", "observed", "text"),
    [
        pytest.param(0, ADDED, "it is there", id="added"),
        pytest.param(2, STILL_MISSING, "StillMissing; it is not looked for any more", id="tries used up"),
        pytest.param(0, FILE_GONE, "FileGone: it is not where it was put; it is not looked for any more", id="gone"),
    ],
)
def test_words_for_an_ending(tries: int, observed: ObservedOutcome, text: str) -> None:
    """What became of it, and why."""
    assert describe_ending(after(claim(on_disk(tries), NOON), observed), observed) == text


def test_words_for_an_ending_that_is_not_the_last() -> None:
    """They say when it is looked for again."""
    settled = after(claim(on_disk(), NOON), STILL_MISSING)
    assert describe_ending(settled, STILL_MISSING).startswith("StillMissing; it is looked for again at 2026-11-22T1")
