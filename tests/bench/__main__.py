"""`python -m bench [NAME...]`: run the benchmarks, most of them against the cluster that hack/bench/run brought up.

Prints a table. A benchmark that fails is told of, and the others are made all the same.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import checks, downloads, launches, ledger, listing, memory, onboarding
from bench.cluster import Cluster
from bench.machine import Node
from bench.table import Row, render
from client import StandIn
from e2e.operator_pod import OperatorPod
from e2e.place import Place

WITHOUT_CLUSTER = ("ledger",)
NAMES = ("checks", "listing", "downloads", "launches", "onboarding", "memory", *WITHOUT_CLUSTER)
ROUNDS = {"checks": 4, "listing": 5, "downloads": 10, "launches": 5, "onboarding": 2, "memory": 2, "ledger": 5}
"""Runs of each side, by turns: what half an hour on two cores has room for."""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench", description="Compare trawler with the usual way.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--rounds", type=int, help="runs of each side in place of the usual number")
    options = parser.parse_args()
    for name in options.names:
        if name not in NAMES:
            parser.error(f"there is no benchmark {name!r}; there are {', '.join(NAMES)}")
    rows: list[Row] = []
    failed: list[str] = []
    for name in options.names or NAMES:
        rounds = options.rounds or ROUNDS[name]
        print(f"{name}: {rounds} rounds", file=sys.stderr)
        try:
            rows += ledger.measure(rounds) if name in WITHOUT_CLUSTER else _measure_on_cluster(name, rounds)
        except Exception:  # noqa: BLE001 - half an hour of the others' results must not be lost
            traceback.print_exc()
            failed.append(name)
    print(render(rows))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _measure_on_cluster(name: str, rounds: int) -> list[Row]:
    node = Node(os.environ["DOCKER"], os.environ["CLUSTER"])
    operator = OperatorPod(namespace="trawler-system")
    with StandIn.in_cluster() as site:
        if name == "onboarding":
            return onboarding.measure(_place, site, operator, node, rounds)
        with _place(f"bench-{name}") as place:
            return _measure(name, place, site, operator, node, rounds)


def _measure(name: str, place: Place, site: StandIn, operator: OperatorPod, node: Node, rounds: int) -> list[Row]:
    cluster = Cluster(place.namespace)
    if name == "checks":
        return checks.measure(cluster, place, site, node, rounds)
    if name == "listing":
        return listing.measure(cluster, site, rounds)
    if name == "downloads":
        return downloads.measure(cluster, place, site, node, rounds)
    if name == "launches":
        return launches.measure(cluster, place, operator, node, rounds)
    return memory.measure(cluster, place, operator, node, rounds)


@contextmanager
def _place(name: str) -> Iterator[Place]:
    ca = Path(os.environ["STANDIN_CA_FILE"]).read_text()
    place = Place(namespace=name, nas=Path(os.environ["NAS_DIR"]), ca=ca)
    place.unmake(wait=True)
    place.make()
    try:
        yield place
    finally:
        place.unmake(wait=True)


if __name__ == "__main__":
    main()
