"""What the ledger costs a launch on a real API server: time, and bytes that reach etcd, beside bare creation of Jobs.

A quota of no pods keeps the Jobs from running; the operator of the cluster is away, another one runs in a process here.
"""

from __future__ import annotations

import re

from bench.cluster import Cluster
from bench.deployment import scale
from bench.history import ledger
from bench.ledger import LAUNCHES, probe
from bench.machine import Node
from bench.table import Row
from e2e import kubectl as k
from e2e.operator_pod import OperatorPod
from e2e.place import Place
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.domain.ledger.shards import SHARD_CAPACITY

RECEIVED = "etcd_network_client_grpc_received_bytes_total"


def measure(cluster: Cluster, place: Place, operator: OperatorPod, node: Node, rounds: int) -> list[Row]:
    """The rows of this benchmark."""
    quota = {"metadata": {"name": "no-pods", "namespace": place.namespace}, "spec": {"hard": {"pods": "0"}}}
    k.apply({"apiVersion": "v1", "kind": "ResourceQuota", **quota})
    scale(operator, 0)
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    try:
        for number in range(rounds):
            name = f"waiting-{number}"
            cluster.create_subscription(name, {"url": f"https://www.youtube.com/@{name}", "job": {"parallelism": 32}})
            for config_map in ledger(name, number, SHARD_CAPACITY, LedgerState.PENDING):
                cluster.create_config_map(config_map)
            ours.append(_measured("launches", place, node, name))
            theirs.append(_measured("creations", place, node, name))
    finally:
        scale(operator, 1)
    took = [[milliseconds for milliseconds, _ in side] for side in (ours, theirs)]
    received = [[kibibytes for _, kibibytes in side] for side in (ours, theirs)]
    return [
        Row("launch of a Job on the cluster, the ledger's claim before it", "ms", *took, "bare creation"),
        Row("… received by etcd", "KiB", *received, "bare creation"),
    ]


def _measured(what: str, place: Place, node: Node, name: str) -> tuple[float, float]:
    """Milliseconds and KiB into etcd, per Job."""
    before = _received(node)
    seconds = probe(what, "kubeconfig", name, str(LAUNCHES), environment={"BENCH_NAMESPACE": place.namespace})
    return 1e3 * seconds / LAUNCHES, (_received(node) - before) / LAUNCHES / 1024


def _received(node: Node) -> float:
    """Bytes that etcd got from the API server since it was started."""
    text = node.run("curl", "-sf", "http://127.0.0.1:2381/metrics")
    found = re.search(rf"^{RECEIVED} (\S+)$", text, re.MULTILINE)
    assert found is not None, f"etcd's metrics have no {RECEIVED}"
    return float(found[1])
