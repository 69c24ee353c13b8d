"""What must hold of gates and budgets whenever a Job is created or a source is listed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from component.cluster import Cluster
from component.object_store import Object
from component.simulation.calls import UnderWay
from component.simulation.cast import download_route_of, holder, listing_route_of
from component.simulation.process import LIMITS, mark_time, subscription_of
from component.simulation.truth import Internet, Nas
from component.world import GATES, POLICY
from trawler_operator.api import labels
from trawler_operator.domain.gates.codec import decode_gate
from trawler_operator.domain.gates.gate import LISTING, Gate, launch_task
from trawler_operator.domain.gates.passed import passed_gates
from trawler_operator.domain.gates.route import GateId, GateKind
from trawler_operator.domain.ledger.entry import LedgerEntry
from trawler_operator.reconcile.stores.gatekeeper import CLAIM_GRACE


@dataclass
class GateWatch:
    """Compares what passes gates with the gates as they are stored.

    Nothing is said of times while a pass is under way for which the clock has jumped or that stood still for longer
    than a claim is fresh: what it decided rests on another time.

    Args:
        cluster: has the gates.
        internet: knows which sites limited anybody.
        nas: knows which volumes went away.
        monotonic: seconds.
        under_way: passes of all processes.
    """

    cluster: Cluster
    internet: Internet
    nas: Nas
    monotonic: Callable[[], float]
    under_way: Callable[[], Mapping[int, UnderWay]]
    troubled: set[str] = field(default_factory=set)
    """Sites that limited anybody, claims whose volume was away."""
    probes: dict[tuple[str, int], dict[str, float]] = field(default_factory=dict)
    """Gate and epoch of a closed gate → uid of each Job that was let through it, and when."""
    starts: dict[str, set[tuple[str, datetime]]] = field(default_factory=dict)
    """Site → names of the Jobs that count against its budget, and when each was charged."""
    skewed: set[int] = field(default_factory=set)
    """Passes for which the clock has jumped, or a gate was taken away."""
    counted_from: int = 0
    """Launches that an earlier pass was charged for do not count against budgets."""
    clock_set_at: float = -1.0
    """When it jumped last."""
    removed_at: float = -math.inf
    """When a gate was taken away last."""
    _unheard: dict[str, int] = field(default_factory=dict)
    """Gate → epoch in which it was closed when two operators were at work last: only one of them may know."""
    _seen: dict[str, int] = field(default_factory=dict)
    _was_steady: bool = True

    def clock_jumped(self) -> None:
        """The wall clock was set."""
        self.clock_set_at = self.monotonic()
        self.skewed |= self.under_way().keys()
        self._begin_anew()

    def gate_removed(self) -> None:
        """Somebody took a gate away by hand: what it knew of starts and probes is forgotten, as he wanted."""
        self.removed_at = self.monotonic()
        self.probes.clear()
        self.skewed |= self.under_way().keys()
        self._begin_anew()

    def overlap_ended(self) -> None:
        """One operator works again.

        Who launches writes the gates, and so hears of what the other one did to them. Who lists looks at them as they
        were when it read them last: that the other one has closed one it may learn from the site.
        """
        self._unheard = {name: gate.epoch for name, gate in self.gates().items() if gate.is_closed}

    def gates(self) -> dict[str, Gate]:
        """All gates, as they are stored."""
        data = self.cluster.objects.get(("ConfigMap", *GATES), {}).get("data") or {}
        return {name: _decoded(name, text) for name, text in data.items()}

    def closed(self) -> set[str]:
        """Which are closed, for people."""
        return {f"{gate.id.kind} {gate.id}" for gate in self.gates().values() if gate.is_closed}

    def look(self) -> None:
        """After a write: a gate closes only for trouble of its own site or volume."""
        self._is_steady()
        for name, gate in self.gates().items():
            if gate.closing is not None and self._seen.get(name) != gate.epoch:
                subject = gate.id.site or gate.id.claim.partition("/")[2]
                assert subject in self.troubled, f"gate {gate.id} closed for {gate.closing}, and nothing is wrong there"
            self._seen[name] = gate.epoch

    def look_at_job(
        self, job: Object, entry: LedgerEntry | None, present: list[Object], claimed_by: int, number: int
    ) -> None:
        """A Job was created by this very write.

        Args:
            job: it.
            entry: of its video.
            present: all Jobs that run, itself among them.
            claimed_by: number of the pass that claimed it.
            number: of the pass that created it.
        """
        name, site = subscription_of(job), self._site(job)
        annotations = job["metadata"]["annotations"]
        passed = self._passed(job)
        expected = {gate for gate in download_route_of(name).gates if gate.kind is not GateKind.HAND}
        assert passed.keys() == expected, f"{name}: gates {passed.keys()}, and not {expected}"
        steady = self._is_steady()
        task = launch_task(annotations[labels.VIDEO_ANNOTATION], int(annotations[labels.LAUNCH_ANNOTATION]))
        self._look_at_passed(name, task, passed, present, steady=steady)
        uid = job["metadata"]["uid"]
        if (
            not {claimed_by, number} & self.skewed
        ):  # else its probe is of another time, and one may go before it is over
            for identity, epoch in passed.items():
                self.probes.setdefault((identity.name, epoch), {})[uid] = self.monotonic()
        through = [other for other in present if self._site(other) == site]
        assert len(through) <= LIMITS.egress.max_parallel, f"{len(through)} Jobs run through {site}"
        if steady and entry is not None:
            self._look_at_budget(job, entry, claimed_by, number)

    def look_at_listing(self, name: str, present: list[Object]) -> None:
        """A source is about to be listed."""
        gates = {one: gate for one, gate in self.gates().items() if self._unheard.get(one) != gate.epoch}
        route = listing_route_of(name)
        passed = {identity: gates[identity.name].epoch for identity in route.gates if identity.name in gates}
        self._look_at_passed(name, LISTING, passed, present, steady=self._is_steady())

    def is_probe(self, job: Object) -> bool:
        """Whether a Job went through a gate of its site that was closed then."""
        passed = self._passed(job)
        gates = self.gates()
        known = [gates[one.name] for one in passed if one.kind is not GateKind.VOLUME and one.name in gates]
        return any(gate.is_closed and gate.epoch == passed[gate.id] for gate in known)

    def _look_at_passed(
        self, name: str, task: str, passed: Mapping[GateId, int], present: list[Object], *, steady: bool
    ) -> None:
        """What goes through a closed gate is its one probe."""
        gates = self.gates()
        for identity, epoch in passed.items():
            gate = gates.get(identity.name)
            if gate is None or not gate.is_closed or gate.epoch != epoch or not steady:
                continue
            probe = gate.probe
            is_probe = probe is not None and (probe.holder, probe.task) == (holder(name), task)
            assert is_probe, f"{name} {task} goes through the closed gate {identity}, which {probe} probes"
            running = {job["metadata"]["uid"] for job in present}
            since = max(self.clock_set_at, self.monotonic() - POLICY.probe_timeout.total_seconds())
            others = {uid for uid, at in self.probes.get((identity.name, epoch), {}).items() if at > since}
            assert not others & running, f"{name} {task} is a second probe of {identity}, epoch {epoch}"

    def _look_at_budget(self, job: Object, entry: LedgerEntry, claimed_by: int, number: int) -> None:
        """A launch is charged when it is claimed, and again if its Job is made when the claim is not fresh any more."""
        site, limits = self._site(job), LIMITS.egress
        began, claimed = self.cluster.clock.now(), entry.claimed_at
        if claimed is not None and (claimed_by == number or abs(began - claimed) < CLAIM_GRACE):
            began, number = claimed, claimed_by
        elif any(one.since < self.monotonic() for one in self.under_way().values()):
            return  # charged anew, within a pass that took a while: when is not to be seen
        if number < self.counted_from:
            return
        starts, this = self.starts.setdefault(site, set()), (job["metadata"]["name"], began)
        nearest = min((abs(began - at) for _, at in starts - {this}), default=limits.spacing)
        starts.add(this)
        assert nearest >= limits.spacing, f"two downloads from {site} began within {nearest}"
        hour = [at for _, at in starts if began - timedelta(hours=1) < at <= began]
        assert len(hour) <= limits.max_per_hour, f"{len(hour)} downloads from {site} began within an hour"

    def _begin_anew(self) -> None:
        self.starts.clear()
        self.counted_from = mark_time()

    def _is_steady(self) -> bool:
        passes = self.under_way()
        self.skewed &= passes.keys()
        stood = {n for n, one in passes.items() if self.monotonic() - one.since >= CLAIM_GRACE.total_seconds()}
        is_steady = not (self.skewed | stood)
        if is_steady and not self._was_steady:
            self._begin_anew()
        self._was_steady = is_steady
        return is_steady

    def _passed(self, job: Object) -> dict[GateId, int]:
        """The gates that the Job's ending may move, with their epochs."""
        return passed_gates(job, download_route_of(subscription_of(job)))

    def _site(self, job: Object) -> str:
        return self.internet.sites[subscription_of(job)]


_decoded = lru_cache(maxsize=1_000)(decode_gate)
