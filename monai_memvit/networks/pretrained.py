"""Fine-tuning: a network begins with the weights of another, and nothing is passed over unseen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn as nn
from torch import Tensor

from .blocks import LearnedPositions, MemoryAttention
from .nets import MemViT

__all__ = ["Pretrained", "load_pretrained"]

_ENCODER = "encoder."
_MEMORY = (".attention.bank.", ".attention.gate_bias", ".attention.gating.", ".attention.fact_labels.")
_LEFT = ("decoder.", "head."), _MEMORY  # beginnings, parts
_CHANNELS = {"embedding.patch_embeddings.weight": 1, "embedding.channels": 0}  # parameter -> its axis of channels


class Pretrained(NamedTuple):
    """What became of the weights.

    Args:
        loaded: names of the network's parameters that come from the file.
        fresh: names of those that stay as they were initialised: head and memory.
        left: names in the file that the network has no use for: decoder, head and memory.
    """

    loaded: tuple[str, ...]
    fresh: tuple[str, ...]
    left: tuple[str, ...]


def load_pretrained(network: MemViT, path: str | os.PathLike[str], average_channels: bool = False) -> Pretrained:
    """Fill a network, but for its head and memory, with the weights of a pre-trained encoder.

    Takes what the pre-training bundle leaves (``model.pt``, ``checkpoint.pt``) or the weights of another
    :class:`MemViT`. Learned positions of another square grid are resampled. Where a block of the network has a memory,
    its local attention gets the weights.

    Args:
        network: changed in place; on any device.
        path: the file.
        average_channels: let an encoder of other channels serve: every channel of the network begins with the mean of
            the file's, scaled so that a token keeps its size.

    Returns:
        which parameters were loaded, which stay fresh, and which of the file were left.

    Raises:
        ValueError: when the file is unreadable, or lacks, adds or shapes anything otherwise but head, decoder and
            memory; the message names it and what to do. The network is then unchanged.
    """
    given = _encoder_state(_read(path), path)
    own = network.state_dict()
    plain = {name: _plain_name(name, network) for name in own}
    wanted = {short: name for name, short in plain.items() if short and not short.startswith("head.")}
    left = [name for name in given if name.startswith(_LEFT[0]) or any(part in name for part in _LEFT[1])]
    absent = sorted(wanted.keys() - given.keys())
    unknown = sorted(given.keys() - wanted.keys() - {*left})
    if absent or unknown:
        raise ValueError(_misfit(path, absent, unknown))
    state = {wanted[n]: _fitted(n, given[n], own[wanted[n]], network, path, average_channels) for n in wanted}
    network.load_state_dict(state, strict=False)
    return Pretrained(tuple(state), tuple(sorted(own.keys() - state.keys())), tuple(left))


def _read(path: str | os.PathLike[str]) -> Mapping[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise ValueError(f"{path} cannot be read: give the model.pt of a pre-training.") from None
    except Exception as error:  # torch tells in a dozen lines how to run foreign code all the same
        raise ValueError(
            f"{path} is no file of weights, or is damaged ({type(error).__name__}): save a state_dict by torch.save."
        ) from None
    content = content.get("network", content) if isinstance(content, dict) else content
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{path} holds something else than tensors by name: save a state_dict by torch.save.")
    return content


def _encoder_state(state: Mapping[str, Tensor], path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Weights under the encoder's own names, without wrappers: of a memorising block those of its local attention."""
    if not any("blocks." in name for name in state):
        raise ValueError(f"{path} holds no transformer blocks: give the model.pt of a pre-training or of a MemViT.")
    return {
        name.removeprefix("module.").removeprefix(_ENCODER).replace(".attention.local.", ".attention."): value
        for name, value in state.items()
    }


def _plain_name(name: str, network: nn.Module) -> str | None:
    """What a parameter is called in a network without memory; None for the memory's own."""
    for place, module in network.named_modules():
        if isinstance(module, MemoryAttention) and name.startswith(f"{place}."):
            local = f"{place}.local."
            return f"{place}.{name.removeprefix(local)}" if name.startswith(local) else None
    return name


def _misfit(path: str | os.PathLike[str], absent: list[str], unknown: list[str]) -> str:
    lacks = f" It lacks {_some(absent)}." if absent else ""
    adds = f" It has {_some(unknown)}, which the network has not." if unknown else ""
    return (
        f"{path} was not made by a network of this shape.{lacks}{adds} Give both the same preset, attention, "
        "embedding, pool (class_token) and pos_embed (positions.table)."
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _fitted(
    name: str, given: Tensor, own: Tensor, network: MemViT, path: str | os.PathLike[str], average_channels: bool
) -> Tensor:
    if name == "embedding.positions.table" and given.shape[::2] == own.shape[::2]:
        return _resampled(given, network.embedding.positions, path)
    axis = _CHANNELS.get(name)
    if axis is not None and given.shape != own.shape and _but(axis, given) == _but(axis, own):
        if average_channels:
            scale = given.shape[axis] / own.shape[axis] if axis else 1.0
            return (given.mean(axis, keepdim=True) * scale).expand_as(own)
        raise ValueError(
            f"{path} was made for {given.shape[axis]} channels, the network has {own.shape[axis]}: prepare the same "
            "channels, or take average_channels=True, by which every channel begins with the mean of the file's."
        )
    if given.shape != own.shape:
        raise ValueError(
            f"{path}: {name} has shape {tuple(given.shape)}, the network's {tuple(own.shape)}: give both the same "
            "preset and patch_size."
        )
    return given


def _but(axis: int, tensor: Tensor) -> tuple[int, ...]:
    return (*tensor.shape[:axis], *tensor.shape[axis + 1 :])


def _resampled(table: Tensor, positions: LearnedPositions, path: str | os.PathLike[str]) -> Tensor:
    """Learned positions for the network's grid; the file does not tell its own, so it has to be square."""
    cells, axes = table.shape[1], len(positions.grid)
    if cells == positions.table.shape[1]:
        return table
    side = round(cells ** (1 / axes))
    if side**axes != cells:
        raise ValueError(
            f"{path} learned {cells} positions, which are no square grid, and the network has {positions.grid}: "
            "pre-train at the same size, or with pos_embed='sincos', which serves any."
        )
    before = LearnedPositions(table.shape[2], (side,) * axes)
    before.table.data = table
    with torch.no_grad():
        return before(positions.grid, 0, positions.grid[0])
