"""Tables of the study on MRI slices: the figures, what a missing sequence costs, and two kinds of intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..studies.memory_tables import memory_table
from ..studies.slice_predictions import load_predictions
from ..studies.study_tables import (
    compared_runs,
    figure_cell,
    figures_and_differences,
    patient_differences,
    runs_of,
)
from ..tools.tables import markdown_table

__all__ = ["ARMS", "SHORTCUT", "effect_table", "missing_table", "patients_table", "slices_table"]

ARMS = (
    "plain, zeros",
    "MoViT, zeros",
    "plain, tokens",
    "MoViT, tokens",
    "plain, late class token, zeros",
    "MoViT, similar, zeros",
    "resnet, zeros",
)
SHORTCUT = "position and brain area"

_EFFECTS = [
    ("plain, zeros", "MoViT, zeros"),
    ("plain, tokens", "MoViT, tokens"),
    ("plain, late class token, zeros", "MoViT, similar, zeros"),
    ("plain, zeros", "plain, late class token, zeros"),
    ("plain, zeros", "resnet, zeros"),
]
_PAIRS = [*_EFFECTS, ("plain, zeros", "plain, tokens")]
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
    arms, pairs = (*ARMS, SHORTCUT), compared_runs(rows, _PAIRS)
    return figures_and_differences(rows, arms, _METRICS | _READINGS, pairs, _METRICS, "same slices (pairs of seeds)")


def effect_table(rows: list[dict[str, Any]]) -> str:
    """Markdown table: with a memory and without, and what is left when the memory is disturbed.

    Args:
        rows: results of finished runs.

    Returns:
        as of :func:`~monai_memvit.benchmarks.studies.memory_tables.memory_table`.
    """
    return memory_table(rows, _EFFECTS, _METRICS)


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
        if runs := runs_of(rows, arm):
            lines.append([f"{arm} ({len(runs)})", *(figure_cell(runs, name) for name in columns)])
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
        ValueError: when the predictions of some runs are missing, or are not of the same images.
    """
    pairs = compared_runs(rows, _PAIRS, ARMS, SHORTCUT)
    return patient_differences(pairs, out, load_predictions, _METRICS, resamples)
