from __future__ import annotations

import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from monai_memvit.transforms.radiograph import dicom_files, display_values
from monai_memvit.transforms.radiograph.dicom_files import read_dicom
from monai_memvit.transforms.radiograph.errors import DisplayError

MakeFilm = Callable[..., Dataset]
SaveFilm = Callable[[Dataset, Path], Path]
DEFLATED = "1.2.840.10008.1.2.1.99"


def test_only_what_matters_is_read(make_film: MakeFilm, save_film: SaveFilm, tmp_path: Path) -> None:
    film = make_film(PatientName="A^B", PatientID="7", InstitutionName="here", ViewPosition="PA")
    film.add_new(0x00091001, "OB", b"\0" * 1000)
    read = read_dicom(save_film(film, tmp_path / "film.dcm"))
    assert {"PatientName", "PatientID", "InstitutionName", 0x00091001}.isdisjoint(
        {*read.keys()} | {element.keyword for element in read}
    )
    assert read.ViewPosition == "PA"
    assert read.PixelData == film.PixelData


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_without_preamble_and_meta(make_film: MakeFilm, tmp_path: Path, syntax: str) -> None:
    film = make_film()
    expected = display_values(film)
    if syntax == ExplicitVRBigEndian:
        film.PixelData = np.frombuffer(film.PixelData, "<u2").astype(">u2").tobytes()
    del film.file_meta
    buffer = BytesIO()
    film.save_as(buffer, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=syntax != ExplicitVRBigEndian)
    path = tmp_path / "bare"
    path.write_bytes(buffer.getvalue())
    np.testing.assert_array_equal(display_values(read_dicom(path)), expected)


@pytest.mark.parametrize(
    "data", [b"", b"text", b"\x08\0\5\0CS\2\0AB", b"\x89HDF" + b"\0" * 200, b"\0" * 128 + b"DICX" + b"\0" * 40]
)
def test_what_is_no_dicom_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(data)
    with pytest.raises(DisplayError, match="it is no DICOM"):
        read_dicom(path)


def test_a_length_beyond_the_file_allocates_nothing(make_film: MakeFilm, save_film: SaveFilm, tmp_path: Path) -> None:
    import tracemalloc

    path = save_film(make_film(), tmp_path / "film.dcm")
    data = path.read_bytes()
    at = data.index(b"\xe0\x7f\x10\x00OW\0\0") + 8
    path.write_bytes(data[:at] + (0xFFFFFFF0).to_bytes(4, "little") + data[at + 4 :])
    tracemalloc.start()
    try:
        read_dicom(path)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_a_deflated_film(make_film: MakeFilm, save_film: SaveFilm, tmp_path: Path) -> None:
    film = make_film(syntax=DEFLATED)
    assert read_dicom(save_film(film, tmp_path / "film.dcm")).PixelData == film.PixelData


def test_what_inflates_without_end_is_refused(
    make_film: MakeFilm, save_film: SaveFilm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = make_film(syntax=DEFLATED)
    film.add_new(0x00091001, "OB", b"\0" * 300_000)
    path = save_film(film, tmp_path / "film.dcm")
    assert read_dicom(path).Rows == 6
    monkeypatch.setattr(dicom_files, "MAX_BYTES", 200_000)
    with pytest.raises(DisplayError, match="inflates to over 200000 bytes"):
        read_dicom(path)


def test_an_element_too_large_is_refused(
    make_film: MakeFilm, save_film: SaveFilm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_film(make_film(np.zeros((200, 200), int)), tmp_path / "film.dcm")
    monkeypatch.setattr(dicom_files, "MAX_BYTES", 50_000)
    with pytest.raises(DisplayError, match="over 50000 bytes"):
        read_dicom(path)


def test_deflated_bytes_that_are_cut_off_are_pydicoms_error(
    make_film: MakeFilm, save_film: SaveFilm, tmp_path: Path
) -> None:
    path = save_film(make_film(syntax=DEFLATED), tmp_path / "film.dcm")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises((zlib.error, DisplayError)):
        read_dicom(path)


def test_what_pydicom_reads_is_read_alike(make_film: MakeFilm, save_film: SaveFilm, tmp_path: Path) -> None:
    path = save_film(make_film(WindowCenter=["1", "2"], WindowWidth=["3", "4"]), tmp_path / "film.dcm")
    ours, theirs = read_dicom(path), dcmread(path)
    assert all(ours[element.tag] == theirs[element.tag] for element in ours)
