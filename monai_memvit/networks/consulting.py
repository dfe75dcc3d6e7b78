"""A classifier that consults past cases at its output."""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

from ..memory import CaseMemory

__all__ = ["ConsultingNetwork", "last_linear", "load_case_memory"]


class ConsultingNetwork(nn.Module):
    """Any classifier of ours or of MONAI's beside a :class:`CaseMemory`, and called like it.

    What the classifier's last linear layer takes are the features of a case. No gradient passes: the memory is for
    networks that are trained.

    Args:
        network: gives logits ``(B, K)``.
        memory: of its features; None makes an empty one for ``class_names``.
        head: name of the linear layer that makes the logits; empty takes the last one of the network.
        class_names: in the order of the logits, where no memory is given.

    Raises:
        ValueError: when the network has no such layer, or layer and memory do not fit.
    """

    def __init__(
        self, network: nn.Module, memory: CaseMemory | None = None, head: str = "", class_names: list[str] | None = None
    ) -> None:
        super().__init__()
        name, layer = last_linear(network) if not head else (head, network.get_submodule(head))
        if not isinstance(layer, nn.Linear):
            raise ValueError(f"{name} is a {type(layer).__name__}: name the linear layer that makes the logits.")
        names = [str(k) for k in range(layer.out_features)] if class_names is None else class_names
        memory = CaseMemory(layer.in_features, names) if memory is None else memory
        if (memory.num_features, memory.head_classes) != (layer.in_features, layer.out_features):
            raise ValueError(
                f"a memory of {memory.num_features} features and {memory.head_classes} classes does not fit {name}, "
                f"which takes {layer.in_features} features and makes {layer.out_features} logits."
            )
        self.network = network
        self.memory = memory
        self.head = name

    @torch.no_grad()
    def describe(self, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """What the memory stores of cases.

        Args:
            *args: what the network takes.
            **kwargs: likewise.

        Returns:
            features ``(B, F)`` and the network's own logits ``(B, K)``.

        Raises:
            ValueError: when the layer runs otherwise than once per case.
        """
        seen: list[Tensor] = []
        with self.network.get_submodule(self.head).register_forward_pre_hook(lambda _, taken: seen.append(taken[0])):
            logits = self.network(*args, **kwargs)
        if len(seen) != 1 or seen[0].shape[:-1] != logits.shape[:-1]:
            raise ValueError(f"{self.head} does not run once per case: name the linear layer that makes the logits.")
        return seen[0], logits

    @torch.no_grad()
    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Classify with the memory's help.

        Args:
            *args: what the network takes.
            **kwargs: likewise.

        Returns:
            logarithms of probabilities ``(B, C)``, C with the classes that only the memory knows; the network's own
            logits while the memory has nothing to add.
        """
        features, logits = self.describe(*args, **kwargs)
        return self.memory(features, logits)


def last_linear(network: nn.Module) -> tuple[str, nn.Linear]:
    """The linear layer that a classifier ends with.

    Args:
        network: its modules stand in the order in which they were made.

    Returns:
        name and layer.

    Raises:
        ValueError: when there is none.
    """
    found = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not found:
        raise ValueError(f"{type(network).__name__} has no linear layer, so no features of cases to remember.")
    return found[-1]


def load_case_memory(network: nn.Module, path: str | os.PathLike[str], head: str = "") -> nn.Module:
    """A network with the memory that a file holds.

    Args:
        network: whose weights made the features.
        path: a ``state_dict`` of a :class:`CaseMemory`; where there is no such file, the network stays alone.
        head: see :class:`ConsultingNetwork`.

    Returns:
        a :class:`ConsultingNetwork`, or the network itself.

    Raises:
        ValueError: when the file is damaged or belongs to another network.
    """
    if not os.path.exists(path):
        return network
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        names = state["_extra_state"]["class_names"]
        memory = CaseMemory(state["features"].shape[1], names[: state["logits"].shape[1]])
    except Exception as error:  # torch tells in a dozen lines how to run foreign code all the same
        raise ValueError(f"{path} holds no memory of cases, or is damaged ({type(error).__name__}).") from None
    memory.load_state_dict(state)
    device = next(network.parameters()).device
    return ConsultingNetwork(network, memory, head).to(device)
