"""Taking channels away from whatever a network is handed, for a while."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

__all__ = ["only_channels"]

_POSITION = 3  # of channel_mask among the arguments of MemViT.forward


@contextmanager
def only_channels(network: nn.Module, channels: Sequence[int]) -> Iterator[list[Tensor]]:
    """Within the block the network sees these channels only, and of them those that each sample has.

    Args:
        network: takes images ``(B, C, *spatial)`` first, and ``channel_mask`` ``(B, C)`` bool by name or as its fourth
            argument, as :class:`~monai_memvit.MemViT` does.
        channels: their numbers, from 0.

    Yields:
        a list that grows by one tensor ``(B,)`` bool, on the CPU, with every forward pass: which samples have any of
        these channels. The network's answer for the others means nothing.
    """
    served: list[Tensor] = []

    def limit(
        module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        images = args[0]
        given = kwargs.get("channel_mask", args[_POSITION] if len(args) > _POSITION else None)
        mask = torch.zeros(images.shape[:2], dtype=torch.bool, device=images.device)
        mask[:, list(channels)] = True
        mask = mask if given is None else mask & given
        served.append(mask.any(1).cpu())
        return args[:_POSITION], {**kwargs, "channel_mask": mask}

    hook = network.register_forward_pre_hook(limit, with_kwargs=True)
    try:
        yield served
    finally:
        hook.remove()
