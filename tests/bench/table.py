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
        """Median of ours over median of theirs."""
        return median(self.ours) / median(self.theirs) if median(self.theirs) else math.nan


def render(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| what | trawler | compared with | ratio | goal | n |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        goal = "" if row.goal is None else f"≤ {row.goal:g}, {'met' if row.ratio <= row.goal else 'missed'}"
        lines.append(
            f"| {row.what} | {_spread(row.ours, row.unit)} | {row.theirs_is}: {_spread(row.theirs, row.unit)} "
            f"| {row.ratio:.3f} | {goal} | {len(row.ours)} + {len(row.theirs)} |"
        )
    return "\n".join(lines)


def _spread(values: Sequence[float], unit: str) -> str:
    text = f"{median(values):.3g} {unit}"
    return text if len(values) == 1 else f"{text} ({min(values):.3g} to {max(values):.3g})"
