"""Correction of the slow shading that coils and field leave in MR images (N4)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data.meta_obj import get_track_meta
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import convert_to_tensor, optional_import
from numpy.typing import NDArray
from torch import Tensor

from .brain_mask import foreground_mask
from .items import name_of, present_keys
from .masking import fitting_mask
from .simpleitk_images import to_simpleitk

sitk, _ = optional_import("SimpleITK", descriptor='this needs SimpleITK: pip install "monai_memvit[mri]"')

__all__ = ["CorrectBiasField", "CorrectBiasFieldD", "CorrectBiasFieldDict", "CorrectBiasFieldd"]

_FEWEST = 4  # voxels that an axis keeps: cubic B-splines need as many


class CorrectBiasField(Transform):
    """Divide an MR image by its bias field, estimated by N4 (Tustison et al. 2010, doi:10.1109/TMI.2010.2046908).

    The field is fitted on a coarse copy of the mask's bounding box and evaluated there at full resolution; beyond the
    box it stays what it is at the box's faces. Its geometric mean inside the mask is set to 1, so that intensities
    keep their level. There is no randomness; SimpleITK's number of threads changes rounding alone (about 1e-6 of the
    largest intensity), so set it where bits must be the same on several machines.

    Args:
        shrink: how many voxels along the finest axis become one for the fit; coarser axes are shrunk less.
        iterations: at most this many per level; each level doubles the resolution of the B-spline mesh.
        convergence: a level ends when the field's relative change falls below it.
    """

    def __init__(
        self, shrink: int = 4, iterations: Sequence[int] = (50, 50, 50, 50), convergence: float = 0.005
    ) -> None:
        if shrink < 1 or not iterations or min(iterations) < 1 or convergence <= 0:
            raise ValueError(
                f"shrink={shrink}, iterations={tuple(iterations)}, convergence={convergence}: all must be above zero."
            )
        self.shrink = int(shrink)
        self.iterations = tuple(int(n) for n in iterations)
        self.convergence = float(convergence)

    def __call__(self, image: Tensor, mask: Any = None, name: str = "") -> Tensor:
        """Return the corrected image.

        Args:
            image: ``(1, X, Y, Z)``.
            mask: ``(1, X, Y, Z)``, above 0 where the field is estimated; default :func:`foreground_mask`. Voxels that
                are not positive are left out, because N4 takes logarithms.
            name: of the sequence, for errors.

        Returns:
            float32 image with the same affine; ``meta["bias_field"]["log_std"]`` is the standard deviation of the
            field's logarithm inside the mask (0.1: about 10 % of shading).

        Raises:
            ValueError: naming the file, for another shape, NaN or infinity, a mask that does not fit, is empty, holds
                no positive voxel, or has fewer than 4 voxels along an axis.
        """
        name = name_of(image, name)
        volume = convert_to_tensor(image, track_meta=get_track_meta())
        if volume.ndim != 4 or volume.shape[0] != 1:
            raise ValueError(f"{name}: one volume (1, X, Y, Z) is needed, got shape {tuple(volume.shape)}.")
        voxels = volume.detach().as_subclass(Tensor).cpu().numpy()[0].astype(np.float32)
        if not np.isfinite(voxels).all():
            raise ValueError(f"{name}: there are NaN or infinite voxels: replace them first.")
        inside = fitting_mask(foreground_mask(volume) if mask is None else mask, image, name)[0].cpu().numpy()
        affine = image.affine if isinstance(image, MetaTensor) else torch.eye(4)
        log_field = self._log_field(voxels, inside & (voxels > 0), affine, name)
        corrected = torch.from_numpy(voxels / np.exp(log_field))[None].to(volume.device)
        if not isinstance(volume, MetaTensor):
            return corrected
        result = MetaTensor(corrected).copy_meta_from(volume)
        result.meta["bias_field"] = {"log_std": float(log_field[inside].std(dtype=np.float64))}
        return result

    def _log_field(
        self, voxels: NDArray[np.float32], inside: NDArray[np.bool_], affine: Tensor, name: str
    ) -> NDArray[np.float32]:
        box = _bounding_box(inside, name)
        image = to_simpleitk(voxels[box], affine)
        factors = self._factors(image)
        small, small_mask = (sitk.Shrink(full, factors) for full in (image, to_simpleitk(inside[box], affine) > 0))
        if not sitk.GetArrayFromImage(small_mask).any():
            raise ValueError(
                f"{name}: nothing of the mask's {inside.sum()} voxels is left when shrunk by {factors}: give a larger "
                "mask, or a smaller shrink."
            )
        n4 = sitk.N4BiasFieldCorrectionImageFilter()
        n4.SetMaximumNumberOfIterations(self.iterations)
        n4.SetConvergenceThreshold(self.convergence)
        n4.SetMaskLabel(1)
        n4.Execute(small, small_mask)
        fitted = sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(image)).T
        fitted = fitted - fitted[inside[box]].mean(dtype=np.float64).astype(np.float32)
        around = [(part.start, size - part.stop) for part, size in zip(box, voxels.shape)]
        return np.pad(fitted, around, mode="edge")

    def _factors(self, image: Any) -> list[int]:
        finest = min(image.GetSpacing())
        wanted = [round(self.shrink * finest / size) for size in image.GetSpacing()]
        return [max(1, min(factor, n // _FEWEST)) for factor, n in zip(wanted, image.GetSize())]


def _bounding_box(inside: NDArray[np.bool_], name: str) -> tuple[slice, ...]:
    if not inside.any():
        raise ValueError(f"{name}: no voxel in the mask is above zero, N4 takes logarithms: check image and mask.")
    occupied = [np.flatnonzero(inside.any(others)) for others in ((1, 2), (0, 2), (0, 1))]
    box = tuple(slice(int(places[0]), int(places[-1]) + 1) for places in occupied)
    if min(part.stop - part.start for part in box) < _FEWEST:
        raise ValueError(f"{name}: the mask is thinner than {_FEWEST} voxels along an axis: give a larger mask.")
    return box


class CorrectBiasFieldd(MapTransform):
    """Dictionary version of :class:`CorrectBiasField`.

    Args:
        keys: sequences to correct.
        mask_key: a mask on the grid of every one of them; None makes a :func:`foreground_mask` of each.
        shrink: as in :class:`CorrectBiasField`.
        iterations: as in :class:`CorrectBiasField`.
        convergence: as in :class:`CorrectBiasField`.
        allow_missing_keys: pass over sequences that are missing or None.
    """

    def __init__(
        self,
        keys: KeysCollection,
        mask_key: str | None = None,
        shrink: int = 4,
        iterations: Sequence[int] = (50, 50, 50, 50),
        convergence: float = 0.005,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.mask_key = mask_key
        self.corrector = CorrectBiasField(shrink, iterations, convergence)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Correct each sequence.

        Args:
            data: item with the sequences, and the mask where ``mask_key`` names one.

        Returns:
            the item with corrected images.
        """
        if self.mask_key is not None and data.get(self.mask_key) is None:
            raise ValueError(f"the item has no mask {self.mask_key!r}: make one with BrainMaskd first.")
        mask = data[self.mask_key] if self.mask_key is not None else None
        corrected: dict[Hashable, Any] = {key: self.corrector(data[key], mask, key) for key in present_keys(self, data)}
        return {**data, **corrected}


CorrectBiasFieldD = CorrectBiasFieldDict = CorrectBiasFieldd
