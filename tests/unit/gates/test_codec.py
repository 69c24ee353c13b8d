"""Gates as text: what is written is read again, and what a hand broke is named."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from builders import NOON
from trawler_operator.domain.gates.budget import Budget
from trawler_operator.domain.gates.codec import (
    InvalidGateError,
    decode_epochs,
    decode_gate,
    encode_epochs,
    encode_gate,
)
from trawler_operator.domain.gates.gate import Closing, Gate, Probe
from trawler_operator.domain.gates.route import GateId, GateKind

HOUR = timedelta(hours=1)
EGRESS = GateId(GateKind.EGRESS, "youtube.com", "socks5://vpn.media:1080")
COOKIES = GateId(GateKind.COOKIES, "youtube.com", cookies="media/jar")
VOLUME = GateId(GateKind.VOLUME, claim="media/library")
CLOSING = Closing(NOON, NOON + HOUR, NOON + 2 * HOUR, 2, "BotCheck", "ça? \ud800", "media/a", 3)
FULL = Gate(
    EGRESS,
    1795262400,
    NOON,
    CLOSING,
    Probe("media/a", "youtube.x#3", NOON, NOON + HOUR),
    Budget({int(NOON.timestamp()): 2}, NOON),
    ("media/a youtube.x#1", "media/b listing"),
)


@pytest.mark.parametrize("gate", [Gate(VOLUME), Gate(COOKIES, 7, NOON), FULL], ids=["bare", "opened", "everything"])
def test_round_trip(gate: Gate) -> None:
    """Everything that a process must remember."""
    text = encode_gate(gate)
    assert text.replace("?", "\ud800").encode("utf-8", "surrogatepass")
    read = decode_gate(gate.id.name, text)
    if gate is FULL:
        assert read.closing is not None
        assert (read.closing.message, read.closing.unclear) == ("ça? ?", 3)
        read = decode_gate(gate.id.name, encode_gate(gate))
        assert (read.probe, read.budget, read.epoch, read.changed, read.unreached) == (
            gate.probe,
            gate.budget,
            gate.epoch,
            gate.changed,
            gate.unreached,
        )
    else:
        assert gate == read


def test_a_person_can_read_it() -> None:
    """Names and times, and nothing that is not there."""
    assert json.loads(encode_gate(Gate(VOLUME, 7, NOON, CLOSING))) == {
        "kind": "Volume",
        "claim": "media/library",
        "epoch": 7,
        "changed": "2026-11-21T12:00:00Z",
        "closing": {
            "since": "2026-11-21T12:00:00Z",
            "pausedAt": "2026-11-21T13:00:00Z",
            "until": "2026-11-21T14:00:00Z",
            "step": 2,
            "reason": "BotCheck",
            "message": "ça? ?",
            "by": "media/a",
            "unclear": 3,
        },
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "JSON"),
        ('{"kind":"Gate"}', "kind: "),
        (encode_gate(FULL).replace('"until":"2026-11-21T14:00:00Z",', "", 1), "closing.until: "),
        (encode_gate(FULL).replace('"by":"media/a"', '"by":"media"'), "closing.by: "),
        (encode_gate(Gate(VOLUME)), f"it describes {VOLUME.name}"),
    ],
    ids=["no JSON", "a wrong word", "a missing time", "no name", "another gate's"],
)
def test_broken_values(text: str, said: str) -> None:
    """The message names the field."""
    with pytest.raises(InvalidGateError, match=said):
        decode_gate(EGRESS.name, text)


def test_epochs_of_a_job() -> None:
    """When it passed which kind of gate."""
    epochs = {EGRESS: 7, COOKIES: 0, VOLUME: 1795262400}
    expected = {GateKind.EGRESS: 7, GateKind.COOKIES: 0, GateKind.VOLUME: 1795262400}
    assert expected == decode_epochs(encode_epochs(epochs))


@pytest.mark.parametrize("text", [None, "", "[]", '{"Gate":1}', '{"Egress":-1}', '{"Egress":"' + "9" * 5000 + '"}'])
def test_epochs_that_cannot_be_read(text: str | None) -> None:
    """Count as not told."""
    assert decode_epochs(text) == {}
