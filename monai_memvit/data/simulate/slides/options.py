"""How a simulated cohort of slides is made."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["CLASS_NAMES", "SlideSimulation"]

CLASS_NAMES = ("normal", "tumour")
_SIZES = (512, 16384)
_MPP = (0.25, 2.0)


@dataclass(frozen=True)
class SlideSimulation:
    """How a simulated cohort of slides is made.

    Args:
        size: width and height of level 0 in pixels.
        mpp: micrometres per pixel of level 0.
        prevalence: share of the patients with a lesion.
        lesion_share: area of the lesion, relative to the tissue's.
        slides: of a patient.
        pen: share of the slides with a stroke of a pen.
        blur: share of the slides with a region out of focus.

    Raises:
        ValueError: for a number out of range.
    """

    size: tuple[int, int] = (2048, 2048)
    mpp: float = 1.0
    prevalence: float = 0.5
    lesion_share: float = 0.01
    slides: int = 1
    pen: float = 0.25
    blur: float = 0.25

    def __post_init__(self) -> None:
        if not all(_SIZES[0] <= side <= _SIZES[1] for side in self.size):
            raise ValueError(f"size is {self.size}: give {_SIZES[0]} to {_SIZES[1]} pixels by x and by y")
        if not _MPP[0] <= self.mpp <= _MPP[1]:
            raise ValueError(f"mpp is {self.mpp}: give {_MPP[0]} to {_MPP[1]} µm per pixel")
        if not 0.001 <= self.lesion_share <= 0.1:
            raise ValueError(f"lesion_share is {self.lesion_share}: give 0.001 to 0.1 of the tissue")
        if not 1 <= self.slides <= 9:
            raise ValueError(f"slides is {self.slides}: give 1 to 9")
        for name in ("prevalence", "pen", "blur"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0 <= value <= 1):
                raise ValueError(f"{name} is {value}: give a share from 0 to 1")
