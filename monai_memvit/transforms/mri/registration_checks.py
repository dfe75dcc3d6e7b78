"""Signs that a registration failed, so that none goes on unnoticed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .registration_metric import VolumePair

__all__ = ["lies_at_peak", "sign_of_failure"]

_LOST = 0.01  # part of the mutual information that sampling may take from volumes that were aligned already
_RELIEF = 0.02  # how much lower it must be around a peak: noise against noise has hills, too
_FAR, _NEAR = 6.0, 2.0  # mm and degrees: a turn by as many degrees moves the rim of a head about as far


def sign_of_failure(
    pair: VolumePair,
    start: NDArray[np.float64],
    matrix: NDArray[np.float64],
    before: float,
    after: float,
) -> str:
    """What speaks against a transform.

    Args:
        pair: what was registered.
        start: where the optimiser began, ``(4, 4)`` RAS mm.
        matrix: where it ended.
        before: mutual information at the scanner's coordinates, in nats.
        after: the same at ``matrix``.

    Returns:
        one sentence without a full stop; empty when nothing does.
    """
    options = pair.options
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 1e-6:
        return "the transform is degenerate"
    left, scales, right = np.linalg.svd(matrix[:3, :3])
    angle = np.degrees(np.arccos(np.clip((np.trace(left @ right) - 1) / 2, -1, 1)))
    centre = np.append(pair.fixed.centre, 1.0)
    shift = np.linalg.norm((matrix @ centre - start @ centre)[:3])
    scale = max(scales.max(), 1 / scales.min())
    overlap = pair.overlap(matrix)
    if angle > options.max_rotation_deg:
        return f"a rotation of {angle:.1f} degrees is beyond {options.max_rotation_deg:g}"
    if shift > options.max_shift_mm:
        return f"a shift of {shift:.1f} mm is beyond {options.max_shift_mm:g} mm"
    if scale > options.max_scale:
        return f"a scaling by {scale:.2f} is beyond {options.max_scale:g}"
    if overlap < options.min_overlap:
        return f"only {overlap:.0%} of the foreground overlaps, {options.min_overlap:.0%} are asked for"
    comparable = pair.overlap(np.eye(4)) >= options.min_overlap  # few points seem to tell much, by chance
    if comparable and after < before * (1 - _LOST):
        return f"the mutual information fell from {before:.4f} to {after:.4f} nats"
    return _no_peak(pair, matrix)


def _no_peak(pair: VolumePair, matrix: NDArray[np.float64]) -> str:
    top = pair.mutual_information(matrix, 0)
    beside = max(_beside(pair, matrix, _FAR, level=0))
    if beside < top * (1 - _RELIEF):
        return ""
    return f"no peak of mutual information: {beside:.4f} nats {_FAR:g} mm or degrees beside, {top:.4f} there"


def lies_at_peak(pair: VolumePair, matrix: NDArray[np.float64]) -> bool:
    """Whether no small step or turn along or about any axis gives more mutual information.

    Args:
        pair: the two volumes.
        matrix: where to look, ``(4, 4)``, the reference's world to the moving volume's, RAS mm.

    Returns:
        True when the volumes are aligned by ``matrix`` to about 1 mm and 1 degree for each axis.
    """
    top = pair.mutual_information(matrix)
    return all(beside <= top for beside in _beside(pair, matrix, _NEAR, level=-1))


def _beside(pair: VolumePair, matrix: NDArray[np.float64], nudge: float, level: int) -> Iterator[float]:
    """Mutual information ``nudge`` mm or degrees beside a place."""
    for step in _nudges(pair.fixed.centre, nudge):
        yield pair.mutual_information(matrix @ step, level)


def _nudges(centre: NDArray[np.float64], size: float) -> Iterator[NDArray[np.float64]]:
    """Shifts along, and turns about, each axis through the centre, both ways, by so many mm and degrees."""
    for axis in range(3):
        for amount in (-size, size):
            shift = np.eye(4)
            shift[axis, 3] = amount
            yield shift
            turn = np.eye(4)
            one, other = (axis + 1) % 3, (axis + 2) % 3
            cosine, sine = np.cos(np.radians(amount)), np.sin(np.radians(amount))
            turn[[one, one, other, other], [one, other, one, other]] = [cosine, -sine, sine, cosine]
            turn[:3, 3] = centre - turn[:3, :3] @ centre
            yield turn
