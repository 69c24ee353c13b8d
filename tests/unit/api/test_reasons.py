"""Every reason has its text."""

from __future__ import annotations

import re
from enum import StrEnum

import pytest

from trawler_operator.api.reasons import MESSAGES, ConditionReason, EndReason, EventReason, SkipReason, message


@pytest.mark.parametrize("reasons", [ConditionReason, EventReason, SkipReason, EndReason])
def test_every_reason_is_camel_case_and_has_a_text(reasons: type[StrEnum]) -> None:
    """Programs match the word, people read the text."""
    assert [reason for reason in reasons if not re.fullmatch(r"[A-Z][A-Za-z]+", reason.value)] == []
    assert set(reasons) == MESSAGES[reasons].keys()


def test_gaps_are_filled_by_name() -> None:
    """What fills them is never taken for a template."""
    assert message(EventReason.VIDEO_PUBLISHED, video="{x}", path="a/b") == "{x} stands at a/b"


def test_a_missing_value_is_a_mistake_of_ours() -> None:
    """It must not reach people as a gap."""
    with pytest.raises(KeyError):
        message(EventReason.VIDEO_PUBLISHED, video="x")
