"""Softmax-weighted means against the softmax itself."""

from __future__ import annotations

import pytest
import torch

from monai_memvit.networks.layers import WeightedMean


def _by_softmax(x: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    return (scores.softmax(1)[..., None] * x).sum(1)


@pytest.mark.parametrize("shift", [0.0, 5e3, -5e3])
@pytest.mark.parametrize("parts", [1, 3, 12])
def test_parts_merge_to_the_softmax_of_the_whole(shift, parts):
    x, scores = torch.randn(2, 12, 5).double().requires_grad_(), (30 * torch.randn(2, 12)).double() + shift
    scores.requires_grad_()
    first, *others = (WeightedMean.from_tokens(*part) for part in zip(x.chunk(parts, 1), scores.chunk(parts, 1)))
    for part in others:
        first = first.merge(part)
    wanted = _by_softmax(x, scores)
    torch.testing.assert_close(first.mean, wanted)
    for mine, theirs in zip(*(torch.autograd.grad(m.square().sum(), (x, scores)) for m in (first.mean, wanted))):
        torch.testing.assert_close(mine, theirs, atol=1e-9, rtol=1e-7)


def test_without_scores_it_is_the_mean_and_padding_is_irrelevant():
    x, scores = torch.randn(2, 7, 3).double(), torch.randn(2, 7).double()
    torch.testing.assert_close(WeightedMean.from_tokens(x).mean, x.mean(1))
    mask = torch.arange(7) < torch.tensor([[7], [4]])
    x[~mask], scores[~mask] = float("nan"), float("nan")
    x.requires_grad_(), scores.requires_grad_()
    mean = WeightedMean.from_tokens(x, scores, mask).mean
    torch.testing.assert_close(mean[1:], _by_softmax(x[1:, :4], scores[1:, :4]))
    mean.sum().backward()
    assert not x.grad[~mask].any() and not scores.grad[~mask].any() and x.grad.isfinite().all()


def test_nothing_merges_with_anything_and_means_zero():
    nothing, x = WeightedMean.from_tokens(torch.zeros(1, 0, 3)), torch.randn(1, 4, 3)
    something = WeightedMean.from_tokens(x, torch.full((1, 4), -1e6))
    torch.testing.assert_close(nothing.merge(something).mean, x.mean(1))
    torch.testing.assert_close(something.merge(nothing).mean, x.mean(1))
    assert not nothing.merge(nothing).mean.any()
    assert not WeightedMean.from_tokens(x, None, torch.zeros(1, 4, dtype=torch.bool)).mean.any()


def test_sums_of_half_precision_do_not_overflow():
    mean = WeightedMean.from_tokens(torch.full((1, 5000, 2), 100.0, dtype=torch.float16)).mean
    torch.testing.assert_close(mean, torch.full((1, 2), 100.0))
