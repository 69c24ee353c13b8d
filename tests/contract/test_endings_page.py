"""docs/outcomes.md has every reason with which the operator ends a launch, and the class that the operator gives it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.api.reasons import NEVER_STARTED, EndReason

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "outcomes.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Reasons of the operator")[2].partition("\n## ")[0]
DOMAIN = ROOT / "operator" / "trawler_operator" / "domain" / "jobs"
ENVIRONMENT = "_environment"
"""A function whose first argument is a reason of that class."""


def _told(heading: str) -> set[tuple[str, str]]:
    """Reason and class of each row of a table."""
    table = SECTION.partition(f"### {heading}\n")[2].partition("\n### ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")][1:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    told = {(row[1].strip("`"), row[2].strip("`")) for row in rows}
    # What the exit code says: not the same each time.
    return told - {(EndReason.EXITED.value, "that class"), (EndReason.EXITED.value, "Transient")}


def _decided(module: str) -> Iterator[tuple[str, str]]:
    """Reason and class wherever the module spells out both, side by side."""
    for node in ast.walk(ast.parse((DOMAIN / module).read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[ast.Attribute(ast.Name("EndReason"), reason), *_]) if (
                name == ENVIRONMENT
            ):
                yield EndReason[reason], OutcomeClass.ENVIRONMENT
            case (
                ast.Call(args=[ast.Attribute(attr=outcome), ast.Attribute(ast.Name("EndReason"), reason), *_])
                | ast.Tuple(elts=[ast.Attribute(attr=outcome), ast.Attribute(ast.Name("EndReason"), reason), *_])
            ):
                yield EndReason[reason], OutcomeClass[outcome]


def test_every_reason_is_there() -> None:
    """None is missing, and none is told of that does not exist."""
    told = set(re.findall(r"`([A-Z]\w+)`", SECTION)) - set(OutcomeClass)

    assert told == set(EndReason) | {"JobRejected", "Ready", "DownloadNotStarting"}


@pytest.mark.parametrize(
    ("heading", "module"),
    [
        ("When a Job ends without a report", "outcome.py"),
        ("When a Job does not start, or does not end", "start_trouble.py"),
    ],
)
def test_every_reason_has_the_class_that_the_operator_gives_it(heading: str, module: str) -> None:
    """The page's table and the code that decides, pair by pair."""
    assert _told(heading) == set(_decided(module))


def test_what_never_started_is_the_environment() -> None:
    """The class that costs no try."""
    classes = dict(_decided("outcome.py")) | dict(_decided("start_trouble.py"))

    assert {classes[reason] for reason in NEVER_STARTED} == {OutcomeClass.ENVIRONMENT}
