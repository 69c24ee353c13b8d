"""What each condition says, and when."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from builders import CHECK_FAILED, LIBRARY, LISTING_DIGEST, NO_LISTER, NOON, WELL, built_status, subscription_body
from trawler_downloader.contract.listing import ListingEnd
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api.conditions import Condition
from trawler_operator.api.reasons import ConditionReason
from trawler_operator.api.status import LibraryStatus, SubscriptionStatus
from trawler_operator.api.subscription import InvalidSpecError, parse_identity
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.status.build import LedgerFacts, build_invalid_status
from trawler_operator.domain.status.condition_rules import CheckReport

MIN, HOUR = timedelta(minutes=1), timedelta(hours=1)
ELSEWHERE = LibraryStatus(claim_name="library", path="tim", layout="Flat", folder="Numbers")
NO_CLAIM = Blocker(ConditionReason.CLAIM_NOT_FOUND, "PersistentVolumeClaim library does not exist")
CHECKED = {"lastCheckTime": "2026-11-21T11:00:00Z", "lastSuccessfulCheckTime": "2026-11-21T11:00:00Z"}
PENDING = LedgerFacts(counts={LedgerState.PENDING: 1})


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
    ledger: LedgerFacts = PENDING
    listing: str = LISTING_DIGEST
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
    Row(
        "suspended, and a step fails",
        {"suspend": True},
        blocker=replace(NO_CLAIM, is_failure=True),
        ready="False",
        reason="ClaimNotFound",
    ),
    Row("no claim", check=WELL, blocker=NO_CLAIM, ready="False", reason="ClaimNotFound", says="does not exist"),
    Row("checked before its url changed", status=CHECKED, listing="another", ready="Unknown", reason="NotCheckedYet"),
    Row(
        "the source cannot be reached",
        check=CHECK_FAILED,
        ready="False",
        reason="CheckFailed",
        says="the last check failed: no such host",
    ),
    Row(
        "all that it lists is for members",
        check=WELL,
        ledger=LedgerFacts({LedgerState.WAITING: 3, LedgerState.SKIPPED: 9}, {"MembersOnly": 2, "Private": 1}),
        ready="False",
        reason="AccessNeeded",
        says="(2 MembersOnly, 1 Private): name the cookies",
    ),
    Row(
        "the same, and it has cookies",
        {"access": {"cookiesSecretRef": {"name": "c"}}},
        check=WELL,
        ledger=LedgerFacts({LedgerState.WAITING: 3}, {"MembersOnly": 3}),
        ready="False",
        reason="AccessNeeded",
        says="see spec.access.cookies",
    ),
    Row(
        "members' videos among others",
        check=WELL,
        ledger=LedgerFacts({LedgerState.WAITING: 3, LedgerState.SUCCEEDED: 1}, {"MembersOnly": 3}),
    ),
    Row(
        "all that it lists is announced for later",
        check=WELL,
        ledger=LedgerFacts({LedgerState.WAITING: 1}, {"Premiere": 1}),
    ),
    Row(
        "a channel without the wanted tab",
        {"select": {"kinds": ["Video"]}},
        check=WELL,
        ledger=LedgerFacts(),
        ready="False",
        reason="NothingListed",
        says="none of the kinds asked for (Video)",
    ),
    Row(
        "the same, and the last check failed",
        check=CHECK_FAILED,
        ledger=LedgerFacts(),
        ready="False",
        reason="CheckFailed",
    ),
    Row("all that it lists is unwanted", check=WELL, ledger=LedgerFacts({LedgerState.SKIPPED: 9})),
    Row("the lister is down", check=NO_LISTER, ready="False", reason="ListerUnavailable", says="connection refused"),
)


@pytest.mark.parametrize("row", READY_ROWS, ids=lambda row: row.name)
def test_ready(row: Row) -> None:
    """The spec is valid, the claim usable, the last check went well, nothing holds downloads back."""
    status = built_status(row.spec, row.status, row.ledger, check=row.check, blocker=row.blocker, listing=row.listing)
    ready = _condition(status, "Ready")

    assert (ready.status, ready.reason) == (row.ready, row.reason)
    assert row.says in ready.message


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        pytest.param({LedgerState.RUNNING: 1}, "AccessNeeded", id="a second look runs"),
        pytest.param({LedgerState.RUNNING: 1, LedgerState.PENDING: 1}, "Watching", id="something new is wanted"),
        pytest.param({LedgerState.SUCCEEDED: 1}, "Watching", id="one came"),
    ],
)
def test_ready_says_that_access_is_needed_until_something_changes(counts: dict[LedgerState, int], reason: str) -> None:
    """Alerts would come and go with each second look."""
    needed = built_status(check=WELL, ledger=LedgerFacts({LedgerState.WAITING: 1}, {"AgeRestricted": 1}))
    later = built_status({}, needed.to_dict(), LedgerFacts(counts))

    assert _condition(later, "Ready").reason == reason


@pytest.mark.parametrize("failure", [CHECK_FAILED, NO_LISTER], ids=["source", "lister"])
def test_ready_repeats_the_last_failure_until_the_next_check(failure: CheckReport) -> None:
    """A pass without a check changes nothing."""
    after_check = built_status(check=failure)
    later = built_status({}, after_check.to_dict(), now=NOON + MIN)

    assert _condition(later, "Ready") == _condition(after_check, "Ready")
    assert later.failed_checks == 1


def test_ready_finds_the_failure_again_after_something_else_had_to_be_said() -> None:
    """The claim was missing in between; the check's own words are in SourceReachable."""
    failed = built_status(check=CHECK_FAILED)
    blocked = built_status({}, failed.to_dict(), blocker=NO_CLAIM)
    ready = _condition(built_status({}, blocked.to_dict()), "Ready")

    assert (ready.status, ready.reason, ready.message) == (
        "False",
        "CheckFailed",
        "the last check failed: no such host",
    )


def test_ready_does_not_go_on_blaming_a_ledger_that_is_written_again() -> None:
    """A claim could not be written in between, long after a check had failed for another reason."""
    failed = built_status(check=CHECK_FAILED)
    blocked = built_status({}, failed.to_dict(), blocker=Blocker(ConditionReason.LEDGER_NOT_WRITABLE, "a quota"))
    ready = _condition(built_status({}, blocked.to_dict()), "Ready")

    assert (ready.reason, ready.message) == ("CheckFailed", "the last check failed: no such host")


@pytest.mark.parametrize(
    "reason", [ConditionReason.LEDGER_NOT_WRITABLE, ConditionReason.LEDGER_BUSY, ConditionReason.CHECK_NOT_RECORDED]
)
def test_ready_blames_the_ledger_until_a_check_could_be_recorded(reason: ConditionReason) -> None:
    """What that check found is written by no later pass."""
    unrecorded = built_status(check=NO_LISTER, blocker=Blocker(reason, "a quota"))
    ready = _condition(built_status({}, unrecorded.to_dict()), "Ready")

    assert (ready.reason, ready.message) == (reason, "a quota")


def test_ready_names_at_least_the_class_of_a_forgotten_failure() -> None:
    """The lister was down and a claim was missing in between: nobody has the words any more."""
    status = {**CHECKED, "lastCheckOutcome": "Environment", "failedChecks": 1}

    assert _condition(built_status({}, status), "Ready").message == "the last check failed: Environment"


@pytest.mark.parametrize(
    ("name", "check", "expected", "reason"),
    [
        ("no check yet", None, "Unknown", "NotCheckedYet"),
        ("stopped at known videos", WELL, "True", "Listed"),
        ("walked to the end", replace(WELL, end=ListingEnd.COMPLETE), "True", "Listed"),
        ("more than can be walked", replace(WELL, end=ListingEnd.LIMIT), "True", "ListingTooLong"),
        ("failed", CHECK_FAILED, "False", "Unreachable"),
        ("failed without a word", replace(CHECK_FAILED, reason=None), "False", "CheckFailed"),
        ("failed with a word that is none", replace(CHECK_FAILED, reason="no host!"), "False", "CheckFailed"),
        ("the lister is down at the first check", NO_LISTER, "Unknown", "NotCheckedYet"),
    ],
)
def test_source_reachable(name: str, check: CheckReport | None, expected: str, reason: str) -> None:
    """The last listing was complete."""
    condition = _condition(built_status(check=check), "SourceReachable")

    assert (condition.status, condition.reason) == (expected, reason)


def test_a_lister_that_is_down_says_nothing_about_the_source() -> None:
    """The condition stays as it was, judged for the new generation."""
    before = built_status(check=WELL)
    after = _condition(built_status({}, before.to_dict(), check=NO_LISTER, generation=2), "SourceReachable")

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
    condition = _condition(built_status(ledger=LedgerFacts(counts=counts), check=check), "UpToDate")

    assert condition.status == expected
    assert says in condition.message


DOWNLOADED = LedgerFacts(counts={LedgerState.SUCCEEDED: 1})


@pytest.mark.parametrize(
    ("name", "before", "now", "ledger", "expected"),
    [
        ("first visit", None, LIBRARY, LedgerFacts(), "True"),
        ("no claim named", None, None, LedgerFacts(), "True"),
        ("as it was", LIBRARY, LIBRARY, DOWNLOADED, "True"),
        ("changed after a download", LIBRARY, ELSEWHERE, DOWNLOADED, "False"),
        ("changed while one runs", LIBRARY, ELSEWHERE, LedgerFacts(counts={LedgerState.RUNNING: 1}), "False"),
        ("changed before any download", LIBRARY, ELSEWHERE, PENDING, "True"),
        ("claim taken away after a download", LIBRARY, None, DOWNLOADED, "True"),
    ],
)
def test_library_in_place(
    name: str, before: LibraryStatus | None, now: LibraryStatus | None, ledger: LedgerFacts, expected: str
) -> None:
    """True unless earlier downloads stand elsewhere than new ones will."""
    previous = SubscriptionStatus(library=before).to_dict()

    assert _condition(built_status({}, previous, ledger, library=now), "LibraryInPlace").status == expected


def test_a_changed_library_names_both_places_until_it_is_changed_back() -> None:
    """It is not forgotten after the first pass."""
    first = built_status(ledger=DOWNLOADED)
    changed = built_status({}, first.to_dict(), DOWNLOADED, library=ELSEWHERE)
    still = built_status({}, changed.to_dict(), DOWNLOADED, library=ELSEWHERE)
    back = built_status({}, still.to_dict(), DOWNLOADED)

    assert _condition(still, "LibraryInPlace").message == (
        "spec.library changed: new downloads go to claim library, path /tim, layout Flat, folder Numbers, "
        "videos downloaded earlier stay in claim library, path /, layout Show"
    )
    assert _condition(back, "LibraryInPlace").status == "True"


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
    status = built_status(ledger=LedgerFacts({LedgerState.SUCCEEDED: 1}, broken=broken), check=WELL)

    assert _condition(status, "LedgerIntact").status == expected
    assert says in _condition(status, "LedgerIntact").message
    assert _condition(status, "Ready").status == "True"


def test_all_conditions_stand_from_the_first_visit_on() -> None:
    """As Unknown where nothing is known yet."""
    assert {c.type: c.status.value for c in built_status().conditions} == {
        "Ready": "Unknown",
        "SourceReachable": "Unknown",
        "OnSchedule": "Unknown",
        "UpToDate": "Unknown",
        "LibraryInPlace": "True",
        "LedgerIntact": "True",
    }


def test_an_invalid_spec_is_said_and_nothing_forgotten() -> None:
    """Ready names the field; counts, history and the other conditions stay."""
    before = built_status(ledger=DOWNLOADED, check=WELL)
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

    assert [c.status.value for c in status.conditions] == ["False", *["Unknown"] * 5]


@pytest.mark.parametrize("kind", ["Ready", "SourceReachable", "UpToDate"])
def test_what_was_said_of_another_source_counts_no_more(kind: str) -> None:
    """Nobody has looked at the new one: with its generation nothing is claimed of it."""
    before = built_status(check=WELL, ledger=LedgerFacts())

    after = built_status({}, before.to_dict(), LedgerFacts(), generation=2, listing="another")

    assert _condition(after, kind).status == "Unknown"


def test_what_cannot_be_had_yet_is_counted_by_its_reason() -> None:
    """UpToDate is True all the same: nothing waits to be downloaded."""
    facts = LedgerFacts({LedgerState.WAITING: 3, LedgerState.SUCCEEDED: 1}, {"MembersOnly": 2, "Premiere": 1})
    condition = _condition(built_status(ledger=facts, check=WELL), "UpToDate")

    assert (condition.status, condition.reason) == ("True", "WaitingForVideos")
    assert "(2 MembersOnly, 1 Premiere)" in condition.message
