"""Brain and tumour on the slices of a case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .sequence_places import affine_of
from .slice_grid import SliceGrid, map_points, within

if TYPE_CHECKING:
    from monai.data.meta_tensor import MetaTensor

__all__ = ["MaskOnSlices", "brain_on_slices", "tumour_on_slices"]


_OUTSIDE = 0.1  # of the tumour in the brain: with less the mask is of another world, or of another head


class MaskOnSlices:
    """A mask at the pixels of the slices, which take its nearest voxel.

    Args:
        mask: ``(1, X, Y, Z)`` bool, on its own grid.
        grid: of the pictures.

    Attributes:
        inside: ``(S, H, W)`` bool.
        centre: of the mask, RAS mm.
        cut_share: of its voxels that lie outside the pictures.
    """

    def __init__(self, mask: MetaTensor, grid: SliceGrid) -> None:
        affine, voxels = affine_of(mask), mask[0].numpy()
        to_voxels = np.linalg.solve(affine, grid.affine)
        self.inside: NDArray[np.bool_] = ndimage.affine_transform(
            voxels.astype(np.uint8), to_voxels, output_shape=grid.shape, order=0, mode="grid-constant"
        ).astype(bool)
        places = np.argwhere(voxels)
        seen = within(map_points(places, np.linalg.inv(to_voxels)), grid.shape)
        self.centre: NDArray[np.float64] = map_points(places, affine).mean(axis=0) if len(places) else np.zeros(3)
        self.cut_share = float(1.0 - seen.mean()) if len(places) else 0.0

    def share_within(self, other: MaskOnSlices) -> float | None:
        """Share of the mask in the pictures that lies in another one; None where there is nothing of it.

        Args:
            other: on the same slices.
        """
        return float(other.inside[self.inside].mean()) if self.inside.any() else None


def brain_on_slices(path: Path | None, reference: MetaTensor, grid: SliceGrid) -> MaskOnSlices:
    """The brain of a case: the mask that came with it, else a simple foreground of the reference.

    Args:
        path: of the mask, if any.
        reference: ``(1, X, Y, Z)``.
        grid: of the pictures.

    Raises:
        ValueError: where the mask cannot be read, is empty, or lies outside the pictures.
    """
    from monai.data.meta_tensor import MetaTensor

    from ..sources.load_volume import load_mask

    if path is not None:
        mask = load_mask(path)
    else:
        from ....transforms.mri.brain_mask import foreground_mask

        mask = MetaTensor(foreground_mask(reference), affine=reference.affine)
    return _seen(MaskOnSlices(mask, grid), path or "the foreground of the reference")


def tumour_on_slices(path: Path, brain: MaskOnSlices, grid: SliceGrid, may_be_empty: bool) -> MaskOnSlices:
    """The tumour of a case.

    Args:
        path: of the mask.
        brain: on the same slices.
        grid: of the pictures.
        may_be_empty: whether an empty mask says that there is no tumour.

    Raises:
        ValueError: where it cannot be read, is empty and may not be, or lies outside the pictures or the brain.
    """
    from ..sources.load_volume import load_mask

    mask = load_mask(path, may_be_empty)
    found = MaskOnSlices(mask, grid)
    if not bool(mask.any()):
        return found
    share = _seen(found, path).share_within(brain)
    if share is not None and share < _OUTSIDE:
        raise ValueError(
            f"the mask {path}: only {share:.0%} of the tumour lies in the brain: it must be of the same head and lie in "
            "the world of the reference; correct it, or remove the file"
        )
    return found


def _seen(mask: MaskOnSlices, origin: Path | str) -> MaskOnSlices:
    if not mask.inside.any():
        raise ValueError(
            f"{origin} has no voxel within the pictures of the reference: it must lie in the world of the reference, "
            "and the pictures must be large enough"
        )
    return mask
