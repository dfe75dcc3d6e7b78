"""One simulated slide: tissue with its cells, perhaps a lesion, photographed, with its flaws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..cells import CELL_CLASSES, SATURATION, smooth_noise
from ..stains import Laboratory
from .flaws import blur_region, draw_pen
from .nuclei import nucleus_stamps, scatter, stamp_nuclei
from .options import SlideSimulation
from .shapes import inside_polygon, place_in, tissue_outline, uneven_circle

__all__ = ["SimulatedSlide", "simulate_slide"]

_CELLS = {cell.name: cell for cell in CELL_CLASSES}
# A tumour's nuclei are large, dense and of many shapes; those of an inflammation, which healthy tissue has too, are as
# dense, but small and round.
_TUMOUR = replace(_CELLS["epithelial"], radius=(8.0, 13.0), irregularity=(0.2, 0.5), density=(0.6, 1.1))
_SPACING_UM = {"fibroblast": 22.0, "inflammatory": 34.0, "other": 60.0}
_CROWD_UM, _TUMOUR_UM = 8.5, 12.5
_STAMPS = 64
_PERIOD = 512  # pixels, after which the ground repeats itself
_EOSIN, _HAZE = 0.18, 0.05
_STRIP = 256  # rows photographed at a time


@dataclass(frozen=True)
class SimulatedSlide:
    """A slide and its truth.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB, level 0.
        patient: number, from 0.
        number: of the patient's slide, from 0.
        label: 1 with a lesion.
        regions: kind (``lesion``, ``inflammation``, ``pen``, ``blur``) and ``(N, 2)`` vertices (x, y) in level-0
            pixels.
        tissue_pixels: level-0 pixels of tissue.
        lesion_pixels: of these, of the lesion.
    """

    pixels: np.ndarray
    patient: int
    number: int
    label: int
    regions: Sequence[tuple[str, np.ndarray]]
    tissue_pixels: int
    lesion_pixels: int


def simulate_slide(patient: int, seed: int, number: int, options: SlideSimulation) -> SimulatedSlide:
    """Simulate one slide; it depends on the arguments alone.

    Args:
        patient: number, from 0.
        seed: of the cohort.
        number: of the patient's slide, from 0.
        options: how slides are made.
    """
    rng = np.random.default_rng([seed, 2, patient, number])
    laboratory = Laboratory.draw(np.random.default_rng([seed, 1, patient]))
    label = _label(patient, seed, options.prevalence)
    width, height = options.size
    outline = tissue_outline(width, height, rng)
    tissue = outline > 0.5
    regions = _crowds(tissue, options, rng)
    if label:
        area = options.lesion_share * float(tissue.sum())
        centre = place_in(tissue, 1.5 * np.sqrt(area / np.pi), rng)
        regions.append(("lesion", uneven_circle(centre, area, rng)))
    lesion = _union(regions, "lesion", width, height) & tissue
    pixels = _photograph(_concentrations(outline, lesion, regions, options, rng), laboratory, rng)
    if rng.random() < options.blur:
        regions.append(("blur", blur_region(pixels, tissue & ~lesion, options.mpp, rng)))
    if rng.random() < options.pen:
        regions.append(("pen", draw_pen(pixels, lesion, options.mpp, rng)))
    return SimulatedSlide(pixels, patient, number, label, regions, int(tissue.sum()), int(lesion.sum()))


def _label(patient: int, seed: int, prevalence: float) -> int:
    """As even as can be: of any n patients in a row, n times the prevalence, give or take one, have a lesion."""
    start = np.random.default_rng([seed, 0]).random()
    return int(np.floor((patient + 1) * prevalence + start) - np.floor(patient * prevalence + start))


def _crowds(tissue: np.ndarray, options: SlideSimulation, rng: np.random.Generator) -> list[tuple[str, np.ndarray]]:
    found = []
    for _ in range(int(rng.integers(3, 7))):
        radius = rng.uniform(40, 90) / options.mpp
        found.append(("inflammation", uneven_circle(place_in(tissue, radius, rng), np.pi * radius**2, rng)))
    return found


def _union(regions: Sequence[tuple[str, np.ndarray]], kind: str, width: int, height: int) -> np.ndarray:
    found = np.zeros((height, width), bool)
    for name, vertices in regions:
        if name == kind:
            found |= inside_polygon(vertices, width, height)
    return found


def _concentrations(
    outline: np.ndarray,
    lesion: np.ndarray,
    regions: Sequence[tuple[str, np.ndarray]],
    options: SlideSimulation,
    rng: np.random.Generator,
) -> np.ndarray:
    """Haematoxylin and eosin, ``(2, H, W)`` float32."""
    height, width = outline.shape
    tissue = outline > 0.5
    crowd = _union(regions, "inflammation", width, height) & tissue & ~lesion
    nuclei = np.zeros(outline.shape, np.float32)
    for name, spacing in _SPACING_UM.items():
        places = scatter(tissue & ~lesion, spacing / options.mpp, rng)
        stamp_nuclei(nuclei, places, nucleus_stamps(_CELLS[name], options.mpp, _STAMPS, rng), rng)
    for cell, where, spacing in ((_CELLS["inflammatory"], crowd, _CROWD_UM), (_TUMOUR, lesion, _TUMOUR_UM)):
        stamps = nucleus_stamps(cell, options.mpp, _STAMPS, rng)
        stamp_nuclei(nuclei, scatter(where, spacing / options.mpp, rng), stamps, rng)
    ground = _ground(outline.shape, options.mpp, rng) * outline
    eosin = _EOSIN * ground * (1 - 0.65 * np.minimum(nuclei, 1))
    haematoxylin = SATURATION * np.tanh((nuclei + _HAZE * ground) / SATURATION)
    return np.stack([haematoxylin, eosin])


def _ground(shape: tuple[int, ...], mpp: float, rng: np.random.Generator) -> np.ndarray:
    """Clouds and fibres around 1, float32."""
    field = np.zeros(shape, np.float32)
    for sigma, weight in (((40.0, 40.0), 0.12), ((1.2, 7.0), 0.12), ((7.0, 1.2), 0.12), ((1.0, 1.0), 0.1)):
        sides = tuple(max(side / mpp, 0.4) for side in sigma)
        noise = smooth_noise((_PERIOD, _PERIOD), (sides[0], sides[1]), rng).astype(np.float32)
        repeats = [-(-side // _PERIOD) for side in shape]
        field += weight * np.tile(noise, repeats)[: shape[0], : shape[1]]
    return np.clip(1 + field, 0.2, None)


def _photograph(concentrations: np.ndarray, laboratory: Laboratory, rng: np.random.Generator) -> np.ndarray:
    rows = range(0, concentrations.shape[1], _STRIP)
    return np.concatenate([laboratory.picture(concentrations[:, row : row + _STRIP], rng) for row in rows])
