"""One run of everything: a cluster, what is outside of it, operator processes, and time."""

from __future__ import annotations

import asyncio
import math
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta

from component.cluster import Cluster
from component.simulation.calls import Fault, UnderWay
from component.simulation.cast import CLAIMS, JARS, NAMESPACES, OWNERS, SITES, SPECS, key_of
from component.simulation.gatewatch import GateWatch
from component.simulation.hands import Hands
from component.simulation.lookout import Lookout
from component.simulation.node import Node
from component.simulation.outside import Outside
from component.simulation.process import Process
from component.simulation.tenants import Tenants
from component.simulation.truth import Internet, Nas
from component.simulation.watchdog import Watchdog
from trawler_operator.api.subscription import Key

MOST_PASSES = 600
"""Until everything is downloaded."""
IDLE_SECONDS = 300.0
"""Between two times at which a process has something to do, when nothing happens."""
MOST_CALLS = 40


class Run:
    """A cluster, sites, volumes, and operator processes.

    Call `close` at the end.
    """

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.clock = self.cluster.clock
        self.monotonic = 0.0
        self.clock.monotonic = lambda: self.monotonic  # type: ignore[method-assign]
        self.internet = Internet(self.clock, SITES)
        self.nas = Nas(self.internet, self.clock, CLAIMS)
        gates = GateWatch(self.cluster, self.internet, self.nas, lambda: self.monotonic, self._under_way)
        newest = {name: spec["select"]["newest"] for name, spec in SPECS.items()}
        self.watchdog = Watchdog(self.cluster, self.internet, self.nas, gates, newest)
        self.tenants = Tenants()
        self.lookout = Lookout(self.watchdog)
        self.internet.asked = self.lookout.look_at_listing
        self.cluster.inventory, self.cluster.survey = self.nas.print, self.nas.survey
        self.outside = Outside(self.internet, self.nas, self.watchdog, lambda: self.monotonic)
        self.node = Node(self.cluster, self.nas, self.watchdog, self.tell)
        self.hands = Hands(self.cluster, self.internet, self.watchdog, self.tell)
        self.processes: list[Process] = []
        self.deaf = False
        """The watches of all processes are silent."""
        self._loop = asyncio.new_event_loop()
        for claim in OWNERS:
            self.cluster.claim(claim, OWNERS[claim])
        for name, secret in JARS.items():
            cookies = {"cookies.txt": b64encode(b"# Netscape HTTP Cookie File").decode()}
            metadata = {"namespace": NAMESPACES[name], "name": secret}
            self.cluster.put("Secret", {"metadata": metadata, "data": cookies})
        for name in SPECS:
            self.internet.channels[name] = []
            self.hands.apply(name)
        self.processes.append(self.start())

    def close(self) -> None:
        for process in self.processes:
            process.die()
        self._loop.close()

    # -- processes -----------------------------------------------------------------------------------------------

    def start(self) -> Process:
        process = Process(self.cluster, self.internet, self._loop, self.lookout, self.tenants, lambda: self.monotonic)
        self.lookout.began(process)
        return process

    def work(self, number: int, key: Key, calls: int, fault: Fault, *, writes: bool = False, finish: bool) -> None:
        """Let a process go on with a pass, or begin one.

        Args:
            number: of the process.
            key: of the Subscription.
            calls: so many API calls happen, over several passes where one has fewer.
            fault: what becomes of the last of them.
            writes: only writes are counted.
            finish: go on to the end of the pass afterwards.
        """
        process = self.processes[number % len(self.processes)]
        process.begin(key)
        left = calls
        for _ in range(MOST_CALLS):
            if process.dead or left == 0:
                break
            process.begin(key)
            if writes and not process.is_about_to_write(key):
                process.step(key)
                continue
            left -= 1
            process.step(key, fault if left == 0 else Fault.NONE)
        if finish and not process.dead:
            process.finish(key)
        self._replace_dead()

    def carry_on(self, seconds: float) -> None:
        """So much time passes, and the first process does what is due meanwhile."""
        self._work_until(self.monotonic + seconds, lambda: None)

    def restart(self, number: int) -> None:
        """A process is killed between two calls."""
        self.processes[number % len(self.processes)].die()
        self._replace_dead()

    def overlap(self, *, on: bool) -> None:
        """A second operator runs, or no more."""
        if on and len(self.processes) == 1:
            self.watchdog.overlap, self.watchdog.draining = True, False
            self.processes.append(self.start())
        elif not on and len(self.processes) == 2:
            self.processes.pop().die()
            self.watchdog.draining = True

    def hang_inventories(self, *, on: bool) -> None:
        """Inventories and surveys go on and on, or end again."""
        self.cluster.inventory = None if on else self.nas.print
        self.cluster.survey = None if on else self.nas.survey

    def disturb(self) -> None:
        """Something came in between the calls of the passes that are under way."""
        for one in self._under_way().values():
            one.disturbed = True

    def _under_way(self) -> dict[int, UnderWay]:
        return {number: one for process in self.processes for number, one in process.under_way.items()}

    def _replace_dead(self) -> None:
        self.processes = [self.start() if process.dead else process for process in self.processes]

    def silence_watches(self, *, on: bool) -> None:
        """The watches bring nothing for a while: of Subscriptions and Jobs it is lost, of ledgers it comes late."""
        self.deaf = on
        for process in self.processes:
            process.operator.watch_lags = on
            if not on:
                process.operator.catch_up()

    def tell(self, name: str) -> None:
        """The watches tell of a change."""
        if not self.deaf:
            for process in self.processes:
                process.ask(key_of(name))

    def collect_garbage(self) -> None:
        """What is owned by nobody goes."""
        self.cluster.collect_garbage()
        self.watchdog.forget_lost()

    # -- time ----------------------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Both clocks go on; the wall's shows whole seconds, and not those that are not over yet."""
        whole = math.floor(self.monotonic + seconds) - math.floor(self.monotonic)
        self.monotonic += seconds
        self.clock.advance(timedelta(seconds=whole))

    def jump(self, seconds: int) -> None:
        """The wall clock is set."""
        self.watchdog.gates.clock_jumped()
        self.lookout.clock_jumped()
        self.clock.advance(timedelta(seconds=seconds))

    def work_undisturbed(self, until: float) -> None:
        """Passes when they are due, and all goes well."""
        self._work_until(until, self.node.end_all)

    def _work_until(self, until: float, after: Callable[[], None]) -> None:
        process = self.processes[0]
        for _ in range(MOST_PASSES + math.ceil((until - self.monotonic) / IDLE_SECONDS)):
            if process.next_due() > until:
                break
            self.advance(max(0.0, process.next_due() - self.monotonic))
            for key in process.take_due():
                process.begin(key)
                process.finish(key)
            after()
        else:
            raise AssertionError(f"passes without end before {until}: {process.due}")
        self.advance(max(0.0, until - self.monotonic))
