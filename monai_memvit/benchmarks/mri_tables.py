"""Tables of the study on MRI slices: the figures, what a missing sequence costs, and two kinds of intervals."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .patient_intervals import patient_intervals
from .slice_predictions import SlicePredictions, load_predictions, predictions_path
from .study_runs import interval_of, signed, spread
from .tables import markdown_table

__all__ = ["ARMS", "SHORTCUT", "missing_table", "patients_table", "slices_table"]

ARMS = ("plain, zeros", "MoViT, zeros", "plain, tokens", "MoViT, tokens")
SHORTCUT = "position and brain area"

_PAIRS = [("plain, zeros", "MoViT, zeros"), ("plain, tokens", "MoViT, tokens"), ("MoViT, zeros", "MoViT, tokens")]
_METRICS = {"auc": "AUC", "balanced_accuracy": "balanced accuracy", "accuracy": "accuracy"}
_READINGS = {"auc_unrefreshed": "AUC, memory not refreshed", "auc_memory_off": "AUC, memory off"}
_NONE = "–"


def slices_table(rows: list[dict[str, Any]]) -> str:
    """Markdown tables: every arm's figures, then the paired differences with their 95 % intervals over seeds.

    Args:
        rows: results of finished runs.

    Returns:
        two tables.
    """
    shown = _METRICS | _READINGS
    lines = [
        [f"{arm} ({len(runs)})", *(_cell(runs, name) for name in shown)]
        for arm in (*ARMS, SHORTCUT)
        if (runs := _runs(rows, arm))
    ]
    differences = []
    for base, other in _PAIRS:
        first, second = _paired(_runs(rows, base), _runs(rows, other))
        if first:
            gains = [_column(second, name) - _column(first, name) for name in _METRICS]
            cells = [f"{signed(gain)} {interval_of(gain)}".strip() for gain in gains]
            differences.append([f"{other} − {base} ({len(first)})", *cells])
    heads = [f"{title} [95 % over seeds]" for title in _METRICS.values()]
    return "\n\n".join(
        [
            markdown_table(["arm (seeds)", *shown.values()], lines),
            markdown_table(["difference, same slices (pairs of seeds)", *heads], differences),
        ]
    )


def missing_table(rows: list[dict[str, Any]]) -> str:
    """Markdown table: AUC with each sequence taken away, and on the slices that lack one by themselves.

    Args:
        rows: results of finished runs.

    Returns:
        the table; its first line counts the slices behind each column, and the patients where they are fewer.
    """
    names = list(dict.fromkeys(key for row in rows for key in row if key.startswith("cases_without_")))
    without = [name.removeprefix("cases_") for name in names]
    heads = ["all", *(name.replace("_", " ") for name in without), "incomplete by themselves"]
    columns = ["auc", *(f"auc_{name}" for name in without), "auc_incomplete"]
    tested = [row for row in rows if row["arm"] in ARMS]
    lines = [_counted(tested[0], names)] if tested else []
    for arm in ARMS:
        if runs := _runs(rows, arm):
            lines.append([f"{arm} ({len(runs)})", *(_cell(runs, name) for name in columns)])
    return markdown_table(["AUC (seeds)", *heads], lines)


def _counted(row: dict[str, Any], names: list[str]) -> list[str]:
    counts = [f"{row['slices']} ({row['patients']})", *(str(row.get(name, _NONE)) for name in names)]
    return ["slices (patients)", *counts, f"{row['incomplete_slices']} ({row['incomplete_patients']})"]


def patients_table(rows: list[dict[str, Any]], out: Path, resamples: int = 1000) -> str:
    """Markdown table: the same differences with 95 % intervals over test patients, and those to the shortcut.

    Args:
        rows: results of finished runs.
        out: the study's JSON lines; the predictions lie beside them.
        resamples: of the patients.

    Returns:
        the table, or why there is none.

    Raises:
        ValueError: when the predictions of some runs are missing, or are not of the same slices.
    """
    pairs = _comparisons(rows)
    wanted = {_key(row): row for sides in pairs.values() for side in sides for row in side}
    if not wanted or not predictions_path(out, next(iter(wanted.values()))).parent.exists():
        return f"No intervals over patients: there are no runs to compare, or no predictions of them beside {out}."
    found = {key: load_predictions(predictions_path(out, row)) for key, row in wanted.items()}
    first = _same_slices(found, out)
    intervals = patient_intervals(
        {key: predictions.probabilities for key, predictions in found.items()},
        {name: ([_key(row) for row in base], [_key(row) for row in other]) for name, (base, other) in pairs.items()},
        first.labels,
        first.groups,
        resamples,
    )
    heads = [f"{title} [95 % over {len(first.groups.unique())} patients]" for title in _METRICS.values()]
    lines = [[name, *(_interval(*figures[metric]) for metric in _METRICS)] for name, figures in intervals.items()]
    return markdown_table(["difference, mean over seeds (seeds)", *heads], lines)


def _comparisons(rows: list[dict[str, Any]]) -> dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """The runs of either side, by the name of the comparison."""
    found = {}
    for base, other in _PAIRS:
        first, second = _paired(_runs(rows, base), _runs(rows, other))
        if first:
            found[f"{other} − {base} ({len(first)})"] = (first, second)
    shortcut = _runs(rows, SHORTCUT)
    for arm in ARMS:
        runs = _runs(rows, arm)
        if runs and shortcut:
            found[f"{arm} − {SHORTCUT} ({len(runs)})"] = (shortcut, runs)
    return found


def _key(row: dict[str, Any]) -> tuple[int | None, str]:
    return row.get("seed"), row["arm"]


def _same_slices(found: dict[tuple[int | None, str], SlicePredictions], out: Path) -> SlicePredictions:
    first = next(iter(found.values()))
    for key, other in found.items():
        if not torch.equal(first.labels, other.labels) or not torch.equal(first.groups, other.groups):
            raise ValueError(f"{out}: the predictions of {key} are of other slices: repeat the study with a new --out.")
    return first


def _interval(difference: float, low: float, high: float) -> str:
    return f"{100 * difference:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"


def _runs(rows: list[dict[str, Any]], arm: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["arm"] == arm]


def _paired(base: list[dict[str, Any]], other: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], ...]:
    """The runs of both arms whose seed the other has, in the same order."""
    seeds = {row["seed"]: row for row in other}
    first = [row for row in base if row["seed"] in seeds]
    return first, [seeds[row["seed"]] for row in first]


def _cell(runs: list[dict[str, Any]], name: str) -> str:
    values = _column(runs, name)
    if np.isnan(values).all():
        return _NONE
    return spread(values) if len(values) > 1 else f"{values[0]:.1f}"


def _column(runs: list[dict[str, Any]], name: str) -> np.ndarray:
    return 100 * np.array([run.get(name, math.nan) for run in runs])
