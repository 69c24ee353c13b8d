"""Whoever looks at what operators do: the watchers of all that must hold, told together of each write and pass."""

from __future__ import annotations

from component.simulation.calls import UnderWay
from component.simulation.chargewatch import ChargeWatch
from component.simulation.listingwatch import ListingWatch
from component.simulation.orderwatch import OrderWatch
from component.simulation.pacewatch import PaceWatch
from component.simulation.process import Process
from component.simulation.reportwatch import ReportWatch
from component.simulation.slotwatch import SlotWatch
from component.simulation.watchdog import Watchdog


class Lookout:
    """All watchers.

    Args:
        watchdog: the first of them.
    """

    def __init__(self, watchdog: Watchdog) -> None:
        def alone() -> bool:
            return not watchdog.overlap

        cluster = watchdog.cluster
        self._watchdog = watchdog
        self._slots = SlotWatch(cluster)
        self._pace = PaceWatch(watchdog.gates.monotonic)
        self._reports = ReportWatch(cluster, alone)
        self._listings = ListingWatch(cluster, watchdog.internet, alone)
        self._charges = ChargeWatch(watchdog.gates, watchdog, alone)
        self._order = OrderWatch(watchdog, alone)

    def began(self, process: Process) -> None:
        """A process runs."""
        self._order.watch(process)

    def look(self, this: UnderWay) -> None:
        """A pass has written something."""
        self._watchdog.look(this.number)
        self._charges.look(this)
        self._order.look(this)

    def look_at_listing(self, name: str) -> None:
        """A source is about to be listed."""
        self._watchdog.look_at_listing(name)
        self._listings.look(name)

    def ended(self, process: Process, this: UnderWay, error: BaseException | None) -> None:
        """A pass has come to its end, or was cut."""
        if not self._watchdog.overlap:
            self._slots.ended(process, this)
        self._reports.ended(this, error)
        self._pace.ended(this)
        self._listings.ended(this)
        self._charges.ended(this)
        self._order.ended(this)

    def died(self, process: Process) -> None:
        """A process is about to be gone, and what it alone knew with it."""
        self._listings.forgive()

    def clock_jumped(self) -> None:
        """The wall clock was set."""
        self._listings.forgive()
