"""Which part of the brain a sequence shows: a slab of few slices does not show all of it, padded or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .sequence_places import affine_of
from .slice_grid import SliceGrid, map_points, within
from .slice_masks import MaskOnSlices

if TYPE_CHECKING:
    from monai.data.meta_tensor import MetaTensor

__all__ = ["shown_brain", "slices_shown"]

_ENOUGH = 0.5  # of a slice's brain: with less the sequence counts as absent from the slice, so that no zero is silent


def shown_brain(
    name: str,
    volume: MetaTensor,
    sampled: NDArray[np.float32],
    matrix: NDArray[np.float64],
    brain: MaskOnSlices,
    grid: SliceGrid,
) -> NDArray[np.bool_]:
    """The pixels of the brain that lie within a sequence's field of view and are no padding.

    A slab that somebody resampled onto a larger grid has one value all over the slices that it did not show. So a value
    that fills more than half of a slice's brain is taken for padding.

    Args:
        name: of the sequence, for errors.
        volume: ``(1, X, Y, Z)``.
        sampled: the same at the pixels of the slices, ``(S, H, W)``.
        matrix: ``(4, 4)``, maps a point of the reference's world to the sequence's, RAS mm.
        brain: on the slices.
        grid: of the pictures.

    Returns:
        ``(S, H, W)``.

    Raises:
        ValueError: where there are none.
    """
    to_voxels = np.asarray(np.linalg.solve(affine_of(volume), matrix @ grid.affine), dtype=np.float64)
    shown = brain.inside.copy()
    shown[brain.inside] = within(map_points(np.argwhere(brain.inside), to_voxels), tuple(volume.shape[1:]))
    for pixels, seen in zip(sampled, shown):
        seen[seen] = ~_padding(pixels[seen])
    if not shown.any():
        raise ValueError(f"{name} shows nothing of the brain: look whether it is of the same head, or leave it out")
    return shown


def _padding(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where the value stands that fills more than half, if there is one: then it is the median."""
    if not len(values):
        return np.zeros(0, dtype=bool)
    middle = len(values) // 2
    same: NDArray[np.bool_] = values == np.partition(values, middle)[middle]
    return same if same.mean() > 1.0 - _ENOUGH else np.zeros_like(same)


def slices_shown(shown: NDArray[np.bool_] | None, brain: MaskOnSlices) -> NDArray[np.bool_]:
    """The slices in which a sequence shows at least half of the brain.

    Args:
        shown: ``(S, H, W)`` as from :func:`shown_brain`, or None for an absent sequence.
        brain: on the slices.

    Returns:
        ``(S,)``, False where a slice has no brain.
    """
    areas = brain.inside.sum(axis=(1, 2))
    if shown is None:
        return np.zeros(len(areas), dtype=bool)
    return (areas > 0) & (shown.sum(axis=(1, 2)) >= _ENOUGH * areas)
