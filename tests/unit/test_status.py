"""What the status says: each condition's definition, what is remembered, and what is sent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from builders import NOON, ledger_entry, subscription, subscription_body
from trawler_downloader.contract.listing import ListingEnd
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api.conditions import Condition
from trawler_operator.api.reasons import Reason
from trawler_operator.api.subscription import (
    Backoff,
    InvalidSpecError,
    LibraryStatus,
    SubscriptionStatus,
    parse_identity,
    parse_status,
)
from trawler_operator.domain.ledger_entry import LaunchTimes
from trawler_operator.domain.status import (
    Blocker,
    CheckReport,
    LedgerFacts,
    build_invalid_status,
    build_status,
)
from trawler_operator.domain.status_patch import status_patch

MIN, HOUR = timedelta(minutes=1), timedelta(hours=1)
LIBRARY = LibraryStatus(claim_name="library", layout="Show")
ELSEWHERE = LibraryStatus(claim_name="library", path="tim", layout="Flat", folder="Numbers")
WELL = CheckReport(at=NOON, end=ListingEnd.STOPPED, source_id="UCnumber", source_title="Numberline")
FAILED = CheckReport(
    at=NOON, end=ListingEnd.ERROR, outcome=OutcomeClass.TRANSIENT, reason="Unreachable", detail="no such host"
)
NO_LISTER = CheckReport(at=NOON, end=None, detail="connection refused")
NO_CLAIM = Blocker(Reason.CLAIM_NOT_FOUND, "PersistentVolumeClaim library does not exist")
CHECKED = {"lastCheckTime": "2026-11-21T11:00:00Z", "lastSuccessfulCheckTime": "2026-11-21T11:00:00Z"}
PENDING = LedgerFacts(counts={LedgerState.PENDING: 1})


def _backoff(outcome: OutcomeClass, until: datetime = NOON + HOUR) -> Backoff:
    return Backoff(outcome=outcome, reason="Why", message="words", step=1, until_time=until)


def _build(
    spec: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    ledger: LedgerFacts | None = None,
    *,
    library: LibraryStatus | None = LIBRARY,
    check: CheckReport | None = None,
    blocker: Blocker | None = None,
    backoff: Backoff | None = None,
    next_check: datetime | None = NOON + HOUR,
    generation: int = 1,
    now: datetime = NOON,
) -> SubscriptionStatus:
    return build_status(
        subscription(spec, status, generation=generation),
        ledger or LedgerFacts(),
        library=library,
        check=check,
        blocker=blocker,
        backoff=backoff,
        next_check=next_check,
        now=now,
    )


def _condition(status: SubscriptionStatus, kind: str) -> Condition:
    (condition,) = [condition for condition in status.conditions if condition.type == kind]
    return condition


@dataclass(frozen=True)
class Row:
    name: str
    # spec
    spec: dict[str, Any] = field(default_factory=dict)
    # status
    status: dict[str, Any] = field(default_factory=dict)
    # environment
    check: CheckReport | None = None
    blocker: Blocker | None = None
    backoff: Backoff | None = None
    ledger: LedgerFacts = PENDING
    # expectation
    ready: str = "True"
    reason: str = "Watching"
    says: str = ""


READY_ROWS = (
    Row("first visit, not checked yet", ready="Unknown", reason="NotCheckedYet"),
    Row("checked well", check=WELL),
    Row("checked well an hour ago", status=CHECKED),
    Row("suspended", {"suspend": True}, reason="Suspended", says="spec.suspend"),
    Row("suspended before its first check", {"suspend": True}, blocker=NO_CLAIM, reason="Suspended"),
    Row("no claim", check=WELL, blocker=NO_CLAIM, ready="False", reason="ClaimNotFound", says="does not exist"),
    Row(
        "the volume may not be written to",
        status=CHECKED,
        backoff=_backoff(OutcomeClass.ENVIRONMENT),
        ready="False",
        reason="VolumeUnavailable",
        says="pause until 2026-11-21T13:00:00Z: Why: words",
    ),
    Row(
        "a pause that is over holds until a download proves it",
        status=CHECKED,
        backoff=_backoff(OutcomeClass.ENVIRONMENT, NOON),
        ready="False",
        reason="VolumeUnavailable",
    ),
    Row(
        "a pause that is over, and nothing left that could prove it",
        status=CHECKED,
        backoff=_backoff(OutcomeClass.ENVIRONMENT, NOON),
        ledger=LedgerFacts(counts={LedgerState.SUCCEEDED: 3, LedgerState.WAITING: 1}),
    ),
    Row(
        "the source cannot be reached",
        check=FAILED,
        ready="False",
        reason="CheckFailed",
        says="the last check failed: no such host",
    ),
    Row("the lister is down", check=NO_LISTER, ready="False", reason="ListerUnavailable", says="connection refused"),
)


@pytest.mark.parametrize("row", READY_ROWS, ids=lambda row: row.name)
def test_ready(row: Row) -> None:
    """The spec is valid, the claim usable, the last check went well, nothing holds downloads back."""
    status = _build(row.spec, row.status, row.ledger, check=row.check, blocker=row.blocker, backoff=row.backoff)
    ready = _condition(status, "Ready")

    assert (ready.status, ready.reason) == (row.ready, row.reason)
    assert row.says in ready.message


@pytest.mark.parametrize("failure", [FAILED, NO_LISTER], ids=["source", "lister"])
def test_ready_repeats_the_last_failure_until_the_next_check(failure: CheckReport) -> None:
    """A pass without a check changes nothing."""
    after_check = _build(check=failure)
    later = _build({}, after_check.to_dict(), now=NOON + MIN)

    assert _condition(later, "Ready") == _condition(after_check, "Ready")
    assert later.failed_checks == 1


def test_ready_finds_the_failure_again_after_something_else_had_to_be_said() -> None:
    """The claim was missing in between; the check's own words are in SourceReachable."""
    failed = _build(check=FAILED)
    blocked = _build({}, failed.to_dict(), blocker=NO_CLAIM)
    ready = _condition(_build({}, blocked.to_dict()), "Ready")

    assert (ready.status, ready.reason, ready.message) == (
        "False",
        "CheckFailed",
        "the last check failed: no such host",
    )


def test_ready_does_not_go_on_blaming_a_ledger_that_is_written_again() -> None:
    """A claim could not be written in between, long after a check had failed for another reason."""
    failed = _build(check=FAILED)
    blocked = _build({}, failed.to_dict(), blocker=Blocker(Reason.LEDGER_NOT_WRITABLE, "a quota"))
    ready = _condition(_build({}, blocked.to_dict()), "Ready")

    assert (ready.reason, ready.message) == ("CheckFailed", "the last check failed: no such host")


def test_ready_blames_the_ledger_until_a_check_could_be_recorded() -> None:
    """What that check found is written by no later pass."""
    unrecorded = _build(check=NO_LISTER, blocker=Blocker(Reason.LEDGER_NOT_WRITABLE, "a quota"))
    ready = _condition(_build({}, unrecorded.to_dict()), "Ready")

    assert (ready.reason, ready.message) == ("LedgerNotWritable", "a quota")


def test_ready_names_at_least_the_class_of_a_forgotten_failure() -> None:
    """The lister was down and a claim was missing in between: nobody has the words any more."""
    status = {**CHECKED, "lastCheckOutcome": "Environment", "failedChecks": 1}

    assert _condition(_build({}, status), "Ready").message == "the last check failed: Environment"


@pytest.mark.parametrize(
    ("name", "check", "expected", "reason"),
    [
        ("no check yet", None, "Unknown", "NotCheckedYet"),
        ("stopped at known videos", WELL, "True", "Listed"),
        ("walked to the end", replace(WELL, end=ListingEnd.COMPLETE), "True", "Listed"),
        ("more than can be walked", replace(WELL, end=ListingEnd.LIMIT), "True", "ListingTooLong"),
        ("failed", FAILED, "False", "Unreachable"),
        ("failed without a word", replace(FAILED, reason=None), "False", "CheckFailed"),
        ("failed with a word that is none", replace(FAILED, reason="no host!"), "False", "CheckFailed"),
        ("the lister is down at the first check", NO_LISTER, "Unknown", "NotCheckedYet"),
    ],
)
def test_source_reachable(name: str, check: CheckReport | None, expected: str, reason: str) -> None:
    """The last listing was complete."""
    condition = _condition(_build(check=check), "SourceReachable")

    assert (condition.status, condition.reason) == (expected, reason)


def test_a_lister_that_is_down_says_nothing_about_the_source() -> None:
    """The condition stays as it was, judged for the new generation."""
    before = _build(check=WELL)
    after = _condition(_build({}, before.to_dict(), check=NO_LISTER, generation=2), "SourceReachable")

    assert after == _condition(before, "SourceReachable").model_copy(update={"observed_generation": 2})


@pytest.mark.parametrize(
    ("name", "counts", "check", "expected", "says"),
    [
        ("never listed", {}, None, "Unknown", "not checked yet"),
        ("never listed, from an adopted ledger", {LedgerState.PENDING: 1}, None, "False", "1 queued"),
        ("all on disk", {LedgerState.SUCCEEDED: 5, LedgerState.SKIPPED: 9}, WELL, "True", "nothing selected waits"),
        ("what cannot be had does not count", {LedgerState.WAITING: 1, LedgerState.DEAD_LETTER: 1}, WELL, "True", ""),
        ("one queued", {LedgerState.PENDING: 1}, WELL, "False", "1 queued, 0 running, 0 to be tried again"),
        ("one running", {LedgerState.RUNNING: 1}, WELL, "False", "0 queued, 1 running"),
        ("one to be tried again", {LedgerState.FAILED: 1, LedgerState.DEAD_LETTER: 3}, WELL, "False", "1 to be tried"),
    ],
)
def test_up_to_date(
    name: str, counts: dict[LedgerState, int], check: CheckReport | None, expected: str, says: str
) -> None:
    """Nothing selected waits to be downloaded."""
    condition = _condition(_build(ledger=LedgerFacts(counts=counts), check=check), "UpToDate")

    assert condition.status == expected
    assert says in condition.message


DOWNLOADED = LedgerFacts(counts={LedgerState.SUCCEEDED: 1})


@pytest.mark.parametrize(
    ("name", "before", "now", "ledger", "expected"),
    [
        ("first visit", None, LIBRARY, LedgerFacts(), "False"),
        ("no claim named", None, None, LedgerFacts(), "False"),
        ("as it was", LIBRARY, LIBRARY, DOWNLOADED, "False"),
        ("changed after a download", LIBRARY, ELSEWHERE, DOWNLOADED, "True"),
        ("changed while one runs", LIBRARY, ELSEWHERE, LedgerFacts(counts={LedgerState.RUNNING: 1}), "True"),
        ("changed before any download", LIBRARY, ELSEWHERE, PENDING, "False"),
        ("claim taken away after a download", LIBRARY, None, DOWNLOADED, "False"),
    ],
)
def test_library_changed(
    name: str, before: LibraryStatus | None, now: LibraryStatus | None, ledger: LedgerFacts, expected: str
) -> None:
    """True while earlier downloads stand elsewhere than new ones will."""
    previous = SubscriptionStatus(library=before).to_dict()

    assert _condition(_build({}, previous, ledger, library=now), "LibraryChanged").status == expected


def test_a_changed_library_names_both_places_until_it_is_changed_back() -> None:
    """It is not forgotten after the first pass."""
    first = _build(ledger=DOWNLOADED)
    changed = _build({}, first.to_dict(), DOWNLOADED, library=ELSEWHERE)
    still = _build({}, changed.to_dict(), DOWNLOADED, library=ELSEWHERE)
    back = _build({}, still.to_dict(), DOWNLOADED)

    assert _condition(still, "LibraryChanged").message == (
        "spec.library changed: new downloads go to claim library, path /tim, layout Flat, folder Numbers, "
        "videos downloaded earlier stay in claim library, path /, layout Show"
    )
    assert _condition(back, "LibraryChanged").status == "False"


@pytest.mark.parametrize(
    ("broken", "expected", "says"),
    [
        ((), "True", "can be read"),
        (("trawler-ledger-numberline-0/youtube.a",), "False", "1 entries of the ledger"),
        (tuple("abcdefg"), "False", "a, b, c, d, e, …"),
    ],
)
def test_ledger_intact(broken: tuple[str, ...], expected: str, says: str) -> None:
    """A value that someone broke by hand is named, and its Subscription goes on."""
    status = _build(ledger=LedgerFacts(broken=broken), check=WELL)

    assert _condition(status, "LedgerIntact").status == expected
    assert says in _condition(status, "LedgerIntact").message
    assert _condition(status, "Ready").status == "True"


def test_all_conditions_stand_from_the_first_visit_on() -> None:
    """As Unknown where nothing is known yet."""
    assert {c.type: c.status.value for c in _build().conditions} == {
        "Ready": "Unknown",
        "SourceReachable": "Unknown",
        "UpToDate": "Unknown",
        "LibraryChanged": "False",
        "LedgerIntact": "True",
    }


def test_counts_show_every_state() -> None:
    """Failed includes what was given up: that is the number to look at."""
    counts = {state: number for number, state in enumerate(LedgerState, 1)}

    assert _build(ledger=LedgerFacts(counts=counts, total_bytes=99)).to_dict()["counts"] == {
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
    status = _build({}, {"failedChecks": 3, "lastCheckOutcome": "Transient"}, check=WELL, generation=5)

    assert status.last_check_time == status.last_successful_check_time == NOON
    assert (status.failed_checks, status.last_check_outcome, status.last_audit_time) == (0, None, None)
    assert status.last_check_generation == status.observed_generation == 5
    assert status.source is not None
    assert (status.source.id, status.source.title) == ("UCnumber", "Numberline")


@pytest.mark.parametrize("end", [ListingEnd.COMPLETE, ListingEnd.LIMIT])
def test_a_walk_to_the_end_counts_as_an_audit(end: ListingEnd) -> None:
    """Whatever it was made for; a source too long to be walked whole is not walked at every check."""
    assert _build(check=replace(WELL, end=end, source_title=None)).last_audit_time == NOON


def test_a_listing_without_sources_leaves_the_source_alone() -> None:
    """Nothing was seen that could name it."""
    known = _build(check=WELL)

    assert _build({}, known.to_dict(), check=replace(WELL, source_id=None)).source == known.source


@pytest.mark.parametrize(
    ("check", "outcome"),
    [
        (FAILED, OutcomeClass.TRANSIENT),
        (replace(FAILED, outcome=OutcomeClass.RATE_LIMITED), OutcomeClass.RATE_LIMITED),
        (replace(FAILED, outcome=None), OutcomeClass.TRANSIENT),
        (NO_LISTER, OutcomeClass.ENVIRONMENT),
    ],
)
def test_a_failed_check_is_counted(check: CheckReport, outcome: OutcomeClass) -> None:
    """The schedule grows slower from it; the last success stays."""
    status = _build({}, {**CHECKED, "failedChecks": 1}, check=check)

    assert (status.failed_checks, status.last_check_outcome) == (2, outcome)
    assert (status.last_check_time, status.last_successful_check_time) == (NOON, NOON - HOUR)


def test_a_request_is_recorded_whatever_came_of_it() -> None:
    """Else a failing check would be asked for again and again."""
    status = _build(check=replace(FAILED, requested="now-1"))
    later = _build({}, status.to_dict(), check=WELL)

    assert status.to_dict()["lastHandled"] == {"check": {"id": "now-1", "time": "2026-11-21T12:00:00Z"}}
    assert later.last_handled == status.last_handled


def test_recent_videos_and_failures_are_shown_newest_first() -> None:
    """Twenty of each at most, their texts cut to what the schema takes."""
    done = ledger_entry(
        LedgerState.SUCCEEDED, path="p" * 2000, bytes=5, times=LaunchTimes(finished=NOON), title="t" * 999
    )
    dead = ledger_entry(LedgerState.DEAD_LETTER, reason="R" * 99, message="m" * 999, failures=3)
    bare = ledger_entry(LedgerState.FAILED, title=None, retry_at=NOON + MIN)
    facts = LedgerFacts(
        recent_successes=[("youtube.a", done), ("youtube.b", ledger_entry(LedgerState.SUCCEEDED))] * 20,
        recent_failures=[("youtube.c", dead), ("youtube.d", bare)] * 20,
    )
    status = _build(ledger=facts)

    assert (len(status.recent_videos), len(status.recent_failures)) == (20, 20)
    assert status.to_dict()["recentVideos"][0] == {
        "key": "youtube.a",
        "title": "t" * 512,
        "path": "p" * 1024,
        "bytes": 5,
        "finishedTime": "2026-11-21T12:00:00Z",
    }
    assert status.to_dict()["recentFailures"][:2] == [
        {
            "key": "youtube.c",
            "title": "What is a number?",
            "state": "DeadLetter",
            "reason": "R" * 64,
            "message": "m" * 512,
            "failures": 3,
        },
        {"key": "youtube.d", "state": "Failed", "failures": 0, "retryTime": "2026-11-21T12:01:00Z"},
    ]
    assert parse_status(status.to_dict()) == status


def test_the_ledger_can_be_found_from_the_status() -> None:
    """By the selector that kubectl takes."""
    assert _build(ledger=LedgerFacts(shards=2)).to_dict()["ledger"] == {
        "selector": "app.kubernetes.io/component=ledger,trawler.dev/subscription=numberline",
        "shards": 2,
    }


def test_an_invalid_spec_is_said_and_nothing_forgotten() -> None:
    """Ready names the field; counts, history and the other conditions stay."""
    before = _build(ledger=DOWNLOADED, check=WELL)
    identity = parse_identity(subscription_body({}, before.to_dict(), generation=2))
    status = build_invalid_status(identity, InvalidSpecError("spec.url", "is required"), NOON + MIN)
    ready = _condition(status, "Ready")

    assert (ready.status, ready.reason, ready.message) == ("False", "InvalidSpec", "spec.url: is required")
    assert ready.last_transition_time == NOON + MIN
    assert (status.observed_generation, status.next_check_time) == (2, None)
    assert status.conditions[1:] == before.conditions[1:]
    assert status.counts == before.counts


def test_an_invalid_spec_at_the_first_visit_has_all_conditions() -> None:
    """The others as Unknown."""
    status = build_invalid_status(
        parse_identity(subscription_body({})), InvalidSpecError("spec.url", "is required"), NOON
    )

    assert [c.status.value for c in status.conditions] == ["False", "Unknown", "Unknown", "Unknown", "Unknown"]


def test_an_unchanged_status_is_not_sent() -> None:
    """Also when much time has passed since."""
    stored = _build(check=WELL).to_dict()

    assert status_patch(stored, _build({}, stored, now=NOON + HOUR)) is None


def test_only_what_differs_is_sent() -> None:
    """A merge patch: nested objects in part, lists whole, null for what is gone."""
    stored = {
        "failedChecks": 1,
        "lastCheckOutcome": "Transient",
        "counts": {"downloaded": 1, "queued": 2},
        "forgotten": {"by": "an older version"},
    }
    new = SubscriptionStatus.model_validate({"counts": {"downloaded": 3, "queued": 2}})

    assert status_patch(stored, new) == {
        "failedChecks": 0,
        "goneChecks": 0,
        "lastCheckOutcome": None,
        "forgotten": None,
        "counts": {"running": 0, "failed": 0, "deadLetter": 0, "waiting": 0, "skipped": 0, "downloaded": 3},
        "conditions": [],
        "bytes": 0,
        "recentVideos": [],
        "recentFailures": [],
        "lastHandled": {},
    }


def test_a_first_status_is_sent_whole() -> None:
    """There is none to compare with."""
    status = _build()

    assert status_patch(None, status) == status.to_dict()
