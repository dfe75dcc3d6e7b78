"""Small sets of films as PNG files."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of films of noise, four of each of ten patients, and its label file."""

    def make(split: bool = False, name: str = "set") -> Path:
        source = tmp_path / name
        rows = ["file,patient,view,nodule,effusion" + ",split" * split]
        for number in range(40):
            patient = number // 4
            path = source / "films" / f"p{patient}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture(number)).save(path)
            view = ("PA", "AP", "PA", "LATERAL")[number % 4]
            labels = f"{number % 2},{('', '-1', '1', '0')[number % 4]}"
            side = f",{'train' if patient < 6 else 'val' if patient < 8 else 'test'}" * split
            rows.append(f"p{patient}/{number}.png,{patient},{view},{labels}{side}")
        (source / "labels.csv").write_text("\n".join(rows) + "\n")
        return source

    return make


def picture(seed: int) -> np.ndarray:
    """Smooth noise (60, 48), uint8."""
    small = np.random.default_rng(seed).integers(0, 256, (20, 16)).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((48, 60), Image.Resampling.BICUBIC))


@pytest.fixture
def write_film() -> Callable[..., str]:
    """Writes a DICOM film of 12 bits and returns its SOP Instance UID."""

    def write(path: Path, patient: str, modality: str = "CR", **attributes: str) -> str:
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = pydicom.uid.ComputedRadiographyImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        film = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        film.SOPClassUID, film.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        film.PatientID, film.Modality = patient, modality
        film.SamplesPerPixel, film.PixelRepresentation, film.PhotometricInterpretation = 1, 0, "MONOCHROME2"
        film.BitsAllocated, film.BitsStored, film.HighBit = 16, 12, 11
        pixels = picture(zlib.crc32(path.name.encode())).astype("<u2") * 16
        film.Rows, film.Columns = pixels.shape
        film.PixelData = pixels.tobytes()
        for keyword, value in attributes.items():
            setattr(film, keyword, value)
        path.parent.mkdir(parents=True, exist_ok=True)
        film.save_as(path, enforce_file_format=True)
        return str(film.SOPInstanceUID)

    return write
