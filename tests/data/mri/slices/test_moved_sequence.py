"""How far a transform moves, and how it is told."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from monai_memvit.data.mri.slices.moved_sequence import MovedSequence, shift_and_rotation


def test_a_turn_about_the_centre_does_not_shift_it() -> None:
    centre = np.array([3.0, -20.0, 40.0])
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec([0.0, 4.0, 3.0], degrees=True).as_matrix()
    matrix[:3, 3] = centre - matrix[:3, :3] @ centre + [1.0, 2.0, 2.0]
    assert shift_and_rotation(matrix, centre) == pytest.approx((3.0, 5.0))
    matrix[:3, :3] *= 1.03  # of an affine, the rotation alone is told
    assert shift_and_rotation(matrix, centre)[1] == pytest.approx(5.0)


def test_it_is_told_in_one_line() -> None:
    told = {
        "shift_mm": 1.25,
        "rotation_degrees": 2.0,
        "mutual_information_before": 0.1,
        "mutual_information_after": 0.5,
        "identical_space": False,
        "succeeded": True,
        "reason": "",
        "matrix": np.eye(4).tolist(),
    }
    assert str(MovedSequence.of(told)) == "moved 1.2 mm, 2.0°; mutual information 0.100 → 0.500"
    failed = str(MovedSequence.of(told | {"succeeded": False, "reason": "no peak"}))
    assert failed.startswith("REGISTRATION FAILED (no peak)")
    assert "not moved" in str(MovedSequence.of(told | {"identical_space": True}))
    assert MovedSequence.of(None) is None
