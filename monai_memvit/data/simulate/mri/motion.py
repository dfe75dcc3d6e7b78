"""How a head lies in the scanner, and how it has moved between two sequences: rigid transforms of the world."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

__all__ = ["draw_motion", "rigid_about"]


def rigid_about(centre: np.ndarray, rotation: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Build the transform that turns about a point and then shifts.

    Args:
        centre: the point that only the shift moves, in mm, ``(3,)``.
        rotation: axis times angle in degrees, ``(3,)``.
        shift: in mm, ``(3,)``.

    Returns:
        Homogeneous matrix ``(4, 4)``, world to world.
    """
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(rotation, degrees=True).as_matrix()
    matrix[:3, 3] = centre - matrix[:3, :3] @ centre + shift
    return matrix


def draw_motion(
    centre: np.ndarray, max_rotation_deg: float, max_shift_mm: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw a rotation about ``centre`` and a shift, both in any direction and of evenly distributed size.

    Args:
        centre: of the rotation, in mm, ``(3,)``.
        max_rotation_deg: largest angle in degrees.
        max_shift_mm: largest length of the shift in mm.
        rng: source of chance.

    Returns:
        Homogeneous matrix ``(4, 4)``, world to world.
    """
    axis, direction = (vector / np.linalg.norm(vector) for vector in rng.standard_normal((2, 3)))
    angle, length = rng.uniform(0.0, 1.0, 2) * [max_rotation_deg, max_shift_mm]
    return rigid_about(centre, axis * angle, direction * length)
