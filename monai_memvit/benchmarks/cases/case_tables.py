"""Tables of the study of added cases."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..studies.slice_predictions import load_predictions
from ..studies.study_runs import interval_of, spread
from ..studies.study_tables import compared_runs, paired_runs, patient_differences, runs_of
from ..tools.tables import markdown_table

__all__ = ["case_table", "gap_table", "patients_table"]

_ALONE, _REFITTED = "network alone", "refitted head"
_PAIRS = [(_ALONE, "memory, ridge"), (_REFITTED, "memory, ridge")]
_FIGURES = {"auc": "AUC", "balanced_accuracy": "balanced accuracy"}
Rows = list[dict[str, Any]]


def case_table(rows: Rows) -> str:
    """Every arm at every size: at the site, what it gains over the network alone and over the refitted head, at home.

    Args:
        rows: results of finished runs.

    Returns:
        Markdown.
    """
    header = ["site", "added per class", "arm (seeds)"]
    for name in _FIGURES.values():
        header += [f"{name}", f"{name}, − {_ALONE} [95 %]", f"{name}, − {_REFITTED} [95 %]"]
    header += [f"{name} at home, − alone" for name in _FIGURES.values()]
    if any("site_auc_new_class" in row for row in rows):
        header += ["AUC of the new class"]
    lines = []
    for shift, added in sorted({(row["shift"], row["added"]) for row in rows}):
        here = [row for row in rows if (row["shift"], row["added"]) == (shift, added)]
        for arm in dict.fromkeys(row["arm"] for row in here):
            lines.append([shift, added, *_line(here, arm, len(header) - 2)])
    return markdown_table(header, lines)


def _line(rows: Rows, arm: str, cells: int) -> list[str]:
    runs = runs_of(rows, arm)
    line = [f"{arm} ({len(runs)})"]
    for figure in _FIGURES:
        line += [
            spread(_column(runs, f"site_{figure}")),
            *(_gain(rows, other, arm, f"site_{figure}") for other in (_ALONE, _REFITTED)),
        ]
    line += [_gain(rows, _ALONE, arm, f"home_{figure}") for figure in _FIGURES]
    if len(line) < cells:
        line.append(spread(_column(runs, "site_auc_new_class")))
    return line


def _column(rows: Iterable[dict[str, Any]], figure: str) -> np.ndarray:
    return 100 * np.array([row[figure] for row in rows])


def _gain(rows: Rows, base: str, other: str, figure: str) -> str:
    first, second = paired_runs(runs_of(rows, base), runs_of(rows, other))
    if base == other or not first:
        return "–"
    gain = _column(second, figure) - _column(first, figure)
    return f"{gain.mean():+.1f} {interval_of(gain)}".strip()


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "–"


def gap_table(rows: Rows) -> str:
    """Which share of what the network loses at another site the added cases give back.

    Args:
        rows: results of finished runs.

    Returns:
        Markdown; a header alone where no site differs.
    """
    lines = []
    for shift, added in sorted({(row["shift"], row["added"]) for row in rows if row["shift"] != "none"}):
        here = [row for row in rows if (row["shift"], row["added"]) == (shift, added)]
        alone = runs_of(here, _ALONE)
        home, site = (_column(alone, f"{place}_balanced_accuracy").mean() for place in ("home", "site"))
        for arm in dict.fromkeys(row["arm"] for row in here):
            now = _column(runs_of(here, arm), "site_balanced_accuracy").mean()
            lines.append(
                [shift, added, arm, f"{home:.1f}", f"{site:.1f}", f"{now:.1f}", _share(now - site, home - site)]
            )
    header = ["site", "added per class", "arm", "alone, at home", "alone, at the site", "at the site", "of the gap"]
    return markdown_table(header, lines)


def patients_table(rows: Rows, out: Path, resamples: int = 1000) -> str:
    """What the memory gains at the site, at every size, with 95 % intervals over test patients.

    Args:
        rows: results of finished runs.
        out: the study's JSON lines; the predictions lie beside them.
        resamples: of the patients.

    Returns:
        Markdown, or why there is no table.

    Raises:
        ValueError: when the predictions of some runs are missing.
    """
    if any(row.get("screen") or "other" in row for row in rows):
        return "No intervals over patients: every seed is tested on patients of its own."
    pairs: dict[str, tuple[Rows, Rows]] = {}
    for shift, added in sorted({(row["shift"], row["added"]) for row in rows}):
        here = compared_runs([row for row in rows if (row["shift"], row["added"]) == (shift, added)], _PAIRS)
        pairs |= {f"{shift}, {added} per class: {name}": sides for name, sides in here.items()}
    return patient_differences(pairs, out, load_predictions, _FIGURES, resamples)
