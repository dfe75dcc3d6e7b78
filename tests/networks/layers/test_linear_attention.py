"""A product of three matrices in both orders."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from monai_memvit.networks.layers import bilinear_attention, mean_bilinear_attention

SIZES = [(3, 4, 16, 16), (40, 50, 8, 8), (1, 50, 8, 4), (50, 1, 8, 8), (8, 8, 8, 8), (7, 9, 6, 12)]


def _qkv(queries: int, tokens: int, width: int, value_width: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    shapes = (2, 3, queries, width), (2, 3, tokens, width), (2, 3, tokens, value_width)
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)


@pytest.mark.parametrize("sizes", SIZES)
def test_both_orders_agree_and_the_cheaper_is_taken(sizes):
    q, k, v = _qkv(*sizes)
    orders = {"tokens": lambda: (q @ k.mT) @ v, "channels": lambda: q @ (k.mT @ v)}
    costs = {}
    for name, product in orders.items():
        torch.testing.assert_close(bilinear_attention(q, k, v), product(), atol=1e-12, rtol=1e-12)
        with FlopCounterMode(display=False) as counter:
            product()
        costs[name] = counter.get_total_flops()
    with FlopCounterMode(display=False) as counter:
        bilinear_attention(q, k, v)
    assert counter.get_total_flops() == min(costs.values())


@pytest.mark.parametrize("tokens", [5, 40])
def test_mean_over_the_valid_tokens(tokens):
    q, k, v = _qkv(tokens, tokens, 8, 8)
    mask = torch.arange(tokens) < torch.tensor([[tokens], [3]])
    k, v = (t * mask[:, None, :, None] for t in (k, v))
    expected = torch.einsum("bhqd,bhtd,bhte->bhqe", q, k, v)
    torch.testing.assert_close(
        mean_bilinear_attention(q, k, v, mask), expected / torch.tensor([tokens, 3])[:, None, None, None]
    )
    torch.testing.assert_close(mean_bilinear_attention(q, k, v), expected / tokens)
    assert (mean_bilinear_attention(q, k * 0, v * 0, mask & False) == 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "value", [1.0, 0.01]
)  # of 100,000 tokens k^T v is beyond 65,504, v / n below what float16 holds
def test_half_precision_neither_overflows_nor_vanishes(dtype, value):
    ones = torch.ones(1, 1, 100_000, 4, dtype=dtype)
    found = mean_bilinear_attention(ones, ones, value * ones)
    torch.testing.assert_close(found, 4 * value * ones, atol=0, rtol=2e-2)
