"""A Subscription's own gate: what closes it, what opens it, and how it stands in the status."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from builders import NOON
from trawler_downloader.contract.download import DownloadResult
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.domain.gates.book import Evidence, GateBook
from trawler_operator.domain.gates.budget import BudgetLimits
from trawler_operator.domain.gates.endings import download_finding
from trawler_operator.domain.gates.gate import Closing, Gate, GatePolicy, Probe, bring_forward, paused_by_hand
from trawler_operator.domain.gates.own import read_own_gate, show_own_gate
from trawler_operator.domain.gates.route import download_route, own_gates
from trawler_operator.domain.jobs.outcome import ObservedOutcome
from trawler_operator.domain.pauses import FOREVER, Pause

ENVIRONMENT = OutcomeClass.ENVIRONMENT
SEC, MIN, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
A = "media/a"
OWN, HAND = own_gates(A)
ROUTE = download_route("https://youtu.be/x", "", "media/library", A)
POLICY = GatePolicy(Pause(MIN, HOUR), Pause(MIN, HOUR), Pause(MIN, HOUR), HOUR)
LIMITS = BudgetLimits(9, 99, timedelta(0), listings_per_second=1)


def _ended(outcome: OutcomeClass, reason: str = "Why", **result: Any) -> ObservedOutcome:
    report = DownloadResult(outcome=outcome, reason=reason, **result) if result else None
    return ObservedOutcome(outcome, reason, "words", NOON, report)


def _closed(reason: str, step: int = 5) -> Gate:
    return Gate(OWN, epoch=3, closing=Closing(NOON, NOON, NOON - SEC, step, reason, "words", A))


def _after(gate: Gate, observed: ObservedOutcome, epoch: int | None = None) -> Gate:
    """The gate after an ending of a launch that passed it as it stands, or as it stood at another epoch."""
    book = GateBook({OWN.name: gate})
    passed = {OWN: gate.epoch if epoch is None else epoch}
    changes = book.settle([Evidence(A, "v#1", passed, download_finding(observed))], POLICY, NOON)
    return GateBook({**book.gates, **changes.gates}).gate(OWN)


@pytest.mark.parametrize(
    "reason",
    ["Why", "JobRejected", "ImagePullFailed", "PermissionDenied", "LibraryPathInvalid", "VolumeMarkerMismatch"],
)
def test_trouble_that_its_other_downloads_would_meet_closes_it(reason: str) -> None:
    """For a minute at first, and a little longer still."""
    gate = _after(Gate(OWN), _ended(ENVIRONMENT, reason))

    assert gate.closing is not None
    assert (gate.closing.reason, gate.closing.step) == (reason, 1)
    assert NOON + MIN <= gate.closing.until <= NOON + 1.2 * MIN


def test_a_volume_that_does_not_mount_may_be_its_nodes() -> None:
    """So it closes this one beside the volume's."""
    assert _after(Gate(OWN), _ended(ENVIRONMENT, "MountFailed")).is_closed


@pytest.mark.parametrize(
    "observed",
    [
        pytest.param(_ended(OutcomeClass.TRANSIENT), id="the site's trouble"),
        pytest.param(_ended(OutcomeClass.RATE_LIMITED), id="a limit"),
        pytest.param(_ended(OutcomeClass.TERMINATED), id="stopped from outside"),
        pytest.param(_ended(ENVIRONMENT, "NoSpace"), id="a full volume is the volume's gate's"),
        pytest.param(_ended(ENVIRONMENT, "NotEnoughSpace"), id="too large: smaller ones may fit"),
        pytest.param(_ended(ENVIRONMENT, "NameRefused"), id="a name of one video"),
    ],
)
def test_what_is_not_its_own_leaves_it_open(observed: ObservedOutcome) -> None:
    """Other gates, or the video's own time, hold that back."""
    assert not _after(Gate(OWN), observed).is_closed


@pytest.mark.parametrize(
    ("closed_by", "observed", "opens"),
    [
        pytest.param("PermissionDenied", _ended(OutcomeClass.PUBLISHED), True, id="published"),
        pytest.param("JobRejected", _ended(OutcomeClass.TERMINAL, retry_at=1), True, id="refused before: one ran now"),
        pytest.param("LedgerNotWritable", _ended(OutcomeClass.TERMINAL, retry_at=1), True, id="unclaimed: one ran now"),
        pytest.param("ImagePullFailed", _ended(OutcomeClass.TRANSIENT, retry_at=1), True, id="no image: one ran now"),
        pytest.param("ImagePullFailed", _ended(OutcomeClass.TERMINATED), False, id="no image: stopped"),
        pytest.param(
            "VolumeMarkerMissing", _ended(OutcomeClass.TERMINAL, volume_id="v"), True, id="its volume is back"
        ),
        pytest.param("BelowMinFree", _ended(OutcomeClass.TRANSIENT, volume_id="v"), True, id="there is room again"),
        pytest.param("VolumeMarkerMissing", _ended(OutcomeClass.TERMINAL, retry_at=1), False, id="no volume was seen"),
        pytest.param("PermissionDenied", _ended(OutcomeClass.TERMINAL, volume_id="v"), False, id="no folder was made"),
    ],
)
def test_what_opens_it(closed_by: str, observed: ObservedOutcome, opens: bool) -> None:
    """An ending which shows that the trouble is gone, whatever became of the video."""
    assert _after(_closed(closed_by), observed).is_closed is not opens


@pytest.mark.parametrize(("step", "pause"), [(1, 2 * MIN), (4, 16 * MIN), (50, HOUR)])
def test_the_same_again_doubles_its_pause(step: int, pause: timedelta) -> None:
    """Up to an hour."""
    closing = _after(_closed("Why", step), _ended(ENVIRONMENT)).closing

    assert closing is not None
    assert closing.step == step + 1
    assert NOON + pause <= closing.until <= NOON + 1.2 * pause


def test_downloads_that_meet_the_same_trouble_together_count_once() -> None:
    """Those that began before it closed change nothing."""
    once = _after(Gate(OWN), _ended(ENVIRONMENT))

    assert _after(once, _ended(ENVIRONMENT), epoch=0) == once


# --- in the status ---


def test_a_gate_that_is_closed_stands_in_the_status() -> None:
    """All of it, so that the next process goes on where this one ended."""
    gate = replace(_closed("JobRejected"), changed=NOON, probe=Probe(A, "youtube.abc#3", NOON, NOON + HOUR))

    shown = show_own_gate(gate)

    assert shown is not None
    assert read_own_gate(A, shown) == gate
    assert read_own_gate(A, show_own_gate(replace(gate, probe=None))) == replace(gate, probe=None)


def test_a_gate_that_is_open_is_not_shown() -> None:
    """Nor does its absence mean anything else."""
    assert show_own_gate(Gate(OWN)) is None
    assert read_own_gate(A, None) == Gate(OWN)


# --- probes that are asked for, and pauses by hand ---


@pytest.mark.parametrize(
    ("paused_at", "expected"),
    [
        pytest.param(NOON - HOUR, NOON, id="at once"),
        pytest.param(NOON - 20 * SEC, NOON + 40 * SEC, id="a minute after the pause began, however often one asks"),
    ],
)
def test_a_probe_that_is_asked_for_does_not_wait_for_the_pause(paused_at: datetime, expected: datetime) -> None:
    """Nothing else of the gate changes."""
    closing = Closing(paused_at, paused_at, NOON + 6 * HOUR, 4, "RateLimited", "", A)
    gate = Gate(ROUTE.egress, epoch=7, closing=closing)

    assert bring_forward(gate, NOON) == replace(gate, closing=replace(closing, until=expected))


@pytest.mark.parametrize(
    "gate",
    [
        pytest.param(Gate(OWN), id="open"),
        pytest.param(_closed("Why"), id="its pause is over"),
        pytest.param(paused_by_hand(A, FOREVER, NOON), id="closed by hand: who closed it opens it"),
    ],
)
def test_a_probe_that_is_asked_for_changes_nothing_else(gate: Gate) -> None:
    """Not the gate itself."""
    book = GateBook({gate.id.name: gate})

    assert book.bring_forward([gate.id], NOON).gates == {}


def test_no_download_begins_while_a_pause_by_hand_lasts() -> None:
    """And no ending of one that began before moves its gate."""
    book = GateBook({HAND.name: paused_by_hand(A, NOON + HOUR, NOON)})

    assert book.start_at(ROUTE, LIMITS, NOON) == NOON + HOUR
    assert book.admit_downloads(ROUTE, A, ["v#1"], LIMITS, POLICY, NOON).epochs is None
    assert HAND not in book.epochs(ROUTE)


def test_a_download_that_probes_the_others_does_not_probe_the_hand_gate() -> None:
    """Once the time that was asked for is over, it goes through."""
    book = GateBook(
        {OWN.name: _closed("Why"), HAND.name: paused_by_hand(A, NOON, NOON)},
    )

    changes = book.admit_downloads(ROUTE, A, ["v#1"], LIMITS, POLICY, NOON)

    assert changes.epochs is not None
    assert changes.gates[OWN.name].probe is not None
    assert HAND.name not in changes.gates
