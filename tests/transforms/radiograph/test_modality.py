from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from monai_memvit.transforms.radiograph.errors import DisplayError
from monai_memvit.transforms.radiograph.layout import layout_of
from monai_memvit.transforms.radiograph.modality import ModalityValues, modality_values


def modality(film: Dataset, notes: list[str] | None = None) -> ModalityValues:
    return modality_values(film, layout_of(film), [] if notes is None else notes)


@pytest.mark.parametrize(
    ("changes", "signed", "low", "high"),
    [
        ({}, 0, 0, 255),
        ({}, 1, -128, 127),
        ({"RescaleSlope": "2.5", "RescaleIntercept": "-1024"}, 0, -1024, -386.5),
        ({"RescaleSlope": "-1", "RescaleIntercept": "255"}, 0, 0, 255),
        ({"RescaleIntercept": "10"}, 1, -118, 137),
    ],
)
def test_the_range_is_that_of_the_stored_bits(
    make_film: Callable[..., Dataset], changes: dict[str, Any], signed: int, low: float, high: float
) -> None:
    film = make_film(np.full((6, 5), 3), allocated=8, bits=8, signed=signed, **changes)
    found = modality(film)
    slope, intercept = float(changes.get("RescaleSlope", 1)), float(changes.get("RescaleIntercept", 0))
    assert (found.low, found.high) == (low, high)
    assert found.values[3] == 3 * slope + intercept
    assert found.values[200] == (200 - 256 * signed) * slope + intercept


def test_a_table_of_signed_pixels(make_film: Callable[..., Dataset], make_table: Callable[..., Dataset]) -> None:
    film = make_film(bits=8, signed=1, ModalityLUTSequence=[make_table(-2, [100, 50, 7], 10)])
    found = modality(film)
    assert (found.low, found.high) == (0, 1023)
    assert [found.values[value % 256] for value in (-128, -2, -1, 0, 1)] == [100, 100, 50, 7, 7]


def test_a_table_beside_a_rescale_wins_and_is_noted(
    make_film: Callable[..., Dataset], make_table: Callable[..., Dataset]
) -> None:
    notes: list[str] = []
    film = make_film(RescaleSlope="2", RescaleIntercept="0", ModalityLUTSequence=[make_table(0, [9, 8], 8)])
    assert modality(film, notes).values[0] == 9
    assert "the LUT is taken" in notes[0]


@pytest.mark.parametrize(
    "changes",
    [{"RescaleSlope": "0"}, {"RescaleSlope": "1e308"}, {"RescaleIntercept": "1e300"}, {"RescaleSlope": "inf"}],
)
def test_what_maps_nothing_is_named(make_film: Callable[..., Dataset], changes: dict[str, Any]) -> None:
    film = make_film()
    for name, value in changes.items():
        film.add_new(name, "LO", value)
    with pytest.raises(DisplayError, match="RescaleSlope"):
        modality(film)
