"""The known departures of highdicom: none is claimed where there is none, and each is there where it is claimed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_memvit.benchmarks.films.radiograph_departures import DEPARTURES, departures, highdicom_display
from monai_memvit.data.simulate.radiographs import simulate_film_combinations
from monai_memvit.data.simulate.radiographs.combinations import FilmCombination

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("highdicom")

# departure -> a film that has it, and no other before it
_FILMS = {
    "big endian": FilmCombination("mono2", syntax="bigendian"),
    "table of other than 8 or 16 bits": FilmCombination("mono2", voi="table12"),
    "table of 65536 entries": FilmCombination("mono2", voi="table16", depth="u16"),
    "table of 8 bits in words": FilmCombination("mono2", voi="words8"),
    "table in implicit VR": FilmCombination("mono2", "intercept", "table8", syntax="implicit"),
    "bits above the high bit": FilmCombination("mono2", extra="highbits"),
    "LINEAR window, slope not 1": FilmCombination("mono2", "whole", "linear", "u8"),
    "MONOCHROME1 with IDENTITY": FilmCombination("mono1identity"),
    "VOI table behind a slope": FilmCombination("mono2", "whole", "table16", "u8"),
    "VOI table behind a modality table, inverted": FilmCombination("mono1", "table16", "table8"),
    "table with signed 16-bit pixels": FilmCombination("mono2", voi="table8", depth="s16"),
    "table that leaves out an end of its range": FilmCombination("mono2", voi="partial16", depth="u8"),
}
_PLAIN = [
    FilmCombination("mono1", voi=voi) for voi in ("none", "linear", "exact", "sigmoid", "two", "table8", "table16")
]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("films") / "out"
    return simulate_film_combinations(out, (40, 32), combinations=[*_FILMS.values(), *_PLAIN])


def test_every_departure_is_shown() -> None:
    assert set(_FILMS) == set(DEPARTURES)


@pytest.mark.parametrize("name", _FILMS)
def test_a_departure_is_there(name: str, films: Path) -> None:
    path = films / f"{_FILMS[name].name}.dcm"
    data = pydicom.dcmread(path)
    assert departures(data)[0] == name
    try:
        shown = highdicom_display(data)
    except Exception:  # it refuses the film, with an error of its own for each
        return
    assert np.abs(shown - np.load(path.with_suffix(".npy"))).max() > 1e-4


@pytest.mark.parametrize("combination", _PLAIN, ids=lambda combination: combination.name)
def test_elsewhere_highdicom_shows_what_the_standard_says(combination: FilmCombination, films: Path) -> None:
    path = films / f"{combination.name}.dcm"
    data = pydicom.dcmread(path)
    assert departures(data) == []
    np.testing.assert_allclose(highdicom_display(data), np.load(path.with_suffix(".npy")), atol=1e-9)
