from __future__ import annotations

from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset

from monai_memvit.transforms.radiograph.layout import layout_of
from monai_memvit.transforms.radiograph.presentation import is_inverted, padding_values


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted", "contradicts"),
    [
        ("MONOCHROME2", None, False, False),
        ("MONOCHROME2", "IDENTITY", False, False),
        ("MONOCHROME1", None, True, False),
        ("MONOCHROME1", "INVERSE", True, False),
        ("MONOCHROME1", "IDENTITY", True, True),
        ("MONOCHROME2", "INVERSE", True, True),
        ("MONOCHROME1", "LIN OD", True, True),
        ("MONOCHROME2", "LIN OD", False, True),
    ],
)
def test_polarity(
    make_film: Callable[..., Dataset], photometric: str, shape: str | None, inverted: bool, contradicts: bool
) -> None:
    notes: list[str] = []
    film = make_film(PhotometricInterpretation=photometric, PresentationLUTShape=shape)
    assert is_inverted(film, notes) == inverted
    assert bool(notes) == contradicts


@pytest.mark.parametrize(
    ("signed", "value", "limit", "expected"),
    [
        (0, 5, None, [5]),
        (0, 5, 7, [5, 6, 7]),
        (0, 7, 5, [5, 6, 7]),
        (1, -3, None, [-3]),
        (1, 65533, 65535, [-3, -2, -1]),
    ],
)
def test_padding_is_a_value_or_a_range(
    make_film: Callable[..., Dataset], signed: int, value: int, limit: int | None, expected: list[int]
) -> None:
    film = make_film(allocated=8, bits=8, signed=signed)
    film.add_new("PixelPaddingValue", "SS" if value < 0 else "US", value)
    if limit is not None:
        film.add_new("PixelPaddingRangeLimit", "US", limit)
    layout = layout_of(film)
    padding = padding_values(film, layout)
    assert padding is not None
    assert sorted(layout.stored_values()[padding].tolist()) == expected


def test_no_padding(make_film: Callable[..., Dataset]) -> None:
    film = make_film()
    assert padding_values(film, layout_of(film)) is None
    film.add_new("PixelPaddingValue", "US", 60000)  # no 12 bits hold that
    assert padding_values(film, layout_of(film)) is None
