"""Softmax over retrieved facts, and the convex gate."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_memvit.networks.layers import attend_facts, convex_gate

B, H, Q, K, D = 2, 3, 4, 5, 6


@pytest.fixture
def facts():
    torch.manual_seed(0)
    mask = torch.rand(B, H, Q, K) > 0.4
    mask[0, 0, 0] = False
    mask[1, 2, 3] = True
    keys, values = (torch.randn(B, H, Q, K, D) * mask[..., None] for _ in range(2))
    return torch.randn(B, H, Q, D), keys, values, mask


def test_equals_a_numpy_loop_in_float64(facts):
    queries, keys, values, mask = (t.double().numpy() for t in facts)
    out, weights = attend_facts(*facts)
    for b, h, q in np.ndindex(B, H, Q):
        exist = mask[b, h, q] > 0
        expected, share = np.zeros(D), np.zeros(K)
        if exist.any():
            scores = np.exp(keys[b, h, q][exist] @ queries[b, h, q] / np.sqrt(D))
            share[exist] = scores / scores.sum()
            expected = share @ values[b, h, q]
        np.testing.assert_allclose(out[b, h, q], expected, atol=1e-6)
        np.testing.assert_allclose(weights[b, h, q], share, atol=1e-6)


def test_weights_sum_to_one_where_facts_exist_and_to_zero_elsewhere(facts):
    _, weights = attend_facts(*facts)
    assert torch.allclose(weights.sum(-1), facts[3].any(-1).float())


def test_a_query_without_facts_has_a_finite_gradient(facts):
    queries = facts[0].requires_grad_()
    attend_facts(queries, *facts[1:])[0].square().sum().backward()
    assert torch.isfinite(queries.grad).all()
    assert torch.equal(queries.grad[0, 0, 0], torch.zeros(D))


def test_softmax_stays_in_float32_under_autocast(facts):
    expected = attend_facts(*facts)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = attend_facts(*facts)
    assert all(f.dtype == torch.float32 and torch.equal(f, e) for f, e in zip(found, expected))


def test_gate_mixes_convexly():
    local, memory = torch.randn(B, H, Q, D), torch.randn(B, H, Q, D)
    gate = torch.tensor([0.0, 0.3, 1.0]).view(1, H, 1, 1)
    out = convex_gate(local, memory, gate, torch.ones(B, H, Q, dtype=torch.bool))
    assert torch.equal(out[:, 0], local[:, 0])
    assert torch.equal(out[:, 2], memory[:, 2])
    torch.testing.assert_close(out[:, 1], torch.lerp(local[:, 1], memory[:, 1], 0.3))


def test_where_nothing_was_readable_the_local_attention_remains_to_the_last_bit():
    local, readable = torch.randn(B, H, Q, D).bfloat16(), torch.rand(B, H, Q) > 0.5
    out = convex_gate(local, torch.randn(B, H, Q, D), torch.tensor(0.5), readable)
    assert out.dtype == torch.bfloat16
    assert torch.equal(out[~readable], local[~readable])
    assert not torch.equal(out[readable], local[readable])
