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


@pytest.mark.parametrize("seed", range(6))
def test_the_best_offsets_where_the_scale_is_held(seed):
    """Against scipy, with the same bound: scores that are wrong, and biased towards one class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (24,), generator=generator)
    labels[:2] = torch.tensor([0, 1])
    wrong = torch.eye(2).double()[1 - labels] + 0.2 * torch.randn(24, 2, generator=generator).double()
    scores, weights, groups, usual = wrong + torch.tensor([0.8, 0.0]), torch.ones(24).double(), 12, 3.0
    found = calibrate(scores, labels, weights, usual, groups)
    floor, doubt = usual / (1 + groups / 4), 2 / (24 + 4)
    truth = ((1 - doubt) * torch.eye(2)[labels] + doubt / 2).numpy()

    def objective(parameters):
        told = scores.numpy() * parameters[0] + parameters[1:]
        logarithms = told - np.logaddexp(told[:, :1], told[:, 1:])
        kept = 0.02 * (1 + 10 / groups) * (parameters[1:] ** 2).sum() + (parameters[0] - usual) ** 2 / groups / usual**2
        return -(truth * logarithms).sum(1).mean() + kept

    best = minimize(objective, [usual, 0, 0], bounds=[(floor, None), (None, None), (None, None)], tol=1e-12)
    assert found.scale == pytest.approx(floor) == best.x[0]
    assert objective(np.array([found.scale, *found.offsets.tolist()])) == pytest.approx(best.fun, abs=1e-6)


def test_a_class_without_cases_has_no_offset():
    scores = torch.randn(40, 4, generator=torch.Generator().manual_seed(1)).double()
    labels = torch.tensor([0, 3]).repeat(20)
    found, weights = calibrate(scores, labels, torch.ones(40), 3.0, 20), torch.ones(40)
    small = calibrate(scores[:, [0, 3]], labels // 3, weights, 3.0, 20)
    assert found.offsets[1:3].tolist() == [0, 0] and found.scale == pytest.approx(small.scale)
    torch.testing.assert_close(found.offsets[[0, 3]], small.offsets)
    assert found.loss == pytest.approx(small.loss)


def test_cases_of_one_class_choose_nothing():
    found = calibrate(torch.randn(5, 3), torch.ones(5, dtype=torch.int64), torch.ones(5), 3.0, 5)
    assert found.scale == 3.0 and not found.offsets.any()


def test_balanced_weights_give_every_class_the_same():
    weights = balanced_weights(torch.tensor([0, 0, 0, 2]), 4)
    assert weights.tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])


def test_without_a_judge_there_are_no_offsets():
    scores = torch.randn(4, 2)
    torch.testing.assert_close(Calibration.none(2, 3.0)(scores), (3 * scores.double()).softmax(-1))
