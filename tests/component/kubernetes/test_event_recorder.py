"""Events over real HTTP: which are posted, and what becomes of those that cannot be."""

from __future__ import annotations

import pytest

from builders import subscription_body
from component.api_server import Answer, ApiServer, refused
from trawler_operator.adapters.kubernetes.client import KubernetesClient
from trawler_operator.adapters.kubernetes.event_recorder import MAX_PER_PASS, KubernetesEventRecorder
from trawler_operator.reconcile.ports import (
    Event,
)


async def test_events(server: ApiServer, scripted: KubernetesClient) -> None:
    """One Event per happening, never the same one twice in a row, never more than a few per pass."""
    recorder = KubernetesEventRecorder(scripted, "pod-1")
    body = subscription_body()
    happening = Event("VideosFound", "2 new videos", warning=False)
    server.answers = [Answer()] * 20
    await recorder.record(body, [happening, happening])
    await recorder.record(body, [happening, Event("CheckFailed", "é" * 2000, warning=True)])
    first, second = (seen.body for seen in server.seen)
    assert (first["type"], first["reason"], first["regarding"]["name"]) == ("Normal", "VideosFound", "numberline")
    assert (second["type"], len(second["note"].encode())) == ("Warning", 1024)
    await recorder.record(body, [Event("DownloadCreated", str(number)) for number in range(50)])
    assert len(server.seen) == 2 + MAX_PER_PASS


async def test_events_are_best_effort(server: ApiServer, scripted: KubernetesClient) -> None:
    """What cannot be posted is forgotten after one attempt; one that is not answered stands for the pass's others."""
    recorder = KubernetesEventRecorder(scripted, "pod-1")
    server.answers = [Answer(503, {})]
    await recorder.record(subscription_body(), [Event("VideosFound", "x"), Event("DownloadCreated", "y")])
    assert len(server.seen) == 1


async def test_a_namespace_that_takes_no_events_is_logged_once(
    server: ApiServer, scripted: KubernetesClient, caplog: pytest.LogCaptureFixture
) -> None:
    """By each time that this begins; nobody's pass fails."""
    recorder = KubernetesEventRecorder(scripted, "pod-1")
    quota = refused(403, "Forbidden", "exceeded quota: small, requested: count/events.events.k8s.io=1")
    server.answers = [quota, quota, Answer(), quota]
    for number in range(4):
        await recorder.record(subscription_body(), [Event("VideosFound", str(number))])
    assert len(server.seen) == 4
    assert ["exceeded quota" in record.message for record in caplog.records if record.levelname == "WARNING"] == [
        True,
        True,
    ]
