"""Reading an npz archive of slices that are co-registered already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...patches.archives import archive_names, check_length, load_array
from ...patches.named_arrays import class_indices, load_texts
from ...patches.source import split_name

__all__ = ["SliceArrays", "read_slice_arrays"]


@dataclass(frozen=True)
class SliceArrays:
    """What an archive holds of N slices with C sequences.

    Args:
        path: the npz file.
        images: ``(N, H, W, C)``.
        labels: class index per slice, -1 where unknown, ``(N,)``.
        class_names: in label order.
        patients: name per slice.
        slice_numbers: of every slice within its patient, ``(N,)``.
        present: whether a sequence was acquired, ``(N, C)``.
        splits: ``train``, ``val`` or ``test`` per slice; None where the archive has no split.
        tumour: ``(N, H, W)`` bool, or None.
    """

    path: Path
    images: NDArray[np.generic] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    class_names: list[str]
    patients: list[str] = field(repr=False)
    slice_numbers: NDArray[np.int64] = field(repr=False)
    present: NDArray[np.bool_] = field(repr=False)
    splits: list[str] | None = field(default=None, repr=False)
    tumour: NDArray[np.bool_] | None = field(default=None, repr=False)


def read_slice_arrays(path: Path, sequences: Sequence[str], class_names: Sequence[str] | None = None) -> SliceArrays:
    """Read ``image``, ``label`` and ``patient``, and what there is of the other arrays.

    ``patient`` holds names, or rows of ``patient_names``. ``slice_no`` orders the slices of a patient, else they stand
    in the order of the archive. ``channel_missing`` ``(N, C)``, or ``(patients, C)`` in the order of ``patient``'s
    numbers, is true where a sequence was not acquired, whatever stands in its place. ``mask`` ``(N, H, W)`` marks the
    tumour, and may be packed along its last axis by ``numpy.packbits``. ``split`` and ``class_names`` are as in
    archives of patches.

    Args:
        path: the npz file.
        sequences: name of every channel of ``image``.
        class_names: in label order.

    Raises:
        ValueError: naming the file and the array that is absent, or does not fit the others.
    """
    names, images = archive_names(path), load_array(path, "image")
    _check_shape(images, sequences, f"{path}: array 'image'")
    count = len(images)
    labels = check_length(load_array(path, "label"), count, f"{path}: array 'label'")
    if class_names is None and "class_names" in names:
        class_names = [str(name) for name in load_array(path, "class_names")]
    indices, classes = class_indices(labels, class_names, f"{path}: array 'label'")
    splits = load_texts(path, None, "split", count)
    numbers = check_length(load_array(path, "patient"), count, f"{path}: array 'patient'")
    patients = _patients(path, numbers)
    return SliceArrays(
        path,
        images,
        indices.astype(np.int64),
        classes,
        patients,
        _slice_numbers(path, patients),
        ~_missing(path, numbers, len(sequences)),
        None if splits is None else [split_name(text, f"{path}[{row}]") for row, text in enumerate(splits)],
        _tumour(path, images.shape[:3]) if "mask" in names else None,
    )


def _check_shape(images: np.ndarray, sequences: Sequence[str], origin: str) -> None:
    if not sequences or len(set(sequences)) != len(sequences) or not all(sequences):
        raise ValueError(f"sequences are {', '.join(sequences) or 'none'}: give the distinct names of all channels")
    if images.ndim != 4 or 0 in images.shape or images.dtype.kind not in "iuf":
        raise ValueError(f"{origin} is {images.dtype} {images.shape}: slices are numbers (N, H, W, C), channels last")
    if images.shape[3] != len(sequences):
        raise ValueError(
            f"{origin} has {images.shape[3]} channels, but {len(sequences)} sequences are named "
            f"({', '.join(sequences)}): name every channel, in its order"
        )


def _patients(path: Path, numbers: np.ndarray) -> list[str]:
    """The name of every slice's patient."""
    if "patient_names" not in archive_names(path):
        texts = load_texts(path, "patient", "patient", len(numbers))
        return texts or []
    names = load_array(path, "patient_names")
    if numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() >= len(names):
        raise ValueError(
            f"{path}: array 'patient' must hold rows of 'patient_names', 0 to {len(names) - 1}: correct it"
        )
    if len(set(names.tolist())) != len(names):
        raise ValueError(f"{path}: array 'patient_names' repeats a name: give every patient one row")
    return [str(names[number]) for number in numbers.tolist()]


def _slice_numbers(path: Path, patients: Sequence[str]) -> NDArray[np.int64]:
    if "slice_no" in archive_names(path):
        numbers = check_length(load_array(path, "slice_no"), len(patients), f"{path}: array 'slice_no'")
        if numbers.dtype.kind not in "iu":
            raise ValueError(f"{path}: array 'slice_no' holds {numbers.dtype} values: give whole numbers")
        return numbers.astype(np.int64)
    seen: dict[str, int] = {}
    counted = []
    for patient in patients:
        seen[patient] = seen.get(patient, -1) + 1
        counted.append(seen[patient])
    return np.array(counted, dtype=np.int64)


def _missing(path: Path, numbers: np.ndarray, channels: int) -> NDArray[np.bool_]:
    """Which sequence was not acquired, per slice."""
    if "channel_missing" not in archive_names(path):
        return np.zeros((len(numbers), channels), dtype=bool)
    missing = load_array(path, "channel_missing").astype(bool)
    if missing.shape == (len(numbers), channels):
        return missing
    by_number = numbers.dtype.kind in "iu" and numbers.min() >= 0
    if not by_number or missing.shape[1:] != (channels,) or len(missing) <= numbers.max():
        raise ValueError(
            f"{path}: array 'channel_missing' has shape {missing.shape}: give one row per slice ({len(numbers)}), or "
            f"one per number in 'patient', and {channels} columns"
        )
    return missing[numbers]


def _tumour(path: Path, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = load_array(path, "mask")
    if mask.shape == shape:
        return mask != 0
    if mask.dtype == np.uint8 and mask.shape == (*shape[:2], -(-shape[2] // 8)):
        return np.unpackbits(mask, axis=-1, count=shape[2]).astype(bool)
    raise ValueError(f"{path}: array 'mask' has shape {mask.shape}, the slices {shape}: give one mask per slice")
