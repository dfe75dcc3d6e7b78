"""The names in a DICOM header, also of files that come without a preamble."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_memvit.data.radiographs.dicom_names import DicomNames, is_dicom, read_dicom_names
from monai_memvit.data.radiographs.label_files.film_labels import LabelledFilm
from monai_memvit.data.radiographs.patients import patients_of

WriteFilm = Callable[..., str]


@pytest.mark.parametrize("start", [0, 132])
def test_names_are_read_with_and_without_a_preamble(write_film: WriteFilm, tmp_path: Path, start: int) -> None:
    uid = write_film(tmp_path / "film", "Smith")
    (tmp_path / "film").write_bytes((tmp_path / "film").read_bytes()[start:])
    assert is_dicom(tmp_path / "film")
    names = read_dicom_names(tmp_path / "film")
    assert names == DicomNames(uid, "Smith", "CR") and "Smith" not in repr(names)


def test_films_without_a_preamble_stay_with_their_patient(write_film: WriteFilm, tmp_path: Path) -> None:
    for name in ("a.dcm", "b.dcm"):
        write_film(tmp_path / name, "Smith")
    (tmp_path / "b.dcm").write_bytes((tmp_path / "b.dcm").read_bytes()[132:])
    films = [(LabelledFilm(name, (1,), "", None, "", ""), tmp_path / name) for name in ("a.dcm", "b.dcm")]
    assert patients_of(films, tmp_path, progress=False) == (["Smith", "Smith"], [])


def test_what_is_odd_is_not_told_here(write_film: WriteFilm, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_film(tmp_path / "film", "Smith", StudyDate="Smith was born")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_dicom_names(tmp_path / "film") is not None


@pytest.mark.parametrize("content", [b"", b"no film", b"\x89PNG\r\n\x1a\n"])
def test_other_files_have_no_names(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert not is_dicom(tmp_path / "file") and read_dicom_names(tmp_path / "file") is None


def test_damaged_files_have_no_patient(write_film: WriteFilm, tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 50)
    names = read_dicom_names(tmp_path / "film")
    assert names is None or names.patient == ""
    assert not is_dicom(tmp_path / "absent")
