"""The tissues of one head on a fine lattice, painted layer by layer over the surfaces of its parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fields import Points, SplineNoise, cover, ellipsoid
from .head import EXTENT, Brain, Envelope, Shape, brain_of, envelope_of, head_points
from .tissues import TISSUES
from .tumours import Glioma

__all__ = ["Anatomy", "grow_anatomy"]

_SKULL, _TABLE = 7.0, 1.8
_PLANES = 8  # built at a time, so that what is intermediate stays in the processor's cache


@dataclass(frozen=True)
class Anatomy:
    """Tissue fractions of a head at the nodes of a fine lattice; between them one interpolates.

    Args:
        fractions: share of each tissue by name, float32 ``(X, Y, Z)``; what is missing to 1 is air.
        brain: share of what lies within the skull, fluid included, float32 ``(X, Y, Z)``.
        texture: factor on the signal that makes tissue uneven, float32 ``(X, Y, Z)``.
        affine: lattice index to the head's own frame, RAS in mm, ``(4, 4)``.
    """

    fractions: dict[str, np.ndarray]
    brain: np.ndarray
    texture: np.ndarray
    affine: np.ndarray

    @property
    def visible(self) -> np.ndarray:
        """Share of what gives signal, neither air nor bone, float32 ``(X, Y, Z)``."""
        return sum((share for name, share in self.fractions.items() if name != "bone"), np.zeros_like(self.texture))

    def mixed(self, signals: dict[str, float]) -> np.ndarray:
        """Mix the signals of the tissues.

        Args:
            signals: of a voxel full of each tissue, by its name.

        Returns:
            The signal at each node, float32 ``(X, Y, Z)``.
        """
        total = np.zeros_like(self.texture)
        for part in _slabs(len(total)):
            for name, fraction in self.fractions.items():
                total[part] += np.float32(signals[name]) * fraction[part]
            total[part] *= self.texture[part]
        return total


class _Layers:
    """Paints from the front to the back: each layer covers what those before it left free."""

    def __init__(self, fractions: dict[str, np.ndarray], resolution: float) -> None:
        self.fractions = fractions
        self.free = np.ones_like(next(iter(fractions.values())))
        self.resolution = resolution

    def paint(self, name: str | None, distance: np.ndarray) -> None:
        """Fill what is free inside a surface with a tissue, or with air."""
        share = cover(distance, self.resolution) * self.free
        self.free -= share
        if name is not None:
            self.fractions[name] += share


def grow_anatomy(shape: Shape, glioma: Glioma | None, resolution: float, rng: np.random.Generator) -> Anatomy:
    """Build a head.

    Args:
        shape: how it differs from the mean head.
        glioma: the tumour in it, None for none.
        resolution: distance of the lattice's nodes in mm.
        rng: source of chance for the texture.

    Returns:
        Its tissues.
    """
    x, y, z = (np.arange(-extent, extent + resolution, resolution, dtype=np.float32) for extent in EXTENT)
    size = (len(x), len(y), len(z))
    fractions = {name: np.zeros(size, dtype=np.float32) for name in TISSUES}
    brain, texture = np.empty(size, dtype=np.float32), np.empty(size, dtype=np.float32)
    grain = SplineNoise(4.0, max(EXTENT), rng)
    for part in _slabs(len(x)):
        axes = (x[part, None, None], y[None, :, None], z[None, None, :])
        layers = _Layers({name: fraction[part] for name, fraction in fractions.items()}, resolution)
        brain[part] = _paint(layers, shape, glioma, axes)
        texture[part] = 1.0 + np.float32(0.03) * grain.on(axes)
    affine = np.diag([resolution, resolution, resolution, 1.0])
    affine[:3, 3] = x[0], y[0], z[0]
    return Anatomy(fractions, brain, texture, affine)


def _slabs(planes: int) -> list[slice]:
    return [slice(start, start + _PLANES) for start in range(0, planes, _PLANES)]


def _paint(layers: _Layers, shape: Shape, glioma: Glioma | None, axes: Points) -> np.ndarray:
    """Paint all of some points; returns the share of what lies within the skull."""
    points = head_points(shape, axes)
    envelope = envelope_of(shape, points)
    brain = brain_of(shape, envelope, points, shape.folds[1].on(axes), glioma)
    _paint_brain(layers, envelope, brain, points, glioma)
    _paint_envelope(layers, shape, envelope, points)
    return cover(envelope.intracranial, layers.resolution)


def _paint_brain(layers: _Layers, envelope: Envelope, brain: Brain, points: Points, glioma: Glioma | None) -> None:
    fluid, inside = np.minimum(brain.fluid, envelope.intracranial), brain.tissue
    if glioma is None:
        layers.paint("cerebrospinal fluid", fluid)
    else:
        parts = glioma.compartments(points)
        solid = np.minimum(envelope.cerebrum - 1.0, envelope.intracranial)
        layers.paint("necrosis", np.minimum(parts.necrosis, solid))
        layers.paint("enhancing tumour", np.minimum(parts.core, solid))
        layers.paint("cerebrospinal fluid", fluid)
        layers.paint("oedema", np.minimum(parts.oedema - 6.0 * cover(brain.cortex, 3.0), envelope.cerebrum))
    layers.paint("gliosis", brain.gliosis)
    layers.paint("deep grey matter", np.minimum(brain.nuclei, inside))
    layers.paint("grey matter", brain.cortex)
    layers.paint("white matter", inside)
    layers.paint("cerebrospinal fluid", envelope.intracranial)


def _paint_envelope(layers: _Layers, shape: Shape, envelope: Envelope, points: Points) -> None:
    mirrored = (np.abs(points[0]), points[1], points[2])
    inside, skin = envelope.intracranial, envelope.head
    upper = points[2] + 45.0  # below the base of the skull there is no vault
    layers.paint(None, ellipsoid(points, (0.0, 64.0, -58.0), (13.0, 26.0, 20.0)))
    layers.paint("cerebrospinal fluid", ellipsoid(mirrored, (31.0, 72.0, -30.0), (12.0, 12.0, 12.0)))
    layers.paint("marrow", np.minimum(np.minimum(inside + _SKULL - _TABLE, -_TABLE - inside), upper))
    layers.paint("bone", inside + _SKULL)
    layers.paint("fat", np.minimum(ellipsoid(mirrored, (28.0, 62.0, -31.0), (17.0, 24.0, 17.0)), skin - 1.5))
    layers.paint("fat", np.minimum(skin - 1.5, shape.scalp - skin))
    layers.paint("muscle", skin)
