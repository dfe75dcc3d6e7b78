"""How a simulated MRI cohort is acquired."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from .acquisition import Grid
from .signals import PROTOCOL

__all__ = ["GRIDS", "REFERENCE", "MriSimulation"]

REFERENCE = "t1gd"

# Named sets of grids. small: a demo; clinical: thick slices as most hospitals take them; full: isotropic, as in BraTS.
GRIDS: dict[str, dict[str, Grid]] = {
    "small": {
        "t1": Grid((112, 112, 28), (2.0, 2.0, 5.0), tilt_deg=0.0),
        "t2": Grid((120, 120, 28), (1.9, 1.9, 5.0), tilt_deg=-6.0),
        "flair": Grid((104, 104, 28), (2.2, 2.2, 5.0), tilt_deg=4.0),
        "t1gd": Grid((112, 112, 28), (2.0, 2.0, 5.0), tilt_deg=0.0),
        "apt": Grid((96, 96, 24), (2.4, 2.4, 6.0), tilt_deg=0.0),
    },
    "clinical": {
        "t1": Grid((256, 256, 28), (0.9, 0.9, 5.0), tilt_deg=0.0),
        "t2": Grid((320, 320, 28), (0.72, 0.72, 5.0), tilt_deg=-6.0),
        "flair": Grid((256, 256, 28), (0.9, 0.9, 5.0), tilt_deg=4.0),
        "t1gd": Grid((256, 256, 28), (0.9, 0.9, 5.0), tilt_deg=0.0),
        "apt": Grid((112, 112, 24), (2.0, 2.0, 6.0), tilt_deg=0.0),
    },
    "full": dict.fromkeys(PROTOCOL, Grid((240, 240, 155), (1.0, 1.0, 1.0))),
}


@dataclass(frozen=True)
class MriSimulation:
    """How a simulated MRI cohort is acquired.

    Args:
        size: name of a set of grids: small, clinical or full.
        grids: grids by sequence in place of those of ``size``.
        malignant: share of patients with a glioma; the others have none.
        max_rotation_deg: largest rotation of the head between the reference and another sequence, in degrees.
        max_shift_mm: largest shift of the head between them, in mm.
        noise: standard deviation of the noise, relative to the mean signal of the brain.
        bias: strength of the bias field: factors lie between ``exp(±bias)``.
        missing: probability that a sequence other than the reference was not acquired.
        anatomy_mm: fineness of the anatomy in mm; None: 1 mm, or 1.5 mm where no voxel is shorter than that.

    Raises:
        ValueError: for a number out of range, or an unknown size or sequence.
    """

    size: str = "small"
    grids: Mapping[str, Grid] = field(default_factory=dict)
    malignant: float = 0.75
    max_rotation_deg: float = 10.0
    max_shift_mm: float = 10.0
    noise: float = 0.03
    bias: float = 0.2
    missing: float = 0.0
    anatomy_mm: float | None = None

    def __post_init__(self) -> None:
        if self.size not in GRIDS:
            raise ValueError(f"size {self.size!r}: choose one of {', '.join(GRIDS)}")
        if unknown := sorted(set(self.grids) - set(PROTOCOL)):
            raise ValueError(f"grids for {', '.join(unknown)}: the sequences are {', '.join(PROTOCOL)}")
        for name, most in _LARGEST.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.0 <= value <= most):
                raise ValueError(f"{name} is {value}: give 0 to {most:g}")
        if self.anatomy_mm is not None and not 0.5 <= self.anatomy_mm <= 4.0:
            raise ValueError(f"anatomy_mm is {self.anatomy_mm}: give 0.5 to 4, or None")

    def grid(self, sequence: str) -> Grid:
        """Return the grid of a sequence.

        Args:
            sequence: its name.
        """
        return self.grids.get(sequence, GRIDS[self.size][sequence])

    @property
    def resolution(self) -> float:
        """Fineness of the anatomy in mm."""
        if self.anatomy_mm is not None:
            return self.anatomy_mm
        finest = min(min(self.grid(sequence).spacing) for sequence in PROTOCOL)
        return 1.5 if finest >= 1.5 else 1.0


_LARGEST = {
    "malignant": 1.0,
    "max_rotation_deg": 45.0,
    "max_shift_mm": 50.0,
    "noise": 1.0,
    "bias": 1.0,
    "missing": 1.0,
}
