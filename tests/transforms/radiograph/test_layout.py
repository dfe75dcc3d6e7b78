from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from monai_memvit.transforms.radiograph.errors import DisplayError
from monai_memvit.transforms.radiograph.layout import PixelLayout, layout_of


def stored_value(word: int, layout: PixelLayout) -> int:
    """One word by the words of PS3.5 8.1.1."""
    bits = f"{word:016b}"[-layout.bits_allocated :]
    below = layout.high_bit + 1 - layout.bits_stored
    kept = bits[layout.bits_allocated - 1 - layout.high_bit : layout.bits_allocated - below]
    value = int(kept, 2)
    return value - 2 ** len(kept) if layout.signed and kept[0] == "1" else value


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("allocated", "stored", "high"),
    [(8, 8, 7), (8, 6, 6), (16, 12, 11), (16, 12, 15), (16, 10, 12), (16, 16, 15)],
)
def test_every_word_finds_its_stored_value(allocated: int, stored: int, high: int, signed: bool) -> None:
    layout = PixelLayout(1, 1, allocated, stored, high, signed)
    table = layout.by_word(layout.stored_values())
    words = range(0, 2**allocated, 1 if allocated == 8 else 37)
    assert len(table) == 2**allocated
    assert [int(table[word]) for word in words] == [stored_value(word, layout) for word in words]
    assert (table.min(), table.max()) == (layout.low, layout.high)


def test_fields_of_a_film(make_film: Callable[..., Dataset]) -> None:
    assert layout_of(make_film()) == PixelLayout(6, 5, 16, 12, 11, False)
    assert layout_of(make_film(HighBit=None, signed=1)) == PixelLayout(6, 5, 16, 12, 11, True)
    assert layout_of(make_film(allocated=8, bits=8)).word == np.uint8


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"Rows": None}, "Rows is missing"),
        ({"Columns": None}, "Columns is missing"),
        ({"BitsStored": None}, "BitsStored is missing"),
        ({"PixelRepresentation": None}, "PixelRepresentation is missing"),
        ({"Rows": 0}, "0 × 5"),
        ({"Rows": 65535, "Columns": 65535}, "65535 × 65535"),
        ({"BitsAllocated": 1}, "BitsAllocated is 1"),
        ({"BitsAllocated": 32}, "BitsAllocated is 32"),
        ({"BitsStored": 17}, "contradict"),
        ({"BitsStored": 0}, "contradict"),
        ({"HighBit": 16}, "contradict"),
        ({"HighBit": 3}, "contradict"),
        ({"PixelRepresentation": 2}, "contradict"),
    ],
)
def test_wrong_fields_are_named(make_film: Callable[..., Dataset], changes: dict[str, Any], named: str) -> None:
    with pytest.raises(DisplayError, match=named):
        layout_of(make_film(**changes))
