"""A case as networks take it: a stack of slices, what is brain and tumour in it, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["PreparedCase"]


@dataclass(frozen=True)
class PreparedCase:
    """Every slice of the reference with all sequences, and its history.

    Args:
        image: ``(S, C, H, W)`` float16, z-scored within the brain and 0 outside; where a sequence is absent it is 0,
            and False in the masks.
        brain: ``(S, H, W)`` bool.
        tumour: ``(S, H, W)`` bool, or None where no mask came with the study.
        channel_mask: ``(C,)`` bool: which sequences came with the study.
        record: plain JSON types: ``pipeline``, ``affine`` (index of slice, row and column to RAS mm), ``sequences``
            (file names, description, reason, registration and normalisation of each), ``channel_mask``,
            ``slice_channel_mask`` (which sequences show the brain in each slice), ``slices_kept``, ``slices_unseen``
            (with enough brain, which no sequence shows), ``brain_area_mm2`` and ``tumour_area_mm2`` of each slice,
            ``brain_cut_share`` and ``tumour_cut_share`` outside the pictures, ``tumour_in_brain_share``,
            ``places_assumed`` (sequences whose header does not say where they lie).
        before: sequence -> ``(H, W)``: the slice with most brain where the file says it is; of those that were moved.
        after: sequence -> ``(H, W)``: the same slice as it was stacked, but neither normalised nor masked; of all.
    """

    image: np.ndarray
    brain: np.ndarray
    tumour: np.ndarray | None
    channel_mask: np.ndarray
    record: dict[str, Any]
    before: dict[str, np.ndarray] = field(default_factory=dict)
    after: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def fullest_slice(self) -> int:
        """Number of the slice with most brain."""
        return int(self.brain.sum(axis=(1, 2)).argmax())
