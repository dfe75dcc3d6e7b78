"""The width of blur against edges of known blur, and real tissue blurred on purpose."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.special import erf

from monai_memvit.data.slides import open_slide
from monai_memvit.data.slides.focus import blur_um


@pytest.mark.parametrize("sigma_um", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("mpp", [0.25, 0.5])
def test_an_edge_tells_its_blur(sigma_um: float, mpp: float) -> None:
    place = (np.arange(512) - 255.5) * mpp
    edge = 120 + 90 * erf(place / (sigma_um * math.sqrt(2)))
    picture = np.repeat(np.round(edge)[None, :, None], 256, axis=0).repeat(3, axis=2).astype(np.uint8)
    assert blur_um(picture, mpp) == pytest.approx(sigma_um, rel=0.05)


def test_nothing_to_see_is_not_judged() -> None:
    assert math.isnan(blur_um(np.full((64, 64, 3), 230, np.uint8), 0.5))


def test_tissue_out_of_focus_is_told(wsi: Path) -> None:
    tile = open_slide(wsi / "cmu_small_region.svs").read(800, 1200, 512, 512)
    blurs = [
        blur_um(
            np.round(ndimage.gaussian_filter(tile.astype(float), (s / 0.499, s / 0.499, 0))).astype(np.uint8), 0.499
        )
        for s in (0, 1, 2, 3, 5)
    ]
    assert blurs == sorted(blurs)
    assert blurs[0] < 0.5 and blurs[3] > 1.25
