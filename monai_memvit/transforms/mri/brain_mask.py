"""Where the brain is: by a given mask, a tool of your choice, or at least where the head is."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data.meta_obj import get_track_meta
from monai.data.meta_tensor import MetaTensor
from monai.transforms import LoadImage, MapTransform, Transform
from monai.utils import optional_import
from numpy.typing import NDArray
from torch import Tensor

from .items import name_of
from .masking import fitting_mask
from .simpleitk_images import to_simpleitk

sitk, _ = optional_import("SimpleITK", descriptor='this needs SimpleITK: pip install "monai_memvit[mri]"')

__all__ = ["BrainMask", "BrainMaskD", "BrainMaskDict", "BrainMaskd", "foreground_mask"]

_SMOOTHING_MM = 1.5
_CLOSING_MM = 5.0
# A coherent region of one value as large as this is a background that somebody cut out; what a scanner or a resampling
# leaves at the edges of its field of view is smaller.
_CUT_OUT_SHARE = 0.25


def foreground_mask(volume: Tensor) -> Tensor:
    """The head before air, or the brain of an image that is skull-stripped already. It is **no** skull stripping.

    Where a connected background of one constant value fills a quarter of the volume or more, all else is foreground.
    Otherwise the image is smoothed (Gaussian, 1.5 mm), cut at Otsu's threshold (Otsu 1979; the brightest hundredth is
    clipped before) and closed (5 mm). Of either, the largest connected component stays, with its holes filled.

    Args:
        volume: ``(1, X, Y, Z)``; the voxel size comes from the affine of a MetaTensor, else 1 mm.

    Returns:
        bool tensor ``(1, X, Y, Z)``.

    Raises:
        ValueError: for another shape, NaN or infinity, or an image without a foreground.
    """
    if volume.ndim != 4 or volume.shape[0] != 1:
        raise ValueError(f"{name_of(volume)}: one volume (1, X, Y, Z) is needed, got shape {tuple(volume.shape)}.")
    voxels = volume.detach().as_subclass(Tensor).cpu().numpy()[0].astype(np.float32)
    if not np.isfinite(voxels).all():
        raise ValueError(f"{name_of(volume)}: there are NaN or infinite voxels: replace them first.")
    if voxels.min() == voxels.max():
        raise ValueError(f"{name_of(volume)}: all voxels are {voxels.flat[0]:g}, there is no foreground: leave it out.")
    affine = volume.affine if isinstance(volume, MetaTensor) else torch.eye(4)
    background = _cut_out_background(voxels)
    rough = to_simpleitk(voxels != background, affine) > 0 if background is not None else _above_otsu(voxels, affine)
    mask = np.ascontiguousarray(sitk.GetArrayFromImage(_largest_filled(rough)).T).astype(bool)
    return torch.from_numpy(mask)[None].to(volume.device)


def _cut_out_background(voxels: NDArray[np.float32]) -> float | None:
    faces = [voxels.take((0, -1), axis).ravel() for axis in range(3)]
    values, counts = np.unique(np.concatenate(faces), return_counts=True)
    constant = voxels == values[counts.argmax()]
    # Air whose noise rounds to 0 here and there is no cut-out: a voxel counts where its neighbours are constant too.
    coherent = constant[1:-1, 1:-1, 1:-1].copy()
    for axis in range(3):
        for step in (0, 2):
            part = [slice(1, -1)] * 3
            part[axis] = slice(step, voxels.shape[axis] - 2 + step)
            coherent &= constant[tuple(part)]
    share = coherent.sum() / max(1, coherent.size)
    return float(values[counts.argmax()]) if share >= _CUT_OUT_SHARE else None


def _above_otsu(voxels: NDArray[np.float32], affine: Tensor) -> Any:
    # The brightest voxels (fat, vessels with contrast agent) would pull the threshold up into the brain.
    clipped = np.minimum(voxels, np.quantile(voxels.ravel()[:: max(1, voxels.size // 1_000_000)], 0.99))
    image = sitk.DiscreteGaussian(to_simpleitk(clipped, affine), variance=_SMOOTHING_MM**2)
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.SetNumberOfHistogramBins(256)
    otsu.SetInsideValue(0)
    otsu.SetOutsideValue(1)
    radius = [round(_CLOSING_MM / size) for size in image.GetSpacing()]
    return sitk.BinaryMorphologicalClosing(otsu.Execute(image), radius)


def _largest_filled(rough: Any) -> Any:
    components = sitk.RelabelComponent(sitk.ConnectedComponent(rough, True), sortByObjectSize=True)
    return sitk.BinaryFillhole(components == 1)


class BrainMask(Transform):
    """A checked mask for an image: the given one if there is one, else what ``method`` makes of the image.

    Args:
        method: takes the image ``(1, X, Y, Z)`` and returns its mask ``(1, X, Y, Z)`` or ``(X, Y, Z)``, above 0
            inside. Here HD-BET, SynthStrip or another tool comes in. Default: :func:`foreground_mask`, which finds the
            head, and the brain only where the skull is stripped already.
    """

    def __init__(self, method: Callable[[Tensor], Any] = foreground_mask) -> None:
        self.method = method

    def __call__(self, image: Tensor, given: str | os.PathLike[str] | Tensor | None = None, name: str = "") -> Tensor:
        """Return the mask of an image.

        Args:
            image: ``(1, X, Y, Z)``.
            given: a mask as a tensor, or its NIfTI file, on the image's grid.
            name: of the sequence, for errors.

        Returns:
            bool ``(1, X, Y, Z)`` with the image's affine; ``meta["brain_mask"]`` holds ``origin``, which is ``given``
            or the method's name, and the volume ``ml``.

        Raises:
            ValueError: naming the file where the mask is missing, empty, holds NaN, or has another shape or grid.
        """
        name = name_of(image, name)
        if isinstance(given, (str, os.PathLike)):
            given, name = _load(Path(given)), f"{name}, mask {given}"
        origin = "given" if given is not None else getattr(self.method, "__name__", type(self.method).__name__)
        mask = fitting_mask(self.method(image) if given is None else given, image, name)
        if not isinstance(image, MetaTensor) or not get_track_meta():
            return mask
        millilitres = int(mask.sum()) * float(torch.linalg.det(image.affine[:3, :3].as_subclass(Tensor)).abs()) / 1000
        meta = {"brain_mask": {"origin": origin, "ml": millilitres}}
        if "filename_or_obj" in image.meta:
            meta["filename_or_obj"] = image.meta["filename_or_obj"]
        return MetaTensor(mask, affine=image.affine, meta=meta)


def _load(path: Path) -> Tensor:
    if not path.is_file():
        raise ValueError(f"the brain mask {path} does not exist: correct its path, or leave it out to have one made.")
    try:
        return LoadImage(reader="NibabelReader", image_only=True, ensure_channel_first=True)(path)
    except Exception as error:  # readers raise all kinds
        raise ValueError(f"the brain mask {path} cannot be read ({type(error).__name__}): replace the file.") from error


class BrainMaskd(MapTransform):
    """Dictionary version of :class:`BrainMask`: an item that holds a mask, or its path, keeps it; others get one.

    Args:
        keys: the one image to make the mask from, by default the reference ``"t1gd"``.
        mask_key: where the item may hold a mask (tensor or path), and where the checked mask goes.
        method: as in :class:`BrainMask`.
    """

    def __init__(
        self,
        keys: str = "t1gd",
        mask_key: str = "brain_mask",
        method: Callable[[Tensor], Any] = foreground_mask,
    ) -> None:
        super().__init__(keys)
        if len(self.keys) != 1:
            raise ValueError(f"one image is needed to make the mask from, got keys={self.keys}.")
        self.mask_key = mask_key
        self.masker = BrainMask(method)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Put the mask beside the image.

        Args:
            data: item with the image.

        Returns:
            the item with a bool mask ``(1, X, Y, Z)`` under ``mask_key``.
        """
        (key,) = self.keys
        if data.get(key) is None:
            raise ValueError(f"the item has no {key!r} to make the brain mask from: give it, or name another in keys.")
        return {**data, self.mask_key: self.masker(data[key], data.get(self.mask_key), str(key))}


BrainMaskD = BrainMaskDict = BrainMaskd
