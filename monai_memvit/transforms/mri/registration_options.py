"""What a person may turn at a registration, and what comes out of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Registration", "RegistrationOptions"]


@dataclass(frozen=True)
class RegistrationOptions:
    """How two volumes are registered, and what is taken for a failure.

    Args:
        kind: ``"rigid"`` (6 parameters) or ``"affine"`` (rigid first, then 12 parameters).
        levels_mm: sides of the voxels that the volumes are averaged to, level by level; an axis whose voxels are about
            as thick already, or thicker, stays as it is. 2 mm are enough for tenths of a millimetre.
        samples: random points of the reference at which the mutual information is estimated, at most.
        seed: of these points; the same seed gives the same transform.
        bins: of the joint histogram, on each side.
        iterations: line searches on the coarsest level and for an affine, at most; finer levels take up to three times
            as many single steps.
        threads: of one registration. With 1 the result is the same to the bit each time; with more, threads add up in
            any order, and results differ in the last digits.
        max_rotation_deg: a larger rotation is taken for a failure.
        max_shift_mm: a larger shift of the head's centre, beyond that of the start, is taken for a failure.
        max_scale: an affine that stretches or shrinks an axis by a larger factor is taken for a failure.
        min_overlap: a smaller part of the smaller foreground inside the other volume is taken for a failure.

    Raises:
        ValueError: when a value is out of its range.
    """

    kind: Literal["rigid", "affine"] = "rigid"
    levels_mm: tuple[float, ...] = (4.0, 2.0)
    samples: int = 100_000
    seed: int = 0
    bins: int = 32
    iterations: int = 20
    threads: int = 1
    max_rotation_deg: float = 30.0
    max_shift_mm: float = 60.0
    max_scale: float = 1.25
    min_overlap: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in ("rigid", "affine"):
            raise ValueError(f'kind must be "rigid" or "affine", got {self.kind!r}.')
        object.__setattr__(self, "levels_mm", tuple(float(side) for side in self.levels_mm))
        if not self.levels_mm or min(self.levels_mm) <= 0 or list(self.levels_mm) != sorted(self.levels_mm)[::-1]:
            raise ValueError(f"levels_mm must be positive sides from coarse to fine, got {self.levels_mm}.")
        for name, least in {"samples": 1000, "seed": 0, "bins": 5, "iterations": 1, "threads": 1}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}.")
        if not 0 < self.min_overlap <= 1 or self.max_scale <= 1 or min(self.max_rotation_deg, self.max_shift_mm) <= 0:
            raise ValueError(
                f"a limit of failure makes no sense (0 < min_overlap <= 1, max_scale > 1, others > 0): {self}."
            )


@dataclass(frozen=True)
class Registration:
    """What a registration found.

    Args:
        matrix: ``(4, 4)``, maps points of the reference's world to the same places in the moving volume's, RAS mm.
        mutual_information_before: in nats, at the scanner's coordinates; 0 where the volumes do not overlap there.
        mutual_information_after: in nats, at ``matrix``, from the same sample points.
        succeeded: whether no sign of a failure was seen.
        reason: of the failure; empty when there is none.
    """

    matrix: NDArray[np.float64]
    mutual_information_before: float
    mutual_information_after: float
    succeeded: bool
    reason: str
