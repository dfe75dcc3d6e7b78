"""The form of a head: signed distances to the surfaces of its parts, with folds and chambers, different in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fields import Points, SplineNoise, Triple, capsule, ellipsoid
from .tumours import Glioma

__all__ = ["EXTENT", "Brain", "Envelope", "Shape", "brain_of", "envelope_of", "head_points"]

# Half the extent of a head's frame to the right, front and top in mm; its origin lies in the middle of the brain.
EXTENT = (86.0, 112.0, 98.0)

Rod = tuple[tuple[Triple, Triple], tuple[float, float]]
_HORNS: tuple[Rod, ...] = (
    (((6.5, 34.0, 6.0), (8.0, 20.0, 17.0)), (3.5, 4.5)),
    (((8.0, 20.0, 17.0), (13.0, -22.0, 17.0)), (4.5, 4.5)),
    (((13.0, -22.0, 17.0), (23.0, -38.0, 6.0)), (4.5, 6.0)),
    (((23.0, -38.0, 6.0), (20.0, -58.0, 6.0)), (4.5, 2.0)),
    (((23.0, -38.0, 6.0), (33.0, -8.0, -16.0)), (3.5, 1.8)),
)
_NUCLEI: tuple[tuple[Triple, Triple], ...] = (
    ((15.0, 16.0, 10.0), (4.5, 11.0, 9.0)),
    ((25.0, 4.0, 2.0), (5.5, 15.0, 9.5)),
    ((10.5, -13.0, 5.0), (8.0, 13.0, 8.5)),
)
_DEEPEST_FOLD = 22.0


@dataclass(frozen=True)
class Shape:
    """How one head differs from the mean head.

    Args:
        scale: factor on its size to the right, front and top.
        ventricles: factor on the width of the ventricles.
        cortex: thickness of the cortex in mm.
        sulci: width of the sulci in mm.
        scalp: thickness of the scalp in mm.
        gliosis: amount of age's lesions in the white matter, 0 to 1.
        bend: three random fields that bend the head to the right, front and top.
        folds: random fields of the folds: coarse and fine.
    """

    scale: Triple
    ventricles: float
    cortex: float
    sulci: float
    scalp: float
    gliosis: float
    bend: tuple[SplineNoise, SplineNoise, SplineNoise]
    folds: tuple[SplineNoise, SplineNoise]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Shape:
        """Draw a plausible adult head.

        Args:
            rng: source of chance.
        """
        x, y, z = (float(value) for value in np.clip(rng.normal(1.0, 0.03) + rng.normal(0.0, 0.02, 3), 0.93, 1.05))
        return cls(
            scale=(x, y, z),
            ventricles=float(rng.uniform(0.75, 1.4)),
            cortex=float(rng.uniform(2.6, 3.4)),
            sulci=float(rng.uniform(0.8, 1.8)),
            scalp=float(rng.uniform(4.5, 8.0)),
            gliosis=float(max(0.0, rng.uniform(-0.6, 1.0))),
            bend=(SplineNoise(35.0, 150.0, rng), SplineNoise(35.0, 150.0, rng), SplineNoise(35.0, 150.0, rng)),
            folds=(SplineNoise(5.5, 200.0, rng), SplineNoise(5.0, 150.0, rng)),
        )


@dataclass(frozen=True)
class Envelope:
    """Distances to the outer surfaces in mm, positive inside, each ``(X, Y, Z)``.

    Args:
        cerebrum: as if it were smooth.
        fossa: the hind part of the skull that holds the cerebellum.
        stem: brain stem.
        intracranial: all within the skull.
        head: the skin.
    """

    cerebrum: np.ndarray
    fossa: np.ndarray
    stem: np.ndarray
    intracranial: np.ndarray
    head: np.ndarray


@dataclass(frozen=True)
class Brain:
    """Distances within the brain in mm, positive inside, each ``(X, Y, Z)``.

    Args:
        fluid: ventricles, fissures and sulci.
        cortex: grey matter of cerebrum and cerebellum.
        nuclei: deep grey matter.
        gliosis: lesions of age in the white matter.
        tissue: all of it.
    """

    fluid: np.ndarray
    cortex: np.ndarray
    nuclei: np.ndarray
    gliosis: np.ndarray
    tissue: np.ndarray


def head_points(shape: Shape, axes: Points) -> Points:
    """Say which point of the mean head each point of a lattice is.

    Args:
        shape: of the head.
        axes: coordinates along x, y and z in mm, one long axis each.

    Returns:
        x, y and z in mm, each ``(X, Y, Z)``.
    """
    x, y, z = (2.0 * bend.on(axes) + axis / scale for bend, axis, scale in zip(shape.bend, axes, shape.scale))
    return x, y, z


def envelope_of(shape: Shape, points: Points) -> Envelope:
    """Lay out skull and skin.

    Args:
        shape: of the head.
        points: of the mean head, in mm.

    Returns:
        Distances to the outer surfaces.
    """
    x, y, z = points
    mirrored = (np.abs(x), y, z)
    upper = ellipsoid(points, (0.0, -2.0, 12.0), (66.0, 83.0, 52.0))
    whole = np.maximum(upper, ellipsoid(mirrored, (40.0, 4.0, -20.0), (22.0, 40.0, 22.0)))
    fossa = ellipsoid(points, (0.0, -50.0, -44.0), (56.0, 41.0, 33.0))
    stem = capsule(points, ((0.0, -16.0, -14.0), (0.0, -30.0, -110.0)), (13.0, 7.0))
    intracranial = np.maximum(np.maximum(whole + 2.0, fossa + 0.5), stem + 4.0)
    cerebrum = np.minimum(whole, -1.5 - fossa)
    cerebrum = np.minimum(cerebrum, -ellipsoid(points, (0.0, 10.0, -36.0), (15.0, 22.0, 14.0)))
    face = ellipsoid(points, (0.0, 32.0, -62.0), (60.0, 62.0, 70.0))
    neck = capsule(points, ((0.0, -34.0, -42.0), (0.0, -25.0, -130.0)), (64.0, 58.0))
    head = np.maximum(np.maximum(intracranial + 7.0 + shape.scalp, face), neck)
    return Envelope(cerebrum, fossa, stem, intracranial, head)


def brain_of(shape: Shape, envelope: Envelope, points: Points, fine: np.ndarray, glioma: Glioma | None) -> Brain:
    """Fold the cortex and lay out what lies within.

    Args:
        shape: of the head.
        envelope: its outer surfaces.
        points: of the mean head, in mm.
        fine: the fine one of the random fields of the folds at these points, ``(X, Y, Z)``.
        glioma: what pushes the tissue aside, None for nothing.

    Returns:
        Distances within the brain.
    """
    inner = points if glioma is None else glioma.pushed(points)
    mirrored = (np.abs(inner[0]), inner[1], inner[2])
    chambers = _ventricles(shape, mirrored)
    gaps = np.maximum(_fissures(mirrored), shape.sulci / 2.0 - _sulci(shape, envelope.cerebrum, inner, fine))
    depth = np.minimum(envelope.cerebrum, -gaps)
    nuclei = _union([ellipsoid(mirrored, centre, axes) for centre, axes in _NUCLEI])
    cerebellum = np.minimum(ellipsoid(mirrored, (20.0, -54.0, -44.0), (34.0, 33.0, 28.0)), envelope.fossa - 1.5)
    folia = _folia(inner, fine)
    leaves = np.minimum(cerebellum, np.maximum(1.8 * (folia + 0.3), 2.0 - cerebellum))
    return Brain(
        fluid=_union([chambers, np.minimum(envelope.cerebrum, gaps), np.minimum(cerebellum, 1.6 * folia - 1.6)]),
        cortex=np.maximum(np.minimum(envelope.cerebrum, shape.cortex - depth), np.minimum(leaves, 13.0 - cerebellum)),
        nuclei=nuclei,
        gliosis=_gliosis(shape, chambers, depth, fine),
        tissue=_union([envelope.cerebrum, cerebellum, envelope.stem]),
    )


def _union(distances: list[np.ndarray]) -> np.ndarray:
    result = distances[0]
    for distance in distances[1:]:
        result = np.maximum(result, distance)
    return result


def _ventricles(shape: Shape, mirrored: Points) -> np.ndarray:
    horns = [capsule(mirrored, ends, (a * shape.ventricles, b * shape.ventricles)) for ends, (a, b) in _HORNS]
    third = ellipsoid(mirrored, (0.0, -3.0, 1.0), (1.7 * shape.ventricles, 14.0, 10.0))
    fourth = ellipsoid(mirrored, (0.0, -42.0, -40.0), (6.0, 5.0, 10.0))
    return _union([*horns, third, fourth])


def _fissures(mirrored: Points) -> np.ndarray:
    """Between the hemispheres, down to the corpus callosum, and above the temporal lobes, in to the insula."""
    side, y, z = mirrored
    callosum = ellipsoid(mirrored, (0.0, -5.0, 4.0), (30.0, 44.0, 27.0))
    between = np.minimum(1.0 - side, -callosum)
    sylvian = 1.2 - 0.86 * np.abs(z + 7.0 + 0.6 * (y - 5.0))
    sylvian = np.minimum(sylvian, np.minimum(side - 38.0, 28.0 - np.abs(y - 2.0)))
    return np.maximum(between, sylvian)


def _sulci(shape: Shape, cerebrum: np.ndarray, points: Points, fine: np.ndarray) -> np.ndarray:
    """Distance to the nearest sulcus: the zero set of a random field of the direction, so that sulci run inwards."""
    nearest = np.full_like(cerebrum, 99.0)
    shell = (cerebrum > -2.0) & (cerebrum < _DEEPEST_FOLD + 6.0)
    x, y, z = (p[shell] for p in points)
    radius = np.sqrt((x / 66.0) ** 2 + (y / 83.0) ** 2 + ((z - 6.0) / 58.0) ** 2)
    shrink = np.maximum(radius, 0.3) ** -0.75
    coarse = shape.folds[0].at((x * shrink, y * shrink, (z - 6.0) * shrink))
    from_sulcus = 5.2 * np.abs(coarse + 0.12 * fine[shell])
    beyond = np.maximum(cerebrum[shell] - _DEEPEST_FOLD * (0.75 + 0.12 * fine[shell]), 60.0 * (0.62 - radius))
    nearest[shell] = np.hypot(from_sulcus, np.maximum(beyond, 0.0))
    return nearest


def _folia(points: Points, fine: np.ndarray) -> np.ndarray:
    """Leaves of the cerebellum: a wave of unit height that spreads from where its stalks enter."""
    x, y, z = points
    nearby = (y < -15.0) & (z < -8.0)
    wave = np.full_like(x, -1.0)
    x, y, z = x[nearby], y[nearby], z[nearby]
    way = np.sqrt(0.3 * x**2 + (y + 32.0) ** 2 + (z + 34.0) ** 2) + 0.3 * fine[nearby]
    wave[nearby] = np.sin(2.0 * np.pi / 5.0 * way)
    return wave


def _gliosis(shape: Shape, chambers: np.ndarray, depth: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Spots of a random field near the ventricles, well below the cortex."""
    spots = 2.5 * (fine - 2.3 + 0.9 * shape.gliosis)
    inside = np.minimum(chambers + 12.0, depth - shape.cortex - 3.0)
    return np.minimum(spots, inside if shape.gliosis else np.float32(-9.0))
