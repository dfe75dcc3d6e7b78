"""The network's own opinion, calibrated."""

from __future__ import annotations

import torch

from monai_memvit.memory.case_rows import CaseRows
from monai_memvit.memory.class_moments import ClassMoments
from monai_memvit.memory.readouts import HeadReadout


def _fit(labels: torch.Tensor, logits: torch.Tensor, judged: torch.Tensor):
    ids, classes = torch.arange(len(labels)), int(labels.max()) + 1
    rows = CaseRows(ids, ids, labels, torch.zeros(len(ids), dtype=torch.bool), torch.randn(len(ids), 3), logits)
    return HeadReadout().fit(rows, ClassMoments.of(rows.features, labels, max(classes, logits.shape[1])), judged)


def test_a_head_that_is_too_sure_is_calibrated_near_the_truth():
    torch.manual_seed(0)
    honest = torch.randn(4000, 2)
    labels = torch.distributions.Categorical(logits=honest).sample()
    fitted = _fit(labels, 3 * honest + torch.tensor([0.0, 1.5]), torch.arange(4000))
    assert 0.28 < fitted.choices["scale"] < 0.42
    logits = torch.randn(50, 2)
    told = fitted.read(torch.zeros(50, 3), 3 * logits + torch.tensor([0.0, 1.5]))
    torch.testing.assert_close(told, logits.double().softmax(-1), atol=0.05, rtol=0)


def test_without_a_judge_it_is_left_as_it_is():
    fitted = _fit(torch.tensor([0, 1]), torch.randn(2, 2), torch.empty(0, dtype=torch.int64))
    assert fitted.choices["scale"] == 1.0


def test_new_classes_get_no_probability():
    fitted = _fit(torch.tensor([0, 1, 2]), torch.randn(3, 2), torch.arange(3))
    told = fitted.read(torch.zeros(4, 3), torch.randn(4, 2))
    assert (told[:, 2] == 0).all() and torch.allclose(told.sum(1), torch.ones(4, dtype=torch.float64))
