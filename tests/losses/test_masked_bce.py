"""Binary cross-entropy over the labels that are known."""

from __future__ import annotations

import math

import pytest
import torch

from monai_memvit.losses import MaskedBCEWithLogitsLoss

LABELS = torch.tensor([[1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])


def by_hand(logits: torch.Tensor, labels: torch.Tensor, weights: list[float]) -> float:
    total, known = 0.0, 0
    for row, truth in zip(logits.tolist(), labels.tolist()):
        for z, y, w in zip(row, truth, weights):
            if y >= 0:
                p = 1 / (1 + math.exp(-z))
                total -= w * math.log(p) if y else math.log(1 - p)
                known += 1
    return total / known


@pytest.mark.parametrize("weights", [None, [3.0, 0.5, 2.0]])
def test_mean_over_known_labels(seed: int, weights: list[float] | None) -> None:
    logits = torch.randn(2, 3, dtype=torch.float64)
    loss = MaskedBCEWithLogitsLoss(weights)(logits, LABELS)
    assert float(loss) == pytest.approx(by_hand(logits, LABELS, weights or [1.0] * 3), abs=1e-7)


def test_unknown_labels_give_no_gradient_whatever_their_logits(seed: int) -> None:
    logits = torch.randn(2, 3)
    logits[0, 2] = float("inf")
    logits.requires_grad_()
    MaskedBCEWithLogitsLoss()(logits, LABELS).backward()
    assert logits.grad is not None and logits.grad.isfinite().all()
    assert ((logits.grad == 0) == (LABELS < 0)).all()


def test_a_batch_without_known_labels_is_zero_not_nan() -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    loss = MaskedBCEWithLogitsLoss()(logits, torch.full((2, 3), -1.0))
    loss.backward()
    assert float(loss.detach()) == 0 and logits.grad is not None and not logits.grad.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    logits = torch.tensor([[4.0, -4.0]], dtype=dtype)
    loss = MaskedBCEWithLogitsLoss()(logits, torch.tensor([[1.0, 0.0]]))
    assert loss.dtype is torch.float32 and float(loss) == pytest.approx(math.log1p(math.exp(-4)), rel=1e-5)


def test_whole_numbers_are_labels_too() -> None:
    logits = torch.randn(2, 3)
    assert torch.equal(MaskedBCEWithLogitsLoss()(logits, LABELS.long()), MaskedBCEWithLogitsLoss()(logits, LABELS))


@pytest.mark.parametrize(
    "logits, labels, weights, word",
    [
        (torch.zeros(2, 3), torch.zeros(2, 2), None, "(2, 2)"),
        (torch.zeros(3), torch.zeros(3), None, "(B, K)"),
        (torch.zeros(1, 2), torch.tensor([[0.5, 1.0]]), None, "0.5"),
        (torch.zeros(1, 2), torch.tensor([[float("nan"), 1.0]]), None, "nan"),
        (torch.zeros(1, 2), torch.zeros(1, 2), [1.0], "1 values for 2"),
    ],
)
def test_what_does_not_fit_is_refused(
    logits: torch.Tensor, labels: torch.Tensor, weights: list[float] | None, word: str
) -> None:
    with pytest.raises(ValueError) as caught:
        MaskedBCEWithLogitsLoss(weights)(logits, labels)
    assert word in str(caught.value)
