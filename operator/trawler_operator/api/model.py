"""The base of everything in the custom resource: frozen, camelCase on the wire."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


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
