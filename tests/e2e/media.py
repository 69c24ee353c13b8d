"""Is a file playable? Asked of ffprobe in the node's downloader image, since the host may have none."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
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
    name = f"/media/{path.name}"
    shown = _run(path.parent, "ffprobe", "-v", "error", "-show_entries", "stream=codec_type:format=duration",
                 "-of", "json", name)  # fmt: skip
    _run(path.parent, "ffmpeg", "-v", "error", "-xerror", "-i", name, "-f", "null", "-")
    parsed = json.loads(shown)
    return Probe(
        streams=frozenset(stream["codec_type"] for stream in parsed["streams"]) - {"data"},
        seconds=float(parsed["format"]["duration"]),
    )


_DECODE_EACH = """
while IFS= read -r name; do
  ffmpeg -nostdin -v error -xerror -i "/media/$name" -map 0:v -map 0:a -f null - 2>&1 || echo "broken: $name"
done
"""


def broken(root: Path, files: Iterable[Path]) -> str:
    """Decode picture and sound of many files, relative to a folder; what ffmpeg says of those that are not whole."""
    return _run(root, "sh", "-c", _DECODE_EACH, stdin="".join(f"{file}\n" for file in files))


def _run(folder: Path, program: str, *args: str, stdin: str = "") -> str:
    """Run a program of the image with that folder as /media."""
    run = [
        os.environ["DOCKER"], "run", "--rm", "-i", "--network=none", "-v", f"{folder}:/media:ro",
        "--entrypoint", program, "trawler-downloader:dev", *args,
    ]  # fmt: skip
    return subprocess.run(run, input=stdin, capture_output=True, text=True, check=True, timeout=240).stdout
