"""The base of everything in the custom resource: frozen, camelCase on the wire, times as Kubernetes writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel


def format_time(time: datetime) -> str:
    """An aware time as the Kubernetes API writes it: UTC, whole seconds, `Z`."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[AwareDatetime, PlainSerializer(format_time, return_type=str)]
"""An aware datetime that is written as `2026-11-21T10:00:00Z`."""


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )


class SpecModel(_Model):
    """A part of what the user wrote. Unknown fields are errors: the user asked for something we would not do.

    (The API server prunes fields that its schema does not know; one that arrives is from a newer schema.)
    """

    model_config = ConfigDict(extra="forbid")


class StatusModel(_Model):
    """A part of what we wrote. Unknown fields are dropped: they are of another version of ours."""

    model_config = ConfigDict(extra="ignore")
