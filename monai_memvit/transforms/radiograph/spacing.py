"""Millimetres a pixel, and in which plane they are measured (PS3.3 10.7)."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .elements import decimals, text

__all__ = ["FilmSpacing", "spacing_of"]


@dataclass(frozen=True, slots=True)
class FilmSpacing:
    """Distance of neighbouring pixels.

    Args:
        row_mm: from row to row.
        column_mm: from column to column.
        kind: ``calibrated``: in the patient, by fiducials or geometry; ``detector``: in the plane of the detector;
            ``imager``: the detector's, divided by the estimated magnification where the file has one; ``none``:
            unknown, and 1.0.
    """

    row_mm: float = 1.0
    column_mm: float = 1.0
    kind: str = "none"

    @property
    def affine(self) -> NDArray[np.float64]:
        """``(4, 4)``, pixel (row, column) to mm on the film; no place in the patient is known."""
        return np.diag([self.row_mm, self.column_mm, 1.0, 1.0])


def spacing_of(dataset: Any, notes: list[str]) -> FilmSpacing:
    """Choose among PixelSpacing, ImagerPixelSpacing and NominalScannedPixelSpacing.

    Args:
        dataset: pydicom's data set.
        notes: values that cannot be are added here.
    """
    pixel = _pair(dataset, "PixelSpacing", notes)
    imager = _pair(dataset, "ImagerPixelSpacing", notes) or _pair(dataset, "NominalScannedPixelSpacing", notes)
    if pixel:
        calibrated = text(dataset, "PixelSpacingCalibrationType") in ("GEOMETRY", "FIDUCIAL")
        differs = imager is not None and not all(isclose(a, b, rel_tol=1e-3) for a, b in zip(pixel, imager))
        return FilmSpacing(*pixel, kind="calibrated" if calibrated or differs else "detector")
    if imager:
        magnification = _magnification(dataset, notes)
        return FilmSpacing(imager[0] / magnification, imager[1] / magnification, kind="imager")
    return FilmSpacing()


def _pair(dataset: Any, keyword: str, notes: list[str]) -> tuple[float, float] | None:
    values = decimals(dataset, keyword)
    if not values:
        return None
    if len(values) != 2 or not all(isfinite(value) and value > 0 for value in values):
        notes.append(f"{keyword} is no pair of positive numbers: passed over")
        return None
    return values[0], values[1]


def _magnification(dataset: Any, notes: list[str]) -> float:
    values = decimals(dataset, "EstimatedRadiographicMagnificationFactor")
    if not values:
        return 1.0
    if not isfinite(values[0]) or values[0] < 1:
        notes.append("EstimatedRadiographicMagnificationFactor is no number from 1: passed over")
        return 1.0
    notes.append(f"the spacing was divided by the magnification {values[0]:g}")
    return values[0]
