"""Resident memory of the operator: without any Subscription, with 1,000, with 1,000 that have a history.

The Subscriptions are suspended: they are read, watched and reported on as others are, and no site is asked.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from bench.cluster import Cluster, Json
from bench.machine import Node
from bench.table import Row
from e2e import kubectl as k
from e2e.operator_pod import OperatorPod
from e2e.place import Place
from e2e.waiting import until
from trawler_downloader.contract.keys import source_key, video_key
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api import labels
from trawler_operator.domain.ledger_codec import encode_entry
from trawler_operator.domain.ledger_entry import LedgerEntry
from trawler_operator.domain.naming import ledger_name

SUBSCRIPTIONS = 1000
HISTORY = 100
"""Videos in each ledger: the 52 of a first run, what was seen beyond them, and a while of new ones."""
DOWNLOADED = 60
"""Of these."""
_MIB = 2**20
_FIRST_DAY = date(2026, 1, 1)


def measure(cluster: Cluster, place: Place, operator: OperatorPod, node: Node, rounds: int) -> list[Row]:
    """The rows of this benchmark; each state is measured after so many starts of the operator."""
    empty = _after_starts(operator, node, 0, rounds)
    for number in range(SUBSCRIPTIONS):
        cluster.create_subscription(_name(number), {"url": _url(number), "suspend": True})
    until("all have a status", lambda: _reported(place), lambda n: n == SUBSCRIPTIONS, timeout=600)
    at_once = [_resident(operator, node)]
    full = _after_starts(operator, node, SUBSCRIPTIONS, rounds)
    for number in range(SUBSCRIPTIONS):
        cluster.create_config_map(_ledger(number))
    with_history = _after_starts(operator, node, SUBSCRIPTIONS, rounds)
    theirs = "without any"
    return [
        Row(f"operator's memory with {SUBSCRIPTIONS:,} Subscriptions", "MiB", full, empty, theirs),
        Row("… right after they were created", "MiB", at_once, empty, theirs),
        Row(f"… with {HISTORY} videos in each ledger", "MiB", with_history, empty, theirs),
    ]


def _after_starts(operator: OperatorPod, node: Node, subscriptions: int, rounds: int) -> list[float]:
    """MiB after each of so many starts, every Subscription having been looked at."""
    measured = []
    for _ in range(rounds):
        k.kubectl("-n", operator.namespace, "rollout", "restart", "deployment/trawler")
        operator.wait_ready()
        until(
            f"the operator has looked at {subscriptions} Subscriptions",
            lambda: (
                _metric(operator, "trawler_reconcile_duration_seconds_count"),
                _metric(operator, "trawler_queue_length"),
            ),
            lambda seen: seen[0] >= subscriptions and seen[1] == 0,
            timeout=600,
        )
        measured.append(_resident(operator, node))
    return measured


def _resident(operator: OperatorPod, node: Node) -> float:
    return node.resident_bytes(str(operator.pod()["metadata"]["uid"]), "operator") / _MIB


def _metric(operator: OperatorPod, name: str) -> float:
    pod = operator.pod()["metadata"]["name"]
    text = k.kubectl("get", "--raw", f"/api/v1/namespaces/{operator.namespace}/pods/{pod}:8080/proxy/metrics")
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found is not None, f"/metrics has no {name}"
    return float(found[1])


def _reported(place: Place) -> int:
    return sum("observedGeneration" in s.get("status", {}) for s in k.items("-n", place.namespace, "ytsub"))


def _name(number: int) -> str:
    return f"subscription-{number:04}"


def _url(number: int) -> str:
    return f"https://www.youtube.com/@channel-{number:04}/videos"


def _ledger(number: int) -> Json:
    """A shard as the operator writes it."""
    name = _name(number)
    source = source_key("YoutubeTab", f"UC{number:022}", "videos")
    entries = {}
    for seq in range(HISTORY):
        video = f"v{number:04}{seq:06}"
        entries[video_key("Youtube", video)] = encode_entry(_entry(source, video, seq))
    return {
        "metadata": {
            "name": ledger_name(name, 0),
            "labels": labels.ledger_labels(name),
            "annotations": {labels.SOURCES_ANNOTATION: f'{{"{source}":"2026-01-01T00:00:00Z"}}'},
        },
        "data": entries,
    }


def _entry(source: str, video: str, seq: int) -> LedgerEntry:
    known = LedgerEntry(
        state=LedgerState.SKIPPED,
        seq=seq,
        source=source,
        url=f"https://www.youtube.com/watch?v={video}",
        extractor="Youtube",
        id=video,
        added_at=datetime(2026, 1, 1, tzinfo=UTC),
        title=f"What a title of ordinary length looks like, part {seq}",
        duration_seconds=600 + seq,
        reason="BeforeWindow",
    )
    if seq < HISTORY - DOWNLOADED:
        return known
    day = _FIRST_DAY + timedelta(days=seq)
    return replace(
        known,
        state=LedgerState.SUCCEEDED,
        reason="Published",
        outcome=OutcomeClass.PUBLISHED,
        published_date=day.isoformat(),
        launches=1,
        path=f"A Channel/Season {day:%y}/{known.title} (S{day:%y}E{day:%m%d}).mp4",
        bytes=200_000_000 + seq,
        engine="2026.10.26",
    )
