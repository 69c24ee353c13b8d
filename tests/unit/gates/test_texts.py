"""What people read of gates: what happened, since when, until when, and what they can do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from builders import NOON
from trawler_operator.domain.gates.book import Happening, Move
from trawler_operator.domain.gates.gate import Closing, Gate
from trawler_operator.domain.gates.route import GateId, GateKind
from trawler_operator.domain.gates.texts import event_text, held_back

CLOSING = Closing(NOON, NOON, NOON + timedelta(minutes=15), 1, "BotCheck", "prove you are human", "media/a")
UNREACHED = replace(CLOSING, reason="Unreachable", message="The name of the site or proxy cannot be resolved.")
SITE = Gate(GateId(GateKind.EGRESS, "youtube.com"), 7, NOON, CLOSING)
VOLUME = Gate(GateId(GateKind.VOLUME, claim="media/library"), 7, NOON, CLOSING)


@pytest.mark.parametrize(
    ("gate", "reason", "says"),
    [
        (SITE, "EgressGateClosed", ["youtube.com asked to slow down", "annotation waits", "spec.access.proxy"]),
        (VOLUME, "VolumeGateClosed", ["claim media/library", "mend the volume or the NAS"]),
    ],
    ids=["site", "volume"],
)
def test_condition(gate: Gate, reason: str, says: list[str]) -> None:
    """All of it in one message."""
    shown = held_back(gate, CLOSING, "trawler-system", "trawler-gates")
    assert reason == shown.reason
    common = [
        "BotCheck: prove you are human",
        "2026-11-21T12:00:00Z",
        "2026-11-21T12:15:00Z",
        f"kubectl -n trawler-system edit configmap trawler-gates, remove the key {gate.id.name}",
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
    condition = held_back(SITE, UNREACHED, "trawler-system", "trawler-gates")
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
    shown = held_back(SITE, closing, "trawler-system", "trawler-gates")
    assert "(Exited)" in shown.message
