"""Peaks and slopes of mutual information."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from monai_memvit.transforms.mri.registration_checks import lies_at_peak, sign_of_failure
from monai_memvit.transforms.mri.registration_metric import VolumePair
from monai_memvit.transforms.mri.registration_options import RegistrationOptions
from monai_memvit.transforms.mri.simpleitk_images import to_simpleitk

pytest.importorskip("SimpleITK")

POSE = (4, -3, 5), (5, 2, -3)


@pytest.fixture(scope="module")
def pair(head: Any, rigid: Callable[..., np.ndarray]) -> VolumePair:
    fixed, moving = head.volume(), head.volume("t2", pose=rigid(*POSE), seed=1)
    images = (to_simpleitk(volume[0], volume.affine) for volume in (fixed, moving))
    return VolumePair(*images, options=RegistrationOptions(samples=30_000))


def test_the_truth_shows_no_sign_of_failure(pair: VolumePair, rigid: Callable[..., np.ndarray]) -> None:
    assert lies_at_peak(pair, rigid(*POSE))
    assert sign_of_failure(pair, np.eye(4), rigid(*POSE), 0.4, 0.9) == ""


@pytest.mark.parametrize(
    ("angles", "shift"),
    [((0, 0, 0), (2.5, 0, 0)), ((0, 0, 0), (0, 0, -2.5)), ((2.5, 0, 0), (0, 0, 0)), ((0, -2.5, 0), (0, 0, 0))],
)
def test_a_slope_is_no_peak(
    pair: VolumePair, rigid: Callable[..., np.ndarray], angles: tuple[float, ...], shift: tuple[float, ...]
) -> None:
    assert not lies_at_peak(pair, rigid(*POSE) @ rigid(angles, shift))


def test_a_far_slope_is_a_failure_without_any_limit(pair: VolumePair, rigid: Callable[..., np.ndarray]) -> None:
    beside = rigid(*POSE) @ rigid((0, 0, 6), (0, 0, 0))
    assert sign_of_failure(pair, np.eye(4), beside, 0.4, 0.9).startswith("no peak of mutual information")


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.diag([1.0, 1.0, 0.0, 1.0]), "the transform is degenerate"),
        (np.full((4, 4), np.nan), "the transform is degenerate"),
        (np.diag([1.3, 1.0, 1.0, 1.0]), "a scaling by 1.30 is beyond 1.25"),
        (np.diag([1.0, 1.0, 0.7, 1.0]), "a scaling by 1.43 is beyond 1.25"),
        (np.diag([-1.0, -1.0, 1.0, 1.0]), "a rotation of 180.0 degrees is beyond 30"),
        (np.diag([-1.0, 1.0, 1.0, 1.0]), "a rotation of"),
    ],
)
def test_transforms_that_no_head_makes(pair: VolumePair, matrix: np.ndarray, words: str) -> None:
    assert sign_of_failure(pair, np.eye(4), matrix, 0.4, 0.9).startswith(words)


def test_a_far_shift_counts_from_the_start(pair: VolumePair, rigid: Callable[..., np.ndarray]) -> None:
    far = rigid((0, 0, 0), (0, 0, 70))
    assert sign_of_failure(pair, np.eye(4), far, 0.4, 0.9) == "a shift of 70.0 mm is beyond 60 mm"
    assert "shift" not in sign_of_failure(pair, far, far, 0.4, 0.9)


def test_information_that_fell_is_a_failure(pair: VolumePair, rigid: Callable[..., np.ndarray]) -> None:
    assert "fell from 0.9000 to 0.8000" in sign_of_failure(pair, np.eye(4), rigid(*POSE), 0.9, 0.8)
