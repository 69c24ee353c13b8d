"""Liveness, readiness and metrics over real HTTP."""

from __future__ import annotations

import threading
from typing import TypeVar

import aiohttp
import pytest

from builders import NOON
from trawler_operator.adapters import health as health_module
from trawler_operator.adapters import metrics as metrics_module
from trawler_operator.adapters.health import Health
from trawler_operator.adapters.http_server import serve_http
from trawler_operator.adapters.metrics import PrometheusMeasurements
from trawler_operator.domain.gates.book import GateBook
from trawler_operator.domain.gates.budget import Budget
from trawler_operator.domain.gates.gate import Closing, Gate
from trawler_operator.domain.gates.route import GateId, GateKind
from trawler_operator.domain.line import Length

T = TypeVar("T")


async def get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as response:
        return response.status, await response.text()


class Clock:
    """A monotonic clock that tests move."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(health_module, "time", clock)
    return clock


async def test_liveness_follows_the_loop_and_the_passes(clock: Clock) -> None:
    """Alive while the loop turns and no pass hangs."""
    health = Health(pass_deadline_seconds=10)
    assert health.complaint() is None
    clock.now += 60
    assert "event loop" in str(health.complaint())
    health = Health(pass_deadline_seconds=10)
    health.pass_started(1)
    clock.now += 11
    assert "reconcile" in str(health.complaint())
    health.pass_ended(1)
    assert health.complaint() is None


async def test_probes() -> None:
    """500 and the complaint when stuck; ready while it stands by; leading, not before the first list has been seen."""
    health, answers = Health(10), [True, False]
    complaints: list[str | None] = ["the Lease cannot be read", None]

    async def api_answers() -> bool:
        return answers.pop(0)

    def lease_complaint() -> str | None:
        return complaints.pop(0) if complaints else None

    async def text() -> bytes:
        return b"x 1\n"

    async with serve_http(0, health, lease_complaint, api_answers, text, "127.0.0.1") as port:
        assert await get(port, "/livez") == (200, "ok")
        assert await get(port, "/readyz") == (503, "the Lease cannot be read")
        status, text = await get(port, "/readyz")
        assert (status, "stands by" in text) == (200, True)
        health.leading = True
        assert (await get(port, "/readyz"))[0] == 503
        health.watching = True
        assert await get(port, "/readyz") == (200, "ok")
        assert await get(port, "/readyz") == (503, "the API server does not answer")
        assert await get(port, "/metrics") == (200, "x 1\n")
        health._last_beat -= 1000
        assert (await get(port, "/livez"))[0] == 500


async def test_metrics() -> None:
    """Counters, gauges, and no series of a Subscription that is gone."""
    metrics = PrometheusMeasurements(lambda: 3, lambda: 2, lambda: True)
    metrics.check_finished("complete", 0.2)
    metrics.launch_finished("Published")
    metrics.pass_finished(0.1, failed=True)
    metrics.subscription_seen(("media", "a"), {"Succeeded": 4, "Pending": 1}, NOON)
    metrics.subscription_seen(("media", "a"), {"Succeeded": 5, "Pending": 0}, NOON)
    metrics.subscription_seen(("media", "b"), {"Succeeded": 1}, None)
    text = (await metrics.render()).decode()
    assert "Pending" not in text
    for line in (
        'trawler_videos{name="a",namespace="media",state="Succeeded"} 5.0',
        'trawler_last_successful_check_timestamp_seconds{name="a",namespace="media"}',
        'trawler_checks_total{result="complete"} 1.0',
        'trawler_launches_total{outcome="Published"} 1.0',
        "trawler_reconcile_errors_total 1.0",
        "trawler_queue_length 3.0",
        "trawler_running_jobs 2.0",
        "trawler_leading 1.0",
    ):
        assert line in text
    for key in (("media", "a"), ("media", "b"), ("media", "never seen")):
        metrics.subscription_gone(key)
    assert "media" not in (await metrics.render()).decode()


async def test_metrics_of_gates() -> None:
    """Each gate's state, what is left of each budget, and no series of a gate that was forgotten."""
    closing = Closing(NOON, NOON, NOON, 1, "BotCheck", "", "media/a")
    egress = Gate(GateId(GateKind.EGRESS, "youtube.com"), 7, NOON, closing, None, Budget({int(NOON.timestamp()): 12}))
    volume = Gate(GateId(GateKind.VOLUME, claim="media/library"), 7, NOON)
    books = [GateBook({gate.id.name: gate for gate in (egress, volume)}), GateBook()]
    metrics = PrometheusMeasurements(lambda: 3, lambda: 2, lambda: True)
    metrics.show_gates(lambda: books[0], 60, lambda: NOON)
    metrics.gate_moved("Egress", "closed")
    text = (await metrics.render()).decode()
    for line in (
        'trawler_gate_closed{gate="youtube.com",kind="Egress"} 1.0',
        'trawler_gate_closed{gate="claim media/library",kind="Volume"} 0.0',
        'trawler_egress_budget_remaining{proxy="",site="youtube.com"} 48.0',
        'trawler_gate_moves_total{kind="Egress",move="closed"} 1.0',
    ):
        assert line in text
    del books[0]
    assert "youtube.com" not in (await metrics.render()).decode()


async def test_dead_letters() -> None:
    """By reason; a reason that no video has any more is gone, and so are those of a Subscription that is."""
    metrics = PrometheusMeasurements(lambda: 0, lambda: 0, lambda: True)
    metrics.dead_letters_seen(("media", "a"), {"Drm": 2, "Payment": 1})
    metrics.dead_letters_seen(("media", "a"), {"Drm": 1})
    text = (await metrics.render()).decode()
    assert 'trawler_dead_letters{name="a",namespace="media",reason="Drm"} 1.0' in text
    assert "Payment" not in text
    metrics.subscription_gone(("media", "a"))
    assert "media" not in (await metrics.render()).decode()


async def test_metrics_of_the_line() -> None:
    """Checks that are due, by site and proxy; no series of a lane in which none is."""
    lengths = [{GateId(GateKind.EGRESS, "youtube.com", "http://p:3128"): Length(7, 12.5), None: Length(1, 1.0)}, {}]
    metrics = PrometheusMeasurements(lambda: 0, lambda: 0, lambda: True)
    metrics.show_line(lambda: lengths[0])
    text = (await metrics.render()).decode()
    for line in (
        'trawler_checks_waiting{proxy="http://p:3128",site="youtube.com"} 7.0',
        'trawler_checks_waiting_seconds{proxy="http://p:3128",site="youtube.com"} 12.5',
    ):
        assert line in text
    del lengths[0]
    assert "youtube.com" not in (await metrics.render()).decode()


async def test_metrics_are_written_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of series take long; what belongs to the loop is asked for on the loop."""
    threads: dict[str, int] = {}

    def note(name: str, value: T) -> T:
        threads[name] = threading.get_ident()
        return value

    metrics = PrometheusMeasurements(lambda: note("queue", 3), lambda: note("jobs", 2), lambda: note("leads", True))
    metrics.show_gates(lambda: note("gates", GateBook()), 60, lambda: NOON)
    metrics.show_line(lambda: note("line", {}))
    monkeypatch.setattr(metrics_module, "generate_latest", lambda _: note("text", b""))
    await metrics.render()
    writer = threads.pop("text")
    assert set(threads) == {"queue", "jobs", "leads", "gates", "line"}
    assert set(threads.values()) == {threading.get_ident()}
    assert writer != threading.get_ident()
