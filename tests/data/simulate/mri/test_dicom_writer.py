"""The DICOM studies are read by pydicom and SimpleITK as the volumes they were made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_memvit.data.simulate import simulate_mri
from monai_memvit.data.simulate.mri import MriSimulation, simulate_patient

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("nibabel")

FOLDERS = {
    "t1": "0201_SIM_T1W_FFE",
    "t2": "0301_SIM_T2W_TSE",
    "flair": "0401_SIM_FLAIR",
    "t1gd": "0501_SIM_T1W_FFE_GD",
    "apt": "0601_SIM_APTw",
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, coarse: MriSimulation) -> Path:
    """Folder of one patient."""
    return simulate_mri(tmp_path_factory.mktemp("dicom") / "out", 1, 7, "dicom", options=coarse) / "sub-0001"


def test_pydicom_reads_the_volumes(study: Path, coarse: MriSimulation) -> None:
    for sequence, (volume, affine) in simulate_patient(0, 7, coarse).volumes.items():
        slices = [pydicom.dcmread(path) for path in sorted((study / FOLDERS[sequence]).glob("IM_*.dcm"))]
        assert len(slices) == volume.shape[2]
        step = (volume.max() - volume.min()) / 4095
        for k, data in enumerate(slices):
            values = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
            np.testing.assert_allclose(values.T, volume[:, :, k], atol=0.51 * step)
            row, column = np.array(data.ImageOrientationPatient, dtype=float).reshape(2, 3)
            height, width = map(float, data.PixelSpacing)
            for i, j in ((0, 0), (39, 0), (0, 39), (17, 23)):  # PS3.3 C.7.6.2.1.1, equation C.7.6.2.1-1
                lps = np.array(data.ImagePositionPatient, dtype=float) + row * width * i + column * height * j
                np.testing.assert_allclose(lps * [-1, -1, 1], (affine @ [i, j, k, 1])[:3], atol=1e-5)


def test_simpleitk_reads_the_volumes(study: Path, coarse: MriSimulation) -> None:
    sitk = pytest.importorskip("SimpleITK")
    for sequence, (volume, affine) in simulate_patient(0, 7, coarse).volumes.items():
        image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(study / FOLDERS[sequence])))
        step = (volume.max() - volume.min()) / 4095
        np.testing.assert_allclose(sitk.GetArrayFromImage(image).T, volume, atol=0.51 * step)
        for index in ((0, 0, 0), (39, 0, 0), (0, 39, 0), (5, 6, 9)):
            lps = np.array(image.TransformIndexToPhysicalPoint(index))
            np.testing.assert_allclose(lps * [-1, -1, 1], (affine @ [*index, 1])[:3], atol=1e-3)


def test_headers_say_what_was_simulated(study: Path) -> None:
    headers = {key: pydicom.dcmread(study / folder / "IM_0001.dcm") for key, folder in FOLDERS.items()}
    assert {header.PatientID for header in headers.values()} == {"SIM-0001"}
    assert all("SIMULATED" in header.ImageComments for header in headers.values())
    assert len({header.StudyInstanceUID for header in headers.values()}) == 1
    assert len({header.FrameOfReferenceUID for header in headers.values()}) == 1
    assert len({header.SeriesInstanceUID for header in headers.values()}) == 5
    assert headers["flair"].InversionTime == 2430 and "IR" in headers["flair"].ScanningSequence
    assert headers["t2"].EchoTime == 90 and headers["t2"].RepetitionTime == 4500
    assert "gadobutrol" in headers["t1gd"].ContrastBolusAgent and "ContrastBolusAgent" not in headers["t1"]
    instances = [pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in study.rglob("*.dcm")]
    assert len(set(instances)) == len(instances)
    assert all(len(uid) <= 64 and pydicom.uid.UID(uid).is_valid for uid in instances)


def test_there_are_objects_to_pass_over(study: Path) -> None:
    localizer = [pydicom.dcmread(path) for path in sorted((study / "0101_SIM_Survey").iterdir())]
    normals = [np.cross(*np.reshape(np.array(d.ImageOrientationPatient, dtype=float), (2, 3))) for d in localizer]
    assert len(localizer) == 3 and "LOCALIZER" in localizer[0].ImageType
    np.testing.assert_allclose(np.abs(np.array(normals) @ np.transpose(normals)), np.eye(3), atol=1e-6)
    (presentation,) = (pydicom.dcmread(path) for path in (study / "0901_SIM_Presentation").iterdir())
    assert "PixelData" not in presentation and presentation.Modality == "PR"


def test_every_sequence_is_found_in_the_study(study: Path) -> None:
    from monai_memvit.data.mri import find_studies

    (found,), problems = find_studies(study.parent)
    assert not problems
    assert {name: source.files[0].parent.name for name, source in found.sequences.items()} == FOLDERS
    assert found.tumour_mask == study / "tumour_seg.nii.gz"
    assert found.brain_mask == study / "brain_mask.nii.gz"
