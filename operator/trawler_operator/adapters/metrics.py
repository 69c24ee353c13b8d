"""What `/metrics` tells (implements `ports.Measurements`), in a registry of its own.

Labels are bounded by what users create: a Subscription's series go when it goes, videos are never labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from trawler_operator.api.subscription import Key
from trawler_operator.domain.gates.book import GateBook
from trawler_operator.domain.gates.route import GateKind

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
        queue.set_function(queue_length)
        jobs = Gauge("trawler_running_jobs", "Download Jobs that hold a slot", registry=registry)
        jobs.set_function(running_jobs)
        leading = Gauge("trawler_leading", "1 for the operator that works, 0 for one that stands by", registry=registry)
        leading.set_function(leads)
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
        self.registry.register(_GateCollector(book, max_per_hour, now))

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
        """Set a Subscription's gauges."""
        self._states.setdefault(key, set()).update(videos)
        for state, count in videos.items():
            self._videos.labels(*key, state).set(count)
        if last_success is not None:
            self._last_success.labels(*key).set(last_success.timestamp())

    def dead_letters_seen(self, key: Key, reasons: Mapping[str, int]) -> None:
        """Set a Subscription's gauges of what was given up; a reason that none has any more loses its series."""
        for reason in self._reasons.pop(key, set()) - reasons.keys():
            self._dead_letters.remove(*key, reason)
        for reason, count in reasons.items():
            self._dead_letters.labels(*key, reason).set(count)
        if reasons:
            self._reasons[key] = set(reasons)

    def subscription_gone(self, key: Key) -> None:
        """Remove a Subscription's series."""
        for state in self._states.pop(key, ()):
            self._videos.remove(*key, state)
        self.dead_letters_seen(key, {})
        self._last_success.remove_by_labels({"namespace": key[0], "name": key[1]})

    def pass_finished(self, seconds: float, *, failed: bool) -> None:
        """Count a reconcile."""
        self._pass_seconds.observe(seconds)
        if failed:
            self._pass_errors.inc()

    def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)


class _GateCollector(Collector):
    """The gates as they stand at a scrape; those that were forgotten have no series."""

    def __init__(self, book: Callable[[], GateBook], max_per_hour: int, now: Callable[[], datetime]) -> None:
        self._book = book
        self._max_per_hour = max_per_hour
        self._now = now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Ask the book."""
        closed = GaugeMetricFamily("trawler_gate_closed", "1 while a gate is closed", labels=("kind", "gate"))
        remaining = GaugeMetricFamily(
            "trawler_egress_budget_remaining",
            "Downloads that an egress may still begin within the hour",
            labels=("site", "proxy"),
        )
        now = self._now()
        for gate in self._book().gates.values():
            closed.add_metric((gate.id.kind, str(gate.id)), float(gate.is_closed))
            if gate.id.kind is GateKind.EGRESS:
                left = max(0, self._max_per_hour - gate.budget.begun(now))
                remaining.add_metric((gate.id.site, gate.id.proxy), float(left))
        yield closed
        yield remaining
