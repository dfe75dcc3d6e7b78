"""Headers that are cut, damaged or bare."""

from __future__ import annotations

import random

import numpy as np
import pydicom
import pytest

from monai_memvit.data.mri import find_studies
from monai_memvit.data.mri.dicom.files import is_dicom, read_object
from monai_memvit.data.mri.sources.load_volume import load_volume


@pytest.fixture
def scan(tmp_path, write_series):
    """One small DICOM file."""
    return write_series(tmp_path, 1, count=1, SeriesDescription="T1 GD")[0]


def cause_of(path):
    """Why a file cannot be read; empty where it can. Any other error ends the test."""
    try:
        read_object(path)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.filterwarnings("ignore")
def test_a_file_cut_anywhere_is_read_or_named(scan):
    whole = scan.read_bytes()
    causes = []
    for length in range(len(whole)):
        scan.write_bytes(whole[:length])
        causes.append(cause_of(scan))
    assert all(
        f"{scan} is no readable DICOM file (" in cause and "export it again" in cause for cause in causes if cause
    )
    assert all(causes[:200]) and not causes[-1]
    assert any("unpack" in cause for cause in causes)  # struct.error, which is no ValueError


@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes_are_read_or_named(scan):
    whole = scan.read_bytes()
    rng = random.Random(0)
    causes = set()
    for _ in range(1500):
        damaged = bytearray(whole)
        for _ in range(rng.choice([1, 2, 4])):
            damaged[rng.randrange(132, len(whole) - 160)] = rng.randrange(256)
        scan.write_bytes(damaged)
        causes.add(cause_of(scan))
    assert len(causes) > 10 and "" in causes


def test_pydicom_that_is_absent_is_not_a_damaged_file(scan, monkeypatch):
    def absent(*_args, **_options):
        raise ImportError("DICOM needs pydicom")

    monkeypatch.setattr("monai_memvit.data.mri.dicom.files.dcmread", absent)
    monkeypatch.setattr("monai_memvit.data.mri.dicom.pixels.dcmread", absent)
    with pytest.raises(ImportError, match="needs pydicom"):
        read_object(scan)


def test_one_cut_header_leaves_the_other_studies(tmp_path, write_series):
    write_series(tmp_path / "fine", 1, SeriesDescription="T1 GD")
    cut = write_series(tmp_path / "cut", 2, SeriesDescription="T1 GD", StudyInstanceUID="1.2.4", PatientID="P2")[3]
    cut.write_bytes(cut.read_bytes()[:153])
    studies, problems = find_studies(tmp_path)
    assert [study.case_key for study in studies] == ["P1/1.2.3"]
    assert {problem.where for problem in problems} == {"cut", f"cut/{cut.name}"}


def test_damaged_pixels_are_named_by_the_loader(tmp_path, write_series, monkeypatch):
    import struct

    def damaged(*_args, **_options):
        raise struct.error("unpack requires a buffer of 4 bytes")

    write_series(tmp_path, 1, SeriesDescription="T1 GD")
    (study,), _ = find_studies(tmp_path)
    monkeypatch.setattr("monai_memvit.data.mri.dicom.pixels.dcmread", damaged)
    with pytest.raises(ValueError, match=r"is no whole DICOM image \(unpack requires"):
        load_volume(study.sequences["t1gd"])


@pytest.mark.parametrize("which", [0, -1])
def test_an_image_cut_before_its_size_may_be_the_last_of_its_series(tmp_path, write_series, change, which):
    path = write_series(tmp_path, 1, SeriesDescription="T1 GD")[which]
    change(path, PixelData=None, Rows=None, Columns=None)
    studies, (problem,) = find_studies(tmp_path)
    assert not studies and f"{path.name} has no pixels, but other images of its series have" in problem.cause


@pytest.mark.filterwarnings("ignore")
def test_a_position_that_is_not_finite_is_named(scan, change):
    change(scan, ImagePositionPatient=["NaN", "0", "0"])
    assert "ImagePositionPatient is not finite" in cause_of(scan)


@pytest.mark.parametrize("implicit", [False, True])
def test_files_without_preamble_or_suffix_are_read(tmp_path, write_series, implicit):
    expected = None
    for path in write_series(tmp_path, 1, SeriesDescription="T1 GD"):
        dataset = pydicom.dcmread(path)
        expected = dataset.pixel_array if expected is None else expected
        bare = pydicom.Dataset(dataset)
        bare.save_as(path.with_suffix(""), implicit_vr=implicit, little_endian=True)
        path.unlink()
    (study,), problems = find_studies(tmp_path)
    assert not problems and len(study.sequences["t1gd"].files) == 6
    volume = load_volume(study.sequences["t1gd"])
    np.testing.assert_allclose(volume[0, :, :, 0].numpy(), expected.T * 1.5 - 3.0)


@pytest.mark.parametrize(
    "content", [b"", b"case,patient\n", b"PK\x03\x04", b"\x08\x00\x00\x00\x00\x00\x00\x00", b"\x93NUMPY"]
)
def test_other_files_are_no_dicom(tmp_path, content):
    (tmp_path / "x").write_bytes(content * 30)
    assert not is_dicom(tmp_path / "x") and not is_dicom(tmp_path / "absent")
