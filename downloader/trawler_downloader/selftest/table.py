"""The findings as text for a terminal or a pod's log, row by row: a NAS that hangs shows by the row that is missing."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from trawler_downloader.selftest.findings import Finding, Level

WIDTH = 110
"""Characters of a line: logs of pods are read in terminals of unknown width."""
LONGEST_NAME = 20
"""Of a check."""
_LEVEL = max(len(level) for level in Level)
_INDENT = " " * (_LEVEL + LONGEST_NAME + 4)
_VERDICTS = {
    Level.OK: "trawler can use this volume.",
    Level.WARNING: "trawler can use this volume; see the warnings.",
    Level.FAILED: "trawler cannot use this volume as it is: see what FAILED.",
}


def row(finding: Finding) -> str:
    """Level, check, what was seen; below it what that means and what to do."""
    first = f"{finding.level:<{_LEVEL}}  {finding.check:<{LONGEST_NAME}}  "
    lines = textwrap.wrap(finding.seen, WIDTH, initial_indent=first, subsequent_indent=_INDENT)
    for head, text in (("means:", finding.means), ("do:", finding.do)):
        if text:
            beside = _INDENT + " " * 7
            lines += textwrap.wrap(text, WIDTH, initial_indent=f"{_INDENT}{head:<7}", subsequent_indent=beside)
    return "\n".join(lines) + "\n"


def worst(findings: Iterable[Finding]) -> Level:
    """The level that counts."""
    return max((finding.level for finding in findings), key=list(Level).index)


def verdict(level: Level) -> str:
    """The last line."""
    return f"{_VERDICTS[level]}\n"
