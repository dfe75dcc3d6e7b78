"""Small DICOM films to break, and PS3.3 C.11 in plain Python floats to compare with."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")

from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402

EXPLICIT = "1.2.840.10008.1.2.1"


def _film(stored: Any = None, allocated: int = 16, bits: int = 12, signed: int = 0, **changes: Any) -> Dataset:
    """A chest film of 6 × 5 pixels; ``changes`` set elements, or leave them out where None."""
    if stored is None:
        low = -(2 ** (bits - 1)) if signed else 0
        stored = np.linspace(low, low + 2**bits - 1, 30).round().astype(np.int64).reshape(6, 5)
    stored = np.asarray(stored)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = changes.pop("syntax", EXPLICIT)
    elements: dict[str, Any] = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1",
        "SOPInstanceUID": "1.2.3.4",
        "Modality": "DX",
        "Rows": stored.shape[0],
        "Columns": stored.shape[1],
        "BitsAllocated": allocated,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": signed,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelData": (stored % 2**allocated).astype(f"<u{allocated // 8}").tobytes(),
    }
    for name, value in {**elements, **changes}.items():
        if value is not None:
            setattr(dataset, name, value)
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OW"
    return dataset


def _saved(dataset: Dataset, path: Path) -> Path:
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", "1.2.3")
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset.save_as(path, enforce_file_format=True)
    return path


def _table(first: int, entries: list[int], bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries) % 2**16, first % 2**16, bits])
    item.add_new("LUTData", "OW", np.array(entries, "<u2").tobytes())
    return item


def _window(x: float, function: str, centre: float, width: float) -> float:
    if function == "LINEAR":  # C.11.2.1.2.1
        if x <= centre - 0.5 - (width - 1) / 2:
            return 0.0
        if x > centre - 0.5 + (width - 1) / 2:
            return 1.0
        return (x - (centre - 0.5)) / (width - 1) + 0.5
    if function == "LINEAR_EXACT":  # C.11.2.1.3.2
        if x <= centre - width / 2:
            return 0.0
        return 1.0 if x > centre + width / 2 else (x - centre) / width + 0.5
    exponent = -4 * (x - centre) / width  # C.11.2.1.3.1
    return 1 / (1 + math.exp(exponent)) if exponent < 700 else 0.0


@pytest.fixture
def make_film() -> Callable[..., Dataset]:
    """Make a data set."""
    return _film


@pytest.fixture
def save_film() -> Callable[[Dataset, Path], Path]:
    """Write a data set to a file."""
    return _saved


@pytest.fixture
def make_table() -> Callable[[int, list[int], int], Dataset]:
    """Make an item of a LUT sequence from first input, entries and bits."""
    return _table


@pytest.fixture
def standard_window() -> Callable[[float, str, float, float], float]:
    """A window by the letter of the standard, one value at a time."""
    return _window


RLE = "1.2.840.10008.1.2.5"
OPTIONS = {
    "rows": 6,
    "columns": 5,
    "number_of_frames": 1,
    "samples_per_pixel": 1,
    "photometric_interpretation": "MONOCHROME2",
    "bits_allocated": 16,
    "bits_stored": 12,
    "pixel_representation": 0,
    "pixel_keyword": "PixelData",
}


@pytest.fixture
def coded(make_film: Callable[..., Dataset]) -> tuple[bytes, np.ndarray]:
    film = make_film()
    stored = np.frombuffer(film.PixelData, "<u2").reshape(6, 5)
    film.compress(RLE, encoding_plugin="pydicom", generate_instance_uid=False)
    return film.PixelData, stored
