"""docs/outcomes.md is the page that people read: it has every class and every reason, and none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trawler_downloader.contract.outcomes import EXIT_CODES, OutcomeClass
from trawler_downloader.contract.reasons import Reason

PAGE = (Path(__file__).parents[2] / "docs" / "outcomes.md").read_text(encoding="utf-8")


def _section(heading: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    match = re.search(rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{level}}} |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert match is not None, f"docs/outcomes.md has no heading {heading!r}"
    return match[1]


def _first_cells(section: str) -> list[str]:
    """The words in backquotes of each table's first column."""
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")]
    return [word for cell in cells for word in re.findall(r"`(\w+)`", cell)]


@pytest.mark.parametrize("outcome", list(OutcomeClass))
def test_every_reason_stands_under_its_class(outcome: OutcomeClass) -> None:
    """Once, in the table of its class; and the table has no reason that does not exist."""
    documented = _first_cells(_section(f"### {outcome}"))
    assert sorted(documented) == sorted(str(reason) for reason in Reason if reason.outcome is outcome)


def test_every_class_stands_with_its_exit_code() -> None:
    """The table of the classes is that of the contract."""
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", _section("## Classes"), re.MULTILINE)
    assert {name: int(code) for name, code in rows} == {str(outcome): code for outcome, code in EXIT_CODES.items()}


@pytest.mark.parametrize("outcome", list(OutcomeClass))
def test_every_row_of_a_reason_says_what_it_means_and_what_trawler_does(outcome: OutcomeClass) -> None:
    """Four columns, of which only the last may be empty."""
    rows = [line for line in _section(f"### {outcome}").splitlines() if line.startswith("| `")]
    for line in rows:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == 4, line
        assert cells[1].endswith("."), line
        assert cells[2].endswith("."), line
    assert rows
