"""What keeps a Subscription from its work, as the condition Ready shows it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from trawler_operator.api.reasons import ConditionReason


@dataclass(frozen=True, slots=True)
class Blocker:
    """Something outside the spec and the site that a person must mend before anything can be downloaded.

    Args:
        reason: of Ready.
        message: of Ready.
        is_failure: a step of the pass failed, which is said of a suspended Subscription, too.
    """

    reason: ConditionReason
    message: str
    is_failure: bool = False
