"""Writing a simulated patient as a DICOM study: five series, a localizer, and an object without pixels."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from monai.utils import optional_import

from .dicom_series import LOCALIZER, PRESENTATION, SERIES, Series
from .options import REFERENCE
from .patient import SimulatedPatient

pydicom, _ = optional_import("pydicom", descriptor='DICOM needs pydicom: pip install "monai_memvit[mri]"')

__all__ = ["write_dicom"]

_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
_PRESENTATION_STATE = "1.2.840.10008.5.1.4.1.1.11.1"
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_LARGEST = 4095
_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_NOTE = "SIMULATED: not a patient"


def write_dicom(patient: SimulatedPatient, folder: Path, seed: int) -> None:
    """Write MR Image Storage objects, one file a slice, in a folder per series.

    Two things are there to be passed over: a localizer of three crossing slices, and a presentation state without
    pixels. Identifiers are made from seed and patient: the same arguments give the same bytes.

    Args:
        patient: what to write.
        folder: an existing folder.
        seed: of the cohort.
    """
    study = _Study(patient.index, seed)
    for sequence, (volume, affine) in patient.volumes.items():
        _write_series(study, SERIES[sequence], volume, affine, folder)
    _write_localizer(study, *patient.volumes[REFERENCE], folder)
    _write_presentation(study, folder)


class _Study:
    """Makes data sets that belong together."""

    def __init__(self, index: int, seed: int) -> None:
        self.index, self.seed = index, seed

    def uid(self, *what: object) -> str:
        """Identifier derived from a UUID-like number (PS3.5 B.2)."""
        text = "/".join(map(str, ("monai_memvit simulated MRI", self.seed, self.index, *what)))
        return f"2.25.{int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), 'big')}"

    def data_set(self, sop_class: str, series: Series, instance: int) -> Any:
        """Patient, study and series of an object."""
        number = f"{self.index + 1:04d}"
        data = pydicom.Dataset()
        data.file_meta = pydicom.dataset.FileMetaDataset()
        data.file_meta.TransferSyntaxUID = _EXPLICIT_LITTLE_ENDIAN
        data.SOPClassUID, data.SOPInstanceUID = sop_class, self.uid(series.number, instance)
        data.PatientID, data.PatientName = f"SIM-{number}", f"SIMULATED^{number}"
        data.PatientBirthDate, data.PatientSex = "", "O"
        data.PatientComments = data.ImageComments = _NOTE
        data.StudyInstanceUID, data.StudyID, data.StudyDescription = self.uid(), number, "SIMULATED brain tumour"
        data.StudyDate = data.StudyTime = data.AccessionNumber = data.ReferringPhysicianName = ""
        data.SeriesInstanceUID, data.SeriesNumber = self.uid(series.number), series.number
        data.SeriesDescription, data.InstanceNumber = series.description, instance
        data.Manufacturer, data.Modality, data.BodyPartExamined = "SIMULATED", "MR", "BRAIN"
        return data


def _write_series(study: _Study, series: Series, volume: np.ndarray, affine: np.ndarray, folder: Path) -> None:
    slope, intercept = _scale(volume)
    for k in range(volume.shape[2]):
        place = affine.copy()
        place[:3, 3] += k * affine[:3, 2]
        data = study.data_set(_MR_IMAGE, series, k + 1)
        _add_image(data, series, volume[:, :, k], place, slope, intercept)
        data.FrameOfReferenceUID, data.PositionReferenceIndicator = study.uid("frame of reference"), ""
        _save(data, folder / series.folder / f"IM_{k + 1:04d}.dcm")


def _write_localizer(study: _Study, volume: np.ndarray, affine: np.ndarray, folder: Path) -> None:
    """Cut the reference through its middle along its three planes."""
    slope, intercept = _scale(volume)
    for instance, order in enumerate(((0, 1, 2), (0, 2, 1), (1, 2, 0)), 1):
        middle = volume.shape[order[2]] // 2
        place = affine[:, (*order, 3)].copy()
        place[:3, 3] += middle * place[:3, 2]
        data = study.data_set(_MR_IMAGE, LOCALIZER, instance)
        _add_image(data, LOCALIZER, volume.transpose(order)[:, :, middle], place, slope, intercept)
        data.FrameOfReferenceUID, data.PositionReferenceIndicator = study.uid("frame of reference"), ""
        _save(data, folder / LOCALIZER.folder / f"IM_{instance:04d}.dcm")


def _write_presentation(study: _Study, folder: Path) -> None:
    """An object like those a workstation leaves behind: it says how to show images, and holds none (PS3.3 A.33)."""
    data = study.data_set(_PRESENTATION_STATE, PRESENTATION, 1)
    data.Modality, data.ContentLabel, data.ContentDescription = "PR", "SIMULATED", _NOTE
    data.PresentationCreationDate, data.PresentationCreationTime, data.ContentCreatorName = "20000101", "000000", ""
    data.PresentationLUTShape = "IDENTITY"
    _save(data, folder / PRESENTATION.folder / "PR_0001.dcm")


def _scale(volume: np.ndarray) -> tuple[float, float]:
    """Slope and intercept that spread the values over the stored ones, as short as DICOM's decimal strings are."""
    low, high = float(volume.min()), float(volume.max())
    slope = float(f"{(high - low) / _LARGEST or 1.0:.7g}")
    return slope, float(f"{low:.7g}")


def _add_image(
    data: Any, series: Series, pixels: np.ndarray, place: np.ndarray, slope: float, intercept: float
) -> None:
    """Fill the image modules; ``pixels`` are ``(column, row)``, ``place`` maps (column, row, slice) to RAS mm."""
    lps, spacing = _TO_LPS @ place, np.linalg.norm(place[:3, :3], axis=0)
    cosines = (lps[:3, :2] / spacing[:2]).T
    data.ImagePositionPatient = _decimals(lps[:3, 3])
    data.ImageOrientationPatient = _decimals(cosines.ravel())
    data.PixelSpacing = _decimals(spacing[[1, 0]])
    data.SliceThickness = data.SpacingBetweenSlices = _decimals(spacing[2:])[0]
    data.SliceLocation = _decimals([np.cross(*cosines) @ lps[:3, 3]])[0]
    data.MagneticFieldStrength, data.EchoTrainLength = 3, 1
    for keyword, value in series.attributes.items():
        setattr(data, keyword, value)
    stored = np.clip(np.rint((pixels.T - intercept) / slope), 0, _LARGEST).astype("<u2")
    data.Rows, data.Columns = stored.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.RescaleSlope, data.RescaleIntercept, data.RescaleType = slope, intercept, "US"
    data.PixelData = stored.tobytes()


def _decimals(values: Any) -> list[Any]:
    return [pydicom.valuerep.DSfloat(round(float(value), 9), auto_format=True) for value in values]


def _save(data: Any, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    pydicom.dcmwrite(path, data, enforce_file_format=True)
