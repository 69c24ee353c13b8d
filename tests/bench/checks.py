"""A check that finds nothing new, of a channel with 1,000 videos: trawler's, and a Job pod with yt-dlp.

Windows of the same length follow one another: idle, trawler's checks, idle, the usual Jobs, idle, Jobs that do nothing.
What the idle windows around one used is subtracted from it, and the rest is divided by how many checks were in it.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from bench.cluster import Cluster
from bench.jobs import TRUST, job
from bench.machine import Meter, Node, Spent
from bench.table import Row
from client import StandIn
from e2e.place import Place

HANDLE = "@bench-checks"
VIDEOS = 1000
WINDOW_SECONDS = 16.0
CHECKS_PER_WINDOW = 24
JOBS_PER_WINDOW = 3
GOAL = 0.1
QUIET = 0.1
"""CPUs that may be busy outside the node in a window and its neighbours; with more, the whole machine tells nothing."""
URL = f"https://www.youtube.com/{HANDLE}/videos"
# What is usual, nothing added but the trust in the stand-in.
USUAL = f"yt-dlp {' '.join(TRUST)} --download-archive /media/archive.txt --break-on-existing -P /media/usual {URL}"
STOPPED = 101
"""yt-dlp's exit code when --break-on-existing stopped it: to the usual pipeline that is success."""


@dataclass
class _Costs:
    """Of one check each, per window."""

    machine: list[float] = field(default_factory=list)
    node: list[float] = field(default_factory=list)
    requests: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    parts: list[dict[str, float]] = field(default_factory=list)


def measure(cluster: Cluster, place: Place, site: StandIn, node: Node, rounds: int) -> list[Row]:
    """The rows of this benchmark; `rounds` windows of each kind."""
    site.add_channel(handle=HANDLE, videos=VIDEOS)
    place.subscribe("checks", {"url": URL, "select": {"newest": 1}})
    place.wait_up_to_date("checks", 1)
    # With 30 known videos on the tab's first page neither looks further.
    archive = place.library / "archive.txt"
    archive.write_text("".join(f"youtube {video['id']}\n" for video in site.videos(HANDLE)))
    archive.chmod(0o666)

    kinds: dict[str, tuple[int, Callable[[str], float]]] = {
        "trawler": (CHECKS_PER_WINDOW, lambda name: _check(cluster, name)),
        "usual": (JOBS_PER_WINDOW, lambda name: _run(cluster, name, ("sh", "-c", f"{USUAL}; [ $? = {STOPPED} ]"))),
        "empty": (JOBS_PER_WINDOW, lambda name: _run(cluster, name, ("true",))),
    }
    for kind, (_, action) in kinds.items():
        action(f"warm-{kind}")
    costs = {kind: _Costs() for kind in kinds}
    idle = [_window(node, 0, _nothing)[0]]
    for number in range(rounds):
        for kind, (count, action) in kinds.items():
            site.reset_counts()
            spent, times = _window(node, count, action, f"{kind}-{number}")
            requests = int(site.counts()["total"])
            idle.append(_window(node, 0, _nothing)[0])
            before, after = idle[-2:]
            cost = costs[kind]
            quiet = all((window.machine - window.node) / window.seconds < QUIET for window in (before, spent, after))
            machine = _without_idle(spent, before, after, lambda s: s.machine) / count
            if quiet or math.isnan(spent.node):
                cost.machine.append(machine)
            cost.node.append(_without_idle(spent, before, after, lambda s: s.node) / count)
            cost.parts.append(
                {
                    name: _without_idle(spent, before, after, lambda s, n=name: s.parts[n]) / count
                    for name in spent.parts
                }
            )
            cost.requests.append(requests / count)
            cost.wall += times
            print(
                f"  round {number + 1} {kind}: node {cost.node[-1]:.3f}, machine {machine:.3f} CPU-s a check"
                f"{'' if quiet else ' (not counted: others used the machine)'}",
                file=sys.stderr,
            )
    for kind, cost in costs.items():
        shares = {name: median(part[name] for part in cost.parts) for name in cost.parts[0]}
        shares["the rest"] = median(cost.node) - sum(shares.values())
        told = ", ".join(f"{name} {1000 * seconds:.0f}" for name, seconds in shares.items())
        print(f"  {kind}: CPU-ms in the node per check: {told}", file=sys.stderr)
    ours, usual, empty = costs["trawler"], costs["usual"], costs["empty"]
    theirs = "yt-dlp in a Job"
    rows = []
    if not math.isnan(ours.node[0]):
        rows.append(Row("nothing-new check: CPU of the node", "CPU-s", ours.node, usual.node, theirs, GOAL))
        rows.append(Row("… against a Job that does nothing", "CPU-s", ours.node, empty.node, "empty Job"))
    if ours.machine and usual.machine:
        rows.append(Row("nothing-new check: CPU of the machine", "CPU-s", ours.machine, usual.machine, theirs, GOAL))
    rows.append(Row("… site requests", "requests", ours.requests, usual.requests, theirs))
    rows.append(Row("… wall time", "s", ours.wall, usual.wall, theirs))
    return rows


def _check(cluster: Cluster, name: str) -> float:
    began = time.monotonic()
    status = cluster.check("checks", name)
    seconds = time.monotonic() - began
    assert "lastCheckOutcome" not in status, f"check {name} failed: {status}"
    return seconds


def _run(cluster: Cluster, name: str, command: tuple[str, ...]) -> float:
    ran = cluster.run_job(job(name, command))
    cluster.delete_job(name)
    return ran.seconds


def _nothing(_: str) -> float:
    return 0.0


def _window(node: Node, count: int, action: Callable[[str], float], name: str = "idle") -> tuple[Spent, list[float]]:
    """So many actions, evenly over a window; it lasts until the last one's traces are cleaned up as well."""
    meter = Meter(node)
    began = time.monotonic()
    times = []
    for number in range(count):
        # The last eighth of a window is for what goes on behind an action: pods that are being removed.
        _sleep_until(began + number * WINDOW_SECONDS * 7 / 8 / count)
        times.append(action(f"{name}-{number}"))
    _sleep_until(max(began + WINDOW_SECONDS, time.monotonic() + 2 if count else 0))
    return meter.spent(), times


def _sleep_until(when: float) -> None:
    time.sleep(max(0.0, when - time.monotonic()))


def _without_idle(spent: Spent, before: Spent, after: Spent, of: Callable[[Spent], float]) -> float:
    idle = (of(before) + of(after)) / (before.seconds + after.seconds)
    return of(spent) - idle * spent.seconds
