"""What a sample leaves in the memory: one query, key and value per head, drawn from its tokens."""

from __future__ import annotations

import torch
from torch import Tensor

from .padding import mean_token

__all__ = ["attention_fact", "class_token_fact", "mean_token_fact"]


def class_token_fact(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """The class token's own query, key and value (token 0): they already live in the space that queries meet.

    Args:
        q: queries ``(B, H, T, d)``.
        k: keys ``(B, H, T, d)``.
        v: values ``(B, H, T, d)``.
        mask: valid tokens ``(B, T)``; not needed here.

    Returns:
        query, key and value, each ``(B, H, d)``.
    """
    return q[:, :, 0], k[:, :, 0], v[:, :, 0]


def mean_token_fact(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """The mean over the valid tokens: for networks without a class token.

    Args:
        q: queries ``(B, H, T, d)``.
        k: keys ``(B, H, T, d)``.
        v: values ``(B, H, T, d)``.
        mask: valid tokens ``(B, T)`` bool, or None when all are.

    Returns:
        query, key and value, each ``(B, H, d)``; zero for a sample without a valid token.
    """
    return mean_token(q, mask), mean_token(k, mask), mean_token(v, mask)


def attention_fact(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """The class token's attention snapshot: keys and values averaged with the weights it gives to the tokens.

    Args:
        q: queries ``(B, H, T, d)``.
        k: keys ``(B, H, T, d)``.
        v: values ``(B, H, T, d)``.
        mask: valid tokens ``(B, T)`` bool, or None when all are.

    Returns:
        query, key and value, each ``(B, H, d)``.
    """
    scores = torch.einsum("bhd,bhtd->bht", q[:, :, 0], k).float() * k.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask[:, None], float("-inf"))
    weights = scores.softmax(-1).to(v.dtype)
    return q[:, :, 0], torch.einsum("bht,bhtd->bhd", weights, k), torch.einsum("bht,bhtd->bhd", weights, v)
