"""A video of 200 MB onto the volume: trawler's Job, and a Job with bare yt-dlp, on the same claim.

Trawler's Job is timed from when the API server shows it until it is complete, the other one in the same way; trawler's
also verifies the file, fetches the artwork, writes the metadata and syncs all of it to the disk, as it always does.
"""

from __future__ import annotations

import re
import shutil
import sys
from datetime import datetime

from bench.cluster import Cluster, Ran
from bench.jobs import TRUST, job
from bench.table import Row
from client import StandIn
from e2e import kubectl as k
from e2e.place import Place

HANDLE = "@bench-downloads"
SIZE_BYTES = 200_000_000
GOAL = 1.05
SUBSCRIPTION = "downloads"
_OURS = f"trawler.dev/subscription={SUBSCRIPTION}"


def measure(cluster: Cluster, place: Place, site: StandIn, rounds: int) -> list[Row]:
    """The rows of this benchmark; so many videos, each downloaded by both, who take turns in being first."""
    site.add_channel(handle=HANDLE, videos=1)
    place.subscribe(SUBSCRIPTION, {"url": f"https://www.youtube.com/{HANDLE}/videos", "select": {"newest": 1}})
    place.wait_up_to_date(SUBSCRIPTION, 1)
    usual = place.library / "usual"
    usual.mkdir(exist_ok=True)
    usual.chmod(0o777)
    ours: list[float] = []
    synced: list[float] = []
    theirs: list[float] = []

    def by_trawler(number: int) -> None:
        ran = cluster.time_next_job(_OURS, lambda: place.ask_for_check(SUBSCRIPTION, f"download-{number}"))
        ours.append(ran.seconds)
        print(
            f"  {_steps(ran, k.kubectl('-n', place.namespace, 'logs', f'job/{ran.name}', '--timestamps'))}",
            file=sys.stderr,
        )
        place.wait_up_to_date(SUBSCRIPTION, 2 + number)

    def by_ytdlp(number: int, video: str, *, sync: bool) -> None:
        url = f"https://www.youtube.com/watch?v={video}"
        command = f"yt-dlp {' '.join(TRUST)} --no-progress -P /media/usual {url}"
        name = f"download-{number}-{'synced' if sync else 'plain'}"
        ran = cluster.run_job(job(name, ("sh", "-c", f"{command} && sync /media/usual/*" if sync else command)))
        (synced if sync else theirs).append(ran.seconds)
        cluster.delete_job(name)
        sizes = [path.stat().st_size for path in usual.iterdir()]
        assert len(sizes) == 1, sizes
        assert sizes[0] > SIZE_BYTES * 0.95, sizes
        shutil.rmtree(usual)
        usual.mkdir()
        usual.chmod(0o777)

    for number in range(rounds):
        [published] = site.publish(channel=HANDLE, videos=[{"size_bytes": SIZE_BYTES}])
        turns = [
            lambda n=number: by_trawler(n),
            lambda n=number, v=published["id"]: by_ytdlp(n, v, sync=False),
            lambda n=number, v=published["id"]: by_ytdlp(n, v, sync=True),
        ]
        for turn in turns[number % 3 :] + turns[: number % 3]:
            turn()
        print(f"  round {number + 1}: {ours[-1]:.2f}, {theirs[-1]:.2f}, synced {synced[-1]:.2f} s", file=sys.stderr)
    what = "download of 200 MB: wall time of the Job"
    return [
        Row(what, "s", ours, theirs, "yt-dlp in a Job", GOAL),
        Row("… with the file on the disk for certain", "s", ours, synced, "yt-dlp and sync in a Job"),
    ]


def _steps(ran: Ran, log: str) -> str:
    """Where the time of one of trawler's Jobs went, from the first line of each phase in its log."""
    began = {"pod start": ran.began}
    for line in log.splitlines():
        stamp, _, text = line.partition(" ")
        if found := re.search(r'"phase":"(\w+)"', text):
            began.setdefault(found[1], datetime.fromisoformat(stamp[:26] + "+00:00").timestamp())
    names, times = list(began), [*began.values(), ran.ended]
    return (
        ", ".join(f"{name} {end - start:.2f}" for name, start, end in zip(names, times, times[1:], strict=True)) + " s"
    )
