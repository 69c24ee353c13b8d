"""A Subscription's own gate in its status. Pure.

It is a gate like the shared ones, and is stored in the status of the Subscription that it belongs to.
"""

from __future__ import annotations

from trawler_downloader.contract.message import LARGEST
from trawler_operator.api.status import GateStatus, ProbeStatus
from trawler_operator.domain.gates.gate import Closing, Gate, Probe
from trawler_operator.domain.gates.route import own_gates


def read_own_gate(subscription: str, status: GateStatus | None) -> Gate:
    """The gate for the Subscription's own trouble, as its status has it; an open one if the status has none.

    Args:
        subscription: `namespace/name`.
        status: `status.gate`.
    """
    identity, _ = own_gates(subscription)
    if status is None:
        return Gate(identity)
    probe = status.probe
    return Gate(
        identity,
        epoch=status.epoch,
        changed=status.paused_time,
        closing=Closing(
            since=status.since_time,
            paused_at=status.paused_time,
            until=status.until_time,
            step=status.step,
            reason=status.reason,
            message=status.message,
            by=subscription,
            unclear=status.unclear,
        ),
        probe=Probe(subscription, probe.task, probe.since_time, probe.until_time) if probe else None,
    )


def show_own_gate(gate: Gate) -> GateStatus | None:
    """What the status says of the gate; None while it is open."""
    closing, probe = gate.closing, gate.probe
    if closing is None:
        return None
    return GateStatus(
        epoch=min(gate.epoch, LARGEST),
        since_time=closing.since,
        paused_time=closing.paused_at,
        until_time=closing.until,
        step=min(closing.step, LARGEST),
        reason=closing.reason,
        message=closing.message,
        unclear=min(closing.unclear, LARGEST),
        probe=ProbeStatus(task=probe.task, since_time=probe.since, until_time=probe.until) if probe else None,
    )
