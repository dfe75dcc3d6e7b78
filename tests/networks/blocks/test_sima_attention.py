"""SimA against its published formula, written out."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from monai_memvit.networks.blocks import SimaAttention


@pytest.mark.parametrize("tokens", [3, 30])
@pytest.mark.parametrize("qkv_bias", [False, True])
def test_equals_the_formula(tokens, qkv_bias):
    torch.manual_seed(0)
    attention, x = SimaAttention(12, 3, qkv_bias=qkv_bias).double(), torch.randn(2, tokens, 12).double()
    q, k, v = attention.qkv(x).reshape(2, tokens, 3, 3, 4).permute(2, 0, 3, 1, 4)
    q, k = (F.normalize(t, p=1.0, dim=-2) for t in (q, k))
    expected = attention.out_proj(((q @ k.mT) @ v).transpose(1, 2).reshape(2, tokens, 12))
    torch.testing.assert_close(attention(x), expected, atol=1e-12, rtol=1e-10)


def test_the_absolute_values_of_a_channel_sum_to_one():
    attention = SimaAttention(12, 3, qkv_bias=False).double()
    ones = torch.ones(1, 3, 5, 4).double()
    q = torch.randn(1, 3, 5, 4).double()
    # With q and v of ones, an output is the signed sum over tokens and channels of a normalised key, over 5 tokens.
    expected = (q / q.abs().sum(2, keepdim=True)).sum((2, 3))[..., None, None].expand(-1, -1, 5, 4) / 5
    torch.testing.assert_close(attention.attend(ones, q, ones), expected)


@pytest.mark.parametrize("tokens", [1, 6])
def test_gradients_and_channels_of_zeros(tokens):
    attention = SimaAttention(4, 2).double()
    assert torch.autograd.gradcheck(attention, torch.randn(2, tokens, 4).double().requires_grad_())
    attention.qkv.weight.data.zero_()
    attention.qkv.bias.data.zero_()
    out = attention(torch.randn(2, tokens, 4).double())
    torch.testing.assert_close(out, attention.out_proj.bias.expand(2, tokens, 4))
