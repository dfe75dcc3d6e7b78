"""The pixels of a DICOM volume: rescaled, stacked by position, with the affine of its grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .files import dcmread, in_few_words, slices_of
from .headers import DicomSlice, first_number
from .multiframe import FrameGroups
from .stack import stack_slices

__all__ = ["load_dicom"]


def load_dicom(files: Sequence[Path], frames: Sequence[int], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Load one volume.

    Args:
        files: one a slice, or one multi-frame file.
        frames: of a multi-frame file, those that belong to the volume, counted from 0.
        name: of the sequence, for errors.

    Returns:
        ``(X, Y, Z)`` float32 with X along the rows of the image, and its ``(4, 4)`` affine, RAS mm.

    Raises:
        ValueError: naming the file, where one cannot be read, or the slices do not fill a box.
    """
    pictures: dict[tuple[Path, int | None], np.ndarray] = {}
    slices: list[DicomSlice] = []
    for path in files:
        for piece, picture in _pictures(path, frames, name):
            pictures[piece.path, piece.frame] = picture
            slices.append(piece)
    stack = stack_slices(slices)
    if stack.faults:
        raise ValueError(f"{name} ({files[0].parent}): {stack.faults[0]}")
    if len({picture.shape for picture in pictures.values()}) > 1:
        raise ValueError(f"{name} ({files[0].parent}): its slices differ in size: export the series again")
    array = np.stack([pictures[piece.path, piece.frame].T for piece in stack.slices], axis=-1)
    return array, stack.affine()


def _pictures(path: Path, frames: Sequence[int], name: str) -> list[tuple[DicomSlice, np.ndarray]]:
    """The wanted slices of a file, each with its ``(rows, columns)`` of rescaled values."""
    try:
        dataset = dcmread(path, force=True)
        _name_encoding(dataset)
        slices, pixels = slices_of(dataset, path), dataset.pixel_array
        if slices[0].frame is None:
            return [(slices[0], _rescaled(pixels, dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")))]
        groups, pixels = FrameGroups(dataset), pixels.reshape(-1, *pixels.shape[-2:])
        return [(slices[i], _rescaled(pixels[i], *_frame_rescale(groups, i))) for i in frames or range(len(slices))]
    except FileNotFoundError:
        raise ValueError(f"{name}: {path} does not exist: find the cases again") from None
    except ImportError:  # pydicom is not there
        raise
    except Exception as error:  # damaged bytes make pydicom raise whatever they hit first
        raise ValueError(f"{name}: {path} is no whole DICOM image ({in_few_words(error)}): export it again") from None


def _name_encoding(dataset: Any) -> None:
    """A file without preamble does not name its transfer syntax; its values are then stored as its tags are."""
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, _ = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian


def _frame_rescale(groups: FrameGroups, frame: int) -> tuple[Any, Any]:
    group = "PixelValueTransformationSequence"
    return groups.get(frame, group, "RescaleSlope"), groups.get(frame, group, "RescaleIntercept")


def _rescaled(pixels: np.ndarray, slope: Any, intercept: Any) -> np.ndarray:
    """Modality values: slope * stored value + intercept (PS3.3 C.11.1.1.2), computed in float64."""
    factor, shift = first_number(slope), first_number(intercept)
    values = pixels.astype(np.float64) * (1.0 if factor is None else factor) + (shift or 0.0)
    return values.astype(np.float32)
