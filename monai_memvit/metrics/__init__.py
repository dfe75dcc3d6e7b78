"""Summaries of classification results that MONAI has no handler for."""

from __future__ import annotations

from .bootstrap import bootstrap_intervals
from .classification import binary_summary, classification_summary, one_against_rest_auc

__all__ = ["binary_summary", "bootstrap_intervals", "classification_summary", "one_against_rest_auc"]
