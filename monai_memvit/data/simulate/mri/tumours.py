"""A glioma of irregular form: a necrotic core in an enhancing rim, oedema around, and the tissue it pushes aside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fields import Points, SplineNoise, Triple

__all__ = ["Compartments", "Glioma"]

# Where the middle of a glioma may lie: in the cerebrum, as shares of its half-axes (mm) around its middle.
_CEREBRUM, _MIDDLE = (64.0, 80.0, 50.0), (0.0, -2.0, 12.0)
_DEPTHS = (0.45, 0.72)


@dataclass(frozen=True)
class Compartments:
    """Signed distances to the borders of a tumour's parts in mm, positive inside, each ``(X, Y, Z)``.

    Args:
        necrosis: of the dead core.
        core: of all that enhances, the dead core included.
        oedema: of the water around, the core included.
    """

    necrosis: np.ndarray
    core: np.ndarray
    oedema: np.ndarray


@dataclass(frozen=True)
class Glioma:
    """One tumour.

    Args:
        centre: in the head's frame, in mm.
        radius: mean radius of what enhances, in mm.
        stretch: factor on its extent to the right, front and top.
        rim: thickness of the enhancing rim in mm.
        reach: how far oedema reaches beyond, in mm.
        pressure: how much it pushes tissue aside: share of the way from its centre.
        form: two random fields of the outlines, of the core and of the oedema.
    """

    centre: Triple
    radius: float
    stretch: Triple
    rim: float
    reach: float
    pressure: float
    form: tuple[SplineNoise, SplineNoise]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Glioma:
        """Draw a tumour somewhere in the cerebrum, off the midline.

        Args:
            rng: source of chance.
        """
        radius = float(rng.uniform(9.0, 20.0))
        x, y, z = (float(value) for value in np.exp(rng.normal(0.0, 0.12, 3)))
        return cls(
            centre=_place(rng),
            radius=radius,
            stretch=(x, y, z),
            rim=float(rng.uniform(0.2, 0.45) * radius),
            reach=float(rng.uniform(6.0, 18.0)),
            pressure=float(rng.uniform(0.1, 0.3)),
            form=(SplineNoise(6.0, 120.0, rng), SplineNoise(9.0, 120.0, rng)),
        )

    def pushed(self, points: Points) -> Points:
        """Say which healthy place each point was before the tumour grew.

        Args:
            points: x, y and z in mm.

        Returns:
            Points nearer to the centre of the tumour; far from it the same ones.
        """
        offset, distance = self._offset(points)
        share = self.pressure * np.exp(-((distance / (1.6 * self.radius)) ** 2))
        x, y, z = (p - share * o for p, o in zip(points, offset))
        return x, y, z

    def compartments(self, points: Points) -> Compartments:
        """Find its parts.

        Args:
            points: x, y and z in mm, each ``(X, Y, Z)``.

        Returns:
            Distances to their borders.
        """
        _, distance = self._offset(points)
        near = distance < 2.0 * self.radius + self.reach + 10.0
        fine, coarse = np.zeros_like(distance), np.zeros_like(distance)
        for field, noise in zip((fine, coarse), self.form):
            field[near] = noise.at((points[0][near], points[1][near], points[2][near]))
        core = self.radius * (1.0 + 0.16 * fine + 0.08 * coarse) - distance
        necrosis = core - self.rim * (1.0 + 0.4 * coarse)
        oedema = self.radius + self.reach * (1.0 + 0.5 * coarse + 0.15 * fine) - distance
        return Compartments(necrosis, core, np.maximum(oedema, core))

    def _offset(self, points: Points) -> tuple[Points, np.ndarray]:
        x, y, z = (p - c for p, c in zip(points, self.centre))
        a, b, c = self.stretch
        return (x, y, z), np.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2)


def _place(rng: np.random.Generator) -> Triple:
    """Draw directions until one leads off the midline and not to the base of the brain."""
    while True:
        direction = rng.standard_normal(3)
        direction *= rng.uniform(*_DEPTHS) / np.linalg.norm(direction)
        x, y, z = (float(m + d * a) for m, d, a in zip(_MIDDLE, direction, _CEREBRUM))
        if abs(x) > 15.0 and z > -8.0:
            return x, y, z
