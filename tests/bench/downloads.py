"""A video of 200 MB onto the volume: trawler's Job, and a Job with bare yt-dlp, on the same claim.

Trawler's Job is timed from when the API server shows it until it is complete, the other one in the same way; trawler's
also verifies the file, fetches the artwork, writes the metadata and syncs all of it to the disk, as it always does.
Starting and ending a pod takes as long as the download here and varies more, so the containers are compared as well.
"""

from __future__ import annotations

import re
import shutil
import sys
from datetime import datetime

from bench.cluster import Cluster, Ran
from bench.jobs import TRUST, job
from bench.machine import Node
from bench.table import Row
from client import StandIn
from e2e import kubectl as k
from e2e import objects
from e2e.place import Place

HANDLE = "@bench-downloads"
SIZE_BYTES = 200_000_000
GOAL = 1.05
SUBSCRIPTION = "downloads"
_OURS = f"trawler.dev/subscription={SUBSCRIPTION}"


def measure(cluster: Cluster, place: Place, site: StandIn, node: Node, rounds: int) -> list[Row]:
    """The rows of this benchmark; so many videos, each downloaded by both, who take turns in being first."""
    site.add_channel(handle=HANDLE, videos=1)
    place.subscribe(SUBSCRIPTION, {"url": f"https://www.youtube.com/{HANDLE}/videos", "select": {"newest": 1}})
    place.wait_up_to_date(SUBSCRIPTION, 1)
    jobs: dict[str, list[float]] = {"trawler": [], "usual": []}
    containers: dict[str, list[float]] = {"trawler": [], "usual": []}

    def note(kind: str, ran: Ran) -> None:
        [pod] = objects.items("pods", namespace=place.namespace, labels=f"batch.kubernetes.io/job-name={ran.name}")
        jobs[kind].append(ran.seconds)
        containers[kind].append(node.ran_for(pod["metadata"]["uid"], pod["spec"]["containers"][0]["name"]))
        print(f"  {kind}: Job {jobs[kind][-1]:.2f}, container {containers[kind][-1]:.2f} s", file=sys.stderr)

    def by_trawler(number: int) -> None:
        ran = cluster.time_next_job(_OURS, lambda: place.ask_for_check(SUBSCRIPTION, f"download-{number}"))
        note("trawler", ran)
        log = k.kubectl("-n", place.namespace, "logs", f"job/{ran.name}", "--timestamps")
        print(f"    {_steps(ran, log)}", file=sys.stderr)
        place.wait_up_to_date(SUBSCRIPTION, 2 + number)

    def by_ytdlp(number: int, video: str) -> None:
        folder = place.library / f"usual-{number}"
        folder.mkdir()
        folder.chmod(0o777)
        url = f"https://www.youtube.com/watch?v={video}"
        command = ("yt-dlp", *TRUST, "--no-progress", "-P", f"/media/{folder.name}", url)
        ran = cluster.run_job(job(f"download-{number}", command))
        note("usual", ran)
        cluster.delete_job(ran.name)
        sizes = [path.stat().st_size for path in folder.iterdir()]
        assert len(sizes) == 1, sizes
        assert sizes[0] > SIZE_BYTES * 0.95, sizes
        shutil.rmtree(folder)

    for number in range(rounds):
        [published] = site.publish(channel=HANDLE, videos=[{"size_bytes": SIZE_BYTES}])
        if number % 2:
            by_ytdlp(number, published["id"])
        by_trawler(number)
        if not number % 2:
            by_ytdlp(number, published["id"])
    theirs = "yt-dlp in a Job"
    return [
        Row("download of 200 MB: the Job", "s", jobs["trawler"], jobs["usual"], theirs, GOAL),
        Row("… its container alone", "s", containers["trawler"], containers["usual"], theirs),
    ]


def _steps(ran: Ran, log: str) -> str:
    """Where the time of one of trawler's Jobs went: from each phase's first line in its log, to the log's last."""
    began = {"pod start": ran.began}
    for line in log.splitlines():
        stamp, _, text = line.partition(" ")
        at = datetime.fromisoformat(stamp[:26] + "+00:00").timestamp()
        if found := re.search(r'"phase":"(\w+)"', text):
            began.setdefault(found[1], at)
        began["pod end"] = at
    began["pod end"] = began.pop("pod end")
    ends = [*list(began.values())[1:], ran.ended]
    return ", ".join(f"{name} {end - start:.2f}" for (name, start), end in zip(began.items(), ends, strict=True)) + " s"
