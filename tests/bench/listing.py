"""A whole listing of 1,000 entries: the lister, and yt-dlp by its command line and by its API in a fresh process.

All three run by turns in one pod of the downloader image (`listing_probe.py`), against the stand-in.
"""

from __future__ import annotations

import json
from pathlib import Path

from bench.cluster import Cluster
from bench.jobs import job
from bench.table import Row
from client import StandIn
from e2e import kubectl as k

HANDLE = "@bench-listing"
VIDEOS = 1000
GOAL = 1.1
NAME = "listing-probe"
_PROBE = Path(__file__).with_name("listing_probe.py")


def measure(cluster: Cluster, site: StandIn, rounds: int) -> list[Row]:
    """The rows of this benchmark; so many listings by each."""
    site.add_channel(handle=HANDLE, videos=VIDEOS)
    url = f"https://www.youtube.com/{HANDLE}/videos"
    script = {"metadata": {"name": NAME, "namespace": cluster.namespace}, "data": {_PROBE.name: _PROBE.read_text()}}
    k.apply({"apiVersion": "v1", "kind": "ConfigMap", **script})
    command = ("python", f"/scripts/{_PROBE.name}", url, str(rounds))
    try:
        cluster.run_job(job(NAME, command, claim=None, scripts=NAME), timeout=1800)
        said = k.kubectl("-n", cluster.namespace, "logs", f"job/{NAME}")
    finally:
        cluster.delete_job(NAME)
    results = json.loads(said.splitlines()[-1])
    for runs in results.values():
        assert {run["entries"] for run in runs} == {VIDEOS}, results
    rows = []
    for theirs, name in (("cli", "yt-dlp -J --flat-playlist"), ("api", "yt_dlp in a new process")):
        for measured, unit in (("cpu", "CPU-s"), ("wall", "s")):
            what = f"listing {VIDEOS:,} entries: {'CPU' if measured == 'cpu' else 'wall time'}"
            ours = [run[measured] for run in results["lister"]]
            rows.append(Row(what, unit, ours, [run[measured] for run in results[theirs]], name, GOAL))
    return rows
