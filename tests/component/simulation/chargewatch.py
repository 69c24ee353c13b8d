"""What must hold of a site's hourly budget: a start that is charged has its Job, or a claim that waits for one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from component.simulation.calls import UnderWay
from component.simulation.cast import NAMESPACES, SITES
from component.simulation.gatewatch import GateWatch
from component.simulation.watchdog import Watchdog
from trawler_operator.domain.gates.budget import WINDOW
from trawler_operator.domain.gates.route import GateKind
from trawler_operator.domain.jobs.naming import job_name

Launch = tuple[str, int]
"""Key of a video, and number of the launch."""


@dataclass
class ChargeWatch:
    """Counts what passes are charged for.

    Nothing is said of a pass that was cut, or of which a call's answer got lost: what dies between a charge and its
    claim wastes a start.

    Args:
        gates: the budgets, as they are stored.
        watchdog: knows who claimed what.
        alone: whether one operator works.
    """

    gates: GateWatch
    watchdog: Watchdog
    alone: Callable[[], bool]
    charged: Counter[int] = field(default_factory=Counter)
    """Number of each pass → starts that it was charged for."""
    claimed: dict[int, set[Launch]] = field(default_factory=dict)
    """Number of each pass → launches that it has claimed."""
    _running: dict[str, set[Launch]] = field(default_factory=dict)
    _unknown: dict[str, bool] = field(default_factory=dict)
    """Subscriptions whose last pass could not tell what it has claimed: the next one must not claim anything."""
    _before: dict[str, dict[int, int]] = field(default_factory=dict)
    """Site → starts by minute."""

    def look(self, this: UnderWay) -> None:
        """After a write."""
        now = self.gates.cluster.clock.now().timestamp()
        for gate in self.gates.gates().values():
            if gate.id.kind is not GateKind.EGRESS:
                continue
            starts, before = dict(gate.budget.starts), self._before.get(gate.id.site, {})
            for minute in starts.keys() | before.keys():
                change = starts.get(minute, 0) - before.get(minute, 0)
                if change > 0 or minute > now - WINDOW.total_seconds():  # else it counts no more
                    self.charged[this.number] += change
            self._before[gate.id.site] = starts
        name = this.key[1]
        ledger = self.watchdog.cluster.ledger(name)
        running = {(key, entry.launches) for key, entry in ledger.items() if entry.is_claimed}
        self.claimed.setdefault(this.number, set()).update(running - self._running.get(name, set()))
        self._running[name] = running

    def ended(self, this: UnderWay) -> None:
        """After a pass."""
        charged, name = self.charged.pop(this.number, 0), this.key[1]
        claimed = self.claimed.pop(this.number, set())
        if this.was_cut or this.faults or this.disturbed or not self.alone():
            return
        # Where the ledger can be neither written nor read, nobody can tell whether a launch is claimed.
        is_unknown = "list shards" in this.failed and charged > 0
        is_first, self._unknown[name] = not self._unknown.get(name), is_unknown
        if is_unknown and is_first:
            return
        most = this.created + sum(self._waits(name, key, launch) for key, launch in claimed)
        assert charged <= most, (
            f"{NAMESPACES[name]}/{name} was charged for {charged} starts from {SITES[name]}, and made {most}"
        )

    def _waits(self, name: str, key: str, launch: int) -> bool:
        """Whether a launch is claimed and has no Job; of what hands have changed nobody can say."""
        entry = self.watchdog.cluster.ledger(name).get(key)
        if entry is None or not entry.is_claimed or entry.launches != launch:
            return (name, key) in self.watchdog.edited
        follow_up = entry.follow_up.kind if entry.follow_up is not None else None
        made = {job for job, _ in self.watchdog.jobs.values()}
        has_job = job_name(NAMESPACES[name], name, key, launch, follow_up) in made
        return (name, key) in self.watchdog.edited or not has_job
