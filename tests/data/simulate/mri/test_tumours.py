"""A glioma lies in the cerebrum, its parts are nested, and it pushes tissue outwards."""

from __future__ import annotations

import numpy as np

from monai_memvit.data.simulate.mri.tumours import Glioma


def test_parts_are_nested_irregular_and_about_as_large_as_drawn() -> None:
    glioma = Glioma.draw(np.random.default_rng(0))
    axes = [np.arange(c - 50.0, c + 50.0, 1.5, dtype=np.float32) for c in glioma.centre]
    points = tuple(np.meshgrid(*axes, indexing="ij"))
    parts = glioma.compartments(points)
    assert np.all((parts.necrosis > 0) <= (parts.core > 0))
    assert np.all((parts.core > 0) <= (parts.oedema > 0))
    volume = (parts.core > 0).sum() * 1.5**3
    assert 0.6 < volume / (4 / 3 * np.pi * glioma.radius**3) / np.prod(glioma.stretch) < 1.6
    border = np.abs(parts.core) < 0.75
    distance = np.sqrt(sum((p[border] - c) ** 2 for p, c in zip(points, glioma.centre)))
    assert distance.std() > 0.08 * glioma.radius


def test_places_differ_and_lie_off_the_midline_within_the_cerebrum() -> None:
    centres = np.array([Glioma.draw(np.random.default_rng(i)).centre for i in range(60)])
    assert np.all(np.abs(centres[:, 0]) > 15.0)
    shares = (centres - [0.0, -2.0, 12.0]) / [64.0, 80.0, 50.0]
    assert np.all(np.linalg.norm(shares, axis=1) < 0.75)
    assert (centres[:, 0] > 0).mean() > 0.25 and (centres[:, 0] < 0).mean() > 0.25


def test_tissue_is_pushed_straight_away_from_the_centre_without_folding() -> None:
    glioma = Glioma.draw(np.random.default_rng(1))
    way = np.linspace(0.0, 90.0, 300)
    direction = np.array([0.6, 0.0, 0.8])
    line = tuple(c + way * d for c, d in zip(glioma.centre, direction))
    before = np.stack(glioma.pushed(line)) - np.array(glioma.centre)[:, None]
    along = direction @ before
    np.testing.assert_allclose(before, direction[:, None] * along, atol=1e-6)
    assert np.all(along <= way + 1e-9) and np.all(np.diff(along) > 0)
    assert along[-1] == np.float64(along[-1]) and abs(along[-1] - 90.0) < 0.1
