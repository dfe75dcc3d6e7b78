"""Brain and tumour on the slices of a case."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .sequence_places import affine_of
from .slice_grid import SliceGrid, map_points, within

if TYPE_CHECKING:
    from monai.data.meta_tensor import MetaTensor

__all__ = ["MaskOnSlices", "brain_on_slices", "tumour_on_slices"]


_SIMPLE = "the foreground of the reference"
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


def brain_on_slices(path: Path | None, reference: MetaTensor, grid: SliceGrid, tool: str = "") -> MaskOnSlices:
    """The brain of a case: the mask that came with it, else what a tool finds in the reference.

    Args:
        path: of the mask, if any.
        reference: ``(1, X, Y, Z)``.
        grid: of the pictures.
        tool: ``package.module:function``; by default a simple foreground.

    Raises:
        ValueError: where the mask cannot be read, is empty, or lies outside the pictures, or there is no such tool.
    """
    from monai.data.meta_tensor import MetaTensor
    from torch import Tensor

    from ....transforms.mri.brain_mask import BrainMask, foreground_mask
    from ..sources.load_volume import load_mask

    if path is not None:
        return _seen(MaskOnSlices(load_mask(path), grid), path)
    found = BrainMask(_function(tool) if tool else foreground_mask)(reference, name=f"the brain by {tool or _SIMPLE}")
    mask = MetaTensor(found.as_subclass(Tensor), affine=reference.affine)
    return _seen(MaskOnSlices(mask, grid), tool or _SIMPLE)


def _function(name: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    try:
        function = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"brain_mask is {name!r}, but {error}: install it, or correct the name") from None
    if not callable(function):
        raise ValueError(f"brain_mask is {name!r}, which is no function: install the right one, or correct the name")
    return function


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
            f"the mask {path}: only {share:.0%} of the tumour lies in the brain: it must be of the same head and lie "
            "in the world of the reference; correct it, or remove the file"
        )
    return found


def _seen(mask: MaskOnSlices, origin: Path | str) -> MaskOnSlices:
    if not mask.inside.any():
        raise ValueError(
            f"{origin} has no voxel within the pictures of the reference: it must lie in the world of the reference, "
            "and the pictures must be large enough"
        )
    return mask
