"""What is sent of a status: the difference."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders import NOON, WELL, built_status
from trawler_downloader.contract.listing import ListingEnd
from trawler_operator.api.status import SubscriptionStatus
from trawler_operator.domain.status.patch import can_wait, status_patch


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
        "failedChecks": None,
        "lastCheckOutcome": None,
        "forgotten": None,
        "counts": {"running": 0, "failed": 0, "deadLetter": 0, "waiting": 0, "skipped": 0, "downloaded": 3},
        "conditions": [],
        "bytes": 0,
        "lastHandled": {},
    }


def test_a_first_status_is_sent_whole() -> None:
    """There is none to compare with."""
    status = built_status()

    assert status_patch(None, status) == status.to_dict()


def checked(minutes: float, *, end: ListingEnd = ListingEnd.STOPPED, **more: Any) -> SubscriptionStatus:
    """After a check so long after another one, whose status is stored."""
    at = NOON + timedelta(minutes=minutes)
    return built_status({}, STORED, check=replace(WELL, at=at, end=end, **more), now=at, next_check=at + HOUR)


HOUR = timedelta(hours=1)
STORED = built_status(check=replace(WELL, end=ListingEnd.COMPLETE)).to_dict()


@pytest.mark.parametrize(
    ("new", "waits"),
    [
        pytest.param(checked(10), True, id="a check that found nothing new"),
        pytest.param(checked(10, end=ListingEnd.COMPLETE), True, id="one that walked a short source to its end"),
        pytest.param(checked(29), True, id="the last one that need not be shown"),
        pytest.param(checked(30), False, id="the first one that has to"),
        pytest.param(checked(-10), False, id="a clock that was set back"),
        pytest.param(checked(10, requested="now"), False, id="a check that was asked for"),
        pytest.param(checked(10, end=ListingEnd.ERROR), False, id="a check that failed"),
        pytest.param(checked(10, source_title="Renamed"), False, id="a source that is called otherwise now"),
        pytest.param(
            checked(10).model_copy(update={"next_check_time": None}), False, id="no check is to come any more"
        ),
        pytest.param(checked(10).model_copy(update={"last_check_time": None}), False, id="no check was made"),
    ],
)
def test_only_times_of_checks_can_wait(new: SubscriptionStatus, waits: bool) -> None:
    """For half an hour: a status that everybody sees must not lag behind in anything else."""
    patch = status_patch(STORED, new)
    assert patch is not None
    assert can_wait(patch, STORED, new) == waits


@pytest.mark.parametrize("old", [None, {}, {"lastCheckTime": "yesterday"}, {"lastCheckTime": 5}])
def test_what_was_never_stored_cannot_wait(old: dict[str, Any] | None) -> None:
    """Nor what somebody mangled."""
    assert not can_wait({"lastCheckTime": "2026-11-21T12:10:00Z"}, old, checked(10))
