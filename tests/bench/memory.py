"""Resident memory of the operator: without any Subscription, with 1,000, with 1,000 that have a history.

The Subscriptions are suspended: they are read, watched and reported on as others are, and no site is asked.
"""

from __future__ import annotations

import re

from bench.cluster import Cluster, Json
from bench.history import shard
from bench.machine import Node
from bench.table import Row
from e2e import kubectl as k
from e2e import objects
from e2e.operator_pod import OperatorPod
from e2e.place import Place
from e2e.waiting import until
from trawler_downloader.contract.outcomes import LedgerState

SUBSCRIPTIONS = 1000
HISTORY = 100
"""Videos in each ledger: the 52 of a first run, what was seen beyond them, and a while of new ones."""
DOWNLOADED = 60
"""Of these."""
_MIB = 2**20


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
    subscriptions = objects.items("subscriptions", namespace=place.namespace)
    return sum("observedGeneration" in s.get("status", {}) for s in subscriptions)


def _name(number: int) -> str:
    return f"subscription-{number:04}"


def _url(number: int) -> str:
    return f"https://www.youtube.com/@channel-{number:04}/videos"


def _ledger(number: int) -> Json:
    """A shard as the operator writes it."""
    states = [LedgerState.SKIPPED] * (HISTORY - DOWNLOADED) + [LedgerState.SUCCEEDED] * DOWNLOADED
    return shard(_name(number), number, 0, states, sealed=False)
