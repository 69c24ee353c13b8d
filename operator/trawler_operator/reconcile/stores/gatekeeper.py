"""How passes use gates: they ask before a launch or listing and report its ending; moves wake whom they concern."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from trawler_operator.api.subscription import Key
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.gates.book import Evidence, GateBook, GateChanges
from trawler_operator.domain.gates.budget import BudgetLimits
from trawler_operator.domain.gates.gate import LISTING, Finding, Gate, GatePolicy, paused_by_hand, reopen
from trawler_operator.domain.gates.own import read_own_gate
from trawler_operator.domain.gates.route import GateId, Route, own_gates
from trawler_operator.domain.gates.texts import event_text, held_back
from trawler_operator.domain.launches.admission import Admission
from trawler_operator.domain.requests.grammar import InvalidRequestError, parse_pause
from trawler_operator.reconcile.ports import Clock, Event, Measurements
from trawler_operator.reconcile.stores.gate_store import GateStore
from trawler_operator.reconcile.subject import Subject

logger = logging.getLogger(__name__)

CLAIM_GRACE = timedelta(seconds=30)
"""Age from which the claim of a probe or launch without its Job or listing counts as lost.

A probe's claim, its launch's claim and its Job follow one another within seconds. Only a process that died leaves an
older claim. A younger one may belong to another operator that is about to create the Job, or is at the listing. (Of two
operators without their Lease, one may take a longer listing of the other for lost. Then the source is asked twice, and
either answer counts.)
"""


AboutGate = tuple[Key, Event]
"""The Subscription whose ending closed a gate, and an Event about that gate, which is posted about the Subscription."""


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Chart values.

    Args:
        policy: pauses and probes.
        budget: limits of one address at one site.
        listing_timeout: how long the ending of a listing that probes is waited for.
    """

    policy: GatePolicy
    budget: BudgetLimits
    listing_timeout: timedelta


class Gatekeeper:
    """The gates, as passes use them. What writes raises GatesUnavailableError or ConflictError, as `GateStore.commit`.

    Args:
        store: keeps the gates.
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
        """The gates as they are known now."""
        return self._store.book

    async def enter(self, subject: Subject) -> None:
        """Begin a pass. If a shared gate of its is closed, all are read again: a person may have opened it by hand."""
        self._store.keep_own(self._own_gates(subject))
        await self._store.load()
        # The other sites of its videos are known at the pass's end. Until then those of the last pass count.
        names = {gate.name for gate in subject.own_gates} | self._used.get(subject.key, set())
        if any(self.book.gates[name].id.is_shared for name in names & self.book.pauses.keys()):
            before = self.book
            await self._store.refresh()
            self._wake_for(before, but=None)

    def _own_gates(self, subject: Subject) -> tuple[Gate, Gate]:
        """The gates of the Subscription alone, as its status and its annotation have them.

        A changed spec opens the gate for its own trouble: the change may be what mends that.
        """
        subscription, holder = subject.subscription, _name(subject.key)
        trouble = read_own_gate(holder, subscription.status.gate)
        known = self.book.gate(trouble.id)
        if not trouble.is_closed:
            trouble = replace(known, closing=None, probe=None)
        elif subscription.status.download_digest != subject.download_digest:
            trouble = reopen(trouble, subject.now)
        hand = Gate(own_gates(holder)[1])
        with contextlib.suppress(InvalidRequestError):  # the step that carries out requests reports it
            until = parse_pause(subscription.annotations)
            if until is not None and until > subject.now:
                hand = paused_by_hand(holder, until, subject.now)
        return trouble, hand

    def own_gate(self, key: Key) -> Gate:
        """The gate for the Subscription's own trouble."""
        return self.book.gate(own_gates(_name(key))[0])

    async def probe(self, key: Key, gates: Iterable[GateId], now: datetime) -> None:
        """Let the next probe of closed gates go as soon as it may, because somebody asks for it."""
        identities = tuple(gates)
        await self._commit(lambda book: book.bring_forward(identities, now), now, but=key)

    def note_gates(self, key: Key, gates: Iterable[GateId]) -> None:
        """Note the gates of a Subscription: it is woken when one of them moves."""
        names = {gate.name for gate in gates}
        for name in self._used.get(key, set()) - names:
            self._users[name].discard(key)
            if not self._users[name]:
                del self._users[name]
        for name in names:
            self._users.setdefault(name, set()).add(key)
        self._used[key] = names

    async def forget(self, key: Key, now: datetime) -> None:
        """Forget a Subscription that is gone, and give back its probes."""
        self.note_gates(key, ())
        self._used.pop(key, None)
        self._store.forget_own(own_gates(_name(key)))
        await self.release(key, None, now)

    def held_back(
        self, key: Key, gates: AbstractSet[GateId], wanted: AbstractSet[GateId], now: datetime
    ) -> tuple[Blocker | None, datetime | None]:
        """Why a Subscription is not Ready, if its gates are closed: of several, the first that people are shown.

        A closed gate whose pause is over concerns only those that want to pass it. To others it might stay closed for
        long: its next probe depends on the Subscriptions that want to pass.

        Args:
            key: the Subscription's key.
            gates: all its gates.
            wanted: those of them that it passes now, or would pass.
            now: the present.

        Returns:
            What Ready says, and when that is over by itself.
        """
        for gate in self.book.closed(gates):
            if gate.id in wanted:
                return _shown(gate, key), None
            if gate.is_pausing(now):
                return _shown(gate, key), gate.passable_at(now)
        return None, None

    # -- inventories ---------------------------------------------------------------------------------------------

    def holds_inventory(self, key: Key, volume: GateId, now: datetime) -> tuple[Blocker, datetime] | None:
        """Why the volume must not be read now, and until when; None if it may be read.

        After the pause an inventory goes beside the probe, and claims none. If no download waits, the inventory makes
        one possible, and that download opens the gate.
        """
        gate = self.book.gate(volume)
        at = gate.readable_at(now)
        return None if at <= now else (_shown(gate, key), at)

    # -- launches ------------------------------------------------------------------------------------------------

    async def admit_downloads(
        self, key: Key, route: Route, tasks: Collection[str], now: datetime
    ) -> Mapping[GateId, int] | None:
        """Let launches through: the epochs that their Jobs carry, or None if they must not begin after all."""
        limits, holder = self._limits, _name(key)

        def compute(book: GateBook) -> GateChanges:
            return book.admit_downloads(route, holder, tasks, limits.budget, limits.policy, now)

        return (await self._commit(compute, now, but=key)).epochs

    async def take_back(self, key: Key, route: Route, tasks: Collection[str], charged: datetime, now: datetime) -> None:
        """Give back budget and probes of launches that were let through and have not begun.

        Args:
            key: the Subscription's key.
            route: the route that they were let through.
            tasks: the launches.
            charged: when they were let through.
            now: the present.
        """
        holder = _name(key)
        await self._commit(lambda book: book.take_back(route, holder, tasks, charged), now, but=key)

    async def release(self, key: Key, tasks: Collection[str] | None, now: datetime) -> None:
        """Give back the Subscription's probes: those of these launches, or all if `tasks` is None."""
        holder = _name(key)
        if self.book.release(holder, tasks).gates:
            await self._commit(lambda book: book.release(holder, tasks), now, but=key)

    async def release_lost(self, key: Key, alive: AbstractSet[str], now: datetime) -> bool:
        """Give back probes that nobody makes: their Job is gone, or the process died before the Job or in a listing.

        Args:
            key: the Subscription's key.
            alive: its launches whose Jobs exist.
            now: the present.

        Returns:
            Whether it holds another probe that nobody seems to make and that is too young to be given back.
        """
        probes = self.book.probes_of(_name(key))
        # Passes over one Subscription come one after the other, so this process does not list its source now.
        unattended = {task: probe for task, probe in probes.items() if task not in alive}
        lost = {task for task, probe in unattended.items() if now - probe.since >= CLAIM_GRACE}
        if lost:
            logger.info("%s/%s: the probe %s is gone", *key, ", ".join(sorted(lost)))
            await self.release(key, lost, now)
        return len(lost) < len(unattended)

    # -- listings ------------------------------------------------------------------------------------------------

    def open_since(self, subject: Subject) -> datetime:
        """Since when the source could be listed, so that the checks that its gates held back are not all made at once.

        It is the later of two times: when this process saw the last of the gates open, and when this process began.
        """
        opened = (self._opened.get(gate.name) for gate in subject.listing_route.gates)
        return max([subject.policy.started_at, *(at for at in opened if at is not None)])

    def holds_listing(self, subject: Subject) -> bool:
        """Whether the source must not be listed now.

        After the pause of a closed gate, a waiting download that has a slot goes first, since its probe proves more.
        After unclear probes whoever comes first goes: videos that never succeed would otherwise keep the gate closed.
        """
        route = subject.listing_route
        if self.book.passable_at(route, subject.now) > subject.now:
            return True
        closings = [gate.closing for gate in self.book.closed(route.gates) if gate.closing is not None]
        downloads_first = bool(closings) and not any(closing.unclear for closing in closings)
        return downloads_first and self._admission.awaits_probe(route)

    async def admit_listing(self, subject: Subject) -> Mapping[GateId, int] | None:
        """Let a listing through: the epochs that `settle` needs of it, or None if it must not be made now."""
        if self.holds_listing(subject):
            return None
        route, holder, timeout = subject.listing_route, _name(subject.key), self._limits.listing_timeout

        def compute(book: GateBook) -> GateChanges:
            return book.admit_listing(route, holder, LISTING, timeout, subject.now)

        return (await self._commit(compute, subject.now, but=subject.key)).epochs

    # -- endings -------------------------------------------------------------------------------------------------

    async def settle(
        self, subject: Subject, endings: Iterable[tuple[str, Mapping[GateId, int], Finding]]
    ) -> tuple[AboutGate, ...]:
        """Move gates by endings.

        Each ending counts once: it moves a gate to a new epoch, and carries the old one.

        Args:
            subject: the Subscription.
            endings: task, gates with their epochs, and what the ending says.

        Returns:
            Events about the gates that moved.
        """
        holder = _name(subject.key)
        evidence = [Evidence(holder, task, gates, finding) for task, gates, finding in endings]
        if not evidence:
            return ()

        def compute(book: GateBook) -> GateChanges:
            return book.settle(evidence, self._limits.policy, subject.now)

        changes = await self._commit(compute, subject.now, but=subject.key)
        events: list[AboutGate] = []
        for happening in changes.happenings:
            gate, closing = happening.gate, happening.closing
            self._measurements.gate_moved(gate.id.kind, happening.move)
            logger.info(
                "gate %s %s (%s: %s), epoch %d", gate.id, happening.move, closing.reason, closing.message, gate.epoch
            )
            shown = event_text(happening)
            if shown is not None:
                namespace, _, name = closing.by.partition("/")
                events.append(((namespace, name), Event(shown[0], shown[1], warning=gate.is_closed)))
        return tuple(events)

    async def _commit(self, compute: Callable[[GateBook], GateChanges], now: datetime, but: Key) -> GateChanges:
        before = self.book
        try:
            return await self._store.commit(compute, now)
        finally:
            self._wake_for(before, but)

    def _wake_for(self, before: GateBook, but: Key | None) -> None:
        """Wake the Subscriptions that the moves since `before` concern."""
        old, new = before.pauses, self.book.pauses
        moved = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
        self._opened.update(dict.fromkeys(moved - new.keys(), self._clock.now()))
        for key in {key for name in moved for key in self._users.get(name, ())} - {but}:
            self._wake(key)


def _name(key: Key) -> str:
    return f"{key[0]}/{key[1]}"


def _shown(gate: Gate, key: Key) -> Blocker:
    assert gate.closing is not None, "asked of closed gates only"
    return held_back(gate, gate.closing, key)
