"""Learning rates for fine-tuning: smaller the nearer a layer is to the image, warmed up, then falling like a cosine."""

from __future__ import annotations

import math
from typing import Any

import torch.nn as nn

from .weight_decay import weight_decay_groups

__all__ = ["WarmupCosineFactor", "layer_decay_groups"]

_BEFORE_BLOCKS = ("embedding", "class_token")


def layer_decay_groups(
    network: nn.Module, learning_rate: float, decay: float = 1.0, weight_decay: float = 0.0
) -> list[dict[str, Any]]:
    """The trainable parameters of a network for an optimizer, one group per depth and kind.

    The head and the last norm have the learning rate itself, block l of L (from 0) ``learning_rate * decay^(L - l)``,
    embedding and class token ``learning_rate * decay^(L + 1)``, as in BEiT and MAE. What
    decays says :func:`~monai_memvit.networks.weight_decay.weight_decay_groups`; MONAI's ``generate_param_groups`` knows
    no weight decay.

    Args:
        network: a :class:`~monai_memvit.networks.nets.MemViT`.
        learning_rate: of the head.
        decay: factor from layer to layer, above 0 and at most 1; 1 gives all the same.
        weight_decay: of what decays.

    Returns:
        dictionaries of ``params``, ``lr`` and ``weight_decay``, nearest to the image first.

    Raises:
        ValueError: when ``decay`` is out of range, or nothing of the network is trainable.
    """
    if not 0 < decay <= 1:
        raise ValueError(f"decay must be above 0 and at most 1, got {decay}.")
    blocks = len(network.blocks)
    depths = {id(parameter): _depth(name, blocks) for name, parameter in network.named_parameters()}
    groups: dict[tuple[int, int], dict[str, Any]] = {}
    for kind, group in enumerate(weight_decay_groups(network, weight_decay)):
        for parameter in group["params"]:
            depth = depths[id(parameter)]
            own = {**group, "params": [], "lr": learning_rate * decay ** (blocks + 1 - depth)}
            groups.setdefault((depth, kind), own)["params"].append(parameter)
    if not groups:
        raise ValueError("no parameter of the network is trainable: unfreeze its head at least.")
    return [groups[key] for key in sorted(groups)]


class WarmupCosineFactor:
    """A factor of the learning rate for ``torch.optim.lr_scheduler.LambdaLR``: it keeps the ratios between the layers.

    It rises linearly to 1, then falls like half a cosine to ``floor``. MONAI's ``WarmupCosineSchedule`` holds every
    group above one absolute ``end_lr``, which would lift the lowest layers above what the layer decay gives them.

    Args:
        warmup: steps of the rise.
        total: all steps.
        floor: share of the learning rate that is left at the end.

    Raises:
        ValueError: when there are no steps, or the floor is outside [0, 1].
    """

    def __init__(self, warmup: int, total: int, floor: float = 0.0) -> None:
        if total < 1 or warmup < 0 or not 0 <= floor <= 1:
            raise ValueError(f"need total > 0, warmup >= 0 and 0 <= floor <= 1, got {total}, {warmup} and {floor}.")
        self.warmup = min(warmup, total)
        self.total = total
        self.floor = floor

    def __call__(self, step: int) -> float:
        """The factor of one step.

        Args:
            step: from 0.

        Returns:
            above 0 and at most 1, unless the floor is 0.
        """
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.total - self.warmup)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * min(1.0, done))) / 2


def _depth(name: str, blocks: int) -> int:
    """0 for what comes before the blocks, 1 to L for these, L + 1 for what follows."""
    parts = name.split(".")
    if parts[0] in _BEFORE_BLOCKS:
        return 0
    return int(parts[1]) + 1 if parts[0] == "blocks" else blocks + 1
