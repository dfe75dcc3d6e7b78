"""The few words of a DICOM header that tell films and patients apart; they stay on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["DicomNames", "is_dicom", "read_dicom_names"]

_PREAMBLE = 132
# The first two bytes of a file without preamble, as old exports are: group 0002 or 0008, in either byte order.
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08")


@dataclass(frozen=True)
class DicomNames:
    """Of one file.

    Args:
        instance: SOP Instance UID (0008,0018); empty where absent.
        patient: Patient ID (0010,0020); empty where absent.
        modality: Modality (0008,0060); empty where absent.
    """

    instance: str
    patient: str = field(repr=False)
    modality: str


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do (PS3.10, 7.1), or as those without their preamble.

    Args:
        path: any file.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(_PREAMBLE)
            return start[128:] == b"DICM" or start[:2] in _FIRST_GROUPS
    except OSError:
        return False


def read_dicom_names(path: Path) -> DicomNames | None:
    """Read them without the pixels, quietly: what is odd in a header is told when the film is read.

    Args:
        path: any file.

    Returns:
        None where the file is no DICOM file, or cannot be read.
    """
    from monai.utils import optional_import

    from ...transforms.radiograph.quiet import quiet

    pydicom, _ = optional_import("pydicom", descriptor='DICOM needs pydicom: pip install "monai_memvit[radiograph]"')
    tags = ["SOPInstanceUID", "PatientID", "Modality"]
    if not is_dicom(path):
        return None
    try:
        with quiet():
            header = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=tags)
            return DicomNames(*(str(header.get(tag, "") or "").strip() for tag in tags))
    except Exception:  # pydicom raises all kinds on damaged files; what is wrong is told when the film is read
        return None
