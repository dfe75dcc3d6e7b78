"""Reading the headers of DICOM files: who, which series, and where each image lies; never a pixel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.utils import optional_import

from .headers import DicomSlice, plane_of, series_attributes
from .multiframe import frames_of

dcmread, _ = optional_import(
    "pydicom", name="dcmread", descriptor='DICOM needs pydicom: pip install "monai_memvit[mri]"'
)

__all__ = ["NO_PIXELS", "DicomObject", "in_few_words", "is_dicom", "read_object", "slices_of"]

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4.1"
LEGACY_CONVERTED_ENHANCED_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4.4"
DICOMDIR = "1.2.840.10008.1.3.10"
NO_PIXELS = "no pixels"
_MR_IMAGES = (MR_IMAGE, ENHANCED_MR_IMAGE, LEGACY_CONVERTED_ENHANCED_MR_IMAGE)
_SUFFIXES = (".dcm", ".dicom", ".ima")
# The element that a data set without preamble begins with, up to SOPInstanceUID: its tag in little endian, then the
# letters of its representation, or the length of a short value.
_FIRST_ELEMENT = re.compile(rb"(?:\x02\x00[\x00-\x02]\x00|\x08\x00[\x00-\x18]\x00)(?:[A-Z]{2}|[\x02-\x80]\x00\x00\x00)")
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
    """Whether a file claims to be DICOM: by its preamble (PS3.10 7.1), its suffix, or the element it begins with.

    Args:
        path: the file.
    """
    if path.suffix.lower() in _SUFFIXES:
        return True
    try:
        with open(path, "rb") as file:
            start = file.read(132)
    except OSError:
        return False
    return start[128:] == b"DICM" or bool(_FIRST_ELEMENT.match(start))


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
    except ImportError:  # pydicom is not there
        raise
    except Exception as error:  # damaged bytes make pydicom raise whatever they hit first
        cause = in_few_words(error)
        raise ValueError(f"{path} is no readable DICOM file ({cause}): export it again, or move it away") from None


def in_few_words(error: Exception) -> str:
    """Return the first line of an error's text, or its kind where it has none.

    Args:
        error: of a damaged file.
    """
    return str(error).strip().split("\n")[0][:200] or type(error).__name__


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
    if sop_class not in _MR_IMAGES:
        return f"not an MR image but {_name_of(sop_class)} of modality {header.get('Modality', '?')}"
    if not header.get("Rows") or not header.get("Columns"):
        return NO_PIXELS
    return "" if header.get("SamplesPerPixel", 1) == 1 else "a colour image"


def _name_of(sop_class: str) -> str:
    from pydicom.uid import UID

    name = UID(sop_class).name
    return f"a private object ({sop_class})" if name == sop_class else name
