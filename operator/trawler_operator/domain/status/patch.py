"""Which part of a status is sent: only what differs. Nothing is sent if nothing differs, or if all of it can wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from trawler_operator.api.status import SubscriptionStatus
from trawler_operator.api.times import parse_time

CHECK_TIMES = frozenset({"lastCheckTime", "lastSuccessfulCheckTime", "lastAuditTime", "nextCheckTime"})
"""All that a check changes if it ended as the last one did and found nothing new."""
LONGEST_LAG = timedelta(minutes=30)
"""How far the stored times of checks may be behind.

So the column LAST-CHECK is at most half an hour out. A Subscription that is checked hourly, the default, always shows
its last check, and no restart repeats it. One that is checked more often may be checked once too early after a restart.
"""


def status_patch(old: Mapping[str, Any] | None, new: SubscriptionStatus) -> dict[str, Any] | None:
    """The merge patch that turns the stored status into the new one; None if nothing differs.

    Args:
        old: `status` of the resource as the API server gave it.
        new: what it should be.
    """
    return _merge_patch(old or {}, new.to_dict()) or None


def can_wait(patch: Mapping[str, Any], old: Mapping[str, Any] | None, new: SubscriptionStatus) -> bool:
    """Whether a patch holds only times of checks that are not far from the stored ones.

    Args:
        patch: from the stored status to the new one.
        old: the stored status.
        new: what it should be.
    """
    if not patch.keys() <= CHECK_TIMES or None in patch.values():
        return False
    stored = stored_check_time(old)
    if stored is None or new.last_check_time is None:
        return False
    return timedelta(0) <= new.last_check_time - stored < LONGEST_LAG


def stored_check_time(old: Mapping[str, Any] | None) -> datetime | None:
    """When the last check was, by the stored status; None if that is missing or unreadable."""
    try:
        return parse_time((old or {})["lastCheckTime"])
    except (KeyError, TypeError, ValueError):
        return None


def _merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    patch: dict[str, Any] = {name: None for name in old if name not in new}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = _merge_patch(before, value)
            if inner:
                patch[name] = inner
        elif name not in old or value != before:
            patch[name] = value
    return patch
