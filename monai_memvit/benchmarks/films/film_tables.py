"""Tables of the study on chest films: the figures, paired differences over seeds, and differences over patients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..studies.memory_readings import OFF, SHUFFLED
from ..studies.memory_tables import memory_table
from ..studies.patient_intervals import finding_figures
from ..studies.study_tables import (
    compared_runs,
    figure_cell,
    figures_and_differences,
    patient_differences,
    runs_of,
)
from ..tools.tables import markdown_table
from .film_scores import FilmScores, load_scores

__all__ = [
    "ARMS",
    "MEMORIES",
    "PRETRAINED",
    "PRETRAINING",
    "SHORTCUT",
    "effect_table",
    "films_table",
    "patients_table",
    "pretraining_table",
]

PRETRAINED = ("sequence norm, pre-trained", "sequence norm, linear probe")
MEMORIES = (("plain", "MoViT"), ("plain, late class token", "MoViT, similar"))
ARMS = ("sequence norm", "softmax", "SimA", *PRETRAINED, *(arm for pair in MEMORIES for arm in pair), "resnet")
SHORTCUT = "32 × 32 pixels, linear"
PRETRAINING = "masked pre-training"

_EFFECTS = [*MEMORIES, ("plain", "plain, late class token"), ("plain", "resnet")]
_PAIRS = [
    ("softmax", "sequence norm"),
    ("SimA", "sequence norm"),
    *(("sequence norm", arm) for arm in PRETRAINED),
    *_EFFECTS,
]
_METRICS = {"auc": "AUC", "auprc": "AUPRC"}


def films_table(rows: list[dict[str, Any]]) -> str:
    """Markdown tables: every arm's figures, then the differences with their 95 % intervals over seeds.

    Args:
        rows: results of finished runs.

    Returns:
        two tables; the first has a column per finding where there are several.
    """
    arms, shown = (*ARMS, SHORTCUT), _METRICS | _findings(rows)
    return figures_and_differences(rows, arms, shown, _comparisons(rows), _METRICS, "same films (seeds)")


def _findings(rows: list[dict[str, Any]]) -> dict[str, str]:
    names = list(
        dict.fromkeys(
            key for row in rows for key in row if key.startswith("auc_") and not key.endswith((OFF, SHUFFLED))
        )
    )
    return {name: f"AUC {name.removeprefix('auc_')}" for name in names} if len(names) > 1 else {}


def effect_table(rows: list[dict[str, Any]]) -> str:
    """Markdown table: with a memory and without, and what is left when the memory is disturbed.

    Args:
        rows: results of finished runs.

    Returns:
        as of :func:`~monai_memvit.benchmarks.studies.memory_tables.memory_table`.
    """
    return memory_table(rows, _EFFECTS, _METRICS)


def _comparisons(rows: list[dict[str, Any]]) -> dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    return compared_runs(rows, _PAIRS, ARMS, SHORTCUT)


def pretraining_table(rows: list[dict[str, Any]]) -> str:
    """Markdown table: how much of the hidden pixels the pre-trained networks predict, on films they have not seen.

    Args:
        rows: results of finished runs.

    Returns:
        the table; it has no line where nothing was pre-trained.
    """
    runs = runs_of(rows, PRETRAINING)
    lines = [[f"{PRETRAINING} ({len(runs)})", figure_cell(runs, "explained")]] if runs else []
    return markdown_table(["arm (seeds)", "variance of the hidden pixels explained, %"], lines)


def patients_table(rows: list[dict[str, Any]], out: Path, resamples: int = 1000) -> str:
    """Markdown table: the differences in AUC with 95 % intervals over test patients.

    Args:
        rows: results of finished runs.
        out: the study's JSON lines; the predictions lie beside them.
        resamples: of the patients.

    Returns:
        the table, or why there is none.

    Raises:
        ValueError: when the predictions of some runs are missing, or are not of the same films.
    """
    return patient_differences(_comparisons(rows), out, _judged, {"auc": "AUC"}, resamples, finding_figures)


def _judged(path: Path) -> FilmScores:
    return load_scores(path).of_both_kinds()
