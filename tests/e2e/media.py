"""Is a file playable? Asked of ffprobe in the node's downloader image, since the host may have none."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Probe:
    """What ffprobe says of a file that opens and decodes."""

    streams: frozenset[str]
    seconds: float


def probe(path: Path) -> Probe:
    """Open the file with ffprobe and decode all of it with ffmpeg.

    Raises:
        subprocess.CalledProcessError: the file is broken; stderr says how.
    """
    run = [
        os.environ["DOCKER"], "run", "--rm", "--network=none", "-v", f"{path.parent}:/media:ro", "--entrypoint",
    ]  # fmt: skip
    image, name = "trawler-downloader:dev", f"/media/{path.name}"
    shown = subprocess.run(
        [*run, "ffprobe", image, "-v", "error", "-show_entries", "stream=codec_type:format=duration",
         "-of", "json", name],
        capture_output=True, text=True, check=True, timeout=120,
    ).stdout  # fmt: skip
    subprocess.run(
        [*run, "ffmpeg", image, "-v", "error", "-xerror", "-i", name, "-f", "null", "-"],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    parsed = json.loads(shown)
    return Probe(
        streams=frozenset(stream["codec_type"] for stream in parsed["streams"]) - {"data"},
        seconds=float(parsed["format"]["duration"]),
    )
