"""Feature-map attention as a layer, against an explicit matrix of weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_memvit.networks.blocks import FeatureMapAttention


@pytest.mark.parametrize("normalize", [False, True])
def test_equals_the_matrix_of_weights(normalize):
    torch.manual_seed(0)
    attention = FeatureMapAttention(12, 3, normalize=normalize).double()
    x = torch.randn(2, 30, 12).double()
    state = {name: t.detach().numpy() for name, t in attention.state_dict().items()}
    expected = np.zeros((2, 30, 12))
    for b, tokens in enumerate(x.numpy()):
        q, k, v = np.split(tokens @ state["qkv.weight"].T + state["qkv.bias"], 3, axis=1)
        q, k = (np.where(t > 0, t + 1, np.exp(t)) for t in (q, k))
        for h in range(3):
            part = slice(4 * h, 4 * h + 4)
            weights = q[:, part] @ k[:, part].T
            divisor = weights.sum(1, keepdims=True) + 1e-6 if normalize else 1
            expected[b, :, part] = weights / divisor @ v[:, part]
    expected = expected @ state["out_proj.weight"].T + state["out_proj.bias"]
    np.testing.assert_allclose(attention(x).detach(), expected, atol=1e-12, rtol=1e-10)
