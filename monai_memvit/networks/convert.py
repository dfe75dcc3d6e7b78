"""Turning MONAI's networks into ours, in place and with their weights: memorising ones, softmax-free ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch.nn as nn
from monai.networks.blocks import SABlock, TransformerBlock
from torch import Tensor

from ..memory import CaseContext
from .blocks import EncoderBlock, MemoryAttention, SelfAttention, SequenceNormAttention, SoftmaxAttention
from .blocks.monai_attention import SplitSABlock
from .layers import class_token_fact, mean_token_fact

__all__ = ["memorize", "sequence_normalize"]


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
    attentions = [_in_three_steps(block.attn) for block in chosen]  # refuses before anything is changed
    context = _case_context(network)
    for block, attention in zip(chosen, attentions):
        layer = _MonaiMemoryAttention(attention, context=context, fact=fact, query_tokens=query_tokens, **memory)
        block.attn = layer.to(block.norm1.weight.device).train(block.training)
    return network


def sequence_normalize(network: nn.Module, layers: Sequence[int] | None = None, eps: float = 1e-5) -> nn.Module:
    """Give MONAI's ``ViT``, ``UNETR``, ... or a :class:`MemViT` sequence-norm attention, at linear cost.

    The projections keep their weights. Their q, k, v bias would have no influence and goes; gains and offsets of the
    normalisation are new, at one and zero. The network computes something else than before, and has to be trained
    further.

    Args:
        network: any module that holds MONAI ``TransformerBlock`` or our :class:`EncoderBlock` modules.
        layers: which of those blocks, counted in the network's order, negative from the end; None for all.
        eps: added to the variances.

    Returns:
        the same object.

    Raises:
        ValueError: when there are no such blocks, a layer does not exist or its attention cannot be converted.
    """
    blocks = [m for m in network.modules() if isinstance(m, (TransformerBlock, EncoderBlock))]
    if not blocks:
        raise ValueError(f"{type(network).__name__} holds no transformer block to convert.")
    wanted = range(len(blocks)) if layers is None else layers
    places = [_attention_place(_chosen(network, blocks, layer)) for layer in wanted]
    converted = [_converted(getattr(*place), eps) for place in places]  # refuses before anything is changed
    for (owner, name), attention in zip(places, converted):
        setattr(owner, name, attention)
    return network


def _in_three_steps(attention: nn.Module) -> nn.Module:
    return attention if isinstance(attention, SelfAttention) else SplitSABlock(attention)


class _MonaiMemoryAttention(MemoryAttention):
    """Memory attention under the signature by which MONAI's blocks call theirs."""

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        return super().forward(x, None if attn_mask is None else attn_mask.bool())


class _MonaiSequenceNormAttention(SequenceNormAttention):
    """Sequence-norm attention under the signature by which MONAI's blocks call theirs."""

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        return super().forward(x, None if attn_mask is None else attn_mask.bool())


def _attention_place(block: nn.Module) -> tuple[nn.Module, str]:
    """Where the local attention of a block hangs."""
    place = (block, "attn" if isinstance(block, TransformerBlock) else "attention")
    attention = getattr(*place)
    if not isinstance(attention, MemoryAttention):
        return place
    if len(attention.bank) or attention.fact is mean_token_fact:
        raise ValueError(
            "cannot convert an attention whose memory holds facts, for its queries change, or takes mean tokens as "
            "facts, which would be the same for every image: convert a network with a class token, then fill it."
        )
    return attention, "local"


def _converted(attention: nn.Module, eps: float) -> SequenceNormAttention:
    known = {
        SABlock: (_MonaiSequenceNormAttention, "drop_output"),
        SoftmaxAttention: (SequenceNormAttention, "out_dropout"),
    }
    if type(attention) not in known or not _is_plain(attention):
        raise ValueError(
            f"cannot convert {type(attention).__name__}: it needs one joint, square, non-causal q, k, v without "
            "relative positions or norms of its own, and an output projection."
        )
    kind, dropout = known[type(attention)]
    made = kind(attention.out_proj.out_features, attention.num_heads, getattr(attention, dropout).p, eps)
    made.to(attention.out_proj.weight).train(attention.training)
    made.qkv.weight, made.out_proj = attention.qkv.weight, attention.out_proj  # the same, for optimizers that know them
    return made


def _is_plain(attention: nn.Module) -> bool:
    if not isinstance(attention.qkv, nn.Linear) or not isinstance(attention.out_proj, nn.Linear):
        return False
    size = attention.out_proj.out_features
    extras = ("rel_positional_embedding", "qk_norm")  # would be lost
    if getattr(attention, "causal", False) or any(getattr(attention, name, None) is not None for name in extras):
        return False
    return attention.qkv.weight.shape == (3 * size, size)


def _chosen(network: nn.Module, blocks: Sequence[nn.Module], layer: int) -> nn.Module:
    if not -len(blocks) <= layer < len(blocks):
        raise ValueError(f"layer {layer} does not exist: {type(network).__name__} has {len(blocks)} blocks.")
    return blocks[layer]


def _plain_block(network: nn.Module, blocks: Sequence[TransformerBlock], layer: int) -> nn.Module:
    block = _chosen(network, blocks, layer)
    if isinstance(block.attn, MemoryAttention):
        raise ValueError(f"layer {layer} of {type(network).__name__} has a memory already.")
    return block


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
