"""The findings as text for a terminal or a pod's log."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from trawler_downloader.selftest.findings import Finding, Level

WIDTH = 110
"""Characters of a line: logs of pods are read in terminals of unknown width."""
_VERDICTS = {
    Level.OK: "trawler can use this volume.",
    Level.WARNING: "trawler can use this volume; see the warnings.",
    Level.FAILED: "trawler cannot use this volume as it is: see what FAILED.",
}


def table(path: Path, findings: Sequence[Finding]) -> str:
    """One row per finding: level, check, what was seen; below it what that means and what to do."""
    first = max(len(level) for level in Level)
    second = max(len(finding.check) for finding in findings)
    indent = " " * (first + second + 4)
    lines = [f"{path}", ""]
    for finding in findings:
        lines += textwrap.wrap(
            finding.seen,
            WIDTH,
            initial_indent=f"{finding.level:<{first}}  {finding.check:<{second}}  ",
            subsequent_indent=indent,
        )
        for head, text in (("means", finding.means), ("do", finding.do)):
            if text:
                lines += textwrap.wrap(
                    text, WIDTH, initial_indent=f"{indent}{head + ':':<7}", subsequent_indent=indent + " " * 7
                )
    worst = max((finding.level for finding in findings), key=list(Level).index)
    return "\n".join([*lines, "", _VERDICTS[worst], ""])
