"""Which files of a folder make up a DICOM slide, told from their headers alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .needed import needed

pydicom: Any = needed("pydicom")

__all__ = ["DicomSlideFile", "find_dicom_slides", "is_dicom"]

_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"  # VL Whole Slide Microscopy Image Storage, PS3.3 A.32.8
_PER_FRAME = 0x52009230  # Per-Frame Functional Groups: long, and of no use here


@dataclass(frozen=True)
class DicomSlideFile:
    """One image object of a slide.

    Args:
        path: the file.
        series: UID of its series, for grouping; never shown. Empty where the header is damaged.
        kind: ``VOLUME``, ``LABEL``, ``OVERVIEW``, ``THUMBNAIL``, …; empty where Image Type does not say.
        resampled: whether it was made by resampling a finer image.
        fluorescence: whether its illumination is epifluorescence.
        bits: stored per sample.
        width: of the total pixel matrix.
    """

    path: Path
    series: str
    kind: str = ""
    resampled: bool = False
    fluorescence: bool = False
    bits: int = 8
    width: int = 0


def is_dicom(path: Path) -> bool:
    """Whether a file has the preamble of DICOM (PS3.10 7.1).

    Args:
        path: any file.
    """
    try:
        with open(path, "rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def find_dicom_slides(files: Iterable[Path]) -> dict[str, list[DicomSlideFile]]:
    """Group the whole-slide objects among some files by series.

    Args:
        files: any files; others are passed over.

    Returns:
        Series -> its files in the order of their paths; under ``""`` DICOM files whose header is damaged.
    """
    found: dict[str, list[DicomSlideFile]] = {}
    for path in sorted(files):
        entry = _read(path) if is_dicom(path) else None
        if entry is not None:
            found.setdefault(entry.series, []).append(entry)
    return found


def _read(path: Path) -> DicomSlideFile | None:
    try:
        with open(path, "rb") as file:
            header = pydicom.filereader.read_partial(file, lambda tag, vr, length: tag >= _PER_FRAME)
        return _entry(path, header)
    except Exception:  # pydicom raises all kinds for damaged headers
        return DicomSlideFile(path, "")


def _entry(path: Path, header: Any) -> DicomSlideFile | None:
    if header.file_meta.MediaStorageSOPClassUID != _WHOLE_SLIDE:
        return None
    image_type = [str(part) for part in header.get("ImageType") or []]
    return DicomSlideFile(
        path,
        str(header.SeriesInstanceUID),
        image_type[2] if len(image_type) > 2 else "",
        "RESAMPLED" in image_type,
        _is_fluorescence(header),
        int(header.BitsStored),
        int(header.get("TotalPixelMatrixColumns", 0)),
    )


def _is_fluorescence(header: Any) -> bool:
    codes = (
        code
        for path in header.get("OpticalPathSequence") or []
        for code in path.get("IlluminationTypeCodeSequence") or []
    )
    return any("fluorescence" in str(code.get("CodeMeaning", "")).lower() for code in codes)
