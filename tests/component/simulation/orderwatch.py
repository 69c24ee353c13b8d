"""What must hold of the queue: whenever a launch is claimed, nothing of a better rank could have started instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime

from component.simulation.calls import UnderWay
from component.simulation.process import LIMITS, Process
from component.simulation.watchdog import Watchdog
from trawler_operator.api.subscription import Key
from trawler_operator.domain.gates.route import Route
from trawler_operator.domain.launches.admission import Admission
from trawler_operator.domain.ledger.backlog import Rank, is_eligible, rank_of
from trawler_operator.domain.ledger.entry import LedgerEntry

Turn = tuple[Rank, int]
"""Its rank, and how old it is: the lower goes first."""


@dataclass(frozen=True)
class _Claim:
    """A launch that was claimed.

    Args:
        key: of the video.
        turn: that it had.
        passed: video → turn of those that could have started instead.
    """

    key: str
    turn: Turn
    passed: Mapping[str, Turn]


@dataclass
class OrderWatch:
    """Compares what starts with what could.

    Within a Subscription by its ledger; among several by the ledgers of those that stand in line, as their last passes
    saw them. Of what hands have changed nobody may know yet. Through a closed gate goes what was not tried for longest.

    Args:
        watchdog: knows what hands have changed.
        alone: whether one operator works.
    """

    watchdog: Watchdog
    alone: Callable[[], bool]
    _before: dict[str, dict[str, LedgerEntry]] = field(default_factory=dict)
    """Ledgers before the present write."""
    _claims: dict[int, list[_Claim]] = field(default_factory=dict)
    _seen: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    """Subscription → when its last pass was, and the digest of its spec then."""
    _probes: dict[Key, bool] = field(default_factory=dict)
    """Whether what was asked for last is to go through a closed gate."""

    def watch(self, process: Process) -> None:
        """Look at what its admission grants."""
        admission, request = process.operator.admission, process.operator.admission.request

        def watched(key: Key, route: Route, wanted: int, parallelism: int, now: datetime, rank: Rank) -> int:
            self._probes[key] = bool(admission._book().closed(route.gates))
            others = self._who_could_start(process, admission, key, now)
            granted = request(key, route, wanted, parallelism, now, rank)
            better = {other: its for other, its in others.items() if its < rank}
            assert not granted or not better or not self.alone(), f"{key} starts with {rank!r} before {better}"
            return granted

        admission.request = watched  # type: ignore[method-assign]

    def look(self, this: UnderWay) -> None:
        """After a write."""
        name = this.key[1]
        before, after = self._before.get(name, {}), self.watchdog.cluster.ledger(name)
        claimed = [
            key for key, entry in after.items() if entry.is_claimed and key in before and not before[key].is_claimed
        ]
        if claimed and not self._probes.get(this.key):
            could = self._could_start(name, before, this.at, this.digests[1])
            passed = {key: turn for key, turn in could.items() if key not in claimed}
            claims = [_Claim(key, _turn(before[key]), passed) for key in claimed]
            self._claims.setdefault(this.number, []).extend(claims)
        for one in self.watchdog.subscriptions():
            self._before[one] = self.watchdog.cluster.ledger(one)

    def ended(self, this: UnderWay) -> None:
        """After a pass."""
        name, claims = this.key[1], self._claims.pop(this.number, [])
        self._seen[name] = (this.at, this.digests[1])
        if this.was_cut or this.failed or this.disturbed or not self.alone():
            return
        claimed = {claim.key for claim in claims}
        for claim in claims:
            better = {key: turn for key, turn in claim.passed.items() if turn < claim.turn and key not in claimed}
            assert not better, f"{this.key} starts {claim.key}, {claim.turn}, before {better}"

    def _who_could_start(self, process: Process, admission: Admission, but: Key, now: datetime) -> dict[Key, Rank]:
        """Whoever stands in line and could start now, with the rank of its best video."""
        book, running = admission._book(), admission._running_through()
        found: dict[Key, Rank] = {}
        for key, route in admission._line:
            name = key[1]
            if key == but or key in admission._away or process.is_passing(key) or name not in self._seen:
                continue
            opens = max(book.start_at(replace(route, own=()), LIMITS.egress, now), book.own_passable_at(route, now))
            if opens > now or running[route.egress.name] >= LIMITS.egress.max_parallel:
                continue
            at, digest = self._seen[name]
            turns = self._could_start(name, self.watchdog.cluster.ledger(name), at, digest)
            if turns:
                found[key] = min(turns.values())[0]
        return found

    def _could_start(self, name: str, ledger: Mapping[str, LedgerEntry], at: datetime, digest: str) -> dict[str, Turn]:
        """Videos that could be claimed at that time and still, with their turns."""
        times, left_alone = (at, self.watchdog.cluster.clock.now()), self._busy(name)
        return {
            key: _turn(entry)
            for key, entry in ledger.items()
            if key not in left_alone and all(is_eligible(entry, digest, time) for time in times)
        }

    def _busy(self, name: str) -> AbstractSet[str]:
        """Videos that hands have changed, or that a live Job works on."""
        live = {key for job in self.watchdog._live() for one, key in [self.watchdog._row(job)] if one == name}
        return live | {key for one, key in self.watchdog.edited if one == name}


def _turn(entry: LedgerEntry) -> Turn:
    return rank_of(entry), -entry.seq
