"""Cell classes by the look of their nuclei, and the stain their tissue takes up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

__all__ = ["CELL_CLASSES", "SATURATION", "CellClass", "smooth_noise", "tissue"]

Range = tuple[float, float]


@dataclass(frozen=True)
class CellClass:
    """What the cells of a class have in common; ranges are drawn from evenly, per nucleus.

    Args:
        name: of the class.
        radius: geometric mean of a nucleus's half-axes, in pixels of a 27-pixel patch at about 0.5 micrometres.
        elongation: long over short half-axis.
        irregularity: depth of dents in the outline, relative to the radius.
        density: haematoxylin inside.
        granularity: contrast of the chromatin.
        grain: size of its clumps in pixels.
        rim: excess of haematoxylin along the nuclear membrane.
        neighbours: least and largest number of further nuclei nearby.
        alignment: 1: neighbours lie parallel to the middle one, 0: in any direction.
        fibres: contrast of the eosin fibres around.
        gaps: share of patches with empty gaps between the cells.
        haze: haematoxylin in the cytoplasm.
    """

    name: str
    radius: Range
    elongation: Range
    irregularity: Range
    density: Range
    granularity: Range
    grain: Range
    rim: Range
    neighbours: tuple[int, int]
    alignment: float
    fibres: Range
    gaps: float
    haze: Range


CELL_CLASSES = (
    CellClass(
        name="fibroblast",
        radius=(4.0, 6.2),
        elongation=(2.6, 5.5),
        irregularity=(0.0, 0.2),
        density=(0.45, 1.0),
        granularity=(0.15, 0.45),
        grain=(0.7, 1.2),
        rim=(0.0, 0.3),
        neighbours=(0, 3),
        alignment=0.9,
        fibres=(0.3, 0.9),
        gaps=0.25,
        haze=(0.03, 0.14),
    ),
    CellClass(
        name="inflammatory",
        radius=(3.8, 5.2),
        elongation=(1.0, 1.5),
        irregularity=(0.0, 0.15),
        density=(0.65, 1.2),
        granularity=(0.3, 0.7),
        grain=(0.9, 1.4),
        rim=(0.0, 0.25),
        neighbours=(0, 6),
        alignment=0.0,
        fibres=(0.1, 0.6),
        gaps=0.5,
        haze=(0.03, 0.16),
    ),
    CellClass(
        name="epithelial",
        radius=(6.4, 10.0),
        elongation=(1.0, 1.8),
        irregularity=(0.05, 0.2),
        density=(0.4, 0.9),
        granularity=(0.5, 1.0),
        grain=(0.6, 1.0),
        rim=(0.2, 0.7),
        neighbours=(1, 5),
        alignment=0.7,
        fibres=(0.0, 0.35),
        gaps=0.25,
        haze=(0.06, 0.22),
    ),
    CellClass(
        name="other",
        radius=(3.2, 6.6),
        elongation=(1.0, 2.2),
        irregularity=(0.3, 0.55),
        density=(0.55, 1.15),
        granularity=(0.15, 0.6),
        grain=(0.7, 1.4),
        rim=(0.0, 0.3),
        neighbours=(0, 4),
        alignment=0.3,
        fibres=(0.05, 0.7),
        gaps=0.4,
        haze=(0.03, 0.18),
    ),
)

# Staining depth varies from patch to patch, and much of the difference between classes is taken out, so that the
# amount of a colour says little and form has to be seen.
_USUAL_HAEMATOXYLIN = 0.21
_USUAL_EOSIN = 0.17
_EQUALISED = 0.75
# Dense chromatin binds less than in proportion, and never more than this: nuclei are dark blue, not black.
SATURATION = 0.9
_DEPTH_SPREAD = 0.22


def smooth_noise(shape: tuple[int, int], sigma: float | tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Draw Gaussian noise of unit variance that is correlated over ``sigma`` samples.

    Args:
        shape: of the field.
        sigma: correlation length, for both axes or each.
        rng: source of chance.

    Returns:
        Field of ``shape`` with mean 0 and standard deviation 1.
    """
    field = ndimage.gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
    field -= field.mean()
    return field / field.std()


def tissue(cell: CellClass, samples: int, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Grow a patch of tissue with a cell of the given class in its middle.

    Args:
        cell: class of the middle cell and, for the most part, of its neighbours.
        samples: height and width in tissue samples.
        scale: tissue samples per pixel of a 27-pixel patch.
        rng: source of chance.

    Returns:
        Concentrations of haematoxylin and eosin, ``(2, samples, samples)``, non-negative.
    """
    axis = (np.arange(samples) + 0.5 - samples / 2) / scale
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"))
    angle = rng.uniform(0.0, np.pi)
    eosin = _ground(cell, grid, scale, angle, rng)
    glass = _gaps(samples, scale, rng) if rng.random() < cell.gaps else np.zeros((samples, samples))
    haze = rng.uniform(*cell.haze) * np.clip(1.0 + 0.5 * smooth_noise((samples, samples), 1.2 * scale, rng), 0.0, None)
    grains = smooth_noise((samples, samples), rng.uniform(*cell.grain) * scale, rng)
    nuclei = np.zeros((samples, samples))
    cover = np.zeros((samples, samples))
    for centre, kind, direction in _places(cell, angle, axis[-1], rng):
        inside, content = _nucleus(kind, grid - centre[:, None, None], direction, grains, rng)
        nuclei = np.maximum(nuclei, content)
        cover = np.maximum(cover, inside)
    haematoxylin = nuclei + haze * (1.0 - cover) * (1.0 - glass)
    amount = haematoxylin.mean()
    depth = (_USUAL_HAEMATOXYLIN / amount) ** _EQUALISED * np.exp(rng.normal(0.0, _DEPTH_SPREAD))
    eosin = eosin * (1.0 - 0.65 * cover) * (1.0 - 0.95 * glass * (1.0 - cover)) * np.exp(rng.normal(0.0, _DEPTH_SPREAD))
    return np.stack([SATURATION * np.tanh(haematoxylin * depth / SATURATION), eosin])


def _ground(cell: CellClass, grid: np.ndarray, scale: float, angle: float, rng: np.random.Generator) -> np.ndarray:
    """Eosin of wavy fibres along ``angle`` over a cloudy base; ``grid`` holds y and x in pixels."""
    shape = grid.shape[1:]
    clouds = smooth_noise(shape, 3.0 * scale, rng)
    grains = smooth_noise(shape, 0.5 * scale, rng)
    across = grid[1] * np.sin(angle) + grid[0] * np.cos(angle) + rng.uniform(0.3, 1.5) * clouds
    profile = ndimage.gaussian_filter1d(rng.standard_normal(256), 1.4)
    fibres = np.interp(across, np.linspace(-40.0, 40.0, 256), profile / profile.std())
    contrast = rng.uniform(*cell.fibres) * np.clip(0.6 + 0.4 * np.roll(clouds, shape[0] // 2, axis=0), 0.0, None)
    return _USUAL_EOSIN * np.clip(1.0 + contrast * fibres + 0.2 * clouds + 0.1 * grains, 0.1, None)


def _gaps(samples: int, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Soft mask of empty glass between cells."""
    field = smooth_noise((samples, samples), 3.2 * scale, rng)
    return 1.0 / (1.0 + np.exp(-(field - rng.uniform(0.1, 1.2)) * 6.0))


def _places(
    cell: CellClass, angle: float, reach: float, rng: np.random.Generator
) -> list[tuple[np.ndarray, CellClass, float]]:
    """Centre, class and direction of every nucleus; the middle one first, the others where there is room."""
    places = [(rng.normal(0.0, 0.8, 2), cell, angle + rng.normal(0.0, 0.15))]
    spacing = 1.7 * float(np.mean(cell.radius))
    for _ in range(int(rng.integers(cell.neighbours[0], cell.neighbours[1] + 1))):
        kind = cell if rng.random() < 0.8 else CELL_CLASSES[int(rng.integers(len(CELL_CLASSES)))]
        for _ in range(6):
            centre = rng.uniform(-1.2 * reach, 1.2 * reach, 2)
            if all(np.hypot(*(centre - other)) > spacing for other, _, _ in places):
                spread = (1.0 - cell.alignment) * np.pi / 2 + 0.1
                places.append((centre, kind, angle + rng.uniform(-spread, spread)))
                break
    return places


def _nucleus(
    kind: CellClass, offset: np.ndarray, direction: float, grains: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Soft mask and haematoxylin of one nucleus, ``offset`` being the samples' distance (y, x) from its centre."""
    radius, elongation = rng.uniform(*kind.radius), rng.uniform(*kind.elongation)
    along = offset[1] * np.cos(direction) - offset[0] * np.sin(direction)
    across = offset[1] * np.sin(direction) + offset[0] * np.cos(direction)
    along, across = along / (radius * elongation**0.5), across / (radius * elongation**-0.5)
    around = np.arctan2(across, along)
    depth = rng.uniform(*kind.irregularity)
    dents = sum(rng.normal(0.0, depth / n**0.5) * np.cos(n * around + rng.uniform(0, 2 * np.pi)) for n in (2, 3, 4, 5))
    level = np.hypot(along, across) - (1.0 + 0.6 * dents)
    softness = rng.uniform(0.35, 0.8) / (radius * elongation**-0.5)
    inside = 1.0 / (1.0 + np.exp(np.clip(level / softness * 2.0, -30.0, 30.0)))
    chromatin = 1.0 + 0.7 * rng.uniform(*kind.granularity) * grains
    membrane = rng.uniform(*kind.rim) * np.exp(-(((level + 0.08) / 0.13) ** 2))
    return inside, inside * rng.uniform(*kind.density) * np.clip(chromatin + membrane, 0.15, None)
