"""One simulated patient: five sequences of one moving head, and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .acquisition import Grid, bias_field, rician, sample
from .anatomy import Anatomy, grow_anatomy
from .head import Shape
from .motion import draw_motion
from .options import REFERENCE, MriSimulation
from .signals import PROTOCOL, AsymmetryMap
from .tissues import Tissue, vary_tissues
from .tumours import Glioma

__all__ = ["SimulatedPatient", "simulate_patient"]

# Every purpose has a stream of random numbers of its own, so that no option shifts the numbers of another.
_SHAPE, _TUMOUR, _TEXTURE, _TISSUES, _POSE, _MISSING, _SEQUENCE = range(7)
_GAIN = (600.0, 1400.0)
_APT_NOISE = 10.0  # standard deviation in percent of asymmetry, per unit of relative noise: a difference of two images
_POSE_DEG, _POSE_MM = 4.0, 4.0
_PARTS = ("necrosis", "oedema", "enhancing tumour")  # labels 1, 2, 3


@dataclass(frozen=True)
class SimulatedPatient:
    """A simulated patient. World coordinates are RAS in mm.

    Args:
        index: number in the cohort, from 0.
        volumes: by sequence, in the order of the protocol: float32 ``(X, Y, Z)`` and its voxel-to-world ``(4, 4)``.
        truth: by sequence: ``(4, 4)``, from a world point of the reference to that of the same anatomy in the sequence.
        tumour: uint8 labels on the grid of the reference: 0 none, 1 necrosis, 2 oedema, 3 enhancing.
        brain: bool mask of what lies within the skull, on the grid of the reference.
        malignant: whether there is a glioma.
    """

    index: int
    volumes: dict[str, tuple[np.ndarray, np.ndarray]]
    truth: dict[str, np.ndarray]
    tumour: np.ndarray
    brain: np.ndarray
    malignant: bool


def simulate_patient(index: int, seed: int, options: MriSimulation | None = None) -> SimulatedPatient:
    """Simulate one patient: a head with or without a glioma, and five sequences between which it moves.

    The same arguments give the same bits; a patient does not depend on how many others there are.

    Args:
        index: number of the patient, from 0.
        seed: of the cohort, non-negative.
        options: how it is acquired; None: ``MriSimulation()``.

    Returns:
        The volumes, and the truth.

    Raises:
        ValueError: for a negative index or seed.
    """
    if index < 0 or seed < 0:
        raise ValueError(f"index is {index} and seed {seed}: give 0 or more")
    options = options or MriSimulation()
    chance = _Chance(seed, index)
    tumour_rng = chance.stream(_TUMOUR)
    malignant = bool(tumour_rng.random() < options.malignant)
    glioma = Glioma.draw(tumour_rng) if malignant else None
    shape = Shape.draw(chance.stream(_SHAPE))
    anatomy = grow_anatomy(shape, glioma, options.resolution, chance.stream(_TEXTURE))
    tissues = vary_tissues(chance.stream(_TISSUES))
    pose = draw_motion(np.zeros(3), _POSE_DEG, _POSE_MM, chance.stream(_POSE))
    truth = _truth(pose, options, chance)
    volumes = {
        name: _acquire(name, anatomy, tissues, matrix @ pose, options, chance.stream(_SEQUENCE, name))
        for name, matrix in truth.items()
    }
    tumour, brain = _masks(anatomy, pose, options.grid(REFERENCE), volumes[REFERENCE][1])
    return SimulatedPatient(index, volumes, truth, tumour, brain, malignant)


@dataclass(frozen=True)
class _Chance:
    """Streams of random numbers of one patient, one for each purpose."""

    seed: int
    patient: int

    def stream(self, purpose: int, sequence: str | None = None) -> np.random.Generator:
        which = [] if sequence is None else [list(PROTOCOL).index(sequence)]
        return np.random.default_rng([self.seed, self.patient, purpose, *which])


def _truth(pose: np.ndarray, options: MriSimulation, chance: _Chance) -> dict[str, np.ndarray]:
    """Motion of each sequence that was acquired, about the middle of the head."""
    absent = chance.stream(_MISSING).random(len(PROTOCOL)) < options.missing
    truth = {}
    for name, missing in zip(PROTOCOL, absent):
        if name == REFERENCE:
            truth[name] = np.eye(4)
        elif not missing:
            rng = chance.stream(_POSE, name)
            truth[name] = draw_motion(pose[:3, 3], options.max_rotation_deg, options.max_shift_mm, rng)
    return truth


def _acquire(
    name: str,
    anatomy: Anatomy,
    tissues: dict[str, Tissue],
    pose: np.ndarray,
    options: MriSimulation,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Image the head in its ``pose``: the head's own frame to the world of the sequence."""
    grid, pulses = options.grid(name), PROTOCOL[name]
    affine = grid.affine(np.append(rng.uniform(-2.0, 2.0, 2), -5.0))
    lattice_affine = pose @ anatomy.affine
    fine = anatomy.mixed({key: pulses.signal(tissue) for key, tissue in tissues.items()})
    clean = sample(fine, lattice_affine, grid, affine)
    if isinstance(pulses, AsymmetryMap):
        head = sample(anatomy.visible, lattice_affine, grid, affine) > 0.5
        noise = rng.standard_normal(grid.size, dtype=np.float32) * np.float32(_APT_NOISE * options.noise)
        return np.where(head, clean + noise, np.float32(0.0)), affine
    usual = float(np.abs(fine[anatomy.brain > 0.5]).mean())
    uneven = clean * bias_field(grid, options.bias, rng)
    return rician(uneven / usual, options.noise, rng) * np.float32(rng.uniform(*_GAIN)), affine


def _masks(anatomy: Anatomy, pose: np.ndarray, grid: Grid, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the tumour and mask of the brain, where each fills the greater part of a voxel."""
    lattice_affine = pose @ anatomy.affine
    brain = sample(anatomy.brain, lattice_affine, grid, affine) > 0.5
    shares = np.stack([sample(anatomy.fractions[name], lattice_affine, grid, affine) for name in _PARTS])
    labels = np.where(shares.sum(axis=0) > 0.5, 1 + shares.argmax(axis=0), 0).astype(np.uint8)
    return labels, brain
