"""Gated attention pooling against the formula of the paper, token by token."""

from __future__ import annotations

import numpy as np
import torch

from monai_memvit.networks.blocks import GatedAttentionPool


def test_is_equation_9_of_the_paper():
    torch.manual_seed(0)
    pool, x = GatedAttentionPool(6, width=4).double(), torch.randn(2, 5, 6).double()
    mask = torch.tensor([[True] * 5, [True, False, True, True, False]])
    weights = {name: value.detach().numpy() for name, value in pool.named_parameters()}
    found = pool(x, mask).detach().numpy()
    for bag, valid, pooled in zip(x.numpy(), mask.numpy(), found):
        scores = []
        for h in bag[valid]:
            value = np.tanh(weights["value.weight"] @ h + weights["value.bias"])
            gate = 1 / (1 + np.exp(-(weights["gate.weight"] @ h + weights["gate.bias"])))
            scores.append((weights["weight.weight"] @ (value * gate)).item())
        shares = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(pooled, shares @ bag[valid], atol=1e-12)


def test_keeps_the_dtype_of_the_tokens():
    assert GatedAttentionPool(8).half()(torch.randn(1, 3, 8).half()).dtype == torch.float16
