"""What `/metrics` tells (implements `ports.Measurements`), in a registry of its own.

Labels are bounded by what users create: a Subscription's series go when it goes, videos are never labels, and a state
that no video is in has no series.

With thousands of Subscriptions the text takes a tenth of a second to write. So it is written in a thread; what belongs
to the event loop is asked for on the loop before. The counters themselves are safe to be read from another thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from trawler_operator.api.subscription import Key
from trawler_operator.domain.gates.book import GateBook
from trawler_operator.domain.gates.route import GateId, GateKind
from trawler_operator.domain.line import Length

_SUBSCRIPTION = ("namespace", "name")
_CHECK_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_PASS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 300)


class PrometheusMeasurements:
    """Counters and gauges of the operator.

    Args:
        queue_length: asked at each scrape.
        running_jobs: asked at each scrape.
        leads: whether this process holds the Lease, asked at each scrape.
    """

    def __init__(
        self, queue_length: Callable[[], int], running_jobs: Callable[[], int], leads: Callable[[], bool]
    ) -> None:
        self.registry = registry = CollectorRegistry()
        self._videos = Gauge("trawler_videos", "Videos in the ledger", (*_SUBSCRIPTION, "state"), registry=registry)
        self._dead_letters = Gauge(
            "trawler_dead_letters", "Videos that were given up", (*_SUBSCRIPTION, "reason"), registry=registry
        )
        self._last_success = Gauge(
            "trawler_last_successful_check_timestamp_seconds",
            "When a source was last listed completely",
            _SUBSCRIPTION,
            registry=registry,
        )
        self._launches = Counter("trawler_launches", "Download Jobs that ended", ("outcome",), registry=registry)
        self._checks = Counter("trawler_checks", "Listings of sources", ("result",), registry=registry)
        self._check_seconds = Histogram(
            "trawler_check_duration_seconds", "Time of a listing", buckets=_CHECK_BUCKETS, registry=registry
        )
        self._pass_seconds = Histogram(
            "trawler_reconcile_duration_seconds", "Time of a reconcile", buckets=_PASS_BUCKETS, registry=registry
        )
        self._pass_errors = Counter("trawler_reconcile_errors", "Reconciles that raised", registry=registry)
        queue = Gauge("trawler_queue_length", "Subscriptions that are due and wait for a worker", registry=registry)
        jobs = Gauge("trawler_running_jobs", "Download Jobs that hold a slot", registry=registry)
        leading = Gauge("trawler_leading", "1 for the operator that works, 0 for one that stands by", registry=registry)
        self._asked: list[tuple[Gauge, Callable[[], float]]] = [
            (queue, queue_length),
            (jobs, running_jobs),
            (leading, leads),
        ]
        self._snapshots: list[_Snapshot] = []
        self._gate_moves = Counter(
            "trawler_gate_moves",
            "Gates that closed, stayed closed for longer, or opened",
            ("kind", "move"),
            registry=registry,
        )
        self._states: dict[Key, set[str]] = {}
        self._reasons: dict[Key, set[str]] = {}

    def show_gates(self, book: Callable[[], GateBook], max_per_hour: int, now: Callable[[], datetime]) -> None:
        """Add the gates' series.

        Args:
            book: asked at each scrape.
            max_per_hour: of an egress's budget.
            now: the time.
        """
        self._show(lambda: _gate_series(book(), max_per_hour, now()))

    def show_line(self, lengths: Callable[[], Mapping[GateId | None, Length]]) -> None:
        """Add the series of the line before the listings.

        Args:
            lengths: of its lanes, asked at each scrape.
        """
        self._show(lambda: _line_series(lengths()))

    def _show(self, ask: Callable[[], Iterable[GaugeMetricFamily]]) -> None:
        snapshot = _Snapshot(ask)
        self._snapshots.append(snapshot)
        self.registry.register(snapshot)

    def gate_moved(self, kind: str, move: str) -> None:
        """Count a gate's move."""
        self._gate_moves.labels(kind, move).inc()

    def check_finished(self, result: str, seconds: float) -> None:
        """Count a listing."""
        self._checks.labels(result).inc()
        self._check_seconds.observe(seconds)

    def launch_finished(self, outcome: str) -> None:
        """Count the end of a launch."""
        self._launches.labels(outcome).inc()

    def subscription_seen(self, key: Key, videos: Mapping[str, int], last_success: datetime | None) -> None:
        """Set a Subscription's gauges; a state that no video is in any more loses its series."""
        _set_series(self._videos, self._states, key, {state: count for state, count in videos.items() if count})
        if last_success is not None:
            self._last_success.labels(*key).set(last_success.timestamp())

    def dead_letters_seen(self, key: Key, reasons: Mapping[str, int]) -> None:
        """Set a Subscription's gauges of what was given up; a reason that none has any more loses its series."""
        _set_series(self._dead_letters, self._reasons, key, reasons)

    def subscription_gone(self, key: Key) -> None:
        """Remove a Subscription's series."""
        self.subscription_seen(key, {}, None)
        self.dead_letters_seen(key, {})
        self._last_success.remove_by_labels({"namespace": key[0], "name": key[1]})

    def pass_finished(self, seconds: float, *, failed: bool) -> None:
        """Count a reconcile."""
        self._pass_seconds.observe(seconds)
        if failed:
            self._pass_errors.inc()

    async def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        for gauge, ask in self._asked:
            gauge.set(ask())
        for snapshot in self._snapshots:
            snapshot.take()
        return await asyncio.to_thread(generate_latest, self.registry)


class _Snapshot(Collector):
    """What others know at a scrape: it is taken on the event loop, and read in a thread.

    Args:
        ask: for the series.
    """

    def __init__(self, ask: Callable[[], Iterable[GaugeMetricFamily]]) -> None:
        self._ask = ask
        self._taken: tuple[GaugeMetricFamily, ...] = ()

    def take(self) -> None:
        """Ask."""
        self._taken = tuple(self._ask())

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """What was answered."""
        return self._taken


def _set_series(gauge: Gauge, shown: dict[Key, set[str]], key: Key, counts: Mapping[str, int]) -> None:
    """Set a Subscription's series of a gauge, and remove those that count nothing any more.

    Args:
        gauge: labelled with the Subscription's key, then with the name of what is counted.
        shown: names of each Subscription's present series; changed.
        key: of the Subscription.
        counts: by name.
    """
    for name in shown.pop(key, set()) - counts.keys():
        gauge.remove(*key, name)
    for name, count in counts.items():
        gauge.labels(*key, name).set(count)
    if counts:
        shown[key] = set(counts)


def _gate_series(book: GateBook, max_per_hour: int, now: datetime) -> Iterable[GaugeMetricFamily]:
    """The gates as they stand; those that were forgotten have no series."""
    closed = GaugeMetricFamily("trawler_gate_closed", "1 while a gate is closed", labels=("kind", "gate"))
    remaining = GaugeMetricFamily(
        "trawler_egress_budget_remaining",
        "Downloads that an egress may still begin within the hour",
        labels=("site", "proxy"),
    )
    for gate in book.gates.values():
        closed.add_metric((gate.id.kind, str(gate.id)), float(gate.is_closed))
        if gate.id.kind is GateKind.EGRESS:
            left = max(0, max_per_hour - gate.budget.begun(now))
            remaining.add_metric((gate.id.site, gate.id.proxy), float(left))
    return closed, remaining


def _line_series(lengths: Mapping[GateId | None, Length]) -> Iterable[GaugeMetricFamily]:
    """The lanes in which a check is due."""
    labels = ("site", "proxy")
    due = GaugeMetricFamily("trawler_checks_waiting", "Checks that are due and stand in line", labels=labels)
    waited = GaugeMetricFamily(
        "trawler_checks_waiting_seconds", "For how long the first check in line has been due", labels=labels
    )
    for lane, length in lengths.items():
        if lane is not None:
            due.add_metric((lane.site, lane.proxy), float(length.due))
            waited.add_metric((lane.site, lane.proxy), length.waited)
    return due, waited
