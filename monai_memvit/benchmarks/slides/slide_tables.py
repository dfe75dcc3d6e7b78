"""Tables of the study on slides: AUC and hits of the heatmaps, and their differences over seeds and over patients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..studies.slice_predictions import load_predictions
from ..studies.study_tables import difference_cell, figure_cell, paired_runs, patient_differences, runs_of
from ..tools.tables import markdown_table

__all__ = ["ARMS", "patients_table", "slides_table"]

ARMS = ("SlideViT", "SlideViT, gated", "MILModel att", "MILModel att_trans")

_PAIRS = [(other, ARMS[0]) for other in ARMS[1:]]
_METRICS = {"auc": "AUC", "top5_hits": "top 5 tiles on the lesion"}
_SHOWN = _METRICS | {"accuracy": "accuracy", "chance_hits": "tiles on the lesion, all"}


def slides_table(rows: list[dict[str, Any]]) -> str:
    """Markdown tables: every arm's figures, then the paired differences with their 95 % intervals over seeds.

    Args:
        rows: results of finished runs.

    Returns:
        two tables, in percent.
    """
    lines = [
        [f"{arm} ({len(runs)})", *(figure_cell(runs, name) for name in _SHOWN)]
        for arm in ARMS
        if (runs := runs_of(rows, arm))
    ]
    differences = [
        [name, *(difference_cell(base, other, metric) for metric in _METRICS)]
        for name, (base, other) in _pairs(rows).items()
    ]
    heads = [f"{title} [95 % over seeds]" for title in _METRICS.values()]
    return "\n\n".join(
        [
            markdown_table(["arm (seeds)", *_SHOWN.values()], lines),
            markdown_table(["difference, same slides (pairs of seeds)", *heads], differences),
        ]
    )


def patients_table(rows: list[dict[str, Any]], out: Path, resamples: int = 1000) -> str:
    """Markdown table: the differences in AUC with 95 % intervals over test patients.

    Args:
        rows: results of finished runs.
        out: the study's JSON lines; the predictions lie beside them.
        resamples: of the patients.

    Returns:
        the table, or why there is none.
    """
    return patient_differences(_pairs(rows), out, load_predictions, {"auc": "AUC"}, resamples)


def _pairs(rows: list[dict[str, Any]]) -> dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    found = {}
    for base, other in _PAIRS:
        first, second = paired_runs(runs_of(rows, base), runs_of(rows, other))
        if first:
            found[f"{other} − {base} ({len(first)})"] = (first, second)
    return found
