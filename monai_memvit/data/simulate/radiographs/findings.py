"""Findings of a simulated chest: where they are, and what they add to the film."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from .options import FINDINGS, RadiographSimulation
from .shapes import Plane, smooth_noise
from .thorax import Thorax

__all__ = ["Box", "Consolidation", "Effusion", "Findings", "Nodule"]

Box = tuple[float, float, float, float]  # least x and y, greatest x and y, in mm from the film's middle


_PER_MM = 0.09  # of a nodule: calcified, so denser than soft tissue


@dataclass(frozen=True)
class Consolidation:
    """Airspace filled with fluid: no air, with an uneven outline.

    Args:
        middle: in mm from the film's middle.
        radius: in mm.
        outline_seed: of its outline.
    """

    middle: tuple[float, float]
    radius: float
    outline_seed: int

    def share(self, plane: Plane) -> np.ndarray:
        """Share of the air that it takes away, 0 to 1.

        Args:
            plane: of the film.
        """
        squared = np.square(plane.x - self.middle[0]) + np.square(1.25 * (plane.y - self.middle[1]))
        rng = np.random.default_rng(self.outline_seed)
        uneven = 0.28 * smooth_noise(plane, 0.5 * self.radius, rng)
        return 0.75 * expit(10.0 * (1.0 - np.sqrt(squared) / self.radius - np.clip(uneven, -0.3, 0.3)))


@dataclass(frozen=True)
class Effusion:
    """Fluid at the bottom of the chest: level towards the middle, rising to the side.

    Args:
        side: 1 for the patient's left (at the right of the film), -1 for the right.
        level: height of the fluid, y downwards, in mm from the chest's middle.
    """

    side: int
    level: float

    def share(self, thorax: Thorax, plane: Plane) -> np.ndarray:
        """Share of the air that it takes away, 0 to 1.

        Args:
            thorax: of the patient.
            plane: of the film.
        """
        x, y = plane.x - thorax.shift[0], plane.y - thorax.shift[1]
        to_side = np.maximum(thorax.lateral(y) - self.side * x, 0.0)
        surface = self.level - 38.0 * np.exp(-to_side / 20.0)
        return (self.side * x > 0) * expit((y - surface) / 2.5)


@dataclass(frozen=True)
class Nodule:
    """A dense little ball.

    Args:
        middle: in mm from the film's middle.
        radius: in mm.
    """

    middle: tuple[float, float]
    radius: float

    def box(self) -> Box:
        """Where it is."""
        (x, y), r = self.middle, self.radius
        return x - r, y - r, x + r, y + r

    def add(self, image: np.ndarray, plane: Plane) -> None:
        """Add its shadow, in place.

        Args:
            image: attenuation on the plane.
            plane: of the film.
        """
        low_x, low_y, high_x, high_y = self.box()
        edge = plane.spacing
        rows, columns = plane.window((low_x - edge, low_y - edge), (high_x + edge, high_y + edge))
        # A pixel averages over its area: a grid of four by four points in each.
        offsets = (np.arange(4) - 1.5) / 4 * plane.spacing
        squared = np.square(plane.x[:, columns, None, None] + offsets - self.middle[0]) + np.square(
            plane.y[rows, :, None, None] + offsets[:, None] - self.middle[1]
        )
        chord = 2.0 * np.sqrt(np.maximum(self.radius**2 - squared, 0.0)).mean(axis=(2, 3))
        image[rows, columns] += _PER_MM * chord


@dataclass(frozen=True)
class Findings:
    """All findings of one film.

    Args:
        thorax: of the patient, with an enlarged heart where there is cardiomegaly.
        consolidation: or None.
        nodule: or None.
        effusion: or None.
        cardiomegaly: whether the heart is enlarged.
    """

    thorax: Thorax
    consolidation: Consolidation | None
    nodule: Nodule | None
    effusion: Effusion | None
    cardiomegaly: bool

    @classmethod
    def draw(cls, thorax: Thorax, options: RadiographSimulation, rng: np.random.Generator) -> Findings:
        """Draw which findings there are, and where.

        Args:
            thorax: of the patient.
            options: with their prevalence and the nodules' size.
            rng: source of chance.
        """
        present = dict(zip(FINDINGS, (rng.random(len(FINDINGS)) < options.prevalence).tolist()))
        # Everything is drawn whether it is there or not: no finding shifts the chance of another.
        large = replace(thorax, heart_ratio=float(rng.uniform(0.57, 0.68)))
        spots = _spots_in_the_lung(large, rng, (0.60, 0.68))
        consolidation = Consolidation(spots[0], float(rng.uniform(20.0, 42.0)), int(rng.integers(2**31)))
        nodule = Nodule(spots[1], 0.5 * float(rng.uniform(*options.nodule_mm)))
        effusion = Effusion(int(rng.choice((-1, 1))), thorax.base - float(rng.uniform(0.0, 55.0)))
        return cls(
            large if present["cardiomegaly"] else thorax,
            consolidation if present["consolidation"] else None,
            nodule if present["nodule"] else None,
            effusion if present["effusion"] else None,
            present["cardiomegaly"],
        )

    def truth(self) -> dict[str, int]:
        """Which findings there are, in the order of ``FINDINGS``."""
        parts = (self.consolidation, self.nodule, self.effusion, self.cardiomegaly or None)
        return {name: int(part is not None) for name, part in zip(FINDINGS, parts)}

    def air(self, plane: Plane) -> np.ndarray:
        """Depth of aerated lung, as a share of the greatest.

        Args:
            plane: of the film.
        """
        air = self._lungs(plane)
        if self.consolidation:
            air = air * (1.0 - self.consolidation.share(plane))
        if self.effusion:
            air = air * (1.0 - self.effusion.share(self.thorax, plane))
        return air

    def boxes(self, plane: Plane) -> dict[str, Box]:
        """Where the findings are, by name.

        Args:
            plane: of the film.
        """
        lungs, boxes = self._lungs(plane), {}
        if self.consolidation:
            boxes["consolidation"] = _box_of(self.consolidation.share(plane) * lungs > 0.25, plane)
        if self.nodule:
            boxes["nodule"] = self.nodule.box()
        if self.effusion:
            boxes["effusion"] = _box_of(self.effusion.share(self.thorax, plane) * lungs > 0.25, plane)
        if self.cardiomegaly:
            x, y, a, b = self.thorax.heart_axes()
            x, y = x + self.thorax.shift[0], y + self.thorax.shift[1]
            boxes["cardiomegaly"] = (x - a, y - b, x + a, y + b)
        return boxes

    def _lungs(self, plane: Plane) -> np.ndarray:
        x, y = plane.x - self.thorax.shift[0], plane.y - self.thorax.shift[1]
        return self.thorax.lung(x, y, -1) + self.thorax.lung(x, y, 1)


def _spots_in_the_lung(
    thorax: Thorax, rng: np.random.Generator, depths: tuple[float, ...]
) -> list[tuple[float, float]]:
    """One point for each wanted share of the lung's depth, clear of the heart."""
    spots: list[tuple[float, float]] = []
    while len(spots) < len(depths):
        side = int(rng.choice((-1, 1)))
        x, y = np.array(side * rng.uniform(30.0, thorax.width)), np.array(rng.uniform(-130.0, thorax.base))
        if thorax.lung(x, y, side) > depths[len(spots)] and thorax.heart(x, y) == 0.0:
            spots.append((float(x) + thorax.shift[0], float(y) + thorax.shift[1]))
    return spots


def _box_of(mask: np.ndarray, plane: Plane) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y, half = plane.x.ravel(), plane.y.ravel(), plane.spacing / 2
    return (
        float(x[columns[0]]) - half,
        float(y[rows[0]]) - half,
        float(x[columns[-1]]) + half,
        float(y[rows[-1]]) + half,
    )
