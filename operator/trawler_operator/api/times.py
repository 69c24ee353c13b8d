"""Times as the Kubernetes API writes them, and as the downloader and the sites tell them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, PlainSerializer

_LATEST_UNIX_SECONDS = 1e11
"""The year 5138: what lies beyond is no time, but a mangled number."""
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime.fromtimestamp(_LATEST_UNIX_SECONDS, UTC)
"""Times beyond cannot be converted between zones, or not be written in four digits of a year."""


def format_time(time: datetime) -> str:
    """An aware time as the Kubernetes API writes it: UTC, whole seconds, `Z`."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """An aware time as the Kubernetes API writes it; raises ValueError for anything else."""
    return datetime.fromisoformat(text)


def from_unix(seconds: float | None) -> datetime | None:
    """Unix seconds as a time, in whole seconds; a number that no clock shows is taken for none."""
    if seconds is None or not 0 <= seconds < _LATEST_UNIX_SECONDS:
        return None
    return datetime.fromtimestamp(int(seconds), UTC)


def _in_range(time: datetime) -> datetime:
    if not EARLIEST <= time <= LATEST:
        raise ValueError("it is no time between 1970 and 5138")
    return time.astimezone(UTC)


StoredTime = Annotated[AwareDatetime, AfterValidator(_in_range)]
"""An aware datetime as somebody may have written it by hand, made UTC."""
Time = Annotated[StoredTime, PlainSerializer(format_time, return_type=str)]
"""An aware datetime that is written as `2026-11-21T10:00:00Z`."""
