"""What is sent of a status: the difference."""

from __future__ import annotations

from datetime import timedelta

from builders import NOON, WELL, built_status
from trawler_operator.api.status import SubscriptionStatus
from trawler_operator.domain.status.patch import status_patch


def test_an_unchanged_status_is_not_sent() -> None:
    """Also when much time has passed since."""
    stored = built_status(check=WELL).to_dict()

    assert status_patch(stored, built_status({}, stored, now=NOON + timedelta(hours=1))) is None


def test_only_what_differs_is_sent() -> None:
    """A merge patch: nested objects in part, lists whole, null for what is gone."""
    stored = {
        "failedChecks": 1,
        "lastCheckOutcome": "Transient",
        "counts": {"downloaded": 1, "queued": 2},
        "forgotten": {"by": "an older version"},
    }
    new = SubscriptionStatus.model_validate({"counts": {"downloaded": 3, "queued": 2}})

    assert status_patch(stored, new) == {
        "failedChecks": 0,
        "goneChecks": 0,
        "lastCheckOutcome": None,
        "forgotten": None,
        "counts": {"running": 0, "failed": 0, "deadLetter": 0, "waiting": 0, "skipped": 0, "downloaded": 3},
        "conditions": [],
        "bytes": 0,
        "recentVideos": [],
        "recentFailures": [],
        "lastHandled": {},
    }


def test_a_first_status_is_sent_whole() -> None:
    """There is none to compare with."""
    status = built_status()

    assert status_patch(None, status) == status.to_dict()
