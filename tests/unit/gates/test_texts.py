"""What people read of gates: what happened, since when, until when, and what they can do."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from builders import NOON
from trawler_operator.domain.gates.book import Happening, Move
from trawler_operator.domain.gates.gate import Closing, Gate, paused_by_hand
from trawler_operator.domain.gates.route import GateId, GateKind, own_gates
from trawler_operator.domain.gates.texts import event_text, held_back
from trawler_operator.domain.pauses import FOREVER

CLOSING = Closing(NOON, NOON, NOON + timedelta(minutes=15), 1, "BotCheck", "prove you are human", "media/a")
UNREACHED = replace(CLOSING, reason="Unreachable", message="The name of the site or proxy cannot be resolved.")
SITE = Gate(GateId(GateKind.EGRESS, "youtube.com"), 7, NOON, CLOSING)
VOLUME = Gate(GateId(GateKind.VOLUME, claim="media/library"), 7, NOON, CLOSING)


KEY = ("media", "a")
OWN = Gate(own_gates("media/a")[0], 7, NOON, CLOSING)


@pytest.mark.parametrize(
    ("gate", "reason", "says"),
    [
        (SITE, "EgressGateClosed", ["youtube.com asked to slow down", "annotation waits", "spec.access.proxy"]),
        (VOLUME, "VolumeGateClosed", ["claim media/library", "mend the volume or the NAS"]),
        (OWN, "SubscriptionGateClosed", ["downloads of this Subscription alone pause"]),
    ],
    ids=["site", "volume", "its own"],
)
def test_condition(gate: Gate, reason: str, says: list[str]) -> None:
    """All of it in one message."""
    shown = held_back(gate, CLOSING, KEY)
    assert reason == shown.reason
    common = [
        "BotCheck: prove you are human",
        "2026-11-21T12:00:00Z",
        "2026-11-21T12:15:00Z",
        'kubectl -n media annotate --overwrite subscription a trawler.dev/probe="$(date +%s)"',
    ]
    assert [words for words in (*says, *common) if words not in shown.message] == []
    assert len(shown.message) < 1024


@pytest.mark.parametrize(
    ("move", "reason", "says"),
    [
        (Move.CLOSED, "GateClosed", "youtube.com is left alone until 2026-11-21T12:15:00Z"),
        (Move.OPENED, "GateOpened", "youtube.com answers again"),
    ],
)
def test_events(move: Move, reason: str, says: str) -> None:
    """One when it closes and one when it opens."""
    shown = event_text(Happening(move, SITE, CLOSING))
    assert shown is not None
    assert reason == shown[0]
    assert says in shown[1]


def test_of_a_site_that_is_not_reached_nobody_says_that_it_asked_for_anything() -> None:
    """The condition and the Event name the way out, and where to look."""
    condition = held_back(SITE, UNREACHED, KEY)
    event = event_text(Happening(Move.CLOSED, SITE, UNREACHED))
    assert event is not None
    for text in (condition.message, event[1]):
        assert "cannot be reached through this way out" in text
        assert "Unreachable: The name of the site" in text
        assert "slow down" not in text
    assert "DNS" in condition.message
    assert condition.reason == "EgressGateClosed"


def test_a_longer_pause_is_no_event() -> None:
    """A block of days would fill the list; the condition tells of it."""
    assert event_text(Happening(Move.LENGTHENED, SITE, CLOSING)) is None


def test_a_reason_without_words() -> None:
    """An exit code is all that is known."""
    closing = Closing(NOON, NOON, NOON, 1, "Exited", "", "media/a")
    shown = held_back(SITE, closing, KEY)
    assert "(Exited)" in shown.message


@pytest.mark.parametrize(
    ("closed_by", "reason", "says"),
    [
        ("JobRejected", "JobRejected", "the API server refuses the Job: JobRejected: prove"),
        ("LedgerNotWritable", "LedgerNotWritable", "the API server does not take the ledger's ConfigMap"),
        ("ImagePullFailed", "DownloadNotStarting", "a download does not start: ImagePullFailed: prove"),
    ],
)
def test_trouble_that_has_a_word_of_its_own(closed_by: str, reason: str, says: str) -> None:
    """Ready has it, since it says where to look."""
    shown = held_back(OWN, replace(CLOSING, reason=closed_by), KEY)

    assert shown.reason == reason
    assert says in shown.message


@pytest.mark.parametrize(
    ("until", "says"),
    [(NOON + timedelta(hours=6), "until 2026-11-21T18:00:00Z"), (FOREVER, "until it is taken back")],
    ids=["until a time", "for ever"],
)
def test_a_pause_by_hand_says_how_it_ends(until: datetime, says: str) -> None:
    """By the annotation that it came from."""
    gate = paused_by_hand("media/a", until, NOON)
    assert gate.closing is not None

    shown = held_back(gate, gate.closing, KEY)

    assert shown.reason == "PausedByHand"
    assert says in shown.message
    assert "set the annotation to none" in shown.message


def test_a_gate_of_one_subscription_has_no_event() -> None:
    """That of the download which closed it says the same."""
    assert event_text(Happening(Move.CLOSED, OWN, CLOSING)) is None
