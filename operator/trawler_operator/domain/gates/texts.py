"""What people read of gates. Pure; times are those of its last move or unclear probe: a text changes with it only."""

from __future__ import annotations

from trawler_downloader.contract.outcomes import UNREACHED_REASONS
from trawler_operator.api.reasons import ConditionReason, EventReason, message
from trawler_operator.api.times import format_time
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.gates.book import Happening, Move
from trawler_operator.domain.gates.gate import Closing, Gate
from trawler_operator.domain.gates.route import GateKind

_ASKED_TO_STOP = (
    "asked to slow down at",
    "Another spec.access.proxy is another way there; should this come back, lower the operator's egress values.",
)
_UNREACHED = (
    "cannot be reached through this way out since",
    "Look at the line, the cluster's DNS and network policies, and spec.access.proxy.",
)
"""What is the matter with a site, and what a person can do."""


def held_back(gate: Gate, closing: Closing, namespace: str, config_map: str) -> Blocker:
    """Why a Subscription behind a closed gate is not Ready.

    Args:
        gate: the gate.
        closing: why it is closed.
        namespace: the operator's own.
        config_map: that keeps the gates.
    """
    volume = gate.id.kind is GateKind.VOLUME
    reason = ConditionReason.VOLUME_GATE_CLOSED if volume else ConditionReason.EGRESS_GATE_CLOSED
    trouble, advice = _UNREACHED if closing.reason in UNREACHED_REASONS else _ASKED_TO_STOP
    text = message(
        reason,
        subject=gate.id,
        trouble=trouble,
        advice=advice,
        since=format_time(closing.since),
        until=format_time(closing.until),
        detail=_detail(closing),
        by_hand=(
            f"To open it by hand: kubectl -n {namespace} edit configmap {config_map}, remove the key {gate.id.name}, "
            "and ask for a check"
        ),
    )
    return Blocker(reason, text)


def event_text(happening: Happening) -> tuple[EventReason, str] | None:
    """The Event of a move; none for a pause that is made longer: the condition shows it."""
    closing = happening.closing
    match happening.move:
        case Move.CLOSED:
            reason = EventReason.GATE_CLOSED
            until = format_time(closing.until)
            detail = _detail(closing)
            if closing.reason in UNREACHED_REASONS:
                detail = f"it cannot be reached through this way out ({detail})"
            return reason, message(reason, subject=happening.gate.id, until=until, detail=detail)
        case Move.OPENED:
            reason = EventReason.GATE_OPENED
            return reason, message(reason, subject=happening.gate.id)
        case _:
            return None


def _detail(closing: Closing) -> str:
    return f"{closing.reason}: {closing.message}" if closing.message else closing.reason
