"""Which weights decay: those of projections, and nothing else."""

from __future__ import annotations

from typing import Any

import torch.nn as nn
from torch.nn.modules.conv import _ConvNd

__all__ = ["weight_decay_groups"]


def weight_decay_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups for an optimizer: weights of linear layers and convolutions decay, all else does not.

    Biases, norms, tokens, positions and the gains of sequence-norm attention mean something at their size; a decay
    would pull them towards another network (timm and the published masked auto-encoders do the same).

    Args:
        network: any module; parameters that are frozen are left out.
        weight_decay: of the weights that decay.

    Returns:
        two groups with ``params`` and ``weight_decay``.
    """
    layers = [m for m in network.modules() if isinstance(m, (nn.Linear, _ConvNd))]
    decaying = {id(layer.weight) for layer in layers}
    trained = [p for p in network.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if id(p) in decaying], "weight_decay": weight_decay},
        {"params": [p for p in trained if id(p) not in decaying], "weight_decay": 0.0},
    ]
