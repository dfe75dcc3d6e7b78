"""Tables of the study on slides: AUC and hits of the heatmaps, and their differences over seeds and over patients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..studies.slice_predictions import load_predictions
from ..studies.study_tables import (
    compared_runs,
    figures_and_differences,
    patient_differences,
)

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
    pairs = compared_runs(rows, _PAIRS)
    return figures_and_differences(rows, ARMS, _SHOWN, pairs, _METRICS, "same slides (pairs of seeds)")


def patients_table(rows: list[dict[str, Any]], out: Path, resamples: int = 1000) -> str:
    """Markdown table: the differences in AUC with 95 % intervals over test patients.

    Args:
        rows: results of finished runs.
        out: the study's JSON lines; the predictions lie beside them.
        resamples: of the patients.

    Returns:
        the table, or why there is none.
    """
    return patient_differences(compared_runs(rows, _PAIRS), out, load_predictions, {"auc": "AUC"}, resamples)
