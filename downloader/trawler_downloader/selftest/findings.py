"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much it matters."""

    OK = "ok"
    WARNING = "warning"
    """trawler copes; somebody should know."""
    FAILED = "FAILED"
    """trawler cannot use the volume as it is."""


@dataclass(frozen=True)
class Finding:
    """The end of one check."""

    level: Level
    seen: str
    means: str = ""
    """For trawler. Empty when all is well."""
    do: str = ""
    """What a person can do about it."""
    check: str = ""
    """The check's name; filled in by who runs it."""


def ok(seen: str) -> Finding:
    """Nothing to say but what was seen."""
    return Finding(Level.OK, seen)


def warning(seen: str, means: str, do: str) -> Finding:
    """Something that trawler copes with."""
    return Finding(Level.WARNING, seen, means, do)


def failed(seen: str, means: str, do: str) -> Finding:
    """Something that trawler cannot do without."""
    return Finding(Level.FAILED, seen, means, do)
