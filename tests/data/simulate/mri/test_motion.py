"""Motion is rigid, about the given point, and within its limits."""

from __future__ import annotations

import numpy as np

from monai_memvit.data.simulate.mri.motion import draw_motion, rigid_about


def test_a_rotation_about_a_point_leaves_it_where_it_was() -> None:
    matrix = rigid_about(np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.0, 90.0]), np.array([0.0, 0.0, 5.0]))
    np.testing.assert_allclose(matrix @ [1, 2, 3, 1], [1, 2, 8, 1], atol=1e-12)
    np.testing.assert_allclose(matrix @ [2, 2, 3, 1], [1, 3, 8, 1], atol=1e-12)


def test_drawn_motion_is_rigid_and_fills_its_range() -> None:
    centre, rng = np.array([3.0, -4.0, 5.0]), np.random.default_rng(0)
    angles, shifts = [], []
    for _ in range(300):
        matrix = draw_motion(centre, 10.0, 8.0, rng)
        np.testing.assert_allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-12)
        angles.append(np.degrees(np.arccos(np.clip((np.trace(matrix[:3, :3]) - 1) / 2, -1, 1))))
        shifts.append(np.linalg.norm(matrix[:3] @ [*centre, 1.0] - centre))
    assert 9.5 < max(angles) <= 10.0 + 1e-6 and min(angles) < 0.5
    assert 7.5 < max(shifts) <= 8.0 + 1e-9 and min(shifts) < 0.5
