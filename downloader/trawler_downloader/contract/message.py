"""The base of everything that crosses the border between the operator and the downloader."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

LARGEST = 2**53
"""No count, size or time is more: beyond it readers of JSON differ, and nothing that a site tells makes sense."""


class Message(BaseModel):
    """A frozen value with camelCase names on the wire; unknown fields are refused, so that a drift is seen at once."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    def to_json(self) -> str:
        """Compact JSON without absent values and without ASCII escapes (titles stay readable and short)."""
        return self.model_dump_json(exclude_none=True)
