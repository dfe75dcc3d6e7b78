"""A simulated MRI cohort on disk, as NIfTI files or as DICOM studies."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ...atomic import atomic_write_json
from ..cohort_folder import check_counts, open_cohort, whole_folder
from .options import REFERENCE, MriSimulation
from .patient import SimulatedPatient, simulate_patient
from .signals import PROTOCOL

__all__ = ["simulate_mri"]

_FORMAT = "monai_memvit-simulated-mri/1"
_FILE_FORMATS = ("nifti", "dicom")
_NOTE = "SIMULATED: not a patient"
_README = """\
SIMULATED: no patient is shown in this folder.

Every head, tumour and image was computed from equations and random numbers (monai_memvit, `simulate mri`); cohort.json
holds the settings. sub-*/truth.json holds how the head moved between the sequences and whether there is a glioma;
tumour_seg.nii.gz (0 none, 1 necrosis, 2 oedema, 3 enhancing) and brain_mask.nii.gz lie on the grid of t1gd.
Good for demos, tests and the measurement of registration; no ground for any statement about patients.
"""


def simulate_mri(
    out: str | os.PathLike[str],
    patients: int = 24,
    seed: int = 0,
    file_format: str = "nifti",
    missing: float | None = None,
    options: MriSimulation | None = None,
    progress: bool = False,
) -> Path:
    """Simulate a cohort of heads with and without gliomas in five sequences, and write it.

    ``out`` holds a folder per patient, ``sub-0001`` and so on: NIfTI files ``t1.nii.gz``, ``t2``, ``flair``, ``t1gd``
    and ``apt``, or a folder of DICOM files per series; beside them ``tumour_seg.nii.gz``, ``brain_mask.nii.gz`` and
    ``truth.json``. Each patient's folder appears once it is complete; a second call with the same arguments, or more
    patients, goes on where the first one ended.

    Args:
        out: folder to write to; new, empty, or of the same cohort.
        patients: number of patients, at least 1.
        seed: of everything, non-negative; the same seed gives the same bits.
        file_format: ``nifti`` or ``dicom``.
        missing: probability that a sequence other than the reference is absent, in place of that of ``options``.
        options: how the images are acquired; None: ``MriSimulation()``.
        progress: whether to show a bar on stderr.

    Returns:
        The folder.

    Raises:
        ValueError: for numbers out of range, an unknown format, or a folder that holds something else.
    """
    options = options or MriSimulation()
    options = options if missing is None else replace(options, missing=missing)
    check_counts(patients, seed)
    if file_format not in _FILE_FORMATS:
        raise ValueError(f"file_format {file_format!r}: choose one of {', '.join(_FILE_FORMATS)}")
    out = Path(out)
    cohort = {"format": _FORMAT, "note": _NOTE, "seed": seed, "file_format": file_format, "options": asdict(options)}
    open_cohort(out, cohort, _README)
    for index in tqdm(range(patients), desc="simulate mri", unit="patient", disable=not progress):
        target = out / f"sub-{index + 1:04d}"
        if not target.exists():
            patient = simulate_patient(index, seed, options)
            with whole_folder(target) as folder:
                _write(patient, folder, seed, file_format)
    return out


def _write(patient: SimulatedPatient, folder: Path, seed: int, file_format: str) -> None:
    # Imported here: these wait for MONAI, and only one of their packages may be there.
    from .nifti_writer import write_masks, write_nifti

    if file_format == "nifti":
        write_nifti(patient, folder)
    else:
        from .dicom_writer import write_dicom

        write_dicom(patient, folder, seed)
        write_masks(patient, folder)
    atomic_write_json(folder / "truth.json", _truth(patient, seed))


def _truth(patient: SimulatedPatient, seed: int) -> dict[str, Any]:
    return {
        "note": _NOTE,
        "seed": seed,
        "index": patient.index,
        "malignant": patient.malignant,
        "reference": REFERENCE,
        "tumour_labels": {"necrosis": 1, "oedema": 2, "enhancing": 3},
        "missing": [sequence for sequence in PROTOCOL if sequence not in patient.volumes],
        "convention": "matrices map a world point (RAS, mm) of the reference to the same anatomy's in the sequence",
        "matrices": {sequence: matrix.tolist() for sequence, matrix in patient.truth.items()},
    }
