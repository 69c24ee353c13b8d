"""All gates together: who may pass, who probes, what an ending changes. Pure; `gate_store` keeps them in a ConfigMap.

A launch passes all gates of its route. It passes the closed ones as their probe, all of them at once. If the gates of a
site and of a volume are closed at the same time, one download proves both well; with separate probes none ever could.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from trawler_operator.domain.gates.budget import BudgetLimits
from trawler_operator.domain.gates.gate import (
    Closing,
    Finding,
    Gate,
    GatePolicy,
    Probe,
    bring_forward,
    close,
    count,
    ending_name,
    hand_over,
    put_off,
    reopen,
)
from trawler_operator.domain.gates.route import GateId, GateKind, Route

_OF_SITES = frozenset({GateKind.EGRESS, GateKind.COOKIES})


@dataclass(frozen=True, slots=True)
class Evidence:
    """An ending, and the gates that its launch or listing passed.

    Args:
        holder: `namespace/name` of the Subscription.
        task: the launch or listing.
        gates: the gates that it passed, each with its epoch at that time.
        finding: what the ending says.
    """

    holder: str
    task: str
    gates: Mapping[GateId, int]
    finding: Finding


class Move(StrEnum):
    """How a gate moved."""

    CLOSED = "closed"
    LENGTHENED = "lengthened"
    OPENED = "opened"


@dataclass(frozen=True, slots=True)
class Happening:
    """A gate that moved.

    Args:
        move: how it moved.
        gate: the gate after the move.
        closing: why it was or is closed.
    """

    move: Move
    gate: Gate
    closing: Closing


@dataclass(frozen=True, slots=True)
class GateChanges:
    """Changes to write.

    Args:
        gates: name → the gate after the change.
        happenings: the moves among the changes.
        epochs: epochs of the route's gates for the launches that were let through; None if none was.
    """

    gates: Mapping[str, Gate] = field(default_factory=dict)
    happenings: tuple[Happening, ...] = ()
    epochs: Mapping[GateId, int] | None = None


class GateBook:
    """The known gates at one moment. Methods return changes; the book never changes itself."""

    def __init__(self, gates: Mapping[str, Gate] | None = None) -> None:
        self.gates: Mapping[str, Gate] = gates or {}

    def gate(self, identity: GateId) -> Gate:
        """A gate; an open one if nothing is known of it."""
        return self.gates.get(identity.name) or Gate(identity)

    def closed(self, identities: Iterable[GateId]) -> list[Gate]:
        """The closed ones among these gates, first the one that people are shown."""
        gates = [gate for identity in identities if (gate := self.gate(identity)).closing is not None]
        return sorted(gates, key=_shown_first, reverse=True)

    @property
    def pauses(self) -> dict[str, int]:
        """Name → epoch of the gates that are closed."""
        return {name: gate.epoch for name, gate in self.gates.items() if gate.is_closed}

    def passable_at(self, route: Route, now: datetime) -> datetime:
        """From when on a launch may pass all gates of a route."""
        return max(self.gate(identity).passable_at(now) for identity in route.gates)

    def start_at(self, route: Route, limits: BudgetLimits, now: datetime) -> datetime:
        """From when on a launch may pass all gates of a route within the budget of its egress."""
        return max(self.passable_at(route, now), self.gate(route.egress).budget.earliest(limits, now))

    def own_passable_at(self, route: Route, now: datetime) -> datetime:
        """From when on a launch may pass those gates of a route that belong to its Subscription alone."""
        return max((self.gate(identity).passable_at(now) for identity in route.own), default=now)

    def admit_downloads(
        self, route: Route, holder: str, tasks: Collection[str], limits: BudgetLimits, policy: GatePolicy, now: datetime
    ) -> GateChanges:
        """Let launches through: charge the budget and claim the probe of each closed gate.

        Args:
            route: the route of all these launches.
            holder: `namespace/name` of the Subscription.
            tasks: the launches.
            limits: limits of the budget.
            policy: pauses and the probes' time.
            now: the present.

        Returns:
            Changes without epochs if the launches must not begin now. Through a closed gate at most one launch may.
        """
        is_probe = bool(self.closed(route.gates))
        room = limits.max_per_hour - self.gate(route.egress).budget.begun(now)
        if self.start_at(route, limits, now) > now or len(tasks) > (1 if is_probe else room):
            return GateChanges()
        gates = self._probed(route, holder, next(iter(tasks)), policy.probe_timeout, now)
        egress = gates.get(route.egress.name) or self.gate(route.egress)
        gates[route.egress.name] = replace(egress, budget=egress.budget.spend(len(tasks), now))
        return GateChanges(gates, epochs=self.epochs(route))

    def take_back(self, route: Route, holder: str, tasks: Collection[str], charged: datetime) -> GateChanges:
        """The reverse of `admit_downloads`, for launches that have not begun.

        Args:
            route: the route of all these launches.
            holder: `namespace/name` of the Subscription.
            tasks: the launches.
            charged: when they were let through.
        """
        gates = dict(self.release(holder, tasks).gates)
        egress = gates.get(route.egress.name) or self.gate(route.egress)
        gates[route.egress.name] = replace(egress, budget=egress.budget.refund(len(tasks), charged))
        return GateChanges(gates)

    def admit_listing(
        self, route: Route, holder: str, task: str, probe_timeout: timedelta, now: datetime
    ) -> GateChanges:
        """Let a listing through, as the probe of each closed gate. Changes without epochs: it must not begin now."""
        if self.passable_at(route, now) > now:
            return GateChanges()
        return GateChanges(self._probed(route, holder, task, probe_timeout, now), epochs=self.epochs(route))

    def epochs(self, route: Route) -> dict[GateId, int]:
        """The epochs that a launch passing now carries."""
        return {identity: self.gate(identity).epoch for identity in route.gates if identity.kind is not GateKind.HAND}

    def blames_site(self, holder: str, task: str, passed: Mapping[GateId, int]) -> bool:
        """Whether an unclear ending, after it was settled, is more likely the site's trouble than the video's.

        It is in two cases. Either the launch probed a closed gate of the site, which has not moved since. Or the launch
        is one of those whose endings closed such a gate.

        Args:
            holder: `namespace/name` of the Subscription.
            task: the launch.
            passed: the gates that it passed, with their epochs.
        """
        name = ending_name(holder, task)
        gates = (self.gate(identity) for identity in passed if identity.kind in _OF_SITES)
        return any(gate.is_closed and (gate.epoch == passed[gate.id] or name in gate.unreached) for gate in gates)

    def settle(self, endings: Iterable[Evidence], policy: GatePolicy, now: datetime) -> GateChanges:
        """What endings change. An ending with an older epoch changes nothing."""
        gates: dict[str, Gate] = {}
        moved: dict[str, Happening] = {}
        for ending in endings:
            for identity, epoch in ending.gates.items():
                name = identity.name
                known = gates.get(name) or self.gates.get(name)
                if known is not None and known.epoch != epoch:
                    continue
                gate = known or Gate(identity)
                after = _after(gate, ending, policy, now)
                if after is gate:
                    continue
                gates[name] = after
                happening = _happening(gate, after)
                if happening is not None:
                    moved[name] = happening
        return GateChanges(gates, tuple(moved.values()))

    def bring_forward(self, identities: Iterable[GateId], now: datetime) -> GateChanges:
        """Let the next probe of closed gates go as soon as it may."""
        before = {identity.name: self.gate(identity) for identity in identities}
        after = {name: bring_forward(gate, now) for name, gate in before.items()}
        return GateChanges({name: gate for name, gate in after.items() if gate is not before[name]})

    def release(self, holder: str, tasks: Collection[str] | None = None) -> GateChanges:
        """Give back probes of a Subscription: those of these tasks, or all if `tasks` is None."""
        return GateChanges(
            {
                name: hand_over(gate, holder, gate.probe.task)
                for name, gate in self.gates.items()
                if gate.probe is not None
                and gate.probe.holder == holder
                and (tasks is None or gate.probe.task in tasks)
            }
        )

    def probes_of(self, holder: str) -> dict[str, Probe]:
        """Task → probe, for the probes that a Subscription has under way."""
        return {
            gate.probe.task: gate.probe for gate in self.gates.values() if gate.probe and gate.probe.holder == holder
        }

    def forgettable(self, now: datetime) -> set[str]:
        """Names of the gates that nothing depends on any more."""
        return {name for name, gate in self.gates.items() if gate.is_forgettable(now)}

    def _probed(self, route: Route, holder: str, task: str, timeout: timedelta, now: datetime) -> dict[str, Gate]:
        probe = Probe(holder, task, now, now + timeout)
        gates = [gate for gate in self.closed(route.gates) if gate.id.kind is not GateKind.HAND]
        return {gate.id.name: replace(gate, probe=probe) for gate in gates}


def _after(gate: Gate, ending: Evidence, policy: GatePolicy, now: datetime) -> Gate:
    if ending.finding.is_trouble_for(gate):
        return close(gate, ending.finding, ending.holder, policy, now)
    if gate.is_closed and ending.finding.proves_well(gate):
        return reopen(gate, now)
    if gate.id.kind is GateKind.EGRESS and not gate.is_closed:
        return count(gate, ending.finding, ending.holder, ending.task, policy, now)
    if ending.finding.is_unclear:
        return put_off(gate, ending.holder, ending.task, policy, now)
    return hand_over(gate, ending.holder, ending.task)


def _happening(before: Gate, after: Gate) -> Happening | None:
    if after.closing is not None and after.epoch != before.epoch:
        return Happening(Move.LENGTHENED if before.closing else Move.CLOSED, after, after.closing)
    if before.closing is not None and after.closing is None:
        return Happening(Move.OPENED, after, before.closing)
    return None


def _shown_first(gate: Gate) -> tuple[bool, bool, datetime, bool]:
    """The order in which people are shown closed gates: a Hand gate, then shared ones, then the one that opens last."""
    assert gate.closing is not None, "asked of closed gates only"
    kind = gate.id.kind
    return kind is GateKind.HAND, gate.id.is_shared, gate.closing.until, kind is not GateKind.VOLUME
