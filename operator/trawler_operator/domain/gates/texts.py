"""Texts about gates for people. Pure.

The times in a text are those of the gate's last move or unclear probe, so a text changes only with these.
"""

from __future__ import annotations

from trawler_downloader.contract.outcomes import UNREACHED_REASONS
from trawler_operator.api.reasons import NEVER_STARTED, ConditionReason, EventReason, message
from trawler_operator.api.subscription import Key
from trawler_operator.api.times import format_time
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.gates.book import Happening, Move
from trawler_operator.domain.gates.gate import Closing, Gate
from trawler_operator.domain.gates.route import GateKind
from trawler_operator.domain.pauses import FOREVER

_BY_HAND = (
    "To let one go first at once: kubectl -n {namespace} annotate --overwrite subscription {name} "
    'trawler.dev/probe="$(date +%s)"'
)
_ASKED_TO_STOP = (
    "asked to slow down at",
    "Another spec.access.proxy is another way there; should this come back, lower the operator's egress values.",
)
_UNREACHED = (
    "cannot be reached through this way out since",
    "Look at the line, the cluster's DNS and network policies, and spec.access.proxy.",
)
"""What is wrong with a site, and what a person can do."""


def held_back(gate: Gate, closing: Closing, key: Key) -> Blocker:
    """Why a Subscription behind a closed gate is not Ready.

    Args:
        gate: the gate.
        closing: why it is closed.
        key: the Subscription's key.
    """
    reason = _reason(gate, closing)
    if gate.id.kind is GateKind.HAND:
        until = "it is taken back" if closing.until == FOREVER else format_time(closing.until)
        return Blocker(reason, message(reason, until=until))
    by_hand = _BY_HAND.format(namespace=key[0], name=key[1])
    if gate.id.kind is GateKind.SUBSCRIPTION:
        since, until = format_time(closing.since), format_time(closing.until)
        pause = f"so since {since}; nothing begins before {until}, then one goes first to see whether that is over"
        return Blocker(reason, message(reason, detail=f"{_detail(closing)} ({pause}). {by_hand}"))
    trouble, advice = _UNREACHED if closing.reason in UNREACHED_REASONS else _ASKED_TO_STOP
    text = message(
        reason,
        subject=gate.id,
        trouble=trouble,
        advice=advice,
        since=format_time(closing.since),
        until=format_time(closing.until),
        detail=_detail(closing),
        by_hand=by_hand,
    )
    return Blocker(reason, text)


def event_text(happening: Happening) -> tuple[EventReason, str] | None:
    """The Event of a move; None for a move that needs none.

    A longer pause needs none: the condition shows it. Nor does a gate of one Subscription alone: the Event of the
    download that closed it says so.
    """
    closing = happening.closing
    if not happening.gate.id.is_shared:
        return None
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


def _reason(gate: Gate, closing: Closing) -> ConditionReason:
    match gate.id.kind:
        case GateKind.HAND:
            return ConditionReason.PAUSED_BY_HAND
        case GateKind.VOLUME:
            return ConditionReason.VOLUME_GATE_CLOSED
        case GateKind.SUBSCRIPTION if closing.reason == ConditionReason.JOB_REJECTED:
            return ConditionReason.JOB_REJECTED
        case GateKind.SUBSCRIPTION if closing.reason == ConditionReason.LEDGER_NOT_WRITABLE:
            return ConditionReason.LEDGER_NOT_WRITABLE
        case GateKind.SUBSCRIPTION if closing.reason in NEVER_STARTED:
            return ConditionReason.DOWNLOAD_NOT_STARTING
        case GateKind.SUBSCRIPTION:
            return ConditionReason.SUBSCRIPTION_GATE_CLOSED
        case _:
            return ConditionReason.EGRESS_GATE_CLOSED


def _detail(closing: Closing) -> str:
    return f"{closing.reason}: {closing.message}" if closing.message else closing.reason
