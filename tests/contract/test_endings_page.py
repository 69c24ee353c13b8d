"""docs/outcomes.md has every reason with which the operator ends a launch, each with its own class."""

from __future__ import annotations

import re
from pathlib import Path

from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.api.reasons import NEVER_STARTED, EndReason

PAGE = (Path(__file__).parents[2] / "docs" / "outcomes.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Reasons of the operator")[2].partition("\n## ")[0]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in SECTION.splitlines() if line.startswith("| ")]


def test_every_reason_is_there() -> None:
    """None is missing, and none is told of that does not exist."""
    told = set(re.findall(r"`([A-Z]\w+)`", SECTION)) - set(OutcomeClass)

    assert told == set(EndReason) | {"JobRejected", "Ready", "DownloadNotStarting"}


def test_what_never_started_is_the_environment() -> None:
    """The class that costs no try."""
    classes = {row[1].strip("`"): row[2].strip("`") for row in ROWS}

    assert {classes[reason] for reason in NEVER_STARTED} == {OutcomeClass.ENVIRONMENT}
