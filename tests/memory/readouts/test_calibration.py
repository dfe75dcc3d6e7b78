"""Scale and offsets by log loss, against SciPy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.metrics import log_loss as sklearn_log_loss

from monai_memvit.memory.readouts.calibration import Calibration, balanced_weights, calibrate, log_loss


def _scores(count: int = 200, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    scores = torch.randn(count, 3, generator=generator).double()
    scores[torch.arange(count), labels] += 1
    return scores + torch.tensor([0.0, 2.0, -1.0]), labels


def test_the_loss_is_that_of_scikit_learn():
    told, labels, weights = torch.randn(30, 3).softmax(-1).double(), torch.arange(30) % 3, torch.rand(30)
    wanted = sklearn_log_loss(labels, told / told.sum(1, keepdim=True), sample_weight=weights)
    assert log_loss(told, labels, weights) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("groups", [2, 40])
def test_scale_and_offsets_are_those_that_scipy_finds(groups):
    scores, labels = _scores()
    weights = torch.rand(200).double()
    share = (weights / weights.sum()).numpy()

    def objective(p: np.ndarray) -> float:
        doubt = 3 / (200 + 6)
        truth = (1 - doubt) * np.eye(3)[labels] + doubt / 3
        told = (truth * log_softmax(p[0] * scores.numpy() + p[1:], axis=1)).sum(1)
        doubts = (p[0] / 0.5 - 1) ** 2 / groups + 0.02 * (1 + 10 / groups) * (p[1:] ** 2).sum()
        return -(share * told).sum() + doubts

    wanted = minimize(objective, [1.0, 0, 0, 0], tol=1e-12).x
    found = calibrate(scores, labels, weights, 0.5, groups)
    np.testing.assert_allclose([found.scale, *found.offsets], wanted, atol=1e-4)
    assert found.loss == pytest.approx(log_loss(found(scores), labels, weights))


def test_offsets_undo_what_a_site_adds_to_a_class():
    scores, labels = _scores(3000)
    found = calibrate(scores, labels, torch.ones(3000), 1.0, 3000)
    centred = found.offsets / found.scale - (found.offsets / found.scale).mean()
    torch.testing.assert_close(
        centred, -torch.tensor([0.0, 2, -1]).double() + 1 / 3, atol=0.3, rtol=0
    )  # the penalty holds back


def test_scores_that_are_always_right_or_tell_nothing_do_not_break_it():
    labels = torch.arange(30) % 3
    sure = calibrate(torch.eye(3)[labels], labels, torch.ones(30), 1.0, 30)
    blind = calibrate(torch.zeros(30, 3), labels, torch.ones(30), 1.0, 30)
    wrong = calibrate(-torch.eye(3)[labels], labels, torch.ones(30), 1.0, 3000)
    assert sure.loss < 0.2 and sure.scale < 10 and blind.loss == pytest.approx(np.log(3))
    assert wrong.scale > 0 and wrong.loss == pytest.approx(np.log(3), abs=0.01)


def test_a_few_groups_that_are_told_wrong_do_not_silence_the_scores():
    labels = torch.arange(60) % 3
    scores = torch.randn(60, 3, generator=torch.Generator().manual_seed(3)).double()
    scales = [calibrate(scores, labels, torch.ones(60), 3.0, groups).scale for groups in (2, 20, 2000)]
    assert scales[0] > 3 * scales[1] > 0 and scales[1] > scales[2] and scales[0] < 3


@pytest.mark.parametrize("groups", [2, 8, 400])
def test_groups_can_flatten_the_scores_as_far_as_they_are_many(groups):
    """Ten cases that are told wrong by chance must not leave the answer to the offsets."""
    labels = torch.arange(10) % 2
    wrong = calibrate(-torch.eye(2)[labels], labels, torch.ones(10), 3.0, groups)
    assert 3 / (1 + groups / 4) <= wrong.scale < 3 and (wrong.scale < 0.1) == (groups == 400)


def test_balanced_weights_give_every_class_the_same():
    weights = balanced_weights(torch.tensor([0, 0, 0, 2]), 4)
    assert weights.tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])


def test_without_a_judge_there_are_no_offsets():
    scores = torch.randn(4, 2)
    torch.testing.assert_close(Calibration.none(2, 3.0)(scores), (3 * scores.double()).softmax(-1))
