"""Who works: the rules of the Lease."""

from __future__ import annotations

from typing import Any

import pytest

from builders import NOON
from trawler_operator.domain.leadership import (
    MAX_DURATION_SECONDS,
    LeaseRecord,
    LeaseTerms,
    Step,
    decide,
    lease_spec,
    read_lease,
    released_spec,
)

NOW = "2026-11-21T12:00:00.000000Z"
EARLIER = "2026-11-21T11:00:00.000000Z"
TERMS = LeaseTerms(15)


def record(holder: str = "other", duration: float = 15.0) -> LeaseRecord:
    return LeaseRecord("7", holder, duration, transitions=3, acquired=EARLIER, renewed=EARLIER)


@pytest.mark.parametrize(
    ("seen", "unchanged_for", "step"),
    [
        pytest.param(None, 0.0, Step.CREATE, id="there is none yet"),
        pytest.param(record("me"), 99.0, Step.RENEW, id="it is ours, however old"),
        pytest.param(record(""), 0.0, Step.TAKE, id="it was released"),
        pytest.param(record(), 14.9, Step.WAIT, id="its holder may be alive"),
        pytest.param(record(), 15.0, Step.TAKE, id="its holder has not renewed it in time"),
        pytest.param(record(duration=40), 15.0, Step.WAIT, id="its holder's duration counts and not ours"),
        pytest.param(record(duration=0), 0.0, Step.TAKE, id="it says no duration"),
    ],
)
def test_what_to_do(seen: LeaseRecord | None, unchanged_for: float, step: Step) -> None:
    """Measured on our own clock alone."""
    assert decide(seen, "me", unchanged_for) is step


@pytest.mark.parametrize(
    ("spec", "holder", "duration", "transitions"),
    [
        pytest.param(
            {"holderIdentity": "a", "leaseDurationSeconds": 15, "leaseTransitions": 2}, "a", 15.0, 2, id="whole"
        ),
        pytest.param(None, "", 0.0, 0, id="no spec"),
        pytest.param({"holderIdentity": None, "leaseDurationSeconds": None}, "", 0.0, 0, id="nulls"),
        pytest.param({"holderIdentity": "a", "leaseDurationSeconds": 10**9}, "a", MAX_DURATION_SECONDS, 0, id="ages"),
    ],
)
def test_reading(spec: Any, holder: str, duration: float, transitions: int) -> None:
    """What others wrote, or people."""
    read = read_lease({"metadata": {"resourceVersion": "9"}, "spec": spec})
    assert (read.version, read.holder, read.duration, read.transitions) == ("9", holder, duration, transitions)


def test_renewal_keeps_since_when_it_is_ours() -> None:
    """Only the time of the renewal changes."""
    assert lease_spec(record("me"), "me", TERMS, NOON) == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "acquireTime": EARLIER,
        "renewTime": NOW,
        "leaseTransitions": 3,
    }


@pytest.mark.parametrize(("before", "transitions"), [(None, 0), (record(), 4), (record(""), 4)])
def test_taking_counts(before: LeaseRecord | None, transitions: int) -> None:
    """How often it went from one to another is counted, the first time not."""
    spec = lease_spec(before, "me", TERMS, NOON)
    assert (spec["acquireTime"], spec["renewTime"], spec["leaseTransitions"]) == (NOW, NOW, transitions)


def test_released_lease_is_free_at_once() -> None:
    """For whoever comes next, whatever they think of durations."""
    spec = released_spec(record("me"), NOON)
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("", 1, 3)


def test_holder_stops_before_others_begin() -> None:
    """And has had several attempts by then."""
    assert 2 * TERMS.interval < TERMS.renew_within < TERMS.duration
