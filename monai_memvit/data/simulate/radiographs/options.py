"""How a simulated cohort of chest films is made."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["FINDINGS", "RadiographSimulation"]

FINDINGS = ("consolidation", "nodule", "effusion", "cardiomegaly")
_SIZES = (32, 4096)
_NODULES_MM = (1.0, 40.0)


@dataclass(frozen=True)
class RadiographSimulation:
    """How a simulated cohort of chest films is made.

    Args:
        size: pixels of the longer side of a film, whose length is about 430 mm.
        prevalence: probability of each finding.
        nodule_mm: smallest and largest diameter of a nodule in mm. The default is 1 to 2 pixels at 224 pixels a film:
            half of its contrast is gone there, and what is left looks like a vessel.
        films: largest number of films of a patient.
        noise: of the detector, relative to the usual one.
        uncertain: share of the table's cells that say -1.
        blank: share of the table's cells that say nothing.
        shortcut: share of the films with a finding that come from the portable scanner, beyond chance: a device that
            tells the label, to be found by a report on shortcuts.

    Raises:
        ValueError: for a number out of range.
    """

    size: int = 1024
    prevalence: float = 0.3
    nodule_mm: tuple[float, float] = (2.0, 4.0)
    films: int = 2
    noise: float = 1.0
    uncertain: float = 0.0
    blank: float = 0.0
    shortcut: float = 0.0

    def __post_init__(self) -> None:
        if not _SIZES[0] <= self.size <= _SIZES[1]:
            raise ValueError(f"size is {self.size}: give {_SIZES[0]} to {_SIZES[1]} pixels")
        for name, most in _LARGEST.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.0 <= value <= most):
                raise ValueError(f"{name} is {value}: give 0 to {most:g}")
        if self.uncertain + self.blank > 1.0:
            raise ValueError(f"uncertain {self.uncertain} and blank {self.blank} are more than 1 together")
        if not _NODULES_MM[0] <= self.nodule_mm[0] <= self.nodule_mm[1] <= _NODULES_MM[1]:
            raise ValueError(f"nodule_mm is {self.nodule_mm}: give smallest and largest, 1 to 40 mm")
        if not 1 <= self.films <= 9:
            raise ValueError(f"films is {self.films}: give 1 to 9")


_LARGEST = {"prevalence": 1.0, "noise": 10.0, "uncertain": 1.0, "blank": 1.0, "shortcut": 1.0}
