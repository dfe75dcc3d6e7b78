"""Padding tokens and missing channels: whatever they hold, NaN included, nothing of it may be seen."""

from __future__ import annotations

import torch
from torch import Tensor

from .precision import wide

__all__ = ["attendable", "blank_channels", "blank_padding", "count_tokens", "mean_token", "near_mean"]

_SAMPLED = 256  # tokens, at an odd stride: an even one could follow a column of the image


def attendable(mask: Tensor) -> Tensor:
    """The mask, but all true for a sample without a valid token: a softmax over nothing would be NaN.

    Args:
        mask: valid tokens ``(B, T)`` bool.

    Returns:
        ``(B, T)`` bool.
    """
    return mask | ~mask.any(1, keepdim=True)


def blank_channels(x: Tensor, channel_mask: Tensor | None) -> Tensor:
    """Zeros in place of missing channels; a product with 0 would let NaN through, in the gradient too.

    Args:
        x: images ``(B, C, *spatial)``.
        channel_mask: present channels ``(B, C)`` bool; None when all are.

    Returns:
        ``x`` itself, or a copy with zeros.

    Raises:
        ValueError: when the mask does not fit the images.
    """
    if channel_mask is None:
        return x
    if channel_mask.shape != x.shape[:2] or channel_mask.dtype != torch.bool:
        raise ValueError(
            f"a channel_mask {tuple(channel_mask.shape)} of {channel_mask.dtype} does not fit images "
            f"{tuple(x.shape)}: it must be (B, C) of torch.bool, True where the channel is present."
        )
    return torch.where(channel_mask.view(*channel_mask.shape, *[1] * (x.ndim - 2)), x, 0)


def blank_padding(x: Tensor, mask: Tensor | None) -> Tensor:
    """Zeros in place of what is not valid; a product with 0 would let NaN through, in the gradient too.

    Args:
        x: tokens ``(B, ..., T, D)``.
        mask: valid tokens ``(B, T)`` bool; None when all are.

    Returns:
        ``x`` itself, or a copy with zeros.

    Raises:
        ValueError: when the mask does not fit the tokens.
    """
    if mask is None:
        return x
    if mask.shape != (x.shape[0], x.shape[-2]):
        raise ValueError(f"a mask of {tuple(mask.shape)} does not fit tokens {tuple(x.shape)}: it must be (B, T).")
    return torch.where(mask.view(len(mask), *[1] * (x.ndim - 3), -1, 1), x, 0)


def count_tokens(x: Tensor, mask: Tensor | None) -> Tensor:
    """How many tokens of each sample are valid.

    Args:
        x: tokens ``(B, ..., T, D)``.
        mask: valid tokens ``(B, T)`` bool; None when all are.

    Returns:
        ``(B,)`` int64.
    """
    if mask is None:
        return torch.full((x.shape[0],), x.shape[-2], device=x.device)
    return mask.sum(1)


def mean_token(x: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the valid tokens.

    Args:
        x: tokens ``(B, ..., T, D)``.
        mask: valid tokens ``(B, T)`` bool; None when all are.

    Returns:
        ``(B, ..., D)``; zero for a sample without a valid token.
    """
    if mask is None:
        return x.mean(-2)
    total = wide(blank_padding(x, mask)).sum(-2)  # which would overflow half precision
    return (total / count_tokens(x, mask).clamp(min=1).view(-1, *[1] * (x.ndim - 2))).to(x.dtype)


def near_mean(x: Tensor, mask: Tensor | None) -> Tensor:
    """A constant within a few standard deviations of the mean token.

    It is for what depends on differences of tokens alone: taken from them first, it saves the digits that a mean far
    from zero costs, and beyond rounding changes nothing.

    Args:
        x: tokens ``(B, T, D)``.
        mask: valid tokens ``(B, T)`` bool; None when all are.

    Returns:
        ``(B, 1, D)`` in float32, or in float64 if the tokens are; without a gradient.
    """
    tokens = x.detach()
    if mask is None:
        return wide(tokens[:, :: x.shape[1] // _SAMPLED | 1]).mean(1, keepdim=True).nan_to_num()
    return mean_token(wide(tokens), mask)[:, None]
