"""Small DICOM and NIfTI studies, made by pydicom and nibabel alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4.1"
SERIES = {
    "t1": {"SeriesDescription": "Ax T1 pre", "RepetitionTime": 500, "EchoTime": 10},
    "t2": {"SeriesDescription": "Ax T2 TSE", "RepetitionTime": 4000, "EchoTime": 100},
    "flair": {"SeriesDescription": "Ax FLAIR", "RepetitionTime": 9000, "EchoTime": 120, "InversionTime": 2500},
    "t1gd": {
        "SeriesDescription": "Ax T1 post",
        "RepetitionTime": 500,
        "EchoTime": 10,
        "ContrastBolusAgent": "GADAVIST",
    },
    "apt": {"SeriesDescription": "APTw 3D", "RepetitionTime": 5000, "EchoTime": 7},
}
# A rotation in general position: rows, columns and normal along no axis of the patient.
OBLIQUE = np.linalg.qr(np.array([[1.0, 0.2, 0.1], [-0.15, 1.0, 0.3], [0.05, -0.25, 1.0]]))[0]


def _header(sop_class: str, path: Path, **attributes: Any) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.Modality = "MR"
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


def _pixels(dataset: Dataset, stored: np.ndarray) -> None:
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.PixelData = stored.astype("<u2").tobytes()


def identity(patient: str = "P1", study: str = "1.2.3") -> dict[str, str]:
    """Who and which examination."""
    return {"PatientID": patient, "StudyInstanceUID": study}


@pytest.fixture
def write_series() -> Callable[..., list[Path]]:
    """Write one classic MR series, one file a slice, and return the files in the order of the slices."""

    def write(folder: Path, number: int, count: int = 6, spacing: float = 4.0, **attributes: Any) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(number)
        directions = attributes.pop("directions", np.eye(3))
        common = {
            "SeriesNumber": number,
            "SeriesInstanceUID": f"1.2.3.{number}",
            "ImageType": ["ORIGINAL", "PRIMARY", "M"],
        }
        common |= {"PixelSpacing": [0.9, 1.1], "ScanningSequence": "SE", **identity()} | attributes
        paths = []
        for i in rng.permutation(count):  # neither file names nor instance numbers are in the order of the slices
            path = folder / f"{number}_{len(paths):03d}.dcm"
            dataset = _header(MR_IMAGE, path, **common, InstanceNumber=len(paths) + 1)
            dataset.ImageOrientationPatient = [f"{x:.10f}" for x in (*directions[:, 0], *directions[:, 1])]
            position = np.array([-50.0, 20.0, -30.0]) + i * spacing * np.cross(directions[:, 0], directions[:, 1])
            dataset.ImagePositionPatient = [f"{x:.9f}" for x in position]
            dataset.RescaleSlope, dataset.RescaleIntercept = 1.5 + i, -3.0
            _pixels(dataset, rng.integers(0, 1000, (8, 10)))
            dataset.save_as(path, enforce_file_format=True)
            paths.append((i, path))
        return [path for _, path in sorted(paths)]

    return write


@pytest.fixture
def write_study(write_series: Callable[..., list[Path]]) -> Callable[..., dict[str, list[Path]]]:
    """Write a study of several sequences, each series in a folder of its own."""

    def write(folder: Path, *names: str, **attributes: Any) -> dict[str, list[Path]]:
        return {
            name: write_series(folder / f"S{10 + i}", 10 + i, **(SERIES[name] | attributes))
            for i, name in enumerate(names or SERIES)
        }

    return write


@pytest.fixture
def write_multiframe() -> Callable[..., np.ndarray]:
    """Write an enhanced MR image of several echoes in one file; return its stored values (echo, slice, row, column)."""

    def write(path: Path, echo_times: tuple[float, ...] = (100.0,), count: int = 6, **attributes: Any) -> np.ndarray:
        path.parent.mkdir(parents=True, exist_ok=True)
        common = {"SeriesNumber": 7, "SeriesInstanceUID": "1.2.3.7", "EchoPulseSequence": "SPIN", **identity()}
        dataset = _header(ENHANCED_MR_IMAGE, path, **(common | attributes))
        stored = np.random.default_rng(7).integers(0, 1000, (len(echo_times), count, 8, 10))
        _pixels(dataset, stored)
        dataset.NumberOfFrames = len(echo_times) * count
        shared = _group("PlaneOrientationSequence", ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
        shared.PixelMeasuresSequence = [_item(PixelSpacing=[0.9, 1.1])]
        shared.MRTimingAndRelatedParametersSequence = [_item(RepetitionTime=4000.0)]
        dataset.SharedFunctionalGroupsSequence = [shared]
        frames = []
        for echo in echo_times:
            for i in range(count):
                frame = _group("PlanePositionSequence", ImagePositionPatient=[-50, 20, -30 - 4 * i])  # from the top
                frame.MREchoSequence = [_item(EffectiveEchoTime=echo)]
                frame.PixelValueTransformationSequence = [_item(RescaleSlope=str(2 + i), RescaleIntercept="1")]
                frame.MRImageFrameTypeSequence = [_item(FrameType=["ORIGINAL", "PRIMARY", "M"])]
                frames.append(frame)
        dataset.PerFrameFunctionalGroupsSequence = frames
        dataset.save_as(path, enforce_file_format=True)
        return stored

    return write


def _item(**attributes: Any) -> Dataset:
    item = Dataset()
    for name, value in attributes.items():
        setattr(item, name, value)
    return item


def _group(name: str, **attributes: Any) -> Dataset:
    return _item(**{name: [_item(**attributes)]})


@pytest.fixture
def change() -> Callable[..., None]:
    """Change attributes of a DICOM file in place; None removes one."""

    def edit(path: Path, **attributes: Any) -> None:
        dataset = pydicom.dcmread(path)
        for name, value in attributes.items():
            if value is None:
                delattr(dataset, name)
            else:
                setattr(dataset, name, value)
        dataset.save_as(path)

    return edit


@pytest.fixture
def oblique() -> np.ndarray:
    """Directions of rows, columns and normal, as columns, along no axis of the patient."""
    return OBLIQUE if np.linalg.det(OBLIQUE) > 0 else OBLIQUE * [1, 1, -1]


@pytest.fixture
def write_nifti() -> Callable[..., Path]:
    """Write small NIfTI files below a folder."""

    def write(folder: Path, *names: str, array: np.ndarray | None = None, affine: np.ndarray | None = None) -> Path:
        values = np.random.default_rng(1).normal(size=(5, 6, 4)).astype(np.float32) if array is None else array
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(values, np.diag([-1, -1, 2, 1]) if affine is None else affine), path)
        return folder

    return write


@pytest.fixture
def write_cohort() -> Callable[..., Path]:
    """Write a folder of cases: skull-stripped blobs with a tumour, all sequences on one grid of 8 slices."""

    def write(folder: Path, cases: int = 4, names: tuple[str, ...] = ("t1", "t2", "flair", "t1gd")) -> Path:
        x, y, z = np.meshgrid(np.arange(20) - 10, np.arange(24) - 12, np.arange(8) - 4, indexing="ij")
        affine = np.diag([8.0, 8.0, 18.0, 1.0])
        affine[:3, 3] = [-80, -96, -72]
        brain = (x / 8) ** 2 + (y / 10) ** 2 + (z / 3.4) ** 2 < 1
        tumour = brain & ((x - 3) ** 2 + (y - 2) ** 2 + (4 * (z - 1)) ** 2 < 17)
        for case in range(cases):
            (folder / f"p{case}").mkdir(parents=True)
            rng = np.random.default_rng(case)
            for i, name in enumerate(names):
                values = brain * (100 + 20 * i + 10 * np.sin(x / 2 + i) + 30 * tumour + rng.normal(0, 1, x.shape))
                image = nibabel.Nifti1Image(values.astype(np.float32), affine)
                nibabel.save(image, folder / f"p{case}" / f"{name}.nii.gz")
            nibabel.save(
                nibabel.Nifti1Image(tumour.astype(np.uint8), affine), folder / f"p{case}" / "tumour_mask.nii.gz"
            )
        return folder

    return write
