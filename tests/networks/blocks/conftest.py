"""A small memory attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from monai_memvit.networks.blocks import MemoryAttention, SoftmaxAttention


@pytest.fixture
def make_memory_attention(fill: Callable[..., Any]) -> Callable[..., MemoryAttention]:
    """``make(facts, groups, **options)``: 3 heads of 4, a gate per head, in evaluation mode."""

    def make(facts: int = 0, groups: list[int] | None = None, **options: Any) -> MemoryAttention:
        torch.manual_seed(0)
        layer = MemoryAttention(SoftmaxAttention(12, 3), **options)
        layer.local.qkv.weight.data *= 3  # logits that tell facts apart
        layer.gate_bias.data = torch.tensor([-1.0, 0.5, 2.0])
        return (fill(layer, facts, groups) if facts else layer).eval()

    return make


@pytest.fixture
def x() -> torch.Tensor:
    """Tokens ``(2, 5, 12)``."""
    return torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(3))
