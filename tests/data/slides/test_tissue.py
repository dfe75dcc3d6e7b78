"""Masks of pictures whose tissue is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_memvit.data.slides import open_slide, tissue_mask
from monai_memvit.data.slides.overview import Overview, read_overview

INKS = {"green": (20, 140, 90), "blue": (40, 40, 130), "red": (210, 25, 25), "black": (15, 15, 17)}


def overview_of(pixels: np.ndarray, mpp: float = 8.0) -> Overview:
    return Overview(pixels, 16.0, (mpp, mpp), 0)


def disc(shape: tuple[int, int], row: float, column: float, radius: float) -> np.ndarray:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def he_disc(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A disc of tissue on slightly uneven glass."""
    random = np.random.default_rng(seed)
    inside = disc((300, 400), 150, 200, 90)
    picture = (
        np.array([240.0, 237, 241]) + np.linspace(-8, 0, 400)[None, :, None] + random.normal(0, 1.5, (300, 400, 1))
    )
    picture[inside] = np.array([205, 140, 180]) + random.normal(0, 12, (inside.sum(), 1))
    return np.clip(picture, 0, 255).astype(np.uint8), inside


def agreement(mask: np.ndarray, truth: np.ndarray) -> float:
    return float((mask & truth).sum() / (mask | truth).sum())


def test_tissue_on_glass() -> None:
    picture, inside = he_disc()
    mask = tissue_mask(overview_of(picture))
    assert agreement(mask.tissue, inside) > 0.98
    assert not mask.pen.any()
    assert mask.area_mm2 == pytest.approx(inside.sum() * 64e-6, rel=0.02)


@pytest.mark.parametrize("ink", INKS)
def test_strokes_are_pen_and_not_tissue(ink: str) -> None:
    picture, inside = he_disc()
    stroke = np.zeros((300, 400), bool)
    stroke[20:45, 50:350] = True  # 200 µm broad, on glass
    stroke[60:250, 215:240] = True  # over the tissue
    picture[stroke] = INKS[ink]
    mask = tissue_mask(overview_of(picture))
    assert (mask.pen & stroke).sum() > 0.95 * stroke.sum()
    assert not (mask.tissue & stroke).any()
    assert agreement(mask.tissue, inside & ~mask.pen) > 0.95
    assert mask.pen.sum() < 2.5 * stroke.sum()


def test_dust_edges_debris_and_filling_are_no_tissue() -> None:
    picture, inside = he_disc()
    picture[5:9] = (120, 120, 122)  # edge of a coverslip
    picture[20:24, 20:24] = (190, 110, 165)  # debris of 0.001 mm²
    picture[250:, :80] = 0  # never scanned
    mask = tissue_mask(overview_of(picture))
    assert agreement(mask.tissue, inside) > 0.98


def test_gaps_between_cells_close_and_a_lumen_does_not() -> None:
    picture, inside = he_disc()
    lumen = disc((300, 400), 150, 200, 20)
    gaps = np.zeros_like(inside)
    gaps[::9, ::9] = True
    picture[lumen | (inside & gaps)] = (240, 237, 241)
    mask = tissue_mask(overview_of(picture))
    assert agreement(mask.tissue, inside & ~lumen) > 0.96


def test_empty_glass_has_none() -> None:
    picture = np.clip(np.random.default_rng(0).normal(238, 2, (100, 100, 1)).repeat(3, 2), 0, 255).astype(np.uint8)
    assert not tissue_mask(overview_of(picture)).tissue.any()


def test_fluorescence_is_what_glows() -> None:
    random = np.random.default_rng(0)
    inside = disc((200, 300), 100, 150, 70)
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[..., 2] = random.poisson(2, (200, 300))
    nuclei = inside & (random.random((200, 300)) < 0.2)
    picture[nuclei, 2] = 180
    assert agreement(tissue_mask(overview_of(picture), "fluorescence").tissue, inside) > 0.9


def test_the_share_of_a_tile() -> None:
    picture, _ = he_disc()
    mask = tissue_mask(overview_of(picture))
    x, y = np.array([0, 1600, 3203]), np.array([0, 1600, 2407])
    shares = mask.share(x, y, 320, 320)
    assert shares[0] == 0
    np.testing.assert_allclose(shares[1], mask.tissue[100:120, 100:120].mean())
    fine = mask.tissue.repeat(16, axis=0).repeat(16, axis=1)
    np.testing.assert_allclose(shares[2], fine[2407 : 2407 + 320, 3203 : 3203 + 320].mean(), atol=1e-9)


@pytest.mark.parametrize(
    ("name", "stain", "least", "most"),
    [
        ("cmu_small_region.svs", "he", 0.3, 0.42),
        ("tcga-cr-7395.svs", "he", 0.55, 0.68),
        ("dicom_jpeg2000", "he", 0.25, 0.35),
        ("fluorescence_dapi.ndpi", "fluorescence", 0.6, 0.9),
    ],
)
def test_real_slides(wsi: Path, name: str, stain: str, least: float, most: float) -> None:
    """The shares were drawn up by eye; the coverslip's edge and the pen on it lie in the first rows of the third."""
    mask = tissue_mask(read_overview(open_slide(wsi / name, mpp=0.5)), stain)
    assert least < mask.tissue.mean() < most
    if name == "dicom_jpeg2000":
        assert mask.pen[:25].any() and mask.tissue[:25].mean() < 0.01
