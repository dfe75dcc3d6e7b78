"""Losses that neither torch nor MONAI has."""

from __future__ import annotations

from .masked_bce import MaskedBCEWithLogitsLoss
from .masked_patch_loss import MaskedPatchLoss

__all__ = ["MaskedBCEWithLogitsLoss", "MaskedPatchLoss"]
