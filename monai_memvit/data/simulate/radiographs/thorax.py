"""A chest as an X-ray sees it: attenuation along the ray, summed up from simple shapes in mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .shapes import Plane, add_rod, rise, smooth_noise

__all__ = ["Thorax"]

_SOFT = 0.18  # attenuation per cm of soft tissue, roughly that of 120 kV
_AIR_SHARE = 0.75  # of the lung's depth
_APEX = -150.0
_HILUM = -5.0


@dataclass(frozen=True)
class Thorax:
    """Size and place of what is in a chest, in mm on the film.

    Args:
        width: inner half-width of the chest.
        base: height of the right dome of the diaphragm, y downwards.
        left_lower: how much lower the left dome stands.
        depth: of the lungs in cm.
        thickness: of the body in cm.
        heart_ratio: width of the heart over that of the chest.
        rib_gap: distance of the ribs.
        shift: of the whole in x and y.
        tissue_seed: of vessels and texture.
    """

    width: float
    base: float
    left_lower: float
    depth: float
    thickness: float
    heart_ratio: float
    rib_gap: float
    shift: tuple[float, float]
    tissue_seed: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Thorax:
        """Draw an adult without findings.

        Args:
            rng: source of chance.
        """
        return cls(
            width=float(rng.uniform(112.0, 132.0)),
            base=float(rng.uniform(62.0, 92.0)),
            left_lower=float(rng.uniform(5.0, 16.0)),
            depth=float(rng.uniform(12.0, 15.0)),
            thickness=float(rng.uniform(19.0, 25.0)),
            heart_ratio=float(rng.uniform(0.40, 0.48)),
            rib_gap=float(rng.uniform(22.0, 26.0)),
            shift=(float(rng.uniform(-8.0, 8.0)), float(rng.uniform(-8.0, 8.0))),
            tissue_seed=int(rng.integers(2**31)),
        )

    def lateral(self, y: np.ndarray) -> np.ndarray:
        """Half-width of the lungs at a height.

        Args:
            y: in mm, from the chest's middle.
        """
        share = np.clip((y - _APEX) / (self.base + 40.0 - _APEX), 0.0, 1.0)
        return self.width * (1.0 - (1.0 - share) ** 2.4) ** 0.6

    def dome(self, x: np.ndarray, side: int) -> np.ndarray:
        """Height of the diaphragm.

        Args:
            x: distance from the midline in mm.
            side: 1 for the patient's left, at the right of the film; -1 for the right.
        """
        return self.base + self.left_lower * (side > 0) + 34.0 * np.square((x - 0.5 * self.width) / (0.5 * self.width))

    def lung(self, x: np.ndarray, y: np.ndarray, side: int) -> np.ndarray:
        """Share of the lung's greatest depth, 0 to 1.

        Args:
            x: from the chest's middle in mm.
            y: downwards in mm.
            side: as in :meth:`dome`.
        """
        out = side * x
        edges = ((self.lateral(y) - out, 16.0), (out - 18.0, 8.0), (self.dome(out, side) - y, 5.0), (y - _APEX, 16.0))
        depth: np.ndarray = np.ones(1, np.float32)
        for distance, width in edges:
            depth = depth * rise(distance, width)
        return depth

    def heart_axes(self) -> tuple[float, float, float, float]:
        """Middle (x, y) and half-axes of the heart in mm."""
        half = self.heart_ratio * self.width
        return 0.32 * half, self.base - 0.72 * half - 2.0, half, 0.92 * half

    def heart(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Share of the heart's greatest depth, 0 to 1.

        Args:
            x: from the chest's middle in mm.
            y: downwards in mm.
        """
        middle_x, middle_y, a, b = self.heart_axes()
        return np.sqrt(np.maximum(1.0 - np.square((x - middle_x) / a) - np.square((y - middle_y) / b), 0.0))

    def attenuation(self, plane: Plane, air: np.ndarray) -> np.ndarray:
        """Attenuation of the chest.

        Args:
            plane: of the film.
            air: depth of aerated lung as a share of the greatest, on the plane.

        Returns:
            float32 on the plane; 0 beside the body.
        """
        x, y = plane.x - self.shift[0], plane.y - self.shift[1]
        body = self._body(x, y)
        image = _SOFT * body - _SOFT * _AIR_SHARE * self.depth * np.minimum(air, body / self.depth)
        image = image + 1.6 * self.heart(x, y) * np.minimum(air, 0.8) + self._mediastinum(x, y)
        image = image + self._ribs(x, y) * (body > 0)
        vessels = np.zeros_like(image)
        self._add_vessels(vessels, plane)
        self._add_clavicles(image, plane)
        image = image + air * (vessels + self._texture(plane))
        return np.maximum(image, 0.0).astype(np.float32)

    def _body(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Depth of the body in cm: trunk, shoulders and neck."""
        trunk = self.width + 48.0 + 60.0 * rise(-95.0 - y, 25.0)
        shoulder = y + 178.0 - 0.30 * np.maximum(np.abs(x) - 50.0, 0.0)
        inside = np.maximum(rise(shoulder, 25.0), rise(52.0 - np.abs(x), 20.0))
        return self.thickness * np.sqrt(np.maximum(1.0 - np.square(x / trunk), 0.0)) * inside

    def _mediastinum(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        out = np.abs(x)
        spine = 0.55 * rise(17.0 - out, 3.0) * (0.8 + 0.2 * np.cos(2 * np.pi * y / self.rib_gap))
        windpipe = 0.45 * rise(8.0 - np.abs(x - 1.0), 3.0) * rise(-62.0 - y, 4.0)
        knob = 0.5 * np.sqrt(np.maximum(1.0 - np.square((x - 24.0) / 15.0) - np.square((y + 72.0) / 16.0), 0.0))
        bubble = np.square((x - 62.0) / 26.0) + np.square((y - self.base - self.left_lower - 40.0) / 17.0)
        return spine + knob - windpipe - 0.6 * np.sqrt(np.maximum(1.0 - bubble, 0.0))

    def _ribs(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Ten pairs: behind they fall to the side, in front to the middle."""
        out = np.abs(x) / self.width
        inside = rise((1.04 - out) * self.width, 3.0)
        behind, front = 42.0 * out**2 - 14.0 * out, 62.0 - 68.0 * (out - 0.35)
        image = np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=np.float32)
        for number in range(10):
            top = _APEX + 12.0 + number * self.rib_gap
            image += 0.20 * _band(y - top - behind, 5.0) * inside * rise((out - 0.1) * self.width, 5.0)
            if number < 7:
                image += 0.12 * _band(y - top - front, 5.5) * inside * rise((out - 0.35) * self.width, 12.0)
        return image

    def _add_clavicles(self, image: np.ndarray, plane: Plane) -> None:
        x, y = self.shift
        for side in (-1, 1):
            ends = ((x + side * 14.0, y - 112.0), (x + side * 0.95 * self.width, y - 143.0))
            add_rod(image, plane, ends, 6.0, 0.28)

    def _add_vessels(self, image: np.ndarray, plane: Plane) -> None:
        rng = np.random.default_rng(self.tissue_seed)
        for side in (-1, 1):
            for _ in range(22):
                start = (self.shift[0] + side * 26.0, self.shift[1] + _HILUM + rng.uniform(-15.0, 15.0))
                _add_branch(image, plane, start, rng.uniform(-1.35, 1.35), side, rng.uniform(1.6, 2.8), rng)

    def _texture(self, plane: Plane) -> np.ndarray:
        rng = np.random.default_rng([self.tissue_seed, 1])
        return 0.05 * smooth_noise(plane, 18.0, rng) + 0.02 * smooth_noise(plane, 4.0, rng)


def _band(distance: np.ndarray, radius: float) -> np.ndarray:
    """Shadow of a tube with a dense wall."""
    inside = np.maximum(1.0 - np.square(distance / radius), 0.0)
    return np.sqrt(inside) * (1.3 - 0.6 * inside)


def _add_branch(
    image: np.ndarray,
    plane: Plane,
    start: tuple[float, float],
    angle: float,
    side: int,
    radius: float,
    rng: np.random.Generator,
) -> None:
    """Draw a vessel outwards, thinner with every piece, and let it fork."""
    while radius > 0.45:
        length = rng.uniform(10.0, 18.0)
        end = (start[0] + side * length * float(np.cos(angle)), start[1] + length * float(np.sin(angle)))
        add_rod(image, plane, (start, end), radius, 0.11 * radius)
        if radius > 1.0 and rng.random() < 0.5:
            _add_branch(image, plane, end, angle + rng.uniform(0.4, 0.8), side, 0.65 * radius, rng)
        start, angle, radius = end, angle + rng.uniform(-0.35, 0.35), 0.8 * radius
