"""What every token of an image adds to the logits: an arithmetic share, not a cause."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .layers import blank_padding
from .nets import MemViT

__all__ = ["contribution_maps", "token_contributions"]


def token_contributions(network: MemViT, x: Tensor, **known: Any) -> Tensor:
    """What every patch token contributes to every logit.

    With ``pool="mean"`` logits are ``W mean_t(norm(token_t)) + b``, so token t contributes ``W norm(token_t) / T``:
    exact, the contributions and the head's bias sum to the logits. With ``pool="cls"`` no such sum exists; given is
    gradient times input of the tokens that enter the last block, the first-order share of each. What the class token
    brings along from earlier blocks is then nobody's. In either case a token has seen all others by then: its place
    tells where the evidence was gathered, not what caused it.

    Args:
        network: in evaluation mode; its parameters and their gradients are left alone.
        x: images ``(B, C, *spatial)``.
        **known: what else :meth:`MemViT.forward` takes, such as ``sample_ids`` or ``channel_mask``.

    Returns:
        ``(B, K, T)`` without gradient, T patch tokens (no class token); zero for padding and missing channels.
    """
    if network.class_token is not None:
        return _gradient_times_token(network, x, **known)
    masks = {name: known[name] for name in ("mask", "channel_mask") if known.get(name) is not None}
    valid = network.embedding.token_mask(x, **masks) if masks else None
    with torch.no_grad():
        tokens = blank_padding(network.forward_features(x, **known), valid)
        count = tokens.shape[1] if valid is None else valid.sum(1).clamp(min=1).view(-1, 1, 1)
        return (tokens @ network.head.weight.mT / count).mT


def contribution_maps(network: MemViT, x: Tensor, **known: Any) -> Tensor:
    """:func:`token_contributions` on the grid of patches; where every channel has tokens, theirs are added up.

    Args:
        network: as there.
        x: as there.
        **known: as there.

    Returns:
        ``(B, K, *grid)``.
    """
    grid = network.embedding.grid_of(x.shape[2:])
    contributions = token_contributions(network, x, **known)
    return contributions.unflatten(2, (-1, math.prod(grid))).sum(2).unflatten(2, grid)


def _gradient_times_token(network: MemViT, x: Tensor, **known: Any) -> Tensor:
    entering: list[Tensor] = []

    def watch(block: torch.nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        entering.append(args[0].detach().requires_grad_())
        torch.set_grad_enabled(True)  # from here on only: the blocks below keep nothing
        return (entering[0], *args[1:])

    with torch.no_grad():
        hook = network.blocks[-1].register_forward_pre_hook(watch)
        try:
            logits = network(x, **known)
        finally:
            hook.remove()
    tokens = entering[0]
    gradients = [torch.autograd.grad(logit.sum(), tokens, retain_graph=True)[0] for logit in logits.unbind(1)]
    contributions = torch.stack([(gradient * tokens.detach()).sum(-1) for gradient in gradients], 1)
    return contributions[:, :, 1:].detach()
