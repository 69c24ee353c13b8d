"""What is known of Subscriptions beyond their stored statuses: what could not be stored, and what can wait.

A check is not made again because its status could not be stored, or because storing it can wait. After a restart only
the stored statuses are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from trawler_operator.api.status import SubscriptionStatus
from trawler_operator.api.subscription import Key, Subscription


class Storing(Enum):
    """What became of a status."""

    STORED = auto()
    """All of it is stored, or the Subscription is gone."""
    WAITS = auto()
    """All of it is stored except the times of a check, see `domain.status.patch.can_wait`."""
    FAILED = auto()
    """It is stored in part, or not at all."""


@dataclass(frozen=True, slots=True)
class _Times:
    """Times of one Subscription's checks that are not stored.

    Args:
        uid: the Subscription's uid.
        stored: its last check by the stored status. If the status shows another time, somebody else wrote it.
        last_check: the last check.
        last_successful: the last check that went well.
        last_audit: the last check that walked the whole source.
        next_check: the next check.
    """

    uid: str
    stored: datetime | None
    last_check: datetime | None
    last_successful: datetime | None
    last_audit: datetime | None
    next_check: datetime | None


class KnownStatuses:
    """Statuses that this process knows. Of a status that can wait only its times are kept: there may be thousands."""

    def __init__(self) -> None:
        self._unstored: dict[Key, tuple[str, SubscriptionStatus]] = {}
        self._times: dict[Key, _Times] = {}

    def recall(self, subscription: Subscription) -> Subscription:
        """The Subscription with what is known of its status."""
        key, stored = subscription.key, subscription.status
        uid, status = self._unstored.get(key, ("", None))
        if status is not None and uid == subscription.uid:
            return subscription.model_copy(update={"status": status})
        times = self._times.get(key)
        if times is None or (times.uid, times.stored) != (subscription.uid, stored.last_check_time):
            return subscription
        update = {
            "last_check_time": times.last_check,
            "last_successful_check_time": times.last_successful,
            "last_audit_time": times.last_audit,
            "next_check_time": times.next_check,
        }
        return subscription.model_copy(update={"status": stored.model_copy(update=update)})

    def note(self, key: Key, uid: str, status: SubscriptionStatus, storing: Storing, stored: datetime | None) -> None:
        """Remember what became of a status.

        Args:
            key: the Subscription's key.
            uid: the Subscription's uid.
            status: the status that was to be stored.
            storing: what became of it.
            stored: the last check by the stored status.
        """
        self.forget(key)
        match storing:
            case Storing.STORED:
                pass
            case Storing.WAITS:
                self._times[key] = _Times(
                    uid,
                    stored,
                    status.last_check_time,
                    status.last_successful_check_time,
                    status.last_audit_time,
                    status.next_check_time,
                )
            case Storing.FAILED:
                self._unstored[key] = (uid, status)

    def forget(self, key: Key) -> None:
        """Forget what is not stored: the Subscription is gone, or its whole status is stored."""
        self._unstored.pop(key, None)
        self._times.pop(key, None)
