"""Parts of a picture, and whether it is dark."""

from __future__ import annotations

import numpy as np
import pytest

from monai_memvit.data.slides.readers.bounds import inside, is_dark, sample_places


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [(2, 3, (2, 3)), (-2, 5, (0, 3)), (8, 5, (8, 2)), (10, 2, (10, 0)), (-9, 4, (0, 0)), (-1, 20, (0, 10))],
)
def test_inside(start: int, length: int, expected: tuple[int, int]) -> None:
    pixels = [i for i in range(start, start + length) if 0 <= i < 10]
    assert inside(start, length, 10) == expected
    assert inside(start, length, 10)[1] == len(pixels)


@pytest.mark.parametrize("size", [(100, 50), (5000, 3000), (30000, 100)])
def test_samples_lie_within(size: tuple[int, int]) -> None:
    for x, y, width, height in sample_places(*size):
        assert x >= 0 and y >= 0 and x + width <= size[0] and y + height <= size[1] and width * height


def test_dark_is_what_is_mostly_dark_but_for_black_filling() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[..., 2] = 20
    picture[:20] = 200
    assert is_dark([picture])
    filled = np.zeros((100, 100, 3), np.uint8)  # never scanned, but for a quarter: glass and some tissue
    filled[:50, :50] = 240
    filled[:20, :20] = (180, 100, 150)
    assert not is_dark([filled])
