"""`python -m bench.objects NAME=ENTRIES[,STATE]...`: an API server in memory, with a ledger for each name.

It prints its address, then answers each line of its input with a line of JSON: what was stored until then.
"""

from __future__ import annotations

import json
import sys

from bench.history import ledger
from builders import subscription_body
from component.cluster import Cluster
from component.http_objects import HttpObjects, serve_objects
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.adapters.clock import SystemClock

NAMESPACE = "bench"


def main() -> None:
    """Serve until the input ends."""
    cluster = Cluster()
    cluster.clock = SystemClock()
    cluster.put("PersistentVolumeClaim", {"metadata": {"namespace": NAMESPACE, "name": "library"}})
    for number, argument in enumerate(sys.argv[1:]):
        name, _, rest = argument.partition("=")
        entries, _, state = rest.partition(",")
        spec = {"url": f"https://www.youtube.com/@{name}/videos", "job": {"parallelism": 32}}
        body = subscription_body(spec, uid=f"uid-{name}", name=name, namespace=NAMESPACE)
        cluster.put("Subscription", body)
        for config_map in ledger(name, number, int(entries), LedgerState(state or LedgerState.SUCCEEDED)):
            config_map["metadata"]["namespace"] = NAMESPACE
            cluster.put("ConfigMap", config_map)
    objects = HttpObjects(cluster)
    with serve_objects(objects) as url:
        print(url, flush=True)
        for _ in sys.stdin:
            print(json.dumps({"stored": dict(objects.stored), "writes": objects.writes}), flush=True)


if __name__ == "__main__":
    main()
