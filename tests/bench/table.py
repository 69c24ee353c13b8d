"""Two things side by side, as one row: medians, their ratio, the spread, how often."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Row:
    """One comparison. The two lists are of interleaved runs."""

    what: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float]
    theirs_is: str
    goal: float | None = None
    """Highest ratio that is good enough; None: nothing was promised."""

    @property
    def ratio(self) -> float:
        """Median of ours over median of theirs; NaN where one of them drowned in what was subtracted from it."""
        ours, theirs = median(self.ours), median(self.theirs)
        return ours / theirs if ours > 0 and theirs > 0 else math.nan

    @property
    def verdict(self) -> str:
        """The goal, and whether it is met."""
        if self.goal is None:
            return ""
        if math.isnan(self.ratio):
            return f"≤ {self.goal:g}, cannot be told"
        return f"≤ {self.goal:g}, {'met' if self.ratio <= self.goal else 'missed'}"


def render(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| what | trawler | compared with | ratio | goal | n |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row.what} | {_spread(row.ours, row.unit)} | {row.theirs_is}: {_spread(row.theirs, row.unit)} "
            f"| {row.ratio:.3f} | {row.verdict} | {len(row.ours)} + {len(row.theirs)} |"
        )
    return "\n".join(lines)


def _spread(values: Sequence[float], unit: str) -> str:
    text = f"{median(values):.3g} {unit}"
    return text if len(values) == 1 else f"{text} ({min(values):.3g} to {max(values):.3g})"
