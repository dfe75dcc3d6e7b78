"""Tissue of each class has the form that its description gives."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from monai_memvit.data.simulate.cells import CELL_CLASSES, SATURATION, CellClass, smooth_noise, tissue


def lone(radius: float, elongation: float) -> CellClass:
    """A class of one even nucleus without surroundings."""
    return dataclasses.replace(
        CELL_CLASSES[0],
        radius=(radius, radius),
        elongation=(elongation, elongation),
        irregularity=(0.0, 0.0),
        granularity=(0.0, 0.0),
        rim=(0.0, 0.0),
        neighbours=(0, 0),
        gaps=0.0,
        haze=(0.0, 0.0),
    )


@pytest.mark.parametrize("radius, elongation", [(4.0, 1.0), (5.0, 2.0), (4.0, 4.0)])
@pytest.mark.parametrize("seed", range(4))
def test_a_nucleus_has_the_area_and_elongation_of_its_class(radius: float, elongation: float, seed: int) -> None:
    haematoxylin = tissue(lone(radius, elongation), 80, 2.0, np.random.default_rng(seed))[0]
    haematoxylin = np.arctanh(haematoxylin / SATURATION)
    inside = np.argwhere(haematoxylin > haematoxylin.max() / 2) / 2.0
    assert len(inside) / 4 == pytest.approx(np.pi * radius**2, rel=0.12)
    spread = np.linalg.eigvalsh(np.cov(inside.T))
    assert np.sqrt(spread[1] / spread[0]) == pytest.approx(elongation, rel=0.12)


@pytest.mark.parametrize("cell", CELL_CLASSES, ids=lambda cell: cell.name)
def test_tissue_is_finite_and_not_negative(cell: CellClass) -> None:
    for seed in range(5):
        concentrations = tissue(cell, 54, 2.0, np.random.default_rng(seed))
        assert concentrations.shape == (2, 54, 54)
        assert np.isfinite(concentrations).all() and (concentrations >= 0).all()


@pytest.mark.parametrize("sigma", [1.0, 3.0])
def test_smooth_noise_has_unit_variance_and_its_correlation(sigma: float) -> None:
    field = smooth_noise((256, 256), sigma, np.random.default_rng(0))
    assert field.mean() == pytest.approx(0.0, abs=1e-9)
    assert field.std() == pytest.approx(1.0)
    lag = int(2 * sigma)  # white noise blurred twice by sigma: correlation exp(-lag^2 / (4 sigma^2))
    assert (field * np.roll(field, lag, axis=0)).mean() == pytest.approx(np.exp(-1.0), abs=0.06)
