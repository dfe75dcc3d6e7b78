"""Turning MONAI's networks into memorising ones, in place and with their weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch.nn as nn
from monai.networks.blocks import TransformerBlock
from torch import Tensor

from ..memory import CaseContext
from .blocks import MemoryAttention
from .blocks.monai_attention import SplitSABlock
from .layers import class_token_fact, mean_token_fact

__all__ = ["memorize"]


def memorize(
    network: nn.Module,
    layers: Sequence[int] = (-1,),
    fact: Callable[..., tuple[Tensor, Tensor, Tensor]] | None = None,
    query_tokens: int | None = None,
    **memory: Any,
) -> nn.Module:
    """Give MONAI's ``ViT``, ``UNETR``, ... a memory of past cases in chosen transformer blocks.

    All weights are kept, and with an empty memory or a closed gate the network computes what it did before. Its
    forward then also takes ``sample_ids`` and ``group_ids`` as keyword arguments. The rest, outputs included, is
    untouched: MONAI's ``ViT`` still returns ``(logits, hidden_states)``.

    Args:
        network: any module that holds MONAI ``TransformerBlock`` modules.
        layers: which of those blocks, counted in the network's order; negative from the end.
        fact: draws a sample's fact from its tokens; the class token where the network has one, else the mean.
        query_tokens: how many leading tokens consult the memory; None for all. For a ``ViT`` classifier, ``1`` gives
            the same logits in its last block at a fraction of the cost.
        **memory: further arguments of :class:`MemoryAttention`, such as ``num_neighbors`` and ``exclude``.

    Returns:
        the same object.

    Raises:
        ValueError: when there are no such blocks, a layer does not exist or has a memory already.
    """
    blocks = [m for m in network.modules() if isinstance(m, TransformerBlock)]
    if not blocks:
        raise ValueError(f"{type(network).__name__} holds no monai.networks.blocks.TransformerBlock to memorize.")
    fact = fact or (class_token_fact if _has_class_token(network) else mean_token_fact)
    chosen = [_plain_block(network, blocks, layer) for layer in layers]
    attentions = [SplitSABlock(block.attn) for block in chosen]  # refuses before anything is changed
    context = _case_context(network)
    for block, attention in zip(chosen, attentions):
        layer = _MonaiMemoryAttention(attention, context=context, fact=fact, query_tokens=query_tokens, **memory)
        block.attn = layer.to(block.norm1.weight.device).train(block.training)
    return network


class _MonaiMemoryAttention(MemoryAttention):
    """Memory attention under the signature by which MONAI's blocks call theirs."""

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        return super().forward(x, attn_mask)


def _plain_block(network: nn.Module, blocks: Sequence[TransformerBlock], layer: int) -> TransformerBlock:
    name = type(network).__name__
    if not -len(blocks) <= layer < len(blocks):
        raise ValueError(f"layer {layer} does not exist: {name} has {len(blocks)} blocks.")
    if isinstance(blocks[layer].attn, MemoryAttention):
        raise ValueError(f"layer {layer} of {name} has a memory already.")
    return blocks[layer]


def _case_context(network: nn.Module) -> CaseContext:
    """The context that the network's hooks feed; they are registered once, however often it is memorized."""
    if not isinstance(getattr(network, "cases", None), CaseContext):
        network.cases = CaseContext()
        network.register_forward_pre_hook(_arrive, with_kwargs=True)
        network.register_forward_hook(_leave, always_call=True)
    return network.cases


def _has_class_token(network: nn.Module) -> bool:
    return any(hasattr(module, "cls_token") for module in network.modules())


def _arrive(
    network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    network.cases.arrive(kwargs.pop("sample_ids", None), kwargs.pop("group_ids", None))
    return args, kwargs


def _leave(network: nn.Module, args: tuple[Any, ...], output: Any) -> None:
    network.cases.leave()
