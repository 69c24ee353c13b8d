"""What passes have to do with gates: ask before a launch or listing, tell how it ended, wake whom a move concerns."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from trawler_operator.api.subscription import Key
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.gates.book import Evidence, GateBook, GateChanges
from trawler_operator.domain.gates.budget import BudgetLimits
from trawler_operator.domain.gates.gate import LISTING, Finding, Gate, GatePolicy, launch_task
from trawler_operator.domain.gates.route import GateId, Route
from trawler_operator.domain.gates.texts import event_text, held_back
from trawler_operator.domain.launches.admission import Admission
from trawler_operator.reconcile.observation import Pass
from trawler_operator.reconcile.ports import Clock, Event, Measurements
from trawler_operator.reconcile.stores.gate_store import GateStore

logger = logging.getLogger(__name__)

CLAIM_GRACE = timedelta(seconds=30)
"""Between the claim of a probe, that of its launch, and its Job lie seconds. Only what is older was left by a process
that died; sooner, another operator may be about to create that Job, or be at that listing. (Of two operators without
their Lease one may so take a longer listing for lost; then its source is asked twice, and either answer counts.)"""


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Chart values.

    Args:
        policy: pauses and probes.
        budget: of one address at one site.
        listing_timeout: a listing that probes is no longer waited for then.
    """

    policy: GatePolicy
    budget: BudgetLimits
    listing_timeout: timedelta


class Gatekeeper:
    """The gates, as passes see them.

    Args:
        store: keeps them.
        limits: chart values.
        clock: the time.
        admission: knows who waits for a launch.
        measurements: counts moves.
        wake: asks for a pass over a Subscription.
    """

    def __init__(
        self,
        store: GateStore,
        limits: GateLimits,
        clock: Clock,
        admission: Admission,
        measurements: Measurements,
        wake: Callable[[Key], None],
    ) -> None:
        self._store = store
        self._limits = limits
        self._clock = clock
        self._admission = admission
        self._measurements = measurements
        self._wake = wake
        self._users: dict[str, set[Key]] = {}
        self._used: dict[Key, set[str]] = {}
        self._opened: dict[str, datetime] = {}
        """When this process saw a gate open."""

    @property
    def book(self) -> GateBook:
        """The gates as they are known just now."""
        return self._store.book

    async def enter(self, current: Pass) -> None:
        """Begin a pass: closed gates are looked at again, since a person may have opened them by hand."""
        await self._store.load()
        # Of which other sites it wants videos is known at the pass's end: those of the last one count until then.
        names = {gate.name for gate in current.gates()} | self._used.get(current.key, set())
        if not names.isdisjoint(self.book.pauses):
            before = self.book
            await self._store.refresh()
            self._wake_for(before, but=None)

    def note_gates(self, key: Key, gates: Iterable[GateId]) -> None:
        """Say which gates a Subscription is behind: it is woken when one of them moves."""
        names = {gate.name for gate in gates}
        for name in self._used.get(key, set()) - names:
            self._users[name].discard(key)
            if not self._users[name]:
                del self._users[name]
        for name in names:
            self._users.setdefault(name, set()).add(key)
        self._used[key] = names

    async def forget(self, key: Key, now: datetime) -> None:
        """The Subscription is gone: nobody waits for its probes."""
        self.note_gates(key, ())
        self._used.pop(key, None)
        await self.release(key, None, now)

    def held_back(self, current: Pass) -> Blocker | None:
        """Why the Subscription is not Ready, if a gate of its is closed: of several, the one that opens last.

        Once the pause is over, a gate concerns whoever wants to pass it. The others might wait for long: who probes it
        next, and when, may depend on nobody's wish any more.

        Args:
            current: the pass; gets `look_at` if what is shown is over by itself then.
        """
        wanted, now = current.wanted_gates(), current.now
        for gate in self.book.closed(current.gates()):
            if gate.id in wanted:
                return self._shown(gate)
            if gate.is_pausing(now):
                current.look_at.append(gate.passable_at(now))
                return self._shown(gate)
        return None

    def _shown(self, gate: Gate) -> Blocker:
        assert gate.closing is not None, "asked of closed gates only"
        return held_back(gate, gate.closing, self._store.namespace, self._store.name)

    # -- inventories ---------------------------------------------------------------------------------------------

    def holds_inventory(self, current: Pass) -> bool:
        """Whether the volume must not be read now.

        Once a pause is over an inventory goes beside the probe, and claims none: where no download waits, it is what
        makes one possible, and that opens the gate.

        Args:
            current: the pass; gets `blocker` and `look_at` if so.
        """
        gate = self.book.gate(current.volume)
        at = gate.readable_at(current.now)
        if at <= current.now:
            return False
        current.blocker = self._shown(gate)
        current.look_at.append(at)
        return True

    # -- launches ------------------------------------------------------------------------------------------------

    async def admit_downloads(
        self, key: Key, route: Route, tasks: Collection[str], now: datetime
    ) -> Mapping[GateId, int] | None:
        """Let launches through: what their Jobs carry, or None if they must not begin after all."""
        limits, holder = self._limits, _name(key)

        def compute(book: GateBook) -> GateChanges:
            return book.admit_downloads(route, holder, tasks, limits.budget, limits.policy, now)

        return (await self._commit(compute, now, but=key)).epochs

    async def release(self, key: Key, tasks: Collection[str] | None, now: datetime) -> None:
        """Give back the Subscription's probes: those of these launches, or all."""
        holder = _name(key)
        if self.book.release(holder, tasks).gates:
            await self._commit(lambda book: book.release(holder, tasks), now, but=key)

    async def release_lost(self, current: Pass) -> None:
        """Give back probes that nobody makes: the Job is gone, or the process died before it had one, or in a listing.

        Args:
            current: the pass; gets `probe_in_doubt`.
        """
        alive = {
            launch_task(video, entry.launches)
            for video, entry in current.ledger.running().items()
            if video not in current.missing
        }
        probes = self.book.probes_of(_name(current.key))
        # Passes over one Subscription come one after the other: at the start of this one, this process lists nothing.
        unattended = {task: probe for task, probe in probes.items() if task not in alive}
        lost = {task for task, probe in unattended.items() if current.now - probe.since >= CLAIM_GRACE}
        current.probe_in_doubt = len(lost) < len(unattended)
        if lost:
            logger.info("%s/%s: the probe %s is gone", *current.key, ", ".join(sorted(lost)))
            await self.release(current.key, lost, current.now)

    # -- listings ------------------------------------------------------------------------------------------------

    def open_since(self, current: Pass) -> datetime:
        """Since when the source could be listed, so that not all checks that its gates held are made at once.

        As far as this process has seen them open: what was held before it began was missed then.
        """
        opened = (self._opened.get(gate.name) for gate in current.listing_route.gates)
        return max([current.policy.started_at, *(at for at in opened if at is not None)])

    def holds_listing(self, current: Pass) -> bool:
        """Whether the source must not be listed now.

        A closed gate whose pause is over is probed by a download, where one waits: that proves more. Not once probes
        were unclear: videos that never come would keep the gate closed, and whoever comes first goes.
        """
        route = current.listing_route
        if self.book.passable_at(route, current.now) > current.now:
            return True
        closings = [gate.closing for gate in self.book.closed(route.gates) if gate.closing is not None]
        downloads_first = bool(closings) and not any(closing.unclear for closing in closings)
        return downloads_first and self._admission.awaits_probe(route)

    async def admit_listing(self, current: Pass) -> Mapping[GateId, int] | None:
        """Let a listing through: what `settle` wants of it, or None if it must not be made now."""
        if self.holds_listing(current):
            return None
        route, holder, timeout = current.listing_route, _name(current.key), self._limits.listing_timeout

        def compute(book: GateBook) -> GateChanges:
            return book.admit_listing(route, holder, LISTING, timeout, current.now)

        return (await self._commit(compute, current.now, but=current.key)).epochs

    # -- endings -------------------------------------------------------------------------------------------------

    async def settle(self, current: Pass, endings: Iterable[tuple[str, Mapping[GateId, int], Finding]]) -> None:
        """Take endings into account, each once: with its gate's move the epoch that it carries becomes an old one.

        Args:
            current: the pass; gets the Events.
            endings: task, gates with their epochs, and what the ending says.
        """
        holder = _name(current.key)
        evidence = [Evidence(holder, task, gates, finding) for task, gates, finding in endings]
        if not evidence:
            return

        def compute(book: GateBook) -> GateChanges:
            return book.settle(evidence, self._limits.policy, current.now)

        changes = await self._commit(compute, current.now, but=current.key)
        for happening in changes.happenings:
            gate, closing = happening.gate, happening.closing
            self._measurements.gate_moved(gate.id.kind, happening.move)
            logger.info(
                "gate %s %s (%s: %s), epoch %d", gate.id, happening.move, closing.reason, closing.message, gate.epoch
            )
            shown = event_text(happening)
            if shown is not None:
                namespace, _, name = closing.by.partition("/")
                current.gate_events.append(((namespace, name), Event(shown[0], shown[1], warning=gate.is_closed)))

    async def _commit(self, compute: Callable[[GateBook], GateChanges], now: datetime, but: Key) -> GateChanges:
        before = self.book
        try:
            return await self._store.commit(compute, now)
        finally:
            self._wake_for(before, but)

    def _wake_for(self, before: GateBook, but: Key | None) -> None:
        """Wake whom the moves since then concern."""
        old, new = before.pauses, self.book.pauses
        moved = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
        self._opened.update(dict.fromkeys(moved - new.keys(), self._clock.now()))
        for key in {key for name in moved for key in self._users.get(name, ())} - {but}:
            self._wake(key)


def _name(key: Key) -> str:
    return f"{key[0]}/{key[1]}"
