"""Loading the volume of one sequence, whatever its files are: one channel, float32, RAS mm."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.utils import optional_import

from ....transforms.mri.geometry import check_volume
from ..dicom.pixels import load_dicom
from ..metadata import tracked_metadata
from ..studies import SequenceSource

nibabel, _ = optional_import("nibabel", descriptor='NIfTI needs nibabel: pip install "monai_memvit[mri]"')

__all__ = ["load_mask", "load_volume"]


@tracked_metadata()
def load_volume(source: SequenceSource) -> MetaTensor:
    """Load one sequence.

    DICOM values are rescaled by RescaleSlope and RescaleIntercept of each slice (PS3.3 C.11.1), NIfTI values by
    ``scl_slope`` and ``scl_inter``. Voxel axes stay as they are stored; only the affine says where they point.

    Args:
        source: its files.

    Returns:
        ``(1, X, Y, Z)``, float32, with an RAS affine in mm; ``meta["filename_or_obj"]`` is the first file, and
        ``meta["place_assumed"]`` says that a NIfTI header has neither sform nor qform, but voxel sizes only.

    Raises:
        ValueError: naming sequence and file, where a file is truncated or unreadable, is 4-D, has no usable affine,
            holds NaN or infinite voxels or the same value everywhere, or slices are missing or doubled.
    """
    name = f"{source.sequence} ({source.files[0]})"
    if source.kind == "dicom":
        array, affine = load_dicom(source.files, source.frames, source.sequence)
        place_assumed = False
    else:
        array, affine, place_assumed = _read_nifti(source.files[0])
    volume = _as_volume(array, affine, source.files[0])
    volume.meta["place_assumed"] = place_assumed
    check_volume(volume, name)
    return volume


@tracked_metadata()
def load_mask(path: Path, may_be_empty: bool = False) -> MetaTensor:
    """Load a mask from a NIfTI file.

    Args:
        path: the file; every label above 0 is inside, a negative one ("ignore", in some tools) is not.
        may_be_empty: whether a mask without a voxel is one too.

    Returns:
        ``(1, X, Y, Z)``, bool, with an RAS affine in mm.

    Raises:
        ValueError: as :func:`load_volume`; also where the mask is empty and may not be.
    """
    array, affine, _ = _read_nifti(path)
    volume = _as_volume(array, affine, path)
    inside = volume > 0
    empty = volume.ndim == 4 and not bool(inside.any()) and bool(volume.isfinite().all())
    if empty and not may_be_empty:
        raise ValueError(f"the mask {path} is empty: draw it, or remove the file")
    if not empty and (volume.ndim != 4 or not bool(inside.all())):  # a mask may fill its box; an image may not
        check_volume(volume, f"the mask {path}")
    return inside


def _read_nifti(path: Path) -> tuple[np.ndarray, np.ndarray, bool]:
    """Voxels, affine in mm, and whether the header leaves their place open."""
    try:
        image = nibabel.load(path)
        array = np.asarray(image.dataobj)
        if array.dtype.fields or array.dtype.kind not in "iufb":
            raise ValueError(f"its voxels are {array.dtype}, not numbers")
        affine = np.diag([*[_millimetres(image.header)] * 3, 1.0]) @ image.affine
        return array.astype(np.float32), affine, _leaves_place_open(image.header)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist: fetch it, or find the cases again") from None
    except _unreadable() as error:
        raise ValueError(f"{path} is no whole NIfTI file ({error}): copy or convert it again") from None


def _millimetres(header: Any) -> float:
    """Of the unit of length; where none is given it is mm, as every tool takes it."""
    return {"meter": 1000.0, "micron": 0.001}.get(header.get_xyzt_units()[0], 1.0)


def _leaves_place_open(header: Any) -> bool:
    return int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0


def _unreadable() -> tuple[type[Exception], ...]:
    """What nibabel raises for files that are cut, damaged or something else."""
    own = (nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError)
    return (OSError, EOFError, ValueError, zlib.error, *own)


def _as_volume(array: np.ndarray, affine: np.ndarray, path: Path) -> MetaTensor:
    """Channel first: axes of one after the third are dropped, the volumes of a 4-D file stand in front."""
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    front: Any = np.moveaxis(array, -1, 0) if array.ndim > 3 else array[None]
    tensor = torch.from_numpy(np.ascontiguousarray(front, dtype=np.float32))
    volume = MetaTensor(tensor, affine=torch.from_numpy(affine), meta={"filename_or_obj": str(path)})
    volume.meta["original_channel_dim"] = "no_channel"
    return volume
