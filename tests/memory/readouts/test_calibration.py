"""Temperature by log loss, against scikit-learn's."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import log_loss as sklearn_log_loss

from monai_memvit.memory.readouts.calibration import best_temperature, log_loss


def test_the_loss_is_that_of_scikit_learn():
    torch.manual_seed(0)
    told, labels, weights = torch.randn(30, 3).softmax(-1).double(), torch.arange(30) % 3, torch.rand(30)
    wanted = sklearn_log_loss(labels, told / told.sum(1, keepdim=True), sample_weight=weights)
    assert log_loss(told, labels, weights) == pytest.approx(wanted, rel=1e-6)


def test_the_best_temperature_is_the_best_of_a_finer_grid_too():
    torch.manual_seed(0)
    scores, labels = torch.randn(200, 3).double(), torch.arange(200) % 3
    scores[torch.arange(200), labels] += 1
    found = best_temperature(scores, labels, torch.ones(200), 0.1, 10.0)
    finer = [log_loss((scores / t).softmax(-1), labels, torch.ones(200)) for t in torch.logspace(-1, 1, 500)]
    assert found.loss == pytest.approx(min(finer), abs=2e-3) and 0.1 <= found.value <= 10
