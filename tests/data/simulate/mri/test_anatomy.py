"""A head is made of the tissues of a head, in plausible amounts and places."""

from __future__ import annotations

import numpy as np
import pytest

from monai_memvit.data.simulate.mri.anatomy import Anatomy, grow_anatomy
from monai_memvit.data.simulate.mri.head import Shape
from monai_memvit.data.simulate.mri.tumours import Glioma


@pytest.fixture(scope="module")
def heads() -> list[Anatomy]:
    """Three without a tumour, and the first one with one."""
    shapes = [Shape.draw(np.random.default_rng(i)) for i in (0, 1, 2, 0)]
    gliomas = [None, None, None, Glioma.draw(np.random.default_rng(9))]
    return [grow_anatomy(s, g, 2.0, np.random.default_rng(5)) for s, g in zip(shapes, gliomas)]


def millilitres(fraction: np.ndarray) -> float:
    """Volume at 2 mm."""
    return float(fraction.sum(dtype=float)) * 8.0 / 1000.0


def test_shares_are_shares(heads: list[Anatomy]) -> None:
    for head in heads:
        total = sum(head.fractions.values())
        assert total.min() >= 0.0 and total.max() <= 1.0 + 1e-5
        assert total[:, :, -1].max() == 0.0, "air above the head"
        assert np.isclose(head.texture.mean(), 1.0, atol=0.01)


def test_volumes_are_those_of_adults(heads: list[Anatomy]) -> None:
    for head in heads[:3]:
        grey, white = (millilitres(head.fractions[name]) for name in ("grey matter", "white matter"))
        assert 1200.0 < millilitres(head.brain) < 2100.0
        assert 300.0 < grey < 900.0
        assert 350.0 < white < 900.0
        assert not head.fractions["enhancing tumour"].any()
    assert len({round(millilitres(head.brain)) for head in heads[:3]}) == 3


def test_a_straight_line_from_the_middle_meets_the_layers_in_order(heads: list[Anatomy]) -> None:
    head = heads[0]
    x, y, z = (round(float(-offset / 2.0)) for offset in head.affine[:3, 3])
    order = []
    for name in ("white matter", "grey matter", "bone", "fat"):
        ray = head.fractions[name][x + 12, y + 5, z + 10 :] + head.fractions[name][x - 12, y - 5, z + 10 :]
        order.append(np.average(np.arange(len(ray)), weights=ray))
    assert order == sorted(order)


def test_a_tumour_changes_what_is_near_and_nothing_far(heads: list[Anatomy]) -> None:
    centre = np.array(Glioma.draw(np.random.default_rng(9)).centre)
    healthy, ill = heads[0], heads[3]
    changed = np.abs(healthy.fractions["white matter"] - ill.fractions["white matter"]) > 0.2
    points = np.argwhere(changed) * 2.0 + healthy.affine[:3, 3]
    assert len(points) > 200
    assert np.linalg.norm(points - centre, axis=1).max() < 75.0
    assert millilitres(ill.fractions["enhancing tumour"]) > 1.0
    np.testing.assert_array_equal(healthy.fractions["bone"], ill.fractions["bone"])


def test_signals_are_mixed_by_share(heads: list[Anatomy]) -> None:
    head = heads[0]
    mixed = head.mixed({name: float(name == "fat") for name in head.fractions})
    np.testing.assert_allclose(mixed, head.fractions["fat"] * head.texture, rtol=1e-5)
