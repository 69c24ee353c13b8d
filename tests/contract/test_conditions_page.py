"""What people look up when a Subscription is not Ready: each reason of a condition is explained, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from trawler_operator.api.conditions import ConditionType
from trawler_operator.api.reasons import ConditionReason, EventReason

ROOT = Path(__file__).parents[2]
STATUS = (ROOT / "docs" / "status.md").read_text(encoding="utf-8")
OUTCOMES = (ROOT / "docs" / "outcomes.md").read_text(encoding="utf-8")
CONDITIONS = STATUS.partition("\n## Conditions\n")[2].partition("\n## ")[0]
OF_READY = OUTCOMES.partition("\n## Reasons of `Ready`\n")[2].partition("\n## ")[0]
EVENTS = OUTCOMES.partition("\n## Events\n")[2].partition("\n## ")[0]


def _rows(section: str) -> list[list[str]]:
    """Cells of the rows that begin with a word in backquotes."""
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _words(text: str) -> list[str]:
    return re.findall(r"`(\w+)`", text)


def test_every_condition_is_explained() -> None:
    """On the page about the status, once."""
    assert sorted(word for row in _rows(CONDITIONS) for word in _words(row[0])) == sorted(ConditionType)


def test_every_reason_of_a_condition_is_explained() -> None:
    """Those of Ready on a page of their own; the other conditions' stand beside them."""
    of_ready = [word for row in _rows(OF_READY) for word in _words(row[0])]
    of_others = {word for row in _rows(CONDITIONS)[1:] for word in _words(row[2])}

    assert len(of_ready) == len(set(of_ready))
    assert set(ConditionReason) - set(of_ready) - of_others == set()
    assert set(of_ready) - set(ConditionReason) == set()


def test_every_row_says_what_it_means() -> None:
    """Three columns, of which only the last may be empty."""
    rows = _rows(OF_READY)

    assert rows
    assert [row for row in rows if len(row) != 3 or not row[1].endswith(".")] == []


def test_every_reason_of_an_event_is_explained() -> None:
    """Once."""
    assert sorted(word for row in _rows(EVENTS) for word in _words(row[0])) == sorted(EventReason)
