"""Pictures obey Beer and Lambert's law."""

from __future__ import annotations

import numpy as np
import pytest

from monai_memvit.data.simulate.stains import EOSIN, HAEMATOXYLIN, Laboratory

CLEAN = Laboratory(np.stack([HAEMATOXYLIN[0], EOSIN[0]]), np.array([1.0, 1.0]), np.array([0.95, 0.94, 0.97]), 0.0, 0.0)


@pytest.mark.parametrize("haematoxylin, eosin", [(0.0, 0.0), (0.5, 0.0), (0.0, 0.7), (0.4, 0.3)])
def test_even_tissue_transmits_by_the_law(haematoxylin: float, eosin: float) -> None:
    tissue = np.stack([np.full((4, 6), haematoxylin), np.full((4, 6), eosin)])
    picture = CLEAN.picture(tissue, np.random.default_rng(0))
    expected = 255 * CLEAN.white * np.exp(-np.log(10.0) * (haematoxylin * HAEMATOXYLIN[0] + eosin * EOSIN[0]))
    assert picture.shape == (4, 6, 3)
    assert np.abs(picture - expected).max() <= 0.5


def test_a_pixel_averages_light_not_stain() -> None:
    tissue = np.zeros((2, 2, 2))
    tissue[0, 0, :] = 2.0
    picture = CLEAN.picture(tissue, np.random.default_rng(0), oversampling=2)
    expected = 255 * CLEAN.white * (1 + 10.0 ** (-2.0 * HAEMATOXYLIN[0])) / 2
    assert np.abs(picture[0, 0] - expected).max() <= 0.5


def test_strength_scales_the_optical_density() -> None:
    tissue = np.full((2, 3, 3), 0.3)
    strong = Laboratory(CLEAN.stains, np.array([2.0, 2.0]), CLEAN.white, 0.0, 0.0)
    rng = np.random.default_rng(0)
    assert np.array_equal(strong.picture(tissue, rng), CLEAN.picture(2 * tissue, rng))


@pytest.mark.parametrize("seed", range(20))
def test_laboratories_are_plausible(seed: int) -> None:
    laboratory = Laboratory.draw(np.random.default_rng(seed))
    assert np.allclose(np.linalg.norm(laboratory.stains, axis=1), 1.0)
    assert (laboratory.stains > 0).all() and (laboratory.white <= 1).all()
    haematoxylin, eosin = laboratory.stains
    assert haematoxylin[0] > eosin[0] and haematoxylin[1] < eosin[1]
