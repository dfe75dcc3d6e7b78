"""Writing a simulated film as a CR or DX image object."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from monai.utils import optional_import
from scipy.special import logit

from .film import SimulatedFilm
from .scanners import Scanner

pydicom, _ = optional_import("pydicom", descriptor='DICOM needs pydicom: pip install "monai_memvit[radiograph]"')

__all__ = ["NOTE", "film_dataset", "new_dataset", "simulated_uid", "write_dicom_film"]

NOTE = "SIMULATED: not a patient"
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_SOP_CLASSES = {"CR": "1.2.840.10008.5.1.4.1.1.1", "DX": "1.2.840.10008.5.1.4.1.1.1.1"}
_TABLE_BITS = 12
_TABLE_POWER = 1.2
# Of the stored range: where the window or table begins, and how much it takes.
_BEGIN, _PART = 0.08, 0.8


def simulated_uid(*what: object) -> str:
    """Identifier derived from a UUID-like number (PS3.5 B.2), the same for the same words.

    Args:
        what: what it identifies.
    """
    text = "/".join(map(str, ("monai_memvit simulated radiographs", *what)))
    return f"2.25.{int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), 'big')}"


def new_dataset(modality: str, patient: str, uid: tuple[object, ...]) -> Any:
    """Patient, study, series and equipment of a film that says that it is simulated.

    Args:
        modality: CR or DX.
        patient: number of the patient, as text.
        uid: what identifies the film.

    Returns:
        A ``pydicom.Dataset`` in explicit little endian.
    """
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = _EXPLICIT_LITTLE_ENDIAN
    data.SOPClassUID, data.SOPInstanceUID = _SOP_CLASSES[modality], simulated_uid(*uid)
    data.PatientID, data.PatientName = f"SIM-{patient}", f"SIMULATED^{patient}"
    data.PatientBirthDate, data.PatientSex = "", "O"
    data.PatientComments = data.ImageComments = NOTE
    data.StudyInstanceUID, data.StudyID = simulated_uid(*uid, "study"), "1"
    data.StudyDescription, data.SeriesDescription = "SIMULATED chest film", "SIM chest"
    data.StudyDate = data.StudyTime = data.AccessionNumber = data.ReferringPhysicianName = ""
    data.SeriesInstanceUID, data.SeriesNumber, data.InstanceNumber = simulated_uid(*uid, "series"), 1, 1
    data.Manufacturer, data.Modality, data.BodyPartExamined = "SIMULATED", modality, "CHEST"
    data.ImageType, data.PatientOrientation = ["DERIVED", "PRIMARY"], ["L", "F"]
    data.DerivationDescription = NOTE
    return data


def write_dicom_film(film: SimulatedFilm, path: Path, seed: int) -> None:
    """Write one film; the same arguments give the same bytes.

    Args:
        film: what to write.
        path: the file, in an existing folder.
        seed: of the cohort.
    """
    pydicom.dcmwrite(path, film_dataset(film, seed), enforce_file_format=True)


def film_dataset(film: SimulatedFilm, seed: int) -> Any:
    """Build the DICOM object of a film as its scanner writes it.

    Args:
        film: what to write.
        seed: of the cohort.

    Returns:
        A ``pydicom.Dataset``: shown as PS3.3 C.11 says, it gives back ``film.display`` within its quantisation.
    """
    scanner = film.scanner
    data = new_dataset(scanner.modality, f"{film.patient + 1:04d}", (seed, film.patient, film.number))
    data.ManufacturerModelName, data.ViewPosition = scanner.model, film.view
    data.ImageLaterality, data.PresentationIntentType = "U", "FOR PRESENTATION"
    data.BurnedInAnnotation = "NO"
    _add_spacing(data, scanner, film.spacing)
    data.PhotometricInterpretation, data.SamplesPerPixel, data.PixelRepresentation = scanner.photometric, 1, 0
    if scanner.shape:
        data.PresentationLUTShape = scanner.shape
    if scanner.modality == "DX":
        data.RescaleSlope, data.RescaleIntercept, data.RescaleType = 1, 0, "US"
    allocated = 8 if scanner.bits == 8 else 16
    data.BitsAllocated, data.BitsStored, data.HighBit = allocated, scanner.bits, scanner.bits - 1
    stored = _store(data, film.display, scanner)
    data.Rows, data.Columns = stored.shape
    cells = stored.astype(np.uint8 if allocated == 8 else "<u2").tobytes()
    data["PixelData"] = pydicom.DataElement(
        "PixelData", "OB" if allocated == 8 else "OW", cells + b"\0" * (len(cells) % 2)
    )
    return data


def _add_spacing(data: Any, scanner: Scanner, spacing: float) -> None:
    """PS3.3 10.7: at the detector, or at the patient where a calibration knew the magnification."""
    if scanner.spacing != "PixelSpacing":
        data.ImagerPixelSpacing = [spacing, spacing]
    if scanner.spacing == "both":
        data.PixelSpacing = [round(spacing / 1.05, 6)] * 2
        data.PixelSpacingCalibrationType, data.PixelSpacingCalibrationDescription = "GEOMETRY", "simulated"
    elif scanner.spacing == "PixelSpacing":
        data.PixelSpacing = [spacing, spacing]


def _store(data: Any, display: np.ndarray, scanner: Scanner) -> np.ndarray:
    """Invert presentation and values of interest, and say in ``data`` how they are."""
    most = 2**scanner.bits - 1
    low, width = round(_BEGIN * most), round(_PART * most)
    grey = (1.0 - display if scanner.photometric == "MONOCHROME1" else display).astype(np.float64)
    if scanner.voi == "none":
        values = grey * most
    elif scanner.voi == "sigmoid":
        data.WindowCenter, data.WindowWidth, data.VOILUTFunction = low + width / 2, width / 3, "SIGMOID"
        values = low + width / 2 + width / 12 * logit(np.clip(grey, 0.003, 0.997))
    elif scanner.voi == "table":
        values = low + (width - 1) * np.clip(grey, 0.0, 1.0) ** (1 / _TABLE_POWER)
        _add_table(data, low, width)
    else:
        values = low + width * grey
        _add_windows(data, low, width, two=scanner.voi == "two")
    return np.clip(np.rint(values), 0, most)


def _add_windows(data: Any, low: int, width: int, two: bool) -> None:
    """LINEAR windows (PS3.3 C.11.2.1.2.1): the first one shows ``low`` as 0 and ``low + width`` as 1."""
    centre, whole = low + width / 2 + 0.5, width + 1
    data.WindowCenter = [centre, centre] if two else centre
    data.WindowWidth = [whole, 2 * whole] if two else whole
    if two:
        data.WindowCenterWidthExplanation = ["NORMAL", "SOFT"]


def _add_table(data: Any, low: int, count: int) -> None:
    item = pydicom.Dataset()
    curve = np.rint((2**_TABLE_BITS - 1) * np.linspace(0.0, 1.0, count) ** _TABLE_POWER)
    item.add_new("LUTDescriptor", "US", [count, low, _TABLE_BITS])
    item.LUTExplanation = "SIMULATED"
    item.add_new("LUTData", "OW", curve.astype("<u2").tobytes())
    data.VOILUTSequence = [item]
