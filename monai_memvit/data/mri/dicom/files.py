"""Reading the headers of DICOM files: who, which series, and where each image lies; never a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.utils import optional_import

from .headers import DicomSlice, plane_of, series_attributes
from .multiframe import frames_of

dcmread, _ = optional_import(
    "pydicom", name="dcmread", descriptor='DICOM needs pydicom: pip install "monai_memvit[mri]"'
)

__all__ = ["DicomObject", "is_dicom", "read_object", "slices_of"]

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4.1"
DICOMDIR = "1.2.840.10008.1.3.10"
_WITHOUT_PREAMBLE = (".dcm", ".dicom", ".ima")
_HEADER = """
SOPClassUID SOPInstanceUID Modality PatientID StudyInstanceUID SeriesInstanceUID SeriesNumber SeriesDescription
ProtocolName SequenceName PulseSequenceName ImageType ScanningSequence SequenceVariant RepetitionTime EchoTime
InversionTime ContrastBolusAgent MRAcquisitionType BodyPartExamined ImagePositionPatient ImageOrientationPatient
PixelSpacing Rows Columns NumberOfFrames SamplesPerPixel SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence
ContrastBolusAgentSequence EchoPulseSequence EchoPlanarPulseSequence
""".split()


@dataclass(frozen=True, slots=True)
class DicomObject:
    """One DICOM file.

    Args:
        path: the file.
        patient: PatientID.
        study: StudyInstanceUID.
        series: SeriesInstanceUID.
        label: number and description of the series.
        slices: its images; empty where ``why_not`` says why it holds none that count.
        why_not: why it is passed over.
    """

    path: Path
    patient: str
    study: str
    series: str
    label: str
    slices: tuple[DicomSlice, ...] = ()
    why_not: str = ""


def is_dicom(path: Path) -> bool:
    """Whether a file claims to be DICOM: by its preamble (PS3.10 7.1), or by its suffix where it has none.

    Args:
        path: the file.
    """
    try:
        with open(path, "rb") as file:
            return file.read(132)[128:] == b"DICM" or path.suffix.lower() in _WITHOUT_PREAMBLE
    except OSError:
        return path.suffix.lower() in _WITHOUT_PREAMBLE


def read_object(path: Path) -> DicomObject:
    """Read the header of a DICOM file.

    Args:
        path: the file.

    Raises:
        ValueError: where it cannot be read, or names no study or series.
    """
    try:
        header = dcmread(path, stop_before_pixels=True, force=True, specific_tags=_HEADER)
        return _object(header, path)
    except (
        OSError,
        EOFError,
        AttributeError,
        TypeError,
        ValueError,
        KeyError,
        IndexError,
        NotImplementedError,
    ) as error:
        raise ValueError(f"{path} is no readable DICOM file ({error}): export it again, or move it away") from None


def _object(header: Any, path: Path) -> DicomObject:
    sop_class = str(header.get("SOPClassUID", "")) or str(header.file_meta.get("MediaStorageSOPClassUID", ""))
    if sop_class == DICOMDIR:
        return DicomObject(path, "", "", "", "", why_not="a directory of DICOM files (DICOMDIR): the files are read")
    study, series = str(header.get("StudyInstanceUID", "")), str(header.get("SeriesInstanceUID", ""))
    if not study or not series:
        raise ValueError("StudyInstanceUID or SeriesInstanceUID is missing")
    patient = str(header.get("PatientID", "") or "").strip()
    why_not = _why_not(header, sop_class)
    slices = () if why_not else slices_of(header, path)
    return DicomObject(path, patient, study, series, _label(header), slices, why_not)


def slices_of(header: Any, path: Path) -> tuple[DicomSlice, ...]:
    """Return the images of a data set: one, or the frames of an enhanced multi-frame image.

    Args:
        header: pydicom's data set.
        path: its file.

    Raises:
        ValueError: where position, orientation or spacing is absent.
    """
    if "PerFrameFunctionalGroupsSequence" in header:
        return frames_of(header, path)
    plane = (header.get("ImagePositionPatient"), header.get("ImageOrientationPatient"), header.get("PixelSpacing"))
    position, orientation, spacing = plane_of(*plane)
    shape, instance = (int(header.Rows), int(header.Columns)), str(header.get("SOPInstanceUID", ""))
    return (DicomSlice(path, None, instance, position, orientation, spacing, shape, series_attributes(header)),)


def _label(header: Any) -> str:
    """``series 401: T2W_TRA_BH SENSE``."""
    texts = [str(header.get(name, "") or "").strip() for name in ("SeriesDescription", "ProtocolName")]
    text = texts[0] if texts[1] in ("", texts[0]) else f"{texts[0]} ({texts[1]})" if texts[0] else texts[1]
    return f"series {header.get('SeriesNumber', '?')}: {text or 'no description'}"


def _why_not(header: Any, sop_class: str) -> str:
    if sop_class not in (MR_IMAGE, ENHANCED_MR_IMAGE):
        return f"not an MR image but {_name_of(sop_class)} of modality {header.get('Modality', '?')}"
    if not header.get("Rows") or not header.get("Columns"):
        return "no pixels"
    return "" if header.get("SamplesPerPixel", 1) == 1 else "a colour image"


def _name_of(sop_class: str) -> str:
    from pydicom.uid import UID

    name = UID(sop_class).name
    return f"a private object ({sop_class})" if name == sop_class else name
