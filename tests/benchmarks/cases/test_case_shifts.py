"""Other stain, coil and device: fixed changes that keep range and shape."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_memvit.benchmarks.cases.case_shifts import SHIFTS, other_coil, other_device, other_stain


def test_other_stain_scales_the_amounts_of_the_stains():
    """Ruifrok and Johnston 2001: optical densities are sums of the stains' own."""
    stains = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
    image = torch.rand(3, 5, 5) * 0.5 + 0.3
    density = -np.log10(image.permute(1, 2, 0).double().numpy().reshape(-1, 3))
    amounts = np.linalg.lstsq(stains.T, density.T, rcond=None)[0].T
    wanted = np.clip(10 ** -(amounts * [1.5, 0.6, 1.0] @ stains), 0, 1).reshape(5, 5, 3)
    np.testing.assert_allclose(other_stain(image).permute(1, 2, 0), wanted, atol=1e-5)


def test_other_coil_fades_from_front_to_back_and_leaves_the_background():
    image = torch.ones(2, 20, 8)
    image[:, :, 0] = 0
    seen = other_coil(image)
    assert (seen[:, :, 0] == 0).all()
    inner = seen[0, 1:-1, 4]
    assert (inner.diff() < 0).all() and float(inner[0] / inner[-1]) > 3


def test_other_device_stays_in_range_and_keeps_the_order_of_greys():
    grey = torch.linspace(0, 1, 30)[None, :, None].expand(1, 30, 6)
    seen = other_device(grey)[0, 2:-2, 3]
    assert ((seen >= 0) & (seen <= 1)).all() and (seen.diff() > 0).all()


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_shift_changes_the_image_alone_and_always_the_same(shift):
    item = {"image": torch.rand(3, 8, 8), "label": 1}
    once, again = item, item
    for step in SHIFTS[shift]:
        once, again = step(once), step(again)
    assert once["label"] == 1 and torch.equal(once["image"], again["image"])
    assert torch.equal(once["image"], item["image"]) == (shift == "none")
