"""Filling the memories of a network with random facts; the definition of sequence-norm attention in NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from monai_memvit.benchmarks.tools import peak_memory
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


@pytest.fixture
def saved_bytes() -> Callable[..., int]:
    """``saved_bytes(forward, module)``: what a forward pass keeps for its backward pass, parameters left out."""

    return lambda forward, module: peak_memory.saved_bytes(forward, list(module.parameters()))


@pytest.fixture
def sequence_norm_by_hand() -> Callable[..., np.ndarray]:
    """``by_hand(q, k, v, weight, bias, eps)``: one sample without padding; q, k, v and the result are ``(H, n, d)``."""

    def by_hand(
        q: np.ndarray, k: np.ndarray, v: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float = 1e-5
    ) -> np.ndarray:
        heads, count, width = q.shape
        out = np.zeros((heads, count, width))
        for h in range(heads):
            normal = []
            for x, gain, offset in zip((q[h], k[h], v[h]), weight, bias):
                part = slice(h * width, (h + 1) * width)
                normal.append(gain[part] * (x - x.mean(0)) / np.sqrt(x.var(0) + eps) + offset[part])
            out[h] = normal[0] @ normal[1].T @ normal[2] / count
        return out

    return by_hand
