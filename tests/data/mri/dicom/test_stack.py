"""Order, spacing and faults of stacks, and the affine by the formula of the standard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from monai_memvit.data.mri.dicom.headers import DicomSlice
from monai_memvit.data.mri.dicom.stack import stack_slices
from monai_memvit.data.mri.sources.recognise import SeriesAttributes


def slices(at: Sequence[float], directions: np.ndarray, drift: float = 0.0) -> list[DicomSlice]:
    """Slices at distances along the normal, shifted along their rows by ``drift`` each."""
    row, column = directions[:, 0], directions[:, 1]
    normal = np.cross(row, column)
    return [
        DicomSlice(
            Path(f"{i}.dcm"),
            None,
            f"1.{i}",
            tuple(np.array([7.0, -5.0, 3.0]) + z * normal + i * drift * row),
            (*row, *column),
            (0.8, 1.2),
            (4, 5),
            SeriesAttributes(),
        )
        for i, z in enumerate(at)
    ]


def test_slices_are_sorted_along_the_normal_and_the_affine_is_the_standards(oblique):
    pieces = slices([15.0, 0.0, 5.0, 10.0], oblique)
    stack = stack_slices(pieces)
    assert not stack.faults and stack.repeats == 1
    assert [piece.instance for piece in stack.slices] == ["1.1", "1.2", "1.3", "1.0"]
    assert stack.spacing_mm == pytest.approx(5.0)
    for k, piece in enumerate(stack.slices):
        for column, line in [(0, 0), (4, 3), (2, 1)]:  # equation C.7.6.2.1-1, in LPS
            lps = (
                np.array(piece.position)
                + column * 1.2 * np.array(piece.orientation[:3])
                + line * 0.8 * np.array(piece.orientation[3:])
            )
            ras = stack.affine() @ [column, line, k, 1]
            np.testing.assert_allclose(ras[:3], lps * [-1, -1, 1], atol=1e-9)


def test_rounded_positions_are_no_fault(oblique):
    at = np.arange(20) * 5.5 + np.random.default_rng(0).uniform(-0.02, 0.02, 20)
    assert not stack_slices(slices(at, oblique)).faults


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ([0, 5, 10, 20, 25], "1 slices missing, first between "),
        ([0, 5, 15, 20, 35], "3 slices missing"),
        ([0, 5, 15], "1 slices missing"),
        ([0, 5, 10, 17, 22], "unevenly spaced"),
        ([0, 5, 5, 10, 15], "slices doubled at 1 of 4 positions"),
        ([0, 0, 5, 5, 10, 10], "2 images at each of its 3 positions, a dynamic"),
    ],
)
def test_faults_name_position_and_remedy(at, words, oblique):
    (fault,) = stack_slices(slices(at, oblique)).faults
    assert words in fault


def test_the_same_object_twice_is_told(oblique):
    pieces = slices([0, 5, 10], oblique)
    (fault,) = stack_slices(pieces * 2).faults
    assert "doubled at 3 of 3" in fault and "the same object twice" in fault


def test_a_tilted_gantry_is_a_fault_and_half_a_pixel_is_none(oblique):
    (fault,) = stack_slices(slices(np.arange(10) * 5.0, oblique, drift=0.5)).faults
    assert "gantry tilt" in fault and "4.50 mm" in fault
    assert not stack_slices(slices(np.arange(10) * 5.0, oblique, drift=0.04)).faults


def test_one_slice_has_an_affine(oblique):
    stack = stack_slices(slices([0.0], oblique))
    assert not stack.faults
    assert abs(np.linalg.det(stack.affine())) == pytest.approx(0.8 * 1.2)
