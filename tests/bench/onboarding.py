"""Many new Subscriptions at once: how long until the source of each was looked at, beside creating them and no more.

Channels without a video, in two namespaces with a claim each: nothing is downloaded. No pace holds a listing back.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from bench.cluster import Cluster
from bench.deployment import scale, total
from bench.machine import Node
from bench.table import Row
from client import StandIn
from e2e import objects
from e2e.operator_pod import OperatorPod
from e2e.place import Place

SIZES = (200, 1000)
NAMESPACES = 2
CHECKS, PASSES = "trawler_checks_total", "trawler_reconcile_duration_seconds_count"
AT_MOST_SECONDS = 900


@dataclass(frozen=True)
class _Brought:
    """What it took to bring so many.

    Args:
        seconds: until the last one was checked; of bare creation, until it was created.
        cpu: CPU-seconds of the node for each.
        jobs: that ran on the volumes.
        passes: for each check.
    """

    seconds: float
    cpu: float
    jobs: float = 0
    passes: float = 0


def measure(
    make_place: Callable[[str], AbstractContextManager[Place]],
    site: StandIn,
    operator: OperatorPod,
    node: Node,
    rounds: int,
) -> list[Row]:
    """The rows of this benchmark; both numbers of Subscriptions are brought so many times, in turns."""
    for number in range(max(SIZES)):
        site.add_channel(handle=_handle(number), videos=0)
    ours: dict[int, list[_Brought]] = {size: [] for size in SIZES}
    bare: dict[int, list[_Brought]] = {size: [] for size in SIZES}
    for number in range(rounds):
        for size in SIZES:
            names = [f"bench-onboarding-{size}-{number}-{part}" for part in range(NAMESPACES)]
            scale(operator, 0)
            with ExitStack() as stack:
                places = [stack.enter_context(make_place(name)) for name in names]
                bare[size].append(_create_only(places, node, size))
            scale(operator, 1)
            with ExitStack() as stack:
                places = [stack.enter_context(make_place(name)) for name in names]
                ours[size].append(_onboard(places, operator, node, size))
            print(f"  {size}: {ours[size][-1]}, created alone {bare[size][-1]}", file=sys.stderr)
    rows = []
    for size, runs in ours.items():
        both = (runs, bare[size])
        took, cpu = [[run.seconds for run in side] for side in both], [[run.cpu for run in side] for side in both]
        rows += [
            Row(f"{size:,} new Subscriptions until each is checked", "s", *took, "bare creation"),
            Row("… CPU of the node for each", "CPU-s", *cpu, "bare creation"),
            Row("… Jobs on their two volumes", "Jobs", [run.jobs for run in runs], [float(size)], "one for each"),
            Row("… passes for each check", "passes", [run.passes for run in runs], [1.0], "one"),
        ]
    return rows


def _create_only(places: Sequence[Place], node: Node, size: int) -> _Brought:
    began, used = time.monotonic(), node.cpu_seconds()
    _create(places, size)
    return _Brought(time.monotonic() - began, (node.cpu_seconds() - used) / size)


def _onboard(places: Sequence[Place], operator: OperatorPod, node: Node, size: int) -> _Brought:
    before = [total(operator, series) for series in (CHECKS, PASSES)]
    began, used = time.monotonic(), node.cpu_seconds()
    _create(places, size)
    namespaces = [place.namespace for place in places]
    Cluster(namespaces[0]).wait_first_checks(namespaces, size, timeout=AT_MOST_SECONDS)
    seconds, cpu = time.monotonic() - began, (node.cpu_seconds() - used) / size
    checks, passes = (total(operator, series) - was for series, was in zip((CHECKS, PASSES), before, strict=True))
    return _Brought(seconds, cpu, float(sum(map(_jobs, places))), passes / checks)


def _create(places: Sequence[Place], size: int) -> None:
    """So many, by turns in the places."""
    clusters = [Cluster(place.namespace) for place in places]
    for number in range(size):
        spec = {"url": f"https://www.youtube.com/{_handle(number)}/videos"}
        clusters[number % len(clusters)].create_subscription(f"new-{number:04}", spec)


def _jobs(place: Place) -> int:
    """How many Jobs a namespace has seen; those that are over may have gone."""
    events = objects.items("events", namespace=place.namespace, fields="reason=SuccessfulCreate")
    return len({event["regarding"]["name"] for event in events if event["regarding"]["kind"] == "Job"})


def _handle(number: int) -> str:
    return f"@bench-onboarding-{number:04}"
