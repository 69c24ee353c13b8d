"""What of a status has to be sent: only what differs, and nothing if nothing does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trawler_operator.api.status import SubscriptionStatus


def status_patch(old: Mapping[str, Any] | None, new: SubscriptionStatus) -> dict[str, Any] | None:
    """The merge patch that turns the stored status into the new one; None if nothing differs.

    Args:
        old: `status` of the resource as the API server gave it.
        new: what it should be.
    """
    return _merge_patch(old or {}, new.to_dict()) or None


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
