"""A simulated cohort of H&E patches: form tells the cell class, colour tells the patient."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..atomic import atomic_write
from .cells import CELL_CLASSES, tissue
from .stains import Laboratory

__all__ = ["simulate_patches"]

_OVERSAMPLING = 2
_SHARES = np.array([0.20, 0.28, 0.34, 0.18])
_TEST_SHARE, _VAL_SHARE = 0.25, 0.15


def simulate_patches(
    out: str | os.PathLike[str],
    patients: int = 24,
    patches_per_patient: int = 60,
    size: int = 27,
    classes: int = 4,
    seed: int = 0,
    progress: bool = False,
) -> Path:
    """Simulate a cohort of stained patches around single cells and write it as an npz archive.

    Cells differ by class in size, elongation, outline, chromatin and crowding; patients differ in stain vectors, stain
    strength, white balance, sharpness and noise. The same arguments give the same bits. The archive holds ``image``
    (uint8, ``(N, size, size, 3)``), ``label``, ``patient_id``, ``instance_id``, ``split`` (train, val or test, by
    patient) and ``class_names``: ``prepare patches`` reads it without options.

    Args:
        out: the ``.npz`` file to write, whole or not at all.
        patients: number of patients, at least 3.
        patches_per_patient: patches of each, at least ``classes``.
        size: height and width in pixels, at least 8; the field of view stays that of 27 pixels at 0.5 micrometres.
        classes: how many of fibroblast, inflammatory, epithelial, other: 2 to 4.
        seed: of everything, non-negative.
        progress: whether to show a bar on stderr.

    Returns:
        The path of the archive.

    Raises:
        ValueError: for numbers out of range, or a path that does not end in ``.npz``.
    """
    out = Path(out)
    _check(out, patients, patches_per_patient, size, classes, seed)
    labels = np.concatenate([_labels(patches_per_patient, classes, seed, patient) for patient in range(patients)])
    images = np.empty((len(labels), size, size, 3), dtype=np.uint8)
    laboratories = [Laboratory.draw(np.random.default_rng([seed, 1, patient])) for patient in range(patients)]
    patient_id = np.repeat(np.arange(1, patients + 1, dtype=np.int16), patches_per_patient)
    for row, label in enumerate(tqdm(labels.tolist(), desc="simulate patches", unit="patch", disable=not progress)):
        rng = np.random.default_rng([seed, 2, row])
        samples = size * _OVERSAMPLING
        concentrations = tissue(CELL_CLASSES[label], samples, samples / 27, rng)
        images[row] = laboratories[patient_id[row] - 1].picture(concentrations, rng, _OVERSAMPLING)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(out) as file:
        np.savez_compressed(
            file,
            image=images,
            label=labels,
            patient_id=patient_id,
            instance_id=np.arange(len(labels), dtype=np.int32),
            split=np.repeat(_splits(patients, seed), patches_per_patient),
            class_names=np.array([cell.name for cell in CELL_CLASSES[:classes]]),
        )
    return out


def _check(out: Path, patients: int, patches_per_patient: int, size: int, classes: int, seed: int) -> None:
    if out.suffix != ".npz":
        raise ValueError(f"{out} does not end in .npz: the cohort is written as such an archive")
    if not 2 <= classes <= len(CELL_CLASSES):
        raise ValueError(f"classes is {classes}: give 2 to {len(CELL_CLASSES)}")
    least = {"patients": (patients, 3), "patches_per_patient": (patches_per_patient, classes), "size": (size, 8)}
    for name, (value, low) in (least | {"seed": (seed, 0)}).items():
        if value < low:
            raise ValueError(f"{name} is {value}: give {low} or more")


def _labels(count: int, classes: int, seed: int, patient: int) -> np.ndarray:
    """Every class once, the rest by the class shares, in random order."""
    rng = np.random.default_rng([seed, 0, patient])
    shares = _SHARES[:classes] / _SHARES[:classes].sum()
    labels = np.concatenate([np.arange(classes), rng.choice(classes, count - classes, p=shares)])
    return rng.permutation(labels).astype(np.int8)


def _splits(patients: int, seed: int) -> np.ndarray:
    test = max(1, round(_TEST_SHARE * patients))
    val = max(1, round(_VAL_SHARE * patients))
    splits = np.array(["test"] * test + ["val"] * val + ["train"] * (patients - test - val))
    return np.random.default_rng([seed, 3]).permutation(splits)
