"""Where a film lies in its square, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_memvit.transforms.radiograph import FilmGeometry


@pytest.mark.parametrize(
    ("rows", "columns", "size", "box", "inner", "offset"),
    [
        (100, 200, 50, None, (25, 50), (12, 0)),
        (200, 100, 50, None, (50, 25), (0, 12)),
        (64, 64, 64, None, (64, 64), (0, 0)),
        (10, 20, 40, None, (20, 40), (10, 0)),
        (100, 200, 50, (0, 50, 100, 150), (50, 50), (0, 0)),
        (1, 5000, 100, None, (1, 100), (49, 0)),
    ],
)
def test_the_place_in_the_square(
    rows: int,
    columns: int,
    size: int,
    box: tuple[int, int, int, int] | None,
    inner: tuple[int, int],
    offset: tuple[int, int],
) -> None:
    place = FilmGeometry(rows, columns, size, box)
    assert place.inner == inner and place.offset == offset


def test_a_patch_of_the_square_comes_to_its_place_on_the_film() -> None:
    """Whole factors: every pixel of the square is a block of 4 x 4 of the box."""
    place = FilmGeometry(60, 100, 20, (8, 12, 48, 92))  # 40 x 80 -> 10 x 20, 5 rows of padding on either side
    square = torch.zeros(1, 20, 20)
    square[0, 7, 3] = 1.0
    film = place.to_film(square)
    assert film.shape == (1, 60, 100)
    row, column = np.unravel_index(int(film.argmax()), (60, 100))
    assert abs(row - (8 + (7 - 5) * 4 + 1.5)) <= 0.5 and abs(column - (12 + 3 * 4 + 1.5)) <= 0.5
    assert float(film.sum()) == pytest.approx(16.0, rel=1e-5)


def test_what_was_cut_off_and_the_padding_are_told_apart() -> None:
    place = FilmGeometry(60, 100, 20, (8, 12, 48, 92))
    film = place.to_film(torch.ones(2, 20, 20))
    inside = torch.zeros(60, 100, dtype=torch.bool)
    inside[8:48, 12:92] = True
    assert bool((film[:, inside] == 1).all()) and bool((film[:, ~inside] == 0).all())


def test_a_map_of_patches_is_a_map_of_the_square() -> None:
    place = FilmGeometry(64, 64, 64)
    halves = torch.zeros(1, 4, 4)
    halves[:, :, 2:] = 1.0
    film = place.to_film(halves)
    assert bool((film[0, :, :24] == 0).all()) and bool((film[0, :, 40:] == 1).all())


def test_of_a_record() -> None:
    record = {"original_size": [60, 100], "box": [8, 12, 48, 92], "size": 20, "notes": []}
    assert FilmGeometry.from_record(record) == FilmGeometry(60, 100, 20, (8, 12, 48, 92))
    for broken in ({**record, "box": [8, 12]}, {**record, "size": None}, {"size": 20}, {**record, "size": 0}):
        with pytest.raises(ValueError, match="the record of the film says nothing usable"):
            FilmGeometry.from_record(broken)


@pytest.mark.parametrize("box", [(5, 0, 5, 10), (0, 0, 11, 10), (-1, 0, 5, 5), (0, 6, 10, 3)])
def test_a_box_that_cannot_be(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="is empty or outside of a film 10 x 10"):
        FilmGeometry(10, 10, 5, box)


def test_sizes_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        FilmGeometry(10, 0, 5)
