"""Modality transform: stored values to those of the modality (PS3.3 C.11.1)."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .elements import decimals, items
from .errors import DisplayError
from .layout import PixelLayout
from .syntax import is_big_endian
from .tables import read_table

__all__ = ["ModalityValues", "modality_values"]


@dataclass(frozen=True, slots=True)
class ModalityValues:
    """Outputs of the modality transform.

    Args:
        values: float64, one for every pattern of the stored bits.
        low: smallest output that the transform can give.
        high: largest.
    """

    values: NDArray[np.float64]
    low: float
    high: float


def modality_values(dataset: Any, layout: PixelLayout, notes: list[str]) -> ModalityValues:
    """Apply ModalityLUTSequence, else slope and intercept, else nothing.

    The range is that of all stored bits, or of a table's bits: never that of the pixels at hand.

    Args:
        dataset: pydicom's data set.
        layout: of its pixels.
        notes: what was decided is added here.

    Raises:
        DisplayError: where slope or intercept is no number, the slope is zero, or the table is damaged.
    """
    stored = layout.stored_values().astype(np.float64)
    slope, intercept = _rescale(dataset)
    if tables := items(dataset, "ModalityLUTSequence"):
        if (slope, intercept) != (1.0, 0.0):
            notes.append("both a modality LUT and a rescale: the LUT is taken")
        table = read_table(tables[0], "ModalityLUTSequence", layout.signed, is_big_endian(dataset))
        return ModalityValues(table.look_up(stored), 0.0, float(table.largest))
    if not isfinite(slope) or not isfinite(intercept) or slope == 0:
        raise DisplayError(f"RescaleSlope {slope} and RescaleIntercept {intercept} map nothing: correct the file")
    low, high = sorted((slope * layout.low + intercept, slope * layout.high + intercept))
    if not isfinite(high - low) or high <= low:
        raise DisplayError(f"RescaleSlope {slope} and RescaleIntercept {intercept} leave no range: correct the file")
    return ModalityValues(stored * slope + intercept, low, high)


def _rescale(dataset: Any) -> tuple[float, float]:
    slope, intercept = decimals(dataset, "RescaleSlope"), decimals(dataset, "RescaleIntercept")
    return (slope[0] if slope else 1.0), (intercept[0] if intercept else 0.0)
