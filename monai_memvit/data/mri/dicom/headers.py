"""What is taken from the header of a DICOM image: its place in space, and what recognition reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any

from ..sources.recognise import SeriesAttributes

__all__ = ["DicomSlice", "Plane", "first_number", "numbers", "plane_of", "series_attributes", "words"]

Plane = tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class DicomSlice:
    """One image: a file, or a frame of an enhanced multi-frame file.

    Args:
        path: the file.
        frame: number of the frame from 0, or None.
        instance: SOPInstanceUID.
        position: ImagePositionPatient, LPS mm: the centre of the first voxel.
        orientation: ImageOrientationPatient: direction cosines of a row, then of a column.
        spacing: PixelSpacing in mm: between rows, then between columns.
        shape: rows and columns.
        attributes: what recognition reads.
    """

    path: Path
    frame: int | None
    instance: str
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]
    shape: tuple[int, int]
    attributes: SeriesAttributes


def plane_of(position: Any, orientation: Any, spacing: Any) -> Plane:
    """Check and convert the three attributes of the image plane (PS3.3 C.7.6.2).

    Args:
        position: ImagePositionPatient.
        orientation: ImageOrientationPatient.
        spacing: PixelSpacing.

    Raises:
        ValueError: naming the one that is absent, has too few values, or values that are not finite.
    """
    names = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    values = tuple(numbers(value) for value in (position, orientation, spacing))
    for name, value, count in zip(names, values, (3, 6, 2)):
        if len(value) != count:
            raise ValueError(f"{name} has {len(value)} values instead of {count}")
        if not all(map(isfinite, value)):
            raise ValueError(f"{name} is not finite")
    return values[0], values[1], values[2]


def numbers(value: Any) -> tuple[float, ...]:
    """Return the numbers of a DICOM element of one or several values; empty where it is absent.

    Args:
        value: the element's value.
    """
    if value is None or value == "":
        return ()
    if isinstance(value, (str, int, float)) or not isinstance(value, Iterable):
        return (float(value),)
    return tuple(float(part) for part in value)


def words(value: Any) -> tuple[str, ...]:
    """Return the texts of a DICOM element of one or several values; empty where it is absent.

    Args:
        value: the element's value.
    """
    if value is None or value == "":
        return ()
    return (value,) if isinstance(value, str) else tuple(str(part) for part in value)


def series_attributes(header: Any) -> SeriesAttributes:
    """Return what recognition reads of a data set whose attributes stand at its top level.

    Args:
        header: pydicom's data set.
    """
    attributes = SeriesAttributes(
        description=str(header.get("SeriesDescription", "") or ""),
        protocol=str(header.get("ProtocolName", "") or ""),
        sequence_name=str(header.get("SequenceName", "") or header.get("PulseSequenceName", "") or ""),
        image_type=words(header.get("ImageType")),
        scanning=words(header.get("ScanningSequence")),
        variant=words(header.get("SequenceVariant")),
        repetition_time=first_number(header.get("RepetitionTime")),
        echo_time=first_number(header.get("EchoTime")),
        inversion_time=first_number(header.get("InversionTime")),
        agent=str(header.get("ContrastBolusAgent", "") or ""),
        acquisition=str(header.get("MRAcquisitionType", "") or ""),
        body_part=str(header.get("BodyPartExamined", "") or ""),
    )
    return _first_equal(attributes)


@lru_cache(maxsize=256)
def _first_equal(attributes: SeriesAttributes) -> SeriesAttributes:
    """One object for all slices that say the same: a large cohort has millions."""
    return attributes


def first_number(value: Any) -> float | None:
    """Return the first number of a DICOM element, or None.

    Args:
        value: the element's value.
    """
    return next(iter(numbers(value)), None)
