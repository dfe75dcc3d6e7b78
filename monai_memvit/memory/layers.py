"""Finding and naming the memory layers of any network, and switching their reading off for a while."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch.nn as nn

from .bank import MemoryBank

__all__ = ["memory_layers", "memory_off", "metric_prefixes"]


def memory_layers(network: nn.Module) -> list[nn.Module]:
    """The modules of a network that own a :class:`MemoryBank`, wrapped (DDP, compiled) or not.

    Args:
        network: any module.

    Returns:
        the memory layers, in the order of the network.

    Raises:
        ValueError: when there is none.
    """
    layers = [m for m in network.modules() if isinstance(getattr(m, "bank", None), MemoryBank)]
    if not layers:
        raise ValueError(
            f"{type(network).__name__} has no memory layer: use MoViT, MemViT(memory_layers=(-1,)) or memorize()."
        )
    return layers


def metric_prefixes(layers: Sequence[nn.Module]) -> list[str]:
    """What tells the metrics of several memory layers apart.

    Args:
        layers: of :func:`memory_layers`.

    Returns:
        ``"layer0_"``, ``"layer1_"``, ... in the order of the network; ``""`` where there is one layer only.
    """
    return [f"layer{n}_" for n in range(len(layers))] if len(layers) > 1 else [""] * len(layers)


@contextmanager
def memory_off(network: nn.Module) -> Iterator[None]:
    """Within the block the network answers without its memory, as if every bank were empty.

    Args:
        network: a network with memory layers.

    Yields:
        nothing.

    Raises:
        ValueError: when the network has no memory layer.
    """
    layers = memory_layers(network)
    before = [layer.reading for layer in layers]
    for layer in layers:
        layer.reading = False
    try:
        yield
    finally:
        for layer, reading in zip(layers, before):
            layer.reading = reading
