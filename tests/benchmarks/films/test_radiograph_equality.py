"""Comparing films with the standard and with highdicom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_memvit.benchmarks.films import radiograph_equality
from monai_memvit.benchmarks.films.radiograph_equality import compare_combinations, compare_films, unexplained
from monai_memvit.data.simulate.radiographs import film_combinations
from monai_memvit.data.simulate.radiographs.combinations import FilmCombination

pytest.importorskip("pydicom")
pytest.importorskip("highdicom")

_FEW = [
    FilmCombination("mono1", "slope", "linear"),
    FilmCombination("mono1identity"),
    FilmCombination("mono2", "none", "table16", "u8"),
    FilmCombination("mono1", extra="padding"),
    FilmCombination("mono2", syntax="bigendian"),
]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    write = radiograph_equality.simulate_film_combinations
    monkeypatch.setattr(radiograph_equality, "film_combinations", lambda: _FEW)
    monkeypatch.setattr(
        radiograph_equality,
        "simulate_film_combinations",
        lambda out, size, seed, progress: write(out, size, seed, _FEW, progress),
    )


@pytest.mark.usefixtures("few")
def test_ours_is_as_the_standard_says_and_highdicoms_departures_are_named() -> None:
    found = compare_combinations((40, 32), 0)
    assert found["files"] == found["standard"]["equal"] == len(_FEW)
    assert found["standard"]["largest"] < 1e-7 and not unexplained(found)
    theirs = found["highdicom"]
    assert (theirs["equal"], theirs["differs"], theirs["refuses"]) == (2, 2, 1)
    assert set(theirs["reasons"]) == {"LINEAR window, slope not 1", "MONOCHROME1 with IDENTITY", "big endian"}
    assert found["standard"]["by_syntax"]["bigendian"]["files"] == 1


@pytest.mark.usefixtures("few")
def test_a_wrong_display_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(radiograph_equality.LoadRadiograph):
        def __call__(self, path: Any) -> Any:
            return 1 - super().__call__(path)

    monkeypatch.setattr(radiograph_equality, "LoadRadiograph", Wrong)
    found = compare_combinations((40, 32), 0)
    assert found["standard"]["equal"] == 0
    assert set(unexplained(found)) == {combination.name for combination in _FEW}


@pytest.mark.usefixtures("few")
def test_no_number_is_a_wrong_display_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(radiograph_equality.LoadRadiograph):
        def __call__(self, path: Any) -> Any:
            return np.nan * super().__call__(path)

    monkeypatch.setattr(radiograph_equality, "LoadRadiograph", Wrong)
    found = compare_combinations((40, 32), 0)
    assert found["standard"]["equal"] == 0
    assert {*found["standard"]["unequal"]} == {combination.name for combination in _FEW}


@pytest.mark.usefixtures("few")
def test_a_departure_without_a_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radiograph_equality, "departures", lambda dataset: [])
    names = [_FEW[0].name, _FEW[1].name]
    assert unexplained(compare_combinations((40, 32), 0)) == names


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no file"):
        compare_films([tmp_path])


@pytest.mark.slow
def test_every_combination_is_shown_as_the_standard_says() -> None:
    found = compare_combinations((40, 32), 0)
    assert found["files"] == found["standard"]["equal"] == len(film_combinations())
    assert not unexplained(found)


@pytest.mark.slow
def test_every_film_at_hand_is_equal_or_refused(shared_data: Path) -> None:
    import pydicom

    folders = [shared_data / "cxr_dicom", Path(pydicom.__file__).parent / "data" / "test_files"]
    try:
        import data_store
    except ImportError:
        pass
    else:
        folders.append(Path(data_store.__file__).parent / "data")
    found = compare_films(folders)
    assert found["files"] >= 40 and not unexplained(found)
    assert all(np.isfinite(row["standard"]) for row in found["films"]) and all(found["refused"].values())
