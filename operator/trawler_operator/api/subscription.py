"""A Subscription as the API server gives it, parsed: the only place where its JSON is looked into.

A spec that breaks a rule raises InvalidSpecError, which names the field; only the user can mend it, so nobody retries.
A status that cannot be read is taken for empty: it holds nothing that the next pass would not find out again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trawler_operator.api.spec import SubscriptionSpec
from trawler_operator.api.status import SubscriptionStatus, parse_status

MAX_NAME_LENGTH = 63
"""Of a Subscription's name: it is a label's value and a part of the names of Jobs and ledgers."""
NAME_RULE = "metadata.name must have at most 63 characters"

Key = tuple[str, str]
"""(namespace, name) of a Subscription."""


class InvalidSpecError(Exception):
    """The user has to mend `field`; nothing else helps.

    Args:
        field: path in the resource, e.g. `spec.schedule.intervalSeconds`.
        message: what is wrong with it.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Identity(_Frozen):
    """What is known of a Subscription even if its spec is invalid."""

    namespace: str
    name: str
    uid: str
    generation: int
    creation_timestamp: datetime
    annotations: Mapping[str, str] = Field(default_factory=dict)
    status: SubscriptionStatus = SubscriptionStatus()

    @property
    def key(self) -> Key:
        """(namespace, name)."""
        return (self.namespace, self.name)


class Subscription(Identity):
    """A Subscription with a valid spec."""

    spec: SubscriptionSpec


def parse_identity(body: Mapping[str, Any]) -> Identity:
    """Everything of a resource but its spec. Raises KeyError for a body that no API server has written."""
    metadata = body["metadata"]
    return Identity(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        creation_timestamp=metadata["creationTimestamp"],
        annotations=metadata.get("annotations") or {},
        status=parse_status(body.get("status")),
    )


def parse_subscription(body: Mapping[str, Any]) -> Subscription:
    """A resource as the API server or a watch gives it.

    Raises:
        InvalidSpecError: the spec breaks a rule; names the first field that does.
    """
    identity = parse_identity(body)
    if len(identity.name) > MAX_NAME_LENGTH:
        raise InvalidSpecError("metadata.name", NAME_RULE)
    try:
        spec = SubscriptionSpec.model_validate(body.get("spec") or {})
    except ValidationError as error:
        raise _first_of(error) from None
    return Subscription(**dict(identity), spec=spec)


def _first_of(error: ValidationError) -> InvalidSpecError:
    """The first violation, with its path as the user wrote it."""
    first = error.errors(include_url=False, include_context=False)[0]
    path = "spec" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    match first["type"]:
        case "missing":
            text = "is required"
        case "extra_forbidden":
            text = "is not a field that this version of the operator knows"
        case "value_error":  # without the value: a URL may hold a password
            text = first["msg"].removeprefix("Value error, ")
        case _:
            text = f"{first['msg']} (it is {str(first['input'])[:100]!r})"
    return InvalidSpecError(path, text)
