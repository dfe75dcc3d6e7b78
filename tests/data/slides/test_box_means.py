"""Means over boxes against a loop."""

from __future__ import annotations

import numpy as np

from monai_memvit.data.slides.box_means import box_means


def covered(start: float, end: float, pixels: int) -> np.ndarray:
    """How much of every pixel lies between two edges."""
    index = np.arange(pixels)
    return np.clip(np.minimum(end, index + 1) - np.maximum(start, index), 0, None)


def test_boxes_between_pixels_and_over_the_edge() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(13, 17))
    left, top = random.uniform(-5, 15, 200), random.uniform(-5, 12, 200)
    right, bottom = left + random.uniform(0.1, 9, 200), top + random.uniform(0.1, 9, 200)
    expected = [
        covered(t, b, 13) @ values @ covered(le, r, 17) / ((r - le) * (b - t))
        for le, r, t, b in zip(left, right, top, bottom, strict=True)
    ]
    np.testing.assert_allclose(box_means(values, left, right, top, bottom), expected, atol=1e-12)


def test_whole_pixels_of_a_mask_are_exact() -> None:
    mask = np.random.default_rng(1).random((40, 50)) < 0.4
    edges = (np.array([3, 10]), np.array([20, 50]), np.array([0, 39]), np.array([40, 40]))
    np.testing.assert_array_equal(box_means(mask, *edges), [mask[0:40, 3:20].mean(), mask[39:40, 10:50].mean()])
