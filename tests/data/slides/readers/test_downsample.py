"""Downsamples told from rounded sizes."""

from __future__ import annotations

import math
import random

import pytest

from monai_memvit.data.slides.readers.downsample import true_downsample


@pytest.mark.parametrize("rounded", [math.floor, math.ceil])
@pytest.mark.parametrize("downsample", [1, 2, 3, 4, 10, 16, 32])
def test_whole_numbers_are_found(downsample: int, rounded: object) -> None:
    chance = random.Random(downsample)
    for _ in range(200):
        full = chance.randint(2000, 200_000), chance.randint(2000, 200_000)
        reduced = tuple(rounded(side / downsample) for side in full)  # type: ignore[operator]
        assert true_downsample(full, reduced) == downsample


def test_a_small_level_is_taken_for_a_power_of_two() -> None:
    assert true_downsample((2003, 1501), (15, 11)) == 128
    assert true_downsample((2003, 1501), (1, 1)) == pytest.approx(2048)


def test_what_is_no_whole_number_is_the_mean() -> None:
    assert true_downsample((10_000, 8000), (4000, 3200)) == 2.5
    assert true_downsample((2220, 2967), (574, 768)) == pytest.approx((2220 / 574 + 2967 / 768) / 2)
