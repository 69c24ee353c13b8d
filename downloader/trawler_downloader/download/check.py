"""Is the image whole? Run while it is built: an image with another yt-dlp than the pinned one must not exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from importlib import metadata

from yt_dlp.version import __version__ as imported_version

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^;\s]+)")
_TOOLS = {"ffmpeg": ["-version"], "ffprobe": ["-version"], "deno": ["--version"]}
_DISTRIBUTION = "trawler-downloader"


def pins(requirements: Iterable[str]) -> dict[str, str]:
    """The exactly pinned packages among requirements."""
    return {match[1]: match[2] for match in map(_PIN.match, requirements) if match}


def mismatches(pinned: dict[str, str], installed: Callable[[str], str], imported: str) -> list[str]:
    """What is not as pinned, in words."""
    found = []
    for name, wanted in pinned.items():
        have = installed(name)
        if have != wanted:
            found.append(f"{name} is {have}, pinned is {wanted}")
    if pinned.get("yt-dlp") != imported:
        found.append(f"yt_dlp says it is {imported}, pinned is {pinned.get('yt-dlp')}")
    return found


def check() -> list[str]:
    """What is wrong with this installation, in words; empty when nothing is."""
    try:
        requirements = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return [f"{_DISTRIBUTION} is not installed, only imported: nothing says which yt-dlp is pinned"]
    found = mismatches(pins(requirements), _installed, imported_version)
    for tool, arguments in _TOOLS.items():
        path = shutil.which(tool)
        if path is None:
            found.append(f"{tool} is missing")
        elif subprocess.run([path, *arguments], capture_output=True, timeout=60, check=False).returncode != 0:
            found.append(f"{tool} does not run")
    return found


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
