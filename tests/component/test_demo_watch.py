"""What the demo says of a Subscription, and whether it waits for more."""

from __future__ import annotations

import importlib.util
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def watch() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo_watch", Path(__file__).parents[2] / "hack/demo/watch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def at(seconds: int) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat()


def subscription(ready: tuple[str, str], **status: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready[0], "reason": ready[1], "message": "in words"}]
    return {
        "metadata": {"name": "mine", "generation": 1},
        "status": {"observedGeneration": 1, "conditions": conditions, "counts": {}, **status},
    }


UP_TO_DATE = [
    {"type": "Ready", "status": "True", "reason": "Watching", "message": ""},
    {"type": "UpToDate", "status": "True", "reason": "AllDownloaded", "message": ""},
]
ROWS = [
    pytest.param(subscription(("False", "RebuildingHistory")), False, id="it begins"),
    pytest.param(subscription(("True", "Watching"), conditions=UP_TO_DATE), True, id="all is there"),
    pytest.param(subscription(("False", "CheckFailed"), nextCheckTime=at(60)), False, id="a check comes in a minute"),
    pytest.param(subscription(("False", "CheckFailed"), nextCheckTime=at(3600)), True, id="a check comes in an hour"),
    pytest.param(
        subscription(("False", "EgressGateClosed"), nextCheckTime=at(-600)), True, id="a site that is left alone"
    ),
    pytest.param(subscription(("False", "ClaimNotFound"), nextCheckTime=at(-5)), True, id="a claim that is missing"),
    pytest.param(
        subscription(("False", "SubscriptionGateClosed"), gate={"untilTime": at(50)}), False, id="a pause of a minute"
    ),
    pytest.param(
        subscription(("False", "EgressGateClosed"), counts={"running": 1}), False, id="a download goes on all the same"
    ),
]


@pytest.mark.parametrize(("item", "finished"), ROWS)
def test_what_is_waited_for(watch: ModuleType, item: dict[str, Any], finished: bool) -> None:
    """Only what comes soon: a site or a claim that does not come back is said, and the demo ends."""
    assert watch.state_of(item, NOW).finished is finished
