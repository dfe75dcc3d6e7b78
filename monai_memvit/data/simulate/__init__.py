"""Simulated cohorts with ground truth: what demos and tests run on where there are no patients."""

from __future__ import annotations

from .patches import simulate_patches

__all__ = ["simulate_patches"]
