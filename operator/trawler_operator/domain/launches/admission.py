"""Who may start the next Job: caps, budgets, gates and turns, shared by all Subscriptions.

Subscriptions are reconciled in parallel, so what they share lives in this one object. A slot belongs to an unfinished
Job, or to a creation under way, and to nothing else: Jobs are counted anew by each pass (`hold`), and what was granted
to a pass ends with it (`end_pass`), however it ended. So a slot can neither leak nor be given twice. Gates and budgets
are the gate book's. A claim whose Job is missing has no slot: it asks for one again (`resume`) before its Job is made.

What was published lately goes before what a first check brought, whosever it is, and that before second looks and
back catalogue (`ledger.backlog.Rank`). Within each, turns are first come, first served, one start per turn while others
wait: a channel with a thousand videos gets every second slot beside a channel with one. One that cannot start yet (its
site's budget is used up, its gate is closed) keeps its place and lets those behind it pass. Only the one that can start
next is ever woken; a thousand waiting Subscriptions that all came to ask would cost more than the downloads.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from trawler_operator.api.subscription import Key
from trawler_operator.domain.gates.book import GateBook
from trawler_operator.domain.gates.budget import BudgetLimits
from trawler_operator.domain.gates.route import GateId, Route
from trawler_operator.domain.ledger.backlog import Rank


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """Chart values.

    Args:
        max_running: Jobs at a time, of all Subscriptions together.
        max_running_per_subscription: of one; its own `job.parallelism` may ask for fewer.
        egress: of one address at one site.
    """

    max_running: Annotated[int, Field(alias="maxRunningJobs", ge=1, le=1000)]
    max_running_per_subscription: Annotated[int, Field(alias="maxRunningJobsPerSubscription", ge=1, le=1000)]
    egress: BudgetLimits


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is, and from when on."""

    key: Key
    at: datetime


class Admission:
    """Slots for Jobs. Not thread-safe, and need not be: it never awaits.

    Args:
        limits: chart values.
        book: the gates as they are known just now.
    """

    def __init__(self, limits: AdmissionLimits, book: Callable[[], GateBook]) -> None:
        self._limits = limits
        self._book = book
        self._jobs: dict[Key, Counter[str]] = {}
        """Unfinished Jobs by the name of their egress."""
        self._granted: dict[Key, Counter[str]] = {}
        """Creations under way, by the same."""
        self._line: OrderedDict[tuple[Key, Route], Rank] = OrderedDict()
        self._routes: dict[Key, set[Route]] = {}
        """The same by Subscription."""
        self._away: set[Key] = set()

    @property
    def running(self) -> int:
        """Slots taken."""
        return sum(held.total() for slots in (self._jobs, self._granted) for held in slots.values())

    @property
    def waiting(self) -> int:
        """Subscriptions in line; one that wants videos of two sites counts twice."""
        return len(self._line)

    def rebuild(self, running: Mapping[Key, Mapping[str, int]]) -> None:
        """Start over from the Jobs that are there: how many of each Subscription through which egress (its name)."""
        self._jobs = {}
        self._granted = {}
        self._line.clear()
        self._routes.clear()
        self._away.clear()
        for key, held in running.items():
            self.hold(key, held)

    def hold(self, key: Key, jobs: Mapping[str, int]) -> None:
        """Say how many unfinished Jobs a Subscription really has through each egress."""
        held = +Counter(jobs)
        if held:
            self._jobs[key] = held
        else:
            self._jobs.pop(key, None)

    def created(self, key: Key, route: Route) -> None:
        """A creation under way has become a Job."""
        self.not_created(key, route)
        self._jobs.setdefault(key, Counter())[route.egress.name] += 1

    def not_created(self, key: Key, route: Route, count: int = 1) -> None:
        """So many of the creations that were granted are not under way any more."""
        granted = self._granted.get(key, Counter())
        granted[route.egress.name] -= count
        self._granted[key] = +granted

    def wait(self, key: Key, route: Route, rank: Rank) -> None:
        """What was granted could not begin, and is wanted still."""
        self._stand_in_line(key, route, rank)

    def end_pass(self, key: Key) -> None:
        """Nothing of the Subscription is under way any more, however its pass ended."""
        self._granted.pop(key, None)

    def withdraw(self, key: Key) -> None:
        """The Subscription wants nothing now, or cannot ask: the line must not wait for it."""
        self.come_back(key)
        for route in list(self._routes.get(key, ())):
            self._step_out(key, route)

    def step_aside(self, key: Key) -> None:
        """The Subscription cannot ask for a while: it keeps its places, and those behind it pass."""
        self._away.add(key)

    def come_back(self, key: Key) -> None:
        """It can ask again."""
        self._away.discard(key)

    def stand_only_for(self, key: Key, routes: AbstractSet[Route]) -> None:
        """The Subscription wants nothing of any other route now."""
        for route in self._routes.get(key, set()) - routes:
            self._step_out(key, route)

    def request(self, key: Key, route: Route, wanted: int, parallelism: int, now: datetime, rank: Rank) -> int:
        """Ask for slots.

        Args:
            key: who asks.
            route: of the videos.
            wanted: how many of them it would start.
            parallelism: how many it runs at a time at most, by its own spec.
            now: the time.
            rank: of the first of them.

        Returns:
            How many it may start at once; through a closed gate one, as its probe. Wanting more, it stays in line and
            is told by `next_turn`.
        """
        place = (key, route)
        wanted = min(wanted, self._own_room(key, parallelism))
        if wanted <= 0:
            # At its own cap: the end of one of its Jobs brings it back, the line has nothing to tell it.
            self._step_out(key, route)
            return 0
        self._stand_in_line(key, route, rank)
        if self._next_place(now) != (place, now):
            return 0
        granted = 1 if self._one_at_a_time(route) else min(wanted, self._room(route, now))
        self._granted.setdefault(key, Counter())[route.egress.name] += granted
        self._step_out(key, route)
        if wanted > granted:
            self._stand_in_line(key, route, rank)
        return granted

    def resume(self, key: Key, route: Route, parallelism: int) -> bool:
        """Ask for the slot of a launch that was granted before, and whose Job is not there.

        It has had its turn: only caps keep it from its slot.

        Args:
            key: who asks.
            route: of the video.
            parallelism: as with `request`.

        Returns:
            Whether its Job may be made.
        """
        if min(self._own_room(key, parallelism), self._free(route)) <= 0:
            return False
        self._granted.setdefault(key, Counter())[route.egress.name] += 1
        return True

    def decline(self, key: Key, route: Route, granted: int, rank: Rank) -> None:
        """What was granted could not be used: others were quicker at the gates. It is the first in line again."""
        self.not_created(key, route, granted)
        self._stand_in_line(key, route, rank)
        self._line.move_to_end((key, route), last=False)

    def awaits_probe(self, route: Route) -> bool:
        """Whether a download stands in line that would pass the same gates of the site now, and no other closed one.

        Where no slot is free nobody knows when it has its turn: others whose videos are more urgent may go first, for
        days.
        """
        book = self._book()
        return self._free(route) > 0 and any(
            (other.egress, other.cookies) == (route.egress, route.cookies)
            and not any(book.gate(gate).is_closed for gate in (other.volume, *other.own) if gate is not None)
            for key, other in self._line
            if key not in self._away
        )

    def next_turn(self, now: datetime) -> Turn | None:
        """Who can start next and when; None while nobody waits or whoever does waits for a Job to end."""
        found = self._next_place(now)
        return Turn(found[0][0], found[1]) if found else None

    def _stand_in_line(self, key: Key, route: Route, rank: Rank) -> None:
        self._line[key, route] = rank  # one that stands there keeps its place
        self._routes.setdefault(key, set()).add(route)

    def _step_out(self, key: Key, route: Route) -> None:
        self._line.pop((key, route), None)
        routes = self._routes.get(key, set())
        routes.discard(route)
        if not routes:
            self._routes.pop(key, None)

    def _next_place(self, now: datetime) -> tuple[tuple[Key, Route], datetime] | None:
        if self.running >= self._limits.max_running:
            return None
        through = self._running_through()
        book, limits = self._book(), self._limits.egress
        times: dict[tuple[GateId, ...], datetime | None] = {}
        best: tuple[tuple[Key, Route], datetime] | None = None
        best_rank: tuple[datetime, Rank] | None = None
        for place, rank in self._line.items():
            key, route = place
            if key in self._away:
                continue
            if route.shared not in times:
                full = through[route.egress.name] >= limits.max_parallel
                times[route.shared] = None if full else book.start_at(replace(route, own=()), limits, now)
            at = times[route.shared]
            if at is None:
                continue
            at = max(at, book.own_passable_at(route, now))
            if best_rank is None or (at, rank) < best_rank:
                best, best_rank = (place, at), (at, rank)
                if best_rank == (now, Rank.UPLOAD):
                    break
        return best

    def _one_at_a_time(self, route: Route) -> bool:
        spaced = self._limits.egress.spacing > timedelta(0)
        return len(self._line) > 1 or spaced or bool(self._book().closed(route.gates))

    def _own_room(self, key: Key, parallelism: int) -> int:
        cap = min(parallelism, self._limits.max_running_per_subscription)
        return cap - sum(slots.get(key, Counter()).total() for slots in (self._jobs, self._granted))

    def _room(self, route: Route, now: datetime) -> int:
        begun = self._book().gate(route.egress).budget.begun(now)
        return min(self._free(route), self._limits.egress.max_per_hour - begun)

    def _free(self, route: Route) -> int:
        through = self._running_through()[route.egress.name]
        return min(self._limits.max_running - self.running, self._limits.egress.max_parallel - through)

    def _running_through(self) -> Counter[str]:
        return sum((*self._jobs.values(), *self._granted.values()), Counter())
