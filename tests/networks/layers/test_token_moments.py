"""Moments of tokens and of their parts against numpy.cov, on one process and on two."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_memvit.networks.layers import TokenMoments

ROOT = Path(__file__).parents[3]


def _tokens(tokens: int, offset: float = 0.0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(tokens)
    x, mix = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((2, tokens, 5), (5, 5)))
    return (x @ mix + offset).to(dtype)


def _assert_moments(found: TokenMoments, x: torch.Tensor, mask: torch.Tensor, tolerance: float = 1e-10) -> None:
    for b, valid in enumerate(mask):
        tokens = x[b, valid].double().numpy()
        assert found.count[b] == len(tokens)
        mean, covariance = tokens.mean(0), np.cov(tokens, rowvar=False, bias=True).reshape(5, 5)
        np.testing.assert_allclose(found.mean[b], mean, atol=tolerance, rtol=tolerance)
        np.testing.assert_allclose(found.covariance[b], covariance, atol=tolerance * covariance.max(), rtol=0)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("tokens", [1, 2, 100, 3000])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-6)])
@pytest.mark.parametrize("offset", [0, 1000])
def test_equal_numpy(tokens, masked, dtype, tolerance, offset):
    x, mask = _tokens(tokens, offset, dtype), torch.ones(2, tokens, dtype=torch.bool)
    if masked:
        mask[1, 1:] = torch.rand(tokens - 1) < 0.5
        x[~mask] = torch.nan
    found = TokenMoments.from_tokens(x, mask if masked else None)
    assert (found.count.dtype, found.mean.dtype, found.comoment.dtype) == (torch.float64, torch.float64, dtype)
    _assert_moments(found, x, mask, tolerance)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_with_many_tokens(dtype):
    x = _tokens(100_000, 20, torch.float32).to(dtype)
    found = TokenMoments.from_tokens(x)
    assert found.comoment.dtype == torch.float32
    _assert_moments(found, x, torch.ones(2, 100_000, dtype=torch.bool), 1e-5)


@pytest.mark.parametrize("tokens", [0, 4])
def test_no_token_at_all(tokens):
    x = torch.full((2, tokens, 5), torch.nan)
    found = TokenMoments.from_tokens(x, torch.zeros(2, tokens, dtype=torch.bool))
    assert all((t == 0).all() for t in (*found, found.covariance))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-6)])
@pytest.mark.parametrize("sizes", [[3000], [1, 2999], [1500, 1500], [7, 0, 993, 1000, 1000], [100] * 30])
@pytest.mark.parametrize("offset", [0, 1000])
def test_parts_merge_to_the_whole_in_any_order(sizes, dtype, tolerance, offset):
    x = _tokens(3000, offset, dtype)
    mask = torch.rand(2, 3000) < torch.tensor([[1.0], [0.6]])
    mask[1, :100] = False  # a part without a valid token
    parts = [TokenMoments.from_tokens(*part) for part in zip(x.split(sizes, 1), mask.split(sizes, 1))]
    for order in (parts, parts[::-1]):
        _assert_moments(TokenMoments.from_parts(order), x, mask, tolerance)


def test_parts_without_a_token_merge_to_nothing():
    nothing = TokenMoments.from_tokens(torch.zeros(2, 0, 5))
    assert all((t == 0).all() for t in nothing.merge(nothing))


@pytest.mark.parametrize("mask", [None, torch.tensor([[True, False, True, True, True], [False] * 5])])
def test_gradients_whole_and_merged(mask):
    def moments(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        masks = (None, None) if mask is None else mask.split([2, 3], 1)
        merged = TokenMoments.from_parts(map(TokenMoments.from_tokens, x.split([2, 3], 1), masks))
        whole = TokenMoments.from_tokens(x, mask)
        return merged.mean, merged.covariance, whole.mean, whole.covariance

    assert torch.autograd.gradcheck(moments, _tokens(5, 3).requires_grad_())


@pytest.mark.parametrize("x", [torch.zeros(4, 5), torch.zeros(1, 2, 4, 5), torch.zeros(2, 4, 5, dtype=torch.int64)])
def test_other_than_floating_tokens_are_refused(x):
    with pytest.raises(ValueError, match=r"must be floating point \(B, T, D\)"):
        TokenMoments.from_tokens(x)


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 3\) does not fit tokens \(2, 4, 5\)"):
        TokenMoments.from_tokens(_tokens(4), torch.ones(2, 3, dtype=torch.bool))


@pytest.mark.slow
def test_two_ranks_with_a_part_each_compute_what_one_process_does(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    script = str(Path(__file__).with_name("two_rank_moments.py"))
    subprocess.run([sys.executable, script, str(tmp_path)], check=True, timeout=300, cwd=ROOT, env=environment)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    alone = runpy.run_path(script)["attend"](slice(None))
    parts = {name: [first[name], second[name]] for name in alone}
    whole = {"out": torch.cat(parts["out"], 1), "x_gradient": torch.cat(parts["x_gradient"], 1)}
    whole |= {"qkv_gradient": sum(parts["qkv_gradient"])}
    for name in ("count", "mean", "comoment"):
        assert torch.equal(*parts[name])
        whole[name] = first[name]
    for name, expected in alone.items():
        assert (whole[name] - expected).norm() <= 1e-6 * expected.norm(), name
