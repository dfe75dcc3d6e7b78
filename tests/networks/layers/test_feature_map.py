"""Feature-map attention against an explicit loop over queries and keys."""

from __future__ import annotations

import math

import pytest
import torch

from monai_memvit.networks.layers import feature_map_attention


def _qkv(tokens: int = 9, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3, tokens, 4, generator=generator, dtype=torch.float64).to(dtype) for _ in range(3)]


def _feature(x: float) -> float:
    return x + 1 if x > 0 else math.exp(x)


def _by_hand(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor, normalize: bool) -> torch.Tensor:
    out = torch.zeros_like(q)
    for b, h, i in ((b, h, i) for b in range(2) for h in range(3) for i in range(q.shape[2])):
        keys = mask[b].nonzero()[:, 0].tolist()
        weights = [
            sum(_feature(a) * _feature(c) for a, c in zip(q[b, h, i].tolist(), k[b, h, j].tolist())) for j in keys
        ]
        received = sum(w * v[b, h, j] for w, j in zip(weights, keys))
        out[b, h, i] = received / (sum(weights) + 1e-6) if normalize else received
    return out


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("tokens", [3, 9])
def test_equals_a_loop(normalize, tokens):
    q, k, v = _qkv(tokens)
    mask = torch.arange(tokens) != torch.tensor([[-1], [1]])
    expected = _by_hand(q, k, v, mask, normalize)
    dirty = (t.masked_fill(~mask[:, None, :, None], torch.nan) for t in (k, v))
    torch.testing.assert_close(feature_map_attention(q, *dirty, mask, normalize), expected, atol=1e-12, rtol=1e-12)


def test_normalised_outputs_are_convex_combinations_of_values():
    q, k, v = _qkv()
    out = feature_map_attention(10 * q, 10 * k, v, eps=0.0)
    assert (out <= v.amax(2, keepdim=True)).all() and (out >= v.amin(2, keepdim=True)).all()
    torch.testing.assert_close(feature_map_attention(q, k, torch.full_like(v, 7.0), eps=0.0), torch.full_like(v, 7.0))


@pytest.mark.parametrize(("normalize", "grows"), [(True, 0), (False, 1)])
@pytest.mark.parametrize("repeats", [2, 8])
def test_repeated_keys(normalize, grows, repeats):
    q, k, v = _qkv()
    repeated = feature_map_attention(q, k.repeat(1, 1, repeats, 1), v.repeat(1, 1, repeats, 1), None, normalize, 0.0)
    torch.testing.assert_close(repeated, repeats**grows * feature_map_attention(q, k, v, None, normalize, 0.0))


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("mask", [None, torch.tensor([[True, False, True], [False] * 3])])
def test_gradients(normalize, mask):
    inputs = [t.requires_grad_() for t in _qkv(3)]
    assert torch.autograd.gradcheck(lambda *t: feature_map_attention(*t, mask, normalize), inputs)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_with_many_tokens(dtype):
    q, k, v = (t + 2 for t in _qkv(20_000, dtype))
    found = feature_map_attention(q, k, v)
    assert found.dtype == dtype
    torch.testing.assert_close(
        found.double(), feature_map_attention(q.double(), k.double(), v.double()), atol=1e-3, rtol=8e-3
    )


def test_without_a_valid_token_the_output_is_zero():
    assert (feature_map_attention(*_qkv(), torch.zeros(2, 9, dtype=torch.bool)) == 0).all()
