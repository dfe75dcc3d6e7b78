"""Summaries of classification results that MONAI has no handler for."""

from __future__ import annotations

from .classification import classification_summary, one_against_rest_auc

__all__ = ["classification_summary", "one_against_rest_auc"]
