"""How far registration moved a sequence, and what that brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["MovedSequence", "shift_and_rotation"]


@dataclass(frozen=True)
class MovedSequence:
    """How far a sequence was moved onto the reference, and what that brought.

    Args:
        shift_mm: of the middle of the brain.
        rotation_degrees: about whatever axis.
        before: mutual information with the reference in nats before registration.
        after: the same afterwards.
        identical_space: whether it lay on the grid of the reference already and was left alone.
        succeeded: whether the registration holds.
        reason: why not.
    """

    shift_mm: float
    rotation_degrees: float
    before: float
    after: float
    identical_space: bool
    succeeded: bool
    reason: str

    @classmethod
    def of(cls, registration: Mapping[str, Any] | None) -> MovedSequence | None:
        """Read what a case's record says of a sequence; None where it was not registered.

        Args:
            registration: ``record["sequences"][name]["registration"]``.
        """
        if registration is None:
            return None
        names = ("shift_mm", "rotation_degrees", "identical_space", "succeeded", "reason")
        before, after = (registration[f"mutual_information_{when}"] for when in ("before", "after"))
        return cls(**{name: registration[name] for name in names}, before=before, after=after)

    def __str__(self) -> str:
        """Return one line."""
        if self.identical_space:
            return f"on the grid of the reference, not moved; mutual information {self.before:.3f}"
        gain = f"mutual information {self.before:.3f} → {self.after:.3f}"
        moved = f"moved {self.shift_mm:.1f} mm, {self.rotation_degrees:.1f}°; {gain}"
        return moved if self.succeeded else f"REGISTRATION FAILED ({self.reason}): {moved}"


def shift_and_rotation(matrix: np.ndarray, centre: np.ndarray) -> tuple[float, float]:
    """Say how far a rigid (or nearly rigid) transform moves a point, and by how much it turns.

    Args:
        matrix: ``(4, 4)``, RAS mm.
        centre: the point, in mm.

    Returns:
        mm, and degrees.
    """
    shift = np.linalg.norm(matrix[:3, :3] @ centre + matrix[:3, 3] - centre)
    left, _, right = np.linalg.svd(matrix[:3, :3])
    cosine = (np.trace(left @ right) - 1.0) / 2.0
    return float(shift), float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
