"""Tables of the study of few labels."""

from __future__ import annotations

from typing import Any

from ..studies.study_tables import difference_cell, figure_cell, paired_runs, percentages, runs_of
from ..tools.tables import markdown_table
from .few_labels_readings import MEMORYLESS

__all__ = ["gain_table", "way_table"]

_FIGURES = {"auc": "AUC", "balanced_accuracy": "balanced accuracy"}
Rows = list[dict[str, Any]]


def way_table(rows: Rows) -> str:
    """Every way at every number of labels.

    Args:
        rows: results of finished runs.

    Returns:
        Markdown.
    """
    header = ["labelled cases (of patients)", "way (seeds)", *_FIGURES.values()]
    lines = []
    for size in sorted({row["labelled"] for row in rows}):
        here = [row for row in rows if row["labelled"] == size]
        patients = sorted(row["patients"] for row in here)
        for arm in dict.fromkeys(row["arm"] for row in here):
            runs = runs_of(here, arm)
            label = f"{size} ({patients[0]}–{patients[-1]})"
            lines.append([label, f"{arm} ({len(runs)})", *(figure_cell(runs, name) for name in _FIGURES)])
    return markdown_table(header, lines)


def gain_table(rows: Rows) -> str:
    """Every way with cases in memory against the memory-less way that is best on average, figure by figure.

    Args:
        rows: results of finished runs.

    Returns:
        Markdown; paired differences in points.
    """
    header = [
        "labelled cases",
        "way (seeds)",
        *(f"{title}, − best without memory [95 %]" for title in _FIGURES.values()),
    ]
    lines = []
    for size in sorted({row["labelled"] for row in rows}):
        here = [row for row in rows if row["labelled"] == size]
        best = {name: _best(here, name) for name in _FIGURES}
        for arm in dict.fromkeys(row["arm"] for row in here if row["arm"] not in MEMORYLESS):
            cells = [_gain(here, best[name], arm, name) for name in _FIGURES]
            lines.append([size, f"{arm} ({len(runs_of(here, arm))})", *cells])
    return markdown_table(header, lines)


def _best(rows: Rows, figure: str) -> str:
    """The strongest memory-less way, chosen on the tested cases themselves: in its favour."""
    arms = [arm for arm in MEMORYLESS if runs_of(rows, arm)]
    return max(arms, key=lambda arm: percentages(runs_of(rows, arm), figure).mean(), default="")


def _gain(rows: Rows, base: str, arm: str, figure: str) -> str:
    first, second = paired_runs(runs_of(rows, base), runs_of(rows, arm))
    return f"{difference_cell(first, second, figure)} ({base})" if first else "–"
