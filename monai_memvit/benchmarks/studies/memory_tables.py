"""The table of a memory's effect: against the same network without one, switched off, and with shuffled values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..tools.tables import markdown_table
from .memory_readings import OFF, SHUFFLED
from .study_runs import interval_of, signed
from .study_tables import figure_cell, paired_runs, percentages, runs_of

__all__ = ["memory_table"]

_NONE = "–"
_READINGS = {"memory on − off": OFF, "memory on − values shuffled": SHUFFLED}
Runs = list[dict[str, Any]]


def memory_table(
    rows: Runs,
    pairs: Sequence[tuple[str, str]],
    metrics: Mapping[str, str],
    further: Mapping[str, str] | None = None,
) -> str:
    """Markdown table: both arms of a pair, their paired difference, and what is left when the memory is disturbed.

    Args:
        rows: results of finished runs.
        pairs: arms; the first is subtracted from the second, seed by seed.
        metrics: headings by the names of the figures, which are shares.
        further: headings of more differences to the whole network by what stands behind the figures' names.

    Returns:
        a line per number of training cases, pair and metric; pairs without a whole pair of runs are left out.
    """
    readings = {f"{title} [95 %]": name for title, name in (_READINGS | dict(further or {})).items()}
    heads = ["training cases (seeds)", "arms", "metric", "first", "second", "second − first [95 %]", *readings]
    lines = []
    for cases in sorted({row.get("cases", 0) for row in rows if "seed" in row}):
        here = [row for row in rows if row.get("cases", 0) == cases]
        for pair in pairs:
            first, second = paired_runs(*(runs_of(here, arm) for arm in pair))
            if first:
                start = [f"{cases or 'all'} ({len(first)})", " → ".join(pair)]
                lines += [
                    [*start, title, *_cells(first, second, metric, readings.values())]
                    for metric, title in metrics.items()
                ]
    return markdown_table(heads, lines)


def _cells(first: Runs, second: Runs, metric: str, readings: Iterable[str]) -> list[str]:
    whole = percentages(second, metric)
    gains = [whole - percentages(first, metric), *(whole - percentages(second, metric + name) for name in readings)]
    return [figure_cell(first, metric), figure_cell(second, metric), *map(_difference, gains)]


def _difference(gain: np.ndarray) -> str:
    return _NONE if np.isnan(gain).any() else f"{signed(gain)} {interval_of(gain)}".strip()
