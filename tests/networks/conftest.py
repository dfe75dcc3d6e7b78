"""Filling the memories of a network with random facts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from monai_memvit.memory import memory_layers


@pytest.fixture
def fill() -> Callable[..., torch.nn.Module]:
    """``fill(network, facts, groups)`` puts facts with ids 0, 1, 2, ... into every bank."""

    def fill_banks(network: torch.nn.Module, facts: int, groups: list[int] | None = None) -> torch.nn.Module:
        generator = torch.Generator().manual_seed(7)
        for layer in memory_layers(network):
            shape = (facts, layer.bank.num_heads, layer.bank.head_dim)
            keys, values = (torch.randn(shape, generator=generator) for _ in range(2))
            layer.bank.update(torch.arange(facts), keys, values, None if groups is None else torch.tensor(groups))
        return network

    return fill_banks
