"""Softmax attention against a NumPy loop and MONAI's block."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.networks.blocks import SABlock

from monai_memvit.networks.blocks import SoftmaxAttention


def _by_hand(attention: SoftmaxAttention, x: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
    weights = {name: t.detach().double().numpy() for name, t in attention.state_dict().items()}
    out = np.zeros(x.shape)
    for b, tokens in enumerate(x.double().numpy()):
        q, k, v = np.split(tokens @ weights["qkv.weight"].T + weights["qkv.bias"], 3, axis=1)
        valid = mask[b].numpy()
        for h in range(attention.num_heads):
            part = slice(h * attention.head_dim, (h + 1) * attention.head_dim)
            scores = np.exp(q[:, part] @ k[valid, part].T / np.sqrt(attention.head_dim))
            out[b, :, part] = scores / scores.sum(1, keepdims=True) @ v[valid, part]
    out = out @ weights["out_proj.weight"].T + weights["out_proj.bias"]
    return out * mask.numpy()[..., None]


@pytest.mark.parametrize("masked", [False, True])
def test_equals_a_numpy_loop(masked):
    torch.manual_seed(0)
    attention, x = SoftmaxAttention(12, 3), torch.randn(2, 5, 12)
    mask = torch.tensor([[True] * 5, [True, False, True, True, False] if masked else [True] * 5])
    found = attention(x, mask if masked else None)
    np.testing.assert_allclose(found.detach(), _by_hand(attention, x, mask), atol=1e-6)


def test_equals_monais_block_with_the_same_weights():
    theirs, ours, x = SABlock(12, 3, qkv_bias=True), SoftmaxAttention(12, 3), torch.randn(2, 5, 12)
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(x), theirs(x))


def test_a_sample_without_a_valid_token_gives_zeros_and_a_finite_gradient():
    attention, x = SoftmaxAttention(12, 3), torch.randn(2, 5, 12, requires_grad=True)
    mask = torch.tensor([[True] * 5, [False] * 5])
    out = attention(x, mask)
    out.square().sum().backward()
    assert (out[1] == 0).all()
    assert torch.isfinite(x.grad).all() and all(torch.isfinite(p.grad).all() for p in attention.parameters())


def test_dropout_only_while_training():
    torch.manual_seed(0)
    attention, x = SoftmaxAttention(12, 3, dropout_rate=0.5), torch.randn(2, 5, 12)
    assert not torch.equal(attention(x), attention(x))
    attention.eval()
    assert torch.equal(attention(x), attention(x))


@pytest.mark.parametrize(("arguments", "message"), [((10, 3), "10 is not divisible"), ((9, 3, 2.0), "2.0 is outside")])
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SoftmaxAttention(*arguments)
