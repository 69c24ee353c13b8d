"""Conditions: their types, their exact meanings, and the one rule of their time stamps."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from trawler_operator.api.fitting import cut_characters
from trawler_operator.api.model import StatusModel
from trawler_operator.api.times import Time


class ConditionType(StrEnum):
    """What a condition is about. Set from the first visit on, as Unknown where nothing is known yet."""

    READY = "Ready"
    """The spec is valid, the claim usable, the last check went well, nothing holds downloads back.

    True with reason Suspended while suspended: that is what was asked for.
    """
    SOURCE_REACHABLE = "SourceReachable"
    """The last listing was complete. A lister that is down leaves it as it was: that says nothing of the source."""
    UP_TO_DATE = "UpToDate"
    """Nothing selected waits to be downloaded: none queued, running or to be tried again.

    Videos that cannot be had yet (Waiting) or that were given up (DeadLetter) do not count.
    """
    LIBRARY_IN_PLACE = "LibraryInPlace"
    """Every video that was downloaded stands where `spec.library` says."""
    LEDGER_INTACT = "LedgerIntact"
    """False while a value of the ledger cannot be read; it is left alone, its video counts as known."""
    COOKIES_VALID = "CookiesValid"
    """False while the site refuses the cookies, or they cannot be read. Only where a Subscription names some."""


class ConditionStatus(StrEnum):
    """The three values of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


MAX_MESSAGE_LENGTH = 1024
MAX_REASON = 64
REASON_PATTERN = r"^[A-Z][A-Za-z0-9]{0,63}$"


class Condition(StatusModel):
    """One aspect of the Subscription's state."""

    type: Annotated[str, Field(max_length=64, pattern=r"^[A-Z][A-Za-z]*$")]
    """What it is about."""
    status: ConditionStatus
    """Whether it holds."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """Generation of the spec that it was judged from."""
    last_transition_time: Time
    """When status last changed."""
    reason: Annotated[str, Field(max_length=MAX_REASON, pattern=REASON_PATTERN)]
    """Why, in one CamelCase word for programs."""
    message: Annotated[str, Field(max_length=MAX_MESSAGE_LENGTH)] = ""
    """Why, for people."""


def make_condition(
    previous: Iterable[Condition],
    kind: ConditionType,
    status: ConditionStatus,
    reason: str,
    message: str,
    *,
    generation: int,
    now: datetime,
) -> Condition:
    """A condition whose lastTransitionTime moves only when its status does.

    Args:
        previous: the conditions as they stand in the resource.
        kind: which condition.
        status: its value now.
        reason: CamelCase.
        message: for people; cut to MAX_MESSAGE_LENGTH.
        generation: of the spec that was judged.
        now: the present.
    """
    since = next((c.last_transition_time for c in previous if c.type == kind and c.status is status), now)
    return Condition(
        type=kind.value,
        status=status,
        observed_generation=generation,
        last_transition_time=since,
        reason=str(reason),
        message=cut_characters(message, MAX_MESSAGE_LENGTH),
    )
