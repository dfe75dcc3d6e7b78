"""Summaries of classification results that MONAI has no handler for."""

from __future__ import annotations

from .bootstrap import bootstrap_intervals
from .classification import binary_summary, classification_summary, one_against_rest_auc
from .multi_label import CalibrationBins, finding_calibration, known_labels, multi_label_areas, multi_label_summary
from .operating_points import choose_threshold, threshold_figures

__all__ = [
    "CalibrationBins",
    "binary_summary",
    "bootstrap_intervals",
    "choose_threshold",
    "classification_summary",
    "finding_calibration",
    "known_labels",
    "multi_label_areas",
    "multi_label_summary",
    "one_against_rest_auc",
    "threshold_figures",
]
