"""What a trained network's memory is worth to it: the same test with the memory off, and with its values shuffled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
import torch.nn as nn

from ...memory import memory_layers, memory_off

__all__ = ["OFF", "SHUFFLED", "memory_readings", "values_shuffled"]

OFF, SHUFFLED = "_memory_off", "_shuffled"


def memory_readings(network: nn.Module, test: Callable[[], Mapping[str, float]]) -> dict[str, float]:
    """Test a network without its memory, and with one that answers with other cases' values.

    Args:
        network: with memory layers; afterwards as it was.
        test: tells the figures of the network as it stands.

    Returns:
        figures by their names with ``OFF`` or ``SHUFFLED`` behind them.
    """
    found: dict[str, float] = {}
    for reading, changed in {OFF: memory_off, SHUFFLED: values_shuffled}.items():
        with changed(network):
            found |= {f"{name}{reading}": value for name, value in test().items()}
    return found


@contextmanager
def values_shuffled(network: nn.Module, seed: int = 0) -> Iterator[None]:
    """Within the block every key leads to the value and the class of another case, drawn by chance.

    What is found, and how it is weighed, stays; only what is read is of no matter to the case.

    Args:
        network: with memory layers.
        seed: of the draw.

    Yields:
        nothing.

    Raises:
        ValueError: when the network has no memory layer.
    """
    banks = [layer.bank for layer in memory_layers(network)]
    before = [(bank.values, bank.labels) for bank in banks]
    try:
        for bank in banks:
            order = torch.randperm(len(bank), generator=torch.Generator().manual_seed(seed)).to(bank.ids.device)
            bank.values, bank.labels = bank.values[order], bank.labels[order]
        yield
    finally:
        for bank, (values, labels) in zip(banks, before):
            bank.values, bank.labels = values, labels
