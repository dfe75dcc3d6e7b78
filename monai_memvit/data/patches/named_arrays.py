"""Archives of named arrays: images, labels, patients and splits in parallel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .archives import archive_names, check_images, check_length, load_array
from .source import PatchRecord, PatchSource, split_name

__all__ = ["ArrayNames", "class_indices", "load_texts", "read_named_arrays"]


@dataclass(frozen=True)
class ArrayNames:
    """Which array of an archive holds what.

    Where ``group``, ``split`` or ``key`` is None, the array ``patient_id``, ``split`` or ``instance_id`` is taken if
    the archive has it.

    Args:
        image: pictures, ``(N, H, W)`` or ``(N, H, W, C)``.
        label: class index or class name per picture; negative or empty means unknown.
        group: patient or slide per picture; without one, every picture is a group of its own.
        split: ``train``, ``val`` or ``test`` per picture; without one, the split is drawn.
        key: name of each picture, distinct within its group; without one, its row.
    """

    image: str = "image"
    label: str = "label"
    group: str | None = None
    split: str | None = None
    key: str | None = None


def read_named_arrays(
    path: Path, names: ArrayNames = ArrayNames(), class_names: Sequence[str] | None = None
) -> PatchSource:
    """Read an archive of named arrays; pictures of unknown class are left out and counted.

    Args:
        path: the npz file.
        names: which array holds what.
        class_names: classes in label order; by default the archive's ``class_names``, else ``class 0`` …, or the
            sorted names where labels are names.

    Raises:
        ValueError: where an array is absent or does not fit the images, or a label is no class.
    """
    images = load_array(path, names.image)
    check_images(images, f"{path}: array {names.image!r}")
    raw_labels = check_length(load_array(path, names.label), len(images), f"{path}: array {names.label!r}")
    if class_names is None and "class_names" in archive_names(path):
        class_names = [str(name) for name in load_array(path, "class_names")]
    labels, classes = class_indices(raw_labels, class_names, f"{path}: array {names.label!r}")
    groups = load_texts(path, names.group, "patient_id", len(images))
    splits = load_texts(path, names.split, "split", len(images))
    keys = load_texts(path, names.key, "instance_id", len(images))

    records = []
    for row in np.flatnonzero(labels >= 0).tolist():
        key = keys[row] if keys else f"{row:06d}"
        group = groups[row] if groups else key
        sample = f"{group}/{key}" if groups else key
        split = split_name(splits[row], f"{path}[{row}]") if splits else None
        records.append(
            PatchRecord(sample, group, int(labels[row]), split, images[row], f"{path}[{names.image}][{row}]")
        )
    if not records:
        raise ValueError(f"{path}: array {names.label!r} holds no known class: all labels are negative or empty")
    return PatchSource(path.stem, classes, records, int((labels < 0).sum()))


def load_texts(path: Path, name: str | None, usual: str, count: int) -> list[str] | None:
    """Return an array as strings; None where none is named and the archive lacks the usual one.

    Args:
        path: the npz file.
        name: of the array, where one is named.
        usual: name of the array to take otherwise.
        count: number of values that it must have.

    Raises:
        ValueError: where a named array is absent, or it holds other than ``count`` integers or texts.
    """
    if name is None and usual not in archive_names(path):
        return None
    name = name or usual
    array = check_length(load_array(path, name), count, f"{path}: array {name!r}")
    if array.dtype.kind not in "iubSU":
        raise ValueError(f"{path}: array {name!r} holds {array.dtype} values: give integers or texts")
    return [text.decode("utf-8") if isinstance(text, bytes) else str(text) for text in array.tolist()]


def class_indices(array: np.ndarray, given: Sequence[str] | None, origin: str) -> tuple[np.ndarray, list[str]]:
    """Return class indices (-1: unknown) and the class names.

    Args:
        array: class indices, negative where unknown, or class names, empty where unknown, ``(N,)``.
        given: classes in label order; None takes ``class 0`` …, or the names that occur, sorted.
        origin: name of the array in error messages.

    Raises:
        ValueError: where a label is none of the classes, or no label at all.
    """
    if array.dtype.kind == "U":
        classes = sorted(set(array.tolist()) - {""}) if given is None else list(given)
        index = {"": -1} | {name: i for i, name in enumerate(classes)}
        for name in array.tolist():
            if name not in index:
                raise ValueError(f"{origin}: class {name!r} is unknown, the classes are {', '.join(classes)}: add it")
        return np.array([index[name] for name in array.tolist()]), classes
    if array.dtype.kind not in "iub":
        raise ValueError(f"{origin} holds {array.dtype} values: give class indices or class names")
    labels = array.astype(np.int64)
    classes = [f"class {label}" for label in range(labels.max() + 1)] if given is None else list(given)
    if labels.max() >= len(classes):
        raise ValueError(
            f"{origin}: label {labels.max()} is an unknown class, known are {', '.join(classes)}: name all"
        )
    return np.where(labels < 0, -1, labels), classes
