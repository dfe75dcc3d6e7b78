"""The Gram form against the definition, the correlation matrix and numerical derivatives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from monai_memvit.networks.layers import TokenMap, TokenMoments, collapse_attention, head_statistics

HEADS, CHANNELS = 3, 12


def _draw(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def x() -> torch.Tensor:
    return 2 + _draw(2, 50, CHANNELS, seed=0) @ _draw(CHANNELS, CHANNELS, seed=1)


@pytest.fixture
def parameters() -> dict[str, torch.Tensor]:
    shapes = {"qkv": (3 * CHANNELS, CHANNELS), "weight": (3, CHANNELS), "bias": (3, CHANNELS)}
    return {name: _draw(*shape, seed=i) for i, (name, shape) in enumerate(shapes.items(), 2)}


@pytest.fixture
def out() -> torch.Tensor:
    return _draw(CHANNELS, CHANNELS, seed=5)


def _heads(x: torch.Tensor) -> np.ndarray:
    return x.unflatten(-1, (HEADS, -1)).movedim(-2, 0).numpy()


def test_the_map_equals_the_definition(x, parameters, out, sequence_norm_by_hand):
    token_map = collapse_attention(TokenMoments.from_tokens(x), **parameters, out=out, num_heads=HEADS)
    weight, bias = (parameters[name].numpy() for name in ("weight", "bias"))
    for b, found in enumerate(token_map(x)):
        q, k, v = (_heads(t) for t in (x[b] @ parameters["qkv"].mT).chunk(3, -1))
        received = np.concatenate(list(sequence_norm_by_hand(q, k, v, weight, bias)), axis=1)
        np.testing.assert_allclose(found, received @ out.numpy().T, atol=1e-10, rtol=1e-10)


def test_statistics_are_deviations_and_correlations(x, parameters):
    statistics = head_statistics(TokenMoments.from_tokens(x), **parameters, num_heads=HEADS, eps=0.0)
    (_, gain_k, gain_v), (_, bias_k, bias_v) = (_heads(parameters[name]).swapaxes(0, 1) for name in ("weight", "bias"))
    for b in range(2):
        projected = x[b] @ parameters["qkv"].mT
        deviations = projected.numpy().std(0).reshape(3, CHANNELS)
        np.testing.assert_allclose(statistics.gains[b] * deviations, parameters["weight"], atol=1e-10)
        _, keys, values = (_heads(t) for t in projected.chunk(3, -1))
        for h in range(HEADS):
            correlation = np.corrcoef(keys[h], values[h], rowvar=False)[:4, 4:]
            expected = np.outer(gain_k[h], gain_v[h]) * correlation + np.outer(bias_k[h], bias_v[h])
            np.testing.assert_allclose(statistics.attention[b, h], expected, atol=1e-10)
            bound = np.abs(np.outer(gain_k[h], gain_v[h])) + np.abs(np.outer(bias_k[h], bias_v[h]))
            assert (np.abs(statistics.attention[b, h].numpy()) <= bound + 1e-12).all()


def test_gradients(x, parameters, out):
    moments = TokenMoments.from_tokens(x[:, :20])

    def collapse(mean: torch.Tensor, comoment: torch.Tensor, qkv, weight, bias, out) -> tuple[torch.Tensor, ...]:
        symmetric = (comoment + comoment.mT) / 2
        token_map = collapse_attention(TokenMoments(moments.count, mean, symmetric), qkv, weight, bias, out, 2)
        return token_map(x.new_zeros(2, 1, 4)), token_map.matrix

    small = (
        moments.mean[:, :4],
        moments.comoment[:, :4, :4],
        parameters["qkv"][:12, :4],
        parameters["weight"][:, :4],
        parameters["bias"][:, :4],
        out[:4, :4],
    )
    assert torch.autograd.gradcheck(collapse, [t.clone().requires_grad_() for t in small])


@pytest.mark.parametrize("dead", ["tokens", "weights"])
def test_channels_without_variance(x, parameters, out, dead):
    if dead == "tokens":
        x = x[:, :1].expand_as(x)
    else:
        parameters["qkv"][:] = 0
    parameters["qkv"].requires_grad_()
    token_map = collapse_attention(TokenMoments.from_tokens(x), **parameters, out=out, num_heads=HEADS)
    b_q, b_k, b_v = parameters["bias"].unflatten(1, (HEADS, -1))
    expected = ((b_q * b_k).sum(1, keepdim=True) * b_v).flatten() @ out.mT
    found = token_map(x)
    torch.testing.assert_close(found, expected.expand_as(found), atol=1e-10, rtol=1e-10)
    found.square().sum().backward()
    assert torch.isfinite(parameters["qkv"].grad).all()


def test_variances_that_rounding_takes_below_zero(parameters, out):
    direction = F.normalize(_draw(CHANNELS, seed=6), dim=0)
    x = 1e4 * _draw(2, 50, 1, seed=7) * direction
    qkv = parameters["qkv"] - torch.outer(parameters["qkv"] @ direction, direction)  # sees nothing of it
    single = {name: t.float() for name, t in {**parameters, "qkv": qkv, "out": out}.items()}
    token_map = collapse_attention(TokenMoments.from_tokens(x.float()), **single, num_heads=HEADS)
    assert torch.isfinite(token_map(x.float())).all()


def test_a_mean_that_float32_cannot_hold_is_not_rounded_away(x, parameters, out):
    moments = TokenMoments.from_tokens(x)
    far = moments._replace(mean=moments.mean + 4096 + 1e-4, comoment=moments.comoment.float())
    single = {name: t.float() for name, t in parameters.items()}
    token_map = collapse_attention(far, **single, out=out.float(), num_heads=HEADS)
    exact = collapse_attention(far._replace(comoment=moments.comoment), **parameters, out=out, num_heads=HEADS)
    at = far.mean[:, None].round()  # held by float32
    torch.testing.assert_close(token_map(at.float()).double(), exact(at), atol=2e-5, rtol=2e-5)


def test_a_map_leaves_padding_at_zero(x):
    token_map = TokenMap(x[:, :1], torch.eye(CHANNELS, dtype=x.dtype).expand(2, -1, -1), x[:, :1])
    mask = torch.arange(50) < torch.tensor([[50], [20]])
    torch.testing.assert_close(token_map(x.masked_fill(~mask[..., None], torch.nan), mask), x * mask[..., None])
