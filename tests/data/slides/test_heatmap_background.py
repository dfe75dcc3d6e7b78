"""Grey pictures of slides: their shape, what they show, and what happens without the slide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_memvit.data.slides import TileOptions, index_slide
from monai_memvit.data.slides import heatmap_background as background
from monai_memvit.data.slides.heatmap_background import slide_in_grey


@pytest.fixture
def index(he_slide: Path) -> Any:
    return index_slide(he_slide, TileOptions(tile=64))[0]


@pytest.mark.parametrize(("longest", "shape"), [(1536, (1152, 1536)), (512, (384, 512))])
@pytest.mark.parametrize("sampled", [False, True])
def test_tissue_is_dark_where_it_lies(
    index: Any, tmp_path: Path, longest: int, shape: tuple[int, int], sampled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slide has 2048x1536 pixels, tissue from (512, 256) to (1536, 1280)."""
    if sampled:
        monkeypatch.setattr(background, "_READ_WHOLE", 1000)  # as of a slide without a small level
        if longest == 1536:
            shape = (576, 768)
    grey = slide_in_grey(index, tmp_path / "none.png", longest)
    assert grey.shape == shape and grey.dtype == np.float32 and 0.35 <= grey.min() and grey.max() <= 1
    scale = shape[1] / 2048
    inside = np.s_[round(300 * scale) : round(1240 * scale), round(560 * scale) : round(1490 * scale)]
    outside = np.s_[: round(210 * scale), :]
    luma = (0.299 * 190 + 0.587 * 110 + 0.114 * 165) / 255
    assert grey[inside].mean() == pytest.approx(0.35 + 0.65 * luma, abs=0.01)
    assert grey[outside].mean() == pytest.approx(0.35 + 0.65 * 239 / 255, abs=0.01)


def test_without_the_slide_its_thumbnail_is_taken(index: Any, he_slide: Path, tmp_path: Path) -> None:
    he_slide.unlink()
    thumbnail = np.full((30, 40, 3), 255, np.uint8)
    thumbnail[:, 20:] = 0
    thumbnail[0] = 255
    Image.fromarray(thumbnail).save(tmp_path / "thumbnail.png")
    grey = slide_in_grey(index, tmp_path / "thumbnail.png")
    assert grey.shape == (576, 768)
    assert grey[50:, :300].min() > 0.99 and grey[50:, -300:].max() < 0.36
    assert (slide_in_grey(index, tmp_path / "none.png") == 1).all()


def test_fluorescence_is_inverted(wsi: Path, tmp_path: Path) -> None:
    index = index_slide(wsi / "fluorescence_dapi.ndpi", TileOptions(stain="fluorescence", mpp_target=2.0))[0]
    grey = slide_in_grey(index, tmp_path / "none.png")
    assert np.median(grey) > 0.9 and grey.min() == pytest.approx(0.35)
