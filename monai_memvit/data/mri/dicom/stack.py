"""The geometry of a stack of slices: order, spacing, what is missing, doubled or tilted, and its affine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .headers import DicomSlice

__all__ = ["SliceStack", "stack_slices"]

_SAME_PLACE_MM = 0.01
_SPACING_SHARE = 0.02  # of the spacing by which a gap may differ: headers round, scanners do not place that badly
_SHEAR_PIXELS = 0.5


@dataclass(frozen=True)
class SliceStack:
    """Slices in the order of their positions along the normal, and what is wrong with them.

    Args:
        slices: in order.
        spacing_mm: between slices; 0 for a single one.
        repeats: number of images at every position: 1 for a volume, more for a dynamic series.
        faults: each with positions and remedy; empty for a volume.
    """

    slices: tuple[DicomSlice, ...]
    spacing_mm: float
    repeats: int
    faults: tuple[str, ...]

    def affine(self) -> np.ndarray:
        """Return the ``(4, 4)`` matrix from voxel (column, row, slice) to RAS mm.

        PS3.3 C.7.6.2.1.1: a step along a row goes PixelSpacing[1] along the first direction cosines, a step along a
        column PixelSpacing[0] along the second; DICOM's LPS turns to RAS by the signs of the first two rows.
        """
        first = self.slices[0]
        row, column = np.reshape(first.orientation, (2, 3))
        matrix = np.eye(4)
        matrix[:3, 0] = row * first.spacing[1]
        matrix[:3, 1] = column * first.spacing[0]
        matrix[:3, 2] = _normal(first) * (self.spacing_mm or 1.0)
        matrix[:3, 3] = first.position
        return np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix


def stack_slices(slices: Sequence[DicomSlice]) -> SliceStack:
    """Order slices of one orientation and size, and check that they fill a box.

    Args:
        slices: at least one.
    """
    normal = _normal(slices[0])
    place = {id(piece): float(normal @ np.array(piece.position)) for piece in slices}
    ordered = sorted(slices, key=lambda piece: (place[id(piece)], piece.instance, str(piece.path)))
    at = np.array([place[id(piece)] for piece in ordered])
    groups = np.split(np.arange(len(at)), np.flatnonzero(np.diff(at) > _SAME_PLACE_MM) + 1)
    singles = at[[group[0] for group in groups]]
    counts = {len(group) for group in groups}
    spacing = _typical_gap(singles)
    faults = [*_doubled(ordered, at, groups), *_gaps(singles, spacing), *_sheared(ordered, at, normal)]
    return SliceStack(tuple(ordered), _mean_gap(singles, spacing), min(counts), tuple(faults))


def _normal(piece: DicomSlice) -> np.ndarray:
    row, column = np.reshape(piece.orientation, (2, 3))
    return np.cross(row, column)


def _typical_gap(at: np.ndarray) -> float:
    """The lower median: one missing slice among three must not pass for the rule."""
    gaps = np.sort(np.diff(at))
    return float(gaps[(len(gaps) - 1) // 2]) if len(gaps) else 0.0


def _mean_gap(at: np.ndarray, typical: float) -> float:
    return float((at[-1] - at[0]) / (len(at) - 1)) if len(at) > 1 else typical


def _doubled(ordered: Sequence[DicomSlice], at: np.ndarray, groups: Sequence[np.ndarray]) -> list[str]:
    double = [group for group in groups if len(group) > 1]
    if not double:
        return []
    first, second = (ordered[i] for i in double[0][:2])
    if len({len(group) for group in groups}) == 1 and first.instance != second.instance:
        return [f"{len(double[0])} images at each of its {len(groups)} positions, a dynamic or multi-offset series"]
    names = f"{first.path.name} and {second.path.name}" if first.path != second.path else f"frames of {first.path.name}"
    same = ", the same object twice" if first.instance == second.instance else ""
    return [
        f"slices doubled at {len(double)} of {len(groups)} positions, first at {at[double[0][0]]:.2f} mm along the "
        f"normal ({names}{same}): keep one of each"
    ]


def _gaps(at: np.ndarray, spacing: float) -> list[str]:
    gaps = np.diff(at)
    wide = np.flatnonzero(np.abs(gaps - spacing) > max(0.05, _SPACING_SHARE * spacing))
    if not len(wide):
        return []
    first = wide[0]
    between = f"between {at[first]:.2f} mm and {at[first + 1]:.2f} mm along the normal"
    missing = np.rint(gaps[wide] / spacing) - 1
    if np.all(np.abs(gaps[wide] - (missing + 1) * spacing) <= 0.1 * spacing) and missing.min() >= 1:
        return [
            f"{int(missing.sum())} slices missing, first {between} (spacing {spacing:.2f} mm): export the series again"
        ]
    return [
        f"slices unevenly spaced, first {between} ({gaps[first]:.2f} mm instead of {spacing:.2f} mm): export the "
        "series again, or resample it to a NIfTI file of even spacing"
    ]


def _sheared(ordered: Sequence[DicomSlice], at: np.ndarray, normal: np.ndarray) -> list[str]:
    """Positions that drift within the plane: a gantry tilt, which no rigid grid can hold."""
    positions = np.array([piece.position for piece in ordered])
    drift = positions - positions[0] - np.outer(at - at[0], normal)
    worst = float(np.linalg.norm(drift, axis=1).max())
    if worst <= _SHEAR_PIXELS * min(ordered[0].spacing):
        return []
    return [f"slices shifted within their plane by up to {worst:.2f} mm (gantry tilt): resample it to a straight grid"]
