"""Writing a simulated patient as NIfTI files with BraTS-like names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from monai.utils import optional_import

from .options import REFERENCE
from .patient import SimulatedPatient

nibabel, _ = optional_import("nibabel", descriptor='NIfTI needs nibabel: pip install "monai_memvit[mri]"')

__all__ = ["write_masks", "write_nifti"]

_NOTE = b"SIMULATED: not a patient"


def write_nifti(patient: SimulatedPatient, folder: Path) -> None:
    """Write ``t1.nii.gz`` and so on, one file per sequence, and the masks of :func:`write_masks`.

    Args:
        patient: what to write.
        folder: an existing folder.
    """
    for sequence, (volume, affine) in patient.volumes.items():
        _write(volume, affine, folder / f"{sequence}.nii.gz")
    write_masks(patient, folder)


def write_masks(patient: SimulatedPatient, folder: Path) -> None:
    """Write ``tumour_seg.nii.gz`` and ``brain_mask.nii.gz`` on the grid of the reference.

    Args:
        patient: what to write.
        folder: an existing folder.
    """
    affine = patient.volumes[REFERENCE][1]
    _write(patient.tumour, affine, folder / "tumour_seg.nii.gz")
    _write(patient.brain.astype(np.uint8), affine, folder / "brain_mask.nii.gz")


def _write(array: np.ndarray, affine: np.ndarray, path: Path) -> None:
    image = nibabel.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = _NOTE
    image.set_qform(affine, code="scanner")
    image.set_sform(affine, code="scanner")
    nibabel.save(image, path)
