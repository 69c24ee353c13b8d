"""Requests by annotation: how they are read, whom they mean, and what they do to an entry."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from builders import NOON, ledger_entry
from trawler_downloader.contract.download import FollowUpKind
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api import labels
from trawler_operator.api.status import MAX_KEY, HandledRequest, LastHandled
from trawler_operator.domain.ledger.entry import FollowUp, Found
from trawler_operator.domain.pauses import FOREVER
from trawler_operator.domain.requests.grammar import (
    STATES,
    InvalidRequestError,
    Request,
    Verb,
    asked_check,
    asked_probe,
    carry_out,
    decode_mark,
    encode_mark,
    is_handled,
    last_handled,
    parse_pause,
    parse_request,
    refused,
)

DEAD, FAILED, WAITING, SKIPPED, PENDING, RUNNING, SUCCEEDED = (
    LedgerState.DEAD_LETTER,
    LedgerState.FAILED,
    LedgerState.WAITING,
    LedgerState.SKIPPED,
    LedgerState.PENDING,
    LedgerState.RUNNING,
    LedgerState.SUCCEEDED,
)
DONE = HandledRequest(id="7", time=NOON, accepted=3, unknown=1)


SIX_HUNDRED = frozenset(f"youtube.abcdefgh{number:03}" for number in range(600))
LARGEST = f"7;keys={','.join(SIX_HUNDRED)}".ljust(16_384)
"""A value as large as is read."""


def request(
    verb: Verb,
    *,
    keys: frozenset[str] | None = None,
    states: frozenset[LedgerState] | None = None,
    outcome: OutcomeClass | None = None,
) -> Request:
    return Request(verb, "7", keys, STATES[verb] if states is None else states, outcome)


@pytest.mark.parametrize(
    ("verb", "value", "expected"),
    [
        pytest.param(
            Verb.RETRY, "7", request(Verb.RETRY, states=frozenset({DEAD})), id="retry: dead letters are meant"
        ),
        pytest.param(
            Verb.RETRY,
            "7;keys=youtube.a,youtube.b",
            request(Verb.RETRY, keys=frozenset({"youtube.a", "youtube.b"})),
            id="retry of named videos, skipped ones too",
        ),
        pytest.param(
            Verb.RETRY,
            "7;class=NeedsAccess",
            request(Verb.RETRY, states=frozenset({DEAD, FAILED, WAITING}), outcome=OutcomeClass.NEEDS_ACCESS),
            id="retry of a class: nothing that was skipped",
        ),
        pytest.param(
            Verb.RETRY, "7;state=Skipped", request(Verb.RETRY, states=frozenset({SKIPPED})), id="retry of all skipped"
        ),
        pytest.param(
            Verb.RETRY,
            " 7 ; state = DeadLetter ; class = Transient ; keys = a , b, ",
            request(Verb.RETRY, keys=frozenset({"a", "b"}), states=frozenset({DEAD}), outcome=OutcomeClass.TRANSIENT),
            id="all of it, with room between",
        ),
        pytest.param(Verb.SKIP, "7;class=Terminal", request(Verb.SKIP, outcome=OutcomeClass.TERMINAL), id="skip"),
        pytest.param(
            Verb.CANCEL, "7;state=Running", request(Verb.CANCEL, states=frozenset({RUNNING})), id="cancel all that runs"
        ),
        pytest.param(Verb.CANCEL, "7;keys=a", request(Verb.CANCEL, keys=frozenset({"a"})), id="cancel one"),
    ],
)
def test_parse(verb: Verb, value: str, expected: Request) -> None:
    """A new id, and what is meant."""
    assert parse_request(verb, value) == expected


def test_the_largest_value() -> None:
    """Six hundred keys as the ledger has them, in 16 KiB to the byte."""
    asked = parse_request(Verb.SKIP, LARGEST)

    assert asked == request(Verb.SKIP, keys=SIX_HUNDRED)


@pytest.mark.parametrize(
    ("verb", "value", "says"),
    [
        (Verb.RETRY, "", "annotation trawler.dev/retry must begin with a new id"),
        (Verb.RETRY, ";keys=a", "must begin with a new id"),
        (Verb.RETRY, "keys=a", "must begin with a new id"),
        (Verb.RETRY, "a b", "must begin with a new id"),
        (Verb.RETRY, "x" * 254, "at most 253 characters"),
        (Verb.RETRY, "7;", "has '' where one of keys=, state= and class= is understood"),
        (Verb.RETRY, "7;youtube.a", "has 'youtube.a' where one of"),
        (Verb.RETRY, "7;key=a", "has 'key=a' where one of"),
        (Verb.RETRY, "7;keys=a;keys=b", "has keys= twice"),
        (Verb.RETRY, "7;keys=", "has no key in keys="),
        (Verb.RETRY, "7;keys=a/b", "has 'a/b' in keys=, which is no video's key"),
        (Verb.RETRY, "7;state=Succeeded", "has state=Succeeded where one of DeadLetter, Failed, Skipped, Waiting is"),
        (Verb.SKIP, "7;state=Running", "has state=Running where one of DeadLetter, Failed, Pending, Waiting is"),
        (Verb.SKIP, "7;class=Bad", "has class=Bad where one of Configuration,"),
        (Verb.SKIP, "7", "annotation trawler.dev/skip does not say which videos"),
        (Verb.CANCEL, "7", "annotation trawler.dev/cancel does not say which videos"),
        (Verb.SKIP, LARGEST + " ", "is longer than 16384 bytes"),
        (Verb.SKIP, LARGEST[:-1] + "é", "is longer than 16384 bytes"),
    ],
)
def test_refused(verb: Verb, value: str, says: str) -> None:
    """The message names the annotation and the part that is wrong."""
    with pytest.raises(InvalidRequestError, match=re.escape(says)):
        parse_request(verb, value)


@pytest.mark.parametrize(
    ("state", "outcome", "expected"),
    [(DEAD, OutcomeClass.TRANSIENT, True), (DEAD, OutcomeClass.TERMINAL, False), (SUCCEEDED, None, False)],
)
def test_whom_it_is_for(state: LedgerState, outcome: OutcomeClass | None, expected: bool) -> None:
    """State and class both have to fit."""
    asked = request(Verb.RETRY, outcome=OutcomeClass.TRANSIENT)

    assert asked.is_for(ledger_entry(state, outcome=outcome)) is expected


@pytest.mark.parametrize("verb", list(Verb))
def test_a_class_is_not_asked_for(verb: Verb) -> None:
    """Where only a state is named, whatever the last launch ended with."""
    assert all(request(verb).is_for(ledger_entry(state)) for state in STATES[verb])


def test_retry() -> None:
    """As if it had never been tried; only the number of launches stays, since Jobs are named after it."""
    entry = ledger_entry(
        DEAD,
        launches=4,
        failures=3,
        deferrals=2,
        retry_at=NOON,
        outcome=OutcomeClass.CONFIGURATION,
        reason="UnsupportedUrl",
        message="no",
        built_from="d",
    )

    assert carry_out(request(Verb.RETRY), entry) == ledger_entry(PENDING, launches=4)


def test_retry_of_back_catalogue() -> None:
    """It is wanted now, and still says nothing about where a source's newest videos are."""
    revived = carry_out(request(Verb.RETRY), ledger_entry(SKIPPED, reason="BackCatalogue"))
    again = carry_out(request(Verb.RETRY), carry_out(request(Verb.SKIP), revived))

    assert revived.found is Found.BACK_CATALOGUE
    assert again.found is Found.BACK_CATALOGUE
    before = carry_out(request(Verb.RETRY), ledger_entry(SKIPPED, reason="BeforeWindow"))
    assert before.found is Found.BACK_CATALOGUE
    unwanted = carry_out(request(Verb.RETRY), ledger_entry(SKIPPED, reason="KindNotSelected"))
    assert unwanted.found is Found.WINDOW


@pytest.mark.parametrize(
    ("verb", "state", "reason"),
    [
        (Verb.SKIP, FAILED, "SkippedByUser"),
        (Verb.CANCEL, WAITING, "SkippedByUser"),
        (Verb.CANCEL, RUNNING, "CancelledByUser"),
    ],
)
def test_skip_and_cancel(verb: Verb, state: LedgerState, reason: str) -> None:
    """Skipped for good, and who asked for it; its launches stay, so that a live Job is known as over."""
    entry = carry_out(request(verb), ledger_entry(state, launches=2, failures=1, retry_at=NOON + timedelta(hours=1)))

    assert (entry.state, entry.reason, entry.launches, entry.retry_at) == (SKIPPED, reason, 2, None)
    assert f"{verb.annotation} 7" in str(entry.message)


@pytest.mark.parametrize(
    ("verb", "value", "expected"),
    [
        pytest.param(Verb.CANCEL, "7;keys=a", True, id="cancelled by its key"),
        pytest.param(Verb.CANCEL, "7;state=Running", False, id="all that runs is cancelled"),
        pytest.param(Verb.CANCEL, "7;keys=a;state=Pending", False, id="cancelled if it waits"),
        pytest.param(Verb.SKIP, "7;keys=a", False, id="skipped"),
        pytest.param(Verb.RETRY, "7;keys=a", False, id="tried again"),
    ],
)
def test_a_follow_up_is_cancelled_by_its_key_alone(verb: Verb, value: str, expected: bool) -> None:
    """Its video stands, and no other request is about it."""
    entry = ledger_entry(LedgerState.SUCCEEDED, follow_up=FollowUp(FollowUpKind.THUMBNAIL, NOON))
    asked = parse_request(verb, value)
    assert asked.is_for(entry) is expected
    if expected:
        assert carry_out(asked, entry) == replace(entry, follow_up=None)


def test_mark() -> None:
    """What the ledger remembers of a request, and back."""
    assert encode_mark(DONE) == "2026-11-21T12:00:00Z 3 1 7"
    assert decode_mark(encode_mark(DONE)) == DONE


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "7",
        "yesterday 3 1 7",
        "2026-11-21T12:00:00Z -3 1 7",
        "2026-11-21T12:00:00Z 3 x 7",
        "2026-11-21 3 1 7",
        "0001-01-01T00:00:00+05:00 3 1 7",
        f"2026-11-21T12:00:00Z {10**30} 1 7",
    ],
)
def test_mark_that_cannot_be_read(text: str | None) -> None:
    """Counts as none."""
    assert decode_mark(text) is None


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("7;" + "\U000e0001" * 1000, id="a part of characters that take ten each to be shown"),
        pytest.param("7;state=" + "\U000e0001" * 1000, id="a state"),
        pytest.param("7;keys=" + "\U000e0001" * 1000, id="a key"),
        pytest.param("\U000e0001" * 1000 + " 7", id="an id"),
        pytest.param("7\x00\ud800", id="an id of what cannot be written"),
    ],
)
def test_refusal_of_anything(value: str) -> None:
    """It fits the status, and is known again there."""
    with pytest.raises(InvalidRequestError) as refusal:
        parse_request(Verb.SKIP, value)
    handled = refused(value, refusal.value, NOON)

    assert handled == HandledRequest.model_validate_json(handled.model_dump_json())
    assert is_handled(handled, refused(value, refusal.value, NOON).id, str(refusal.value))


def test_refusal() -> None:
    """Accepted none, and why; found again by what would have been its id."""
    handled = refused("7;state=Bad", InvalidRequestError("no such state"), NOON)

    assert handled == HandledRequest(id="7", time=NOON, accepted=0, unknown=0, message="no such state")


@pytest.mark.parametrize(
    ("handled", "error", "expected"),
    [
        pytest.param(None, None, False, id="never asked"),
        pytest.param(DONE, None, True, id="done"),
        pytest.param(DONE, "bad", True, id="done, then spoilt"),
        pytest.param(DONE.model_copy(update={"id": "6"}), None, False, id="an earlier one was done"),
        pytest.param(DONE.model_copy(update={"message": "bad"}), "bad", True, id="refused for that"),
        pytest.param(DONE.model_copy(update={"message": "bad"}), "worse", False, id="refused for another error"),
        pytest.param(DONE.model_copy(update={"message": "bad"}), None, False, id="mended, under the same id"),
    ],
)
def test_is_handled(handled: HandledRequest | None, error: str | None, expected: bool) -> None:
    """Once per id; what was refused may be mended without a new one."""
    assert is_handled(handled, "7", error) is expected


def test_last_handled() -> None:
    """Each verb's last request; the others' stay."""
    before = LastHandled(check=DONE, skip=DONE)
    other = DONE.model_copy(update={"id": "8"})

    assert last_handled(before, {Verb.SKIP: other, Verb.CANCEL: DONE}) == LastHandled(
        check=DONE, skip=other, cancel=DONE
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, None, id="nothing is asked for"),
        pytest.param("8", "8", id="a new wish"),
        pytest.param("7", None, id="that check was made"),
    ],
)
def test_asked_check(value: str | None, expected: str | None) -> None:
    """An annotation that was obeyed stays, and asks for nothing any more."""
    annotations = {} if value is None else {labels.CHECK_ANNOTATION: value}
    assert asked_check(annotations, DONE) == expected


def test_a_wish_of_a_long_value() -> None:
    """The status remembers the beginning of it."""
    value = "now " * 500
    annotations = {labels.CHECK_ANNOTATION: value, labels.PROBE_ANNOTATION: value}
    handled = HandledRequest(id=value, time=NOON)
    assert len(handled.id) == MAX_KEY
    for asked in (asked_check, asked_probe):
        assert asked(annotations, None) == value
        assert asked(annotations, handled) is None


@pytest.mark.parametrize(
    ("value", "until"),
    [
        (None, None),
        ("none", None),
        ("forever", FOREVER),
        (" forever ", FOREVER),
        ("2026-12-24T18:00:00Z", datetime(2026, 12, 24, 18, tzinfo=UTC)),
        ("2026-12-24T18:00:00+01:00", datetime(2026, 12, 24, 17, tzinfo=UTC)),
    ],
)
def test_a_pause_by_hand(value: str | None, until: datetime | None) -> None:
    """Until a time, without an end, or none."""
    assert parse_pause({} if value is None else {"trawler.dev/pause": value}) == until


@pytest.mark.parametrize(
    "value",
    [
        "",
        "tomorrow",
        "2026-12-24",
        "2026-12-24T18:00:00",
        "true",
        "99999-01-01T00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_a_pause_that_cannot_be_understood(value: str) -> None:
    """The message names the annotation and what is understood."""
    with pytest.raises(InvalidRequestError, match=r"trawler\.dev/pause.*a time with its zone.*forever and none"):
        parse_pause({"trawler.dev/pause": value})


@pytest.mark.parametrize(
    ("annotations", "handled", "wish"),
    [
        ({}, None, None),
        ({"trawler.dev/probe": "1"}, None, "1"),
        ({"trawler.dev/probe": "1"}, "1", None),
        ({"trawler.dev/probe": "2"}, "1", "2"),
    ],
    ids=["nobody asks", "asked", "handled", "asked anew"],
)
def test_a_probe_is_asked_for_once_per_value(
    annotations: dict[str, str], handled: str | None, wish: str | None
) -> None:
    """The annotation stays."""
    before = None if handled is None else HandledRequest(id=handled, time=NOON)
    assert asked_probe(annotations, before) == wish
