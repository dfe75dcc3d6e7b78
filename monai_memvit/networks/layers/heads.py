"""Moving between token vectors and attention heads."""

from __future__ import annotations

from torch import Tensor

__all__ = ["merge_heads", "split_heads"]


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """Cut every token vector into its heads: ``(B, T, H*d)`` becomes ``(B, H, T, d)``.

    Args:
        x: tokens, ``(B, T, H*d)``.
        num_heads: H.

    Returns:
        a view ``(B, H, T, d)``.
    """
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """Join the heads of every token again: ``(B, H, T, d)`` becomes ``(B, T, H*d)``.

    Args:
        x: heads, ``(B, H, T, d)``.

    Returns:
        tokens ``(B, T, H*d)``.
    """
    return x.transpose(1, 2).flatten(2)
