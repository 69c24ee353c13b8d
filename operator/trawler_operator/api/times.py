"""Times as the Kubernetes API writes them, as the downloader and the sites tell them, and as they are configured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, GetPydanticSchema, PlainSerializer
from pydantic_core import core_schema

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


def in_range(time: datetime) -> datetime:
    """An aware time, made UTC.

    Raises:
        ValueError: it is too far from the present to be one.
    """
    if not EARLIEST <= time <= LATEST:
        raise ValueError("it is no time between 1970 and 5138")
    return time.astimezone(UTC)


def seconds(least: int, most: int) -> GetPydanticSchema:
    """How a configuration gives a `timedelta`: as a whole number of seconds, within bounds.

    Args:
        least: smallest number that is allowed.
        most: largest.
    """
    number = core_schema.int_schema(ge=least, le=most)
    span = core_schema.no_info_after_validator_function(lambda value: timedelta(seconds=value), number)
    return GetPydanticSchema(lambda _source, _handler: span)


StoredTime = Annotated[AwareDatetime, AfterValidator(in_range)]
"""An aware datetime as somebody may have written it by hand, made UTC."""
Time = Annotated[StoredTime, PlainSerializer(format_time, return_type=str)]
"""An aware datetime that is written as `2026-11-21T10:00:00Z`."""
