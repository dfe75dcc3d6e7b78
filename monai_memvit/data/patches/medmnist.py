"""MedMNIST archives: ``train_images``, ``train_labels`` and so on for one to three splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .archives import archive_names, check_images, check_length, load_array
from .source import PatchRecord, PatchSource

__all__ = ["is_medmnist", "read_medmnist"]

_SPLITS = ("train", "val", "test")
# PathMNIST is NCT-CRC-HE-100K and CRC-VAL-HE-7K at 28 pixels, with their classes in this order.
_PATHMNIST_CLASSES = ("ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM")


def is_medmnist(path: Path) -> bool:
    """Tell whether an archive is laid out as MedMNIST's are.

    Args:
        path: the npz file.
    """
    return any(f"{split}_images" in archive_names(path) for split in _SPLITS)


def read_medmnist(path: Path, class_names: Sequence[str] | None = None) -> PatchSource:
    """Read a MedMNIST archive, gray or colour; every image is a group of its own, for the archives name no patient.

    Args:
        path: the npz file.
        class_names: classes in label order; by default those of PathMNIST for ``pathmnist*.npz``, else ``class 0`` …

    Raises:
        ValueError: where labels and images do not fit, a label is no class, or images have several labels.
    """
    records: list[PatchRecord] = []
    present = set(archive_names(path))
    for split in _SPLITS:
        if f"{split}_images" not in present:
            continue
        images = load_array(path, f"{split}_images")
        check_images(images, f"{path}: array '{split}_images'")
        origin = f"{path}: array '{split}_labels'"
        labels = check_length(load_array(path, f"{split}_labels"), len(images), origin)
        if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
            raise ValueError(f"{origin} holds {labels.dtype} values from {labels.min()}: give class indices")
        for row, label in enumerate(labels.tolist()):
            key = f"{split}/{row:06d}"
            records.append(PatchRecord(key, key, label, split, images[row], f"{path}[{split}_images][{row}]"))
    return PatchSource(path.stem, _class_names(path, records, class_names), records)


def _class_names(path: Path, records: Sequence[PatchRecord], given: Sequence[str] | None) -> list[str]:
    highest = max(record.label for record in records)
    if given is None and path.stem.startswith("pathmnist"):
        given = _PATHMNIST_CLASSES
    if given is None:
        return [f"class {label}" for label in range(highest + 1)]
    if highest >= len(given):
        raise ValueError(f"{path}: label {highest} is an unknown class, {len(given)} are named: name all of them")
    return list(given)
