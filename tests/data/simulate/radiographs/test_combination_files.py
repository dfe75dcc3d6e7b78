"""Combinations on disk: another decoder finds the pixels that the expected values were worked out from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from monai_memvit.data.simulate.radiographs import combination_files, film_combinations, simulate_film_combinations
from monai_memvit.data.simulate.radiographs.combinations import SYNTAXES, FilmCombination
from monai_memvit.data.simulate.radiographs.expected import expected_display, stored_values

pydicom = pytest.importorskip("pydicom")
for _encoder in ("gdcm", "openjpeg", "jpeg_ls"):
    pytest.importorskip(_encoder)

_SIZE = (40, 32)
_FEW = [
    *(FilmCombination("mono1", syntax=syntax, depth="u8") for syntax in SYNTAXES),
    *(FilmCombination("mono2", syntax=syntax, depth="s16") for syntax in SYNTAXES if syntax != "jpeg"),
    *(
        FilmCombination("mono2", "intercept", "table8", "u16", syntax)
        for syntax in ("implicit", "bigendian", "deflated")
    ),
    FilmCombination("mono1", voi="linear", depth="s12", extra="highbits"),
    FilmCombination("mono1", voi="linear", extra="paddingrange"),
    FilmCombination("mono1inverse", "table16", "table12", "s16"),
    FilmCombination("mono2", voi="odd8"),
    FilmCombination("mono2", voi="tablewindow"),
    FilmCombination("mono2", "falling", "sigmoid"),
]


def read(path: Path) -> tuple[object, np.ndarray]:
    """A file and its stored values, decoded by pydicom."""
    data = pydicom.dcmread(path)
    cells = data.pixel_array.astype(np.int64) & (2**data.BitsAllocated - 1)
    return data, stored_values(cells, data.BitsStored, data.HighBit, bool(data.PixelRepresentation))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_film_combinations(tmp_path_factory.mktemp("films") / "out", _SIZE, combinations=_FEW)


@pytest.mark.filterwarnings("ignore:Invalid value")  # of pydicom: entries beyond 32767 in implicit VR
@pytest.mark.parametrize("combination", _FEW, ids=lambda combination: combination.name)
def test_a_film_is_what_its_name_says_and_decodes_to_what_is_expected(
    films: Path, combination: FilmCombination
) -> None:
    data, stored = read(films / f"{combination.name}.dcm")
    expected = np.load(films / f"{combination.name}.npy")
    assert data.file_meta.TransferSyntaxUID == SYNTAXES[combination.syntax]
    assert expected.dtype == np.float64 and expected.shape == _SIZE and 0.0 <= expected.min() < expected.max() <= 1.0
    np.testing.assert_array_equal(expected_display(data, stored), expected)


def test_the_values_reach_both_ends_and_are_many(films: Path) -> None:
    _, stored = read(films / f"{FilmCombination('mono2', syntax='explicit', depth='s16').name}.dcm")
    assert stored.min() == -(2**15) and stored.max() == 2**15 - 1
    assert len(np.unique(stored)) > 300


def test_every_file_says_that_it_is_simulated(films: Path) -> None:
    for path in films.glob("*.dcm"):
        data = pydicom.dcmread(path, stop_before_pixels=True)
        assert data.ImageComments == "SIMULATED: not a patient" and data.PatientName == "SIMULATED^COMBINATION"
    assert (films / "README.txt").read_text().startswith("SIMULATED")


def test_the_index_lists_what_is_there(films: Path) -> None:
    index = json.loads((films / "combinations.json").read_text())
    assert [row["name"] for row in index["combinations"]] == [combination.name for combination in _FEW]
    for suffix in ("dcm", "npy"):
        assert {path.stem for path in films.glob(f"*.{suffix}")} == {combination.name for combination in _FEW}


def test_same_arguments_same_bytes(films: Path, tmp_path: Path) -> None:
    again = simulate_film_combinations(tmp_path / "again", _SIZE, combinations=_FEW)
    for path in films.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_jpeg_baseline_changes_the_pixels_and_says_so(films: Path) -> None:
    data, stored = read(films / f"{FilmCombination('mono1', depth='u8', syntax='jpeg').name}.dcm")
    _, before = read(films / f"{FilmCombination('mono1', depth='u8').name}.dcm")
    assert 0 < np.abs(stored - before).max() < 60
    assert data.LossyImageCompression == "01"


def test_a_folder_with_content_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty: name a new folder"):
        simulate_film_combinations(tmp_path, _SIZE, combinations=_FEW[:1])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(("size", "seed"), [((16, 40), 0), (_SIZE, -1)])
def test_numbers_out_of_range_are_refused(size: tuple[int, int], seed: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give at least 32 rows and columns, and 0 or more"):
        simulate_film_combinations(tmp_path / "out", size, seed)
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(combination_files, "atomic_write_json", fail)
    with pytest.raises(OSError, match="disk full"):
        simulate_film_combinations(tmp_path / "out", _SIZE, combinations=_FEW[:1])
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Invalid value")
def test_all_combinations_decode_to_what_is_expected(tmp_path: Path) -> None:
    out = simulate_film_combinations(tmp_path / "out", _SIZE)
    for combination in film_combinations():
        data, stored = read(out / f"{combination.name}.dcm")
        expected = np.load(out / f"{combination.name}.npy")
        np.testing.assert_array_equal(expected_display(data, stored), expected, err_msg=combination.name)
