"""The direct form against its definition and against what follows from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from monai_memvit.networks.layers import sequence_norm, sequence_norm_attention

HEADS, WIDTH = 3, 4


def _case(
    tokens: int, batch: int = 2, heads: int = HEADS, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, ...]:
    """q, k, v, weight and bias."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    channels = heads * WIDTH
    mix = draw(channels, 3 * channels)  # q, k and v are correlated, as projections of the same tokens are
    projected = (draw(batch, tokens, channels) @ mix).chunk(3, -1)
    q, k, v = (t.unflatten(-1, (heads, WIDTH)).transpose(1, 2) for t in projected)
    return q, k, v, 1 + 0.3 * draw(3, channels), 0.5 * draw(3, channels)


def _last(count: int, tokens: int) -> torch.Tensor:
    """All tokens of the first sample are valid, and the last ``count`` of the second."""
    return torch.arange(tokens) >= torch.tensor([[0], [tokens - count]])


def _per_head(*affine: torch.Tensor) -> list[torch.Tensor]:
    return [t.unflatten(1, (-1, 1, WIDTH)) for t in affine]


def _mean_product(k: torch.Tensor, v: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, **eps) -> torch.Tensor:
    """``(1/n) k^T v`` of normalised keys and values."""
    affine = list(zip(*_per_head(weight, bias)))
    k, v = (sequence_norm(t, *gain_and_offset, **eps) for t, gain_and_offset in zip((k, v), affine[1:]))
    return k.mT @ v / k.shape[2]


@pytest.mark.parametrize("junk", [torch.nan, torch.inf, 1e30])
@pytest.mark.parametrize("tokens", [5, 50])
def test_equals_the_definition_sample_by_sample(tokens, junk, sequence_norm_by_hand):
    *qkv, weight, bias = _case(tokens)
    mask = _last(4, tokens)
    padded = [t.masked_fill(~mask[:, None, :, None], junk) for t in qkv]
    found = sequence_norm_attention(*padded, weight, bias, mask).numpy()
    for b, valid in enumerate(mask.numpy()):
        expected = sequence_norm_by_hand(*(t[b].numpy()[:, valid] for t in qkv), weight.numpy(), bias.numpy())
        np.testing.assert_allclose(found[b][:, valid], expected, atol=1e-10, rtol=0)
        assert (found[b][:, ~valid] == 0).all()


def test_normalised_channels_have_the_learned_mean_and_deviation():
    *qkv, weight, bias = _case(60)
    for x, gain, offset in zip(qkv, *_per_head(weight, bias)):
        normal = sequence_norm(x, gain, offset, eps=0.0)
        mean, std = normal.mean(2, keepdim=True), normal.std(2, correction=0, keepdim=True)
        torch.testing.assert_close(mean, offset.expand_as(mean), atol=1e-10, rtol=0)
        torch.testing.assert_close(std, gain.abs().expand_as(std), atol=1e-10, rtol=0)


def test_equals_instance_normalisation_of_any_shape():
    x, (weight, bias) = 3 + torch.randn(2, 5, 30, 4), torch.randn(2, 4)
    expected = F.instance_norm(x.flatten(0, 1).mT, weight=weight, bias=bias).mT.unflatten(0, (2, 5))
    torch.testing.assert_close(sequence_norm(x, weight, bias), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sequence_norm(x[:, 1], weight, bias), expected[:, 1], atol=1e-5, rtol=1e-5)


def test_keys_times_values_are_correlations():
    _, k, v, weight, bias = _case(60)
    product = _mean_product(k, v, torch.ones_like(weight), torch.zeros_like(bias), eps=0.0)
    for b in range(2):
        for h in range(HEADS):
            expected = np.corrcoef(k[b, h], v[b, h], rowvar=False)[:WIDTH, WIDTH:]
            np.testing.assert_allclose(product[b, h], expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("tokens", [1, 2, 7, 500])
def test_keys_times_values_are_bounded_whatever_the_number_of_tokens(tokens):
    _, k, v, weight, bias = _case(tokens)
    product = _mean_product(100 * k.square(), 100 * v.square(), weight, bias).abs()
    (_, gain_k, gain_v), (_, bias_k, bias_v) = (t.abs().unflatten(1, (HEADS, WIDTH)) for t in (weight, bias))
    bound = gain_k[..., None] * gain_v[:, None] + bias_k[..., None] * bias_v[:, None]
    assert (product <= bound + 1e-12).all()


def test_offsets_and_positive_scales_of_the_projections_have_no_influence():
    q, k, v, weight, bias = _case(30)
    out = sequence_norm_attention(q, k, v, weight, bias, eps=0.0)
    scales, offsets = torch.rand(3, HEADS, 1, WIDTH) + 0.1, 10 * torch.randn(3, HEADS, 1, WIDTH)
    moved = (t * s + o for t, s, o in zip((q, k, v), scales.double(), offsets.double()))
    torch.testing.assert_close(sequence_norm_attention(*moved, weight, bias, eps=0.0), out, atol=1e-10, rtol=0)


@pytest.mark.parametrize("tokens", [5, 50])
def test_a_bias_of_the_projections_gets_no_gradient(tokens):
    *qkv, weight, bias = _case(tokens)
    shifts = torch.zeros(3, HEADS, 1, WIDTH, dtype=torch.float64, requires_grad=True)
    out = sequence_norm_attention(*(t + s for t, s in zip(qkv, shifts)), weight, bias, _last(4, tokens))
    (out * torch.randn_like(out)).sum().backward()
    assert shifts.grad.abs().max() <= 1e-10


def test_a_single_token_receives_what_the_offsets_say():
    *qkv, weight, bias = _case(1)
    b_q, b_k, b_v = bias.unflatten(1, (HEADS, WIDTH))
    expected = (b_q * b_k).sum(1, keepdim=True) * b_v
    found = sequence_norm_attention(*qkv, weight, bias)[:, :, 0]
    torch.testing.assert_close(found, expected.expand_as(found), atol=1e-12, rtol=0)


def test_the_token_mean_does_not_depend_on_the_queries():
    *qkv, weight, bias = _case(40)
    expected = bias[0].view(HEADS, 1, WIDTH) @ _mean_product(*qkv[1:], weight, bias)
    found = sequence_norm_attention(*qkv, weight, bias).mean(2, keepdim=True)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("value", [0.0, 1000.1, -1e-3])
def test_constant_channels_become_their_offset(value):
    weight, bias = torch.randn(2, WIDTH)
    constant = torch.full((1, 777, WIDTH), value, requires_grad=True)
    out = sequence_norm(constant, weight, bias)
    torch.testing.assert_close(out, bias.expand_as(out), atol=1e-6, rtol=0)
    out.square().sum().backward()
    assert torch.isfinite(constant.grad).all()


@pytest.mark.parametrize("tokens", [3, 6])  # in either order of the products
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(tokens, masked):
    inputs = [t.requires_grad_() for t in _case(tokens, heads=1)]
    mask = _last(2, tokens) if masked else None
    assert torch.autograd.gradcheck(lambda *t: sequence_norm_attention(*t, mask), inputs)


@pytest.mark.parametrize("offset", [0, 10, 100, 1000])
def test_float32_is_exact_to_rounding_far_from_zero(offset):
    *qkv, weight, bias = _case(4000, dtype=torch.float32)
    qkv = [t / t.std() + offset for t in qkv]
    expected = sequence_norm_attention(*(t.double() for t in (*qkv, weight, bias)))
    found = sequence_norm_attention(*qkv, weight, bias).double()
    assert (found - expected).norm() <= 2e-6 * expected.norm()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
def test_half_precision_with_many_tokens(dtype, tolerance):
    *qkv, weight, bias = _case(100_000, batch=1, dtype=torch.float32)
    qkv = [(t + 5).to(dtype) for t in qkv]
    found = sequence_norm_attention(*qkv, weight, bias)
    expected = sequence_norm_attention(*(t.double() for t in (*qkv, weight, bias)))
    assert found.dtype == dtype and torch.isfinite(found).all()
    assert (found.double() - expected).norm() <= tolerance * expected.norm()


@pytest.mark.parametrize("which", [0, 1])
def test_gains_and_offsets_of_another_size_are_refused(which):
    *qkv, weight, bias = _case(5)
    affine = [weight, bias]
    affine[which] = affine[which][:, :-1]
    with pytest.raises(ValueError, match=r"must be \(3, 12\), got .*\(3, 11\)"):
        sequence_norm_attention(*qkv, *affine)
