"""Cosine attention logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from monai_memvit.networks.blocks import CosineQueryKey, SoftmaxAttention


def test_logits_are_scaled_cosines():
    module = CosineQueryKey(num_heads=2, head_dim=4, init_scale=7.0)
    q, k = torch.randn(3, 2, 5, 4), torch.randn(3, 2, 6, 4)
    unit_q, unit_k = module(q, k)
    logits = unit_q @ unit_k.mT / 4**0.5
    torch.testing.assert_close(logits, 7.0 * F.cosine_similarity(q[..., None, :], k[..., None, :, :], dim=-1))


def test_attention_does_not_see_the_length_of_its_input_projections():
    torch.manual_seed(0)
    attention = SoftmaxAttention(12, 3, qkv_bias=False, qk_norm=CosineQueryKey)
    x = torch.randn(2, 5, 12)
    before = attention(x)
    with torch.no_grad():
        attention.qkv.weight[:24] *= 100  # queries and keys, not values
    torch.testing.assert_close(attention(x), before)


def test_scale_is_learned_per_head():
    attention = SoftmaxAttention(12, 3, qk_norm=CosineQueryKey)
    attention(torch.randn(2, 5, 12)).square().sum().backward()
    assert attention.qk_norm.log_scale.grad.shape == (3, 1, 1)
    assert (attention.qk_norm.log_scale.grad != 0).all()
