"""Who may start the next Job: caps, budgets, gates and turns, shared by all Subscriptions.

Subscriptions are reconciled in parallel, so this one object holds what they share. A slot belongs to an unfinished Job,
or to a creation under way, and to nothing else. Each pass counts its Jobs anew (`hold`). What was granted to a pass
ends with the pass (`end_pass`), however the pass ended. So a slot can neither leak nor be given twice. The gate book
has the gates and budgets. A claim whose Job is missing holds no slot: `resume` asks for one before the Job is made.

Videos that were published lately go before those that a first check brought, and these go before second looks and back
catalogue, whichever Subscription they belong to (`ledger.backlog.Rank`). Within a rank, turns are first come, first
served, with one start per turn while others wait: a channel with a thousand videos gets every second slot beside a
channel with one. A Subscription that cannot start yet (its site's budget is used up, its gate is closed) keeps its
place and lets those behind it pass. Only the Subscription that can start next is ever woken: a thousand waiting ones
that all asked would cost more than the downloads.
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
        max_running_per_subscription: Jobs at a time of one Subscription; its own `job.parallelism` may ask for fewer.
        egress: limits of one address at one site.
    """

    max_running: Annotated[int, Field(alias="maxRunningJobs", ge=1, le=1000)]
    max_running_per_subscription: Annotated[int, Field(alias="maxRunningJobsPerSubscription", ge=1, le=1000)]
    egress: BudgetLimits


@dataclass(frozen=True, slots=True)
class Turn:
    """Which Subscription has its turn, and from when on."""

    key: Key
    at: datetime


class Admission:
    """Slots for Jobs. It is not thread-safe and need not be, because it never awaits.

    Args:
        limits: chart values.
        book: returns the gates as they are known now.
    """

    def __init__(self, limits: AdmissionLimits, book: Callable[[], GateBook]) -> None:
        self._limits = limits
        self._book = book
        self._jobs: dict[Key, Counter[str]] = {}
        """Number of unfinished Jobs by the name of their egress."""
        self._granted: dict[Key, Counter[str]] = {}
        """Number of creations under way by the name of their egress."""
        self._line: OrderedDict[tuple[Key, Route], Rank] = OrderedDict()
        self._routes: dict[Key, set[Route]] = {}
        """The routes of `_line` by Subscription."""
        self._away: set[Key] = set()

    @property
    def running(self) -> int:
        """Slots taken."""
        return sum(held.total() for slots in (self._jobs, self._granted) for held in slots.values())

    @property
    def waiting(self) -> int:
        """Places in line: a Subscription that wants videos of two sites counts twice."""
        return len(self._line)

    def rebuild(self, running: Mapping[Key, Mapping[str, int]]) -> None:
        """Start over from the Jobs that exist.

        Args:
            running: number of unfinished Jobs of each Subscription by the name of their egress.
        """
        self._jobs = {}
        self._granted = {}
        self._line.clear()
        self._routes.clear()
        self._away.clear()
        for key, held in running.items():
            self.hold(key, held)

    def hold(self, key: Key, jobs: Mapping[str, int]) -> None:
        """Set how many unfinished Jobs a Subscription has through each egress."""
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
        """End `count` of the creations that were granted."""
        granted = self._granted.get(key, Counter())
        granted[route.egress.name] -= count
        self._granted[key] = +granted

    def wait(self, key: Key, route: Route, rank: Rank) -> None:
        """Stand in line again for a launch that was granted, could not begin and is still wanted."""
        self._stand_in_line(key, route, rank)

    def end_pass(self, key: Key) -> None:
        """Forget the Subscription's creations: its pass has ended, however it did, so none is under way any more."""
        self._granted.pop(key, None)

    def withdraw(self, key: Key) -> None:
        """Take the Subscription out of the line, which must not wait for it: it wants nothing now, or cannot ask."""
        self.come_back(key)
        for route in list(self._routes.get(key, ())):
            self._step_out(key, route)

    def step_aside(self, key: Key) -> None:
        """Let others pass while the Subscription cannot ask. It keeps its places."""
        self._away.add(key)

    def come_back(self, key: Key) -> None:
        """Count the Subscription in again: it can ask."""
        self._away.discard(key)

    def stand_only_for(self, key: Key, routes: AbstractSet[Route]) -> None:
        """Give up the Subscription's places for all other routes."""
        for route in self._routes.get(key, set()) - routes:
            self._step_out(key, route)

    def request(self, key: Key, route: Route, wanted: int, parallelism: int, now: datetime, rank: Rank) -> int:
        """Ask for slots.

        Args:
            key: the Subscription that asks.
            route: the route of the videos.
            wanted: how many of them it would start.
            parallelism: how many Jobs it runs at a time at most, by its own spec.
            now: the time.
            rank: rank of the first of the videos.

        Returns:
            How many it may start at once; through a closed gate one, as the gate's probe. A Subscription that wants
            more stays in line, and `next_turn` names it when its turn comes.
        """
        place = (key, route)
        wanted = min(wanted, self._own_room(key, parallelism))
        if wanted <= 0:
            # It is at its own cap. The end of one of its Jobs starts its next pass, so it need not stand in line.
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
        """Ask for the slot of a launch that was granted before and whose Job does not exist.

        The launch has had its turn, so only caps can refuse the slot.

        Args:
            key: the Subscription that asks.
            route: the route of the video.
            parallelism: as in `request`.

        Returns:
            Whether the Job may be made.
        """
        if min(self._own_room(key, parallelism), self._free(route)) <= 0:
            return False
        self._granted.setdefault(key, Counter())[route.egress.name] += 1
        return True

    def decline(self, key: Key, route: Route, granted: int, rank: Rank) -> None:
        """Return what was granted and could not be used, because other passes were quicker at the gates.

        The Subscription is first in line again.
        """
        self.not_created(key, route, granted)
        self._stand_in_line(key, route, rank)
        self._line.move_to_end((key, route), last=False)

    def awaits_probe(self, route: Route) -> bool:
        """Whether a download in line would probe for this route.

        Such a download passes the same Egress and Cookies gates, no other gate of its route is closed, and a slot is
        free. While no slot is free, nobody knows when its turn comes: more urgent videos of others may go first for
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
        """Who can start next, and when.

        None if nobody waits, or if all who wait need a Job to end first.
        """
        found = self._next_place(now)
        return Turn(found[0][0], found[1]) if found else None

    def _stand_in_line(self, key: Key, route: Route, rank: Rank) -> None:
        self._line[key, route] = rank  # a route that is in line keeps its place
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
