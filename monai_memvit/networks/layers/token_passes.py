"""The two passes over all tokens that linear attention needs: a Gram matrix in, an affine map out.

Both take differences from a constant near the mean, piece by piece, so that a piece stays in the processor's cache and
no second copy of the tokens is ever made; for the backward pass they keep the tokens alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .padding import blank_padding
from .precision import operand_dtype, wide

__all__ = ["offset_gram", "offset_linear"]

_PIECE = 1024  # tokens of all samples together: with 192 channels 0.8 MB; measured on CPUs with 1 and 2 MB of L2


def offset_gram(x: Tensor, reference: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Sum and Gram matrix of ``x - reference`` over the valid tokens.

    Args:
        x: tokens ``(B, T, D)``.
        reference: a constant, ``(B, 1, D)``, in float32 at least.
        mask: valid tokens ``(B, T)`` bool; None when all are.

    Returns:
        the sum ``(B, D)`` and the matrix ``(B, D, D)``, in the dtype of ``reference``.
    """
    return _OffsetGram.apply(x, reference, mask)


def offset_linear(x: Tensor, reference: Tensor, matrix: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
    """``(x - reference) matrix + offset``.

    Args:
        x: tokens ``(B, T, D)``.
        reference: a constant, ``(B, 1, D)``, in float32 at least.
        matrix: ``(B, D, E)``.
        offset: ``(B, 1, E)``.
        mask: valid tokens ``(B, T)`` bool; None when all are.

    Returns:
        ``(B, T, E)`` in the dtype of ``x``; zero at padding.
    """
    return _OffsetLinear.apply(x, reference, matrix, offset, mask)


class _OffsetGram(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, reference: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(x, reference, mask)
        batch, _, width = x.shape
        half = width // 2
        total = reference.new_zeros(batch, width)
        upper, corner = reference.new_zeros(batch, half, width), reference.new_zeros(batch, width - half, width - half)
        for _, offsets in _pieces(x, reference, mask):
            total += offsets.sum(1, dtype=total.dtype)
            left, right = offsets[..., :half], offsets[..., half:]
            _add_product(upper, left.mT, offsets)  # the matrix is symmetric: three quarters of it are enough
            _add_product(corner, right.mT, right)
        lower = torch.cat([upper[..., half:].mT, corner], dim=2)
        return total, torch.cat([upper, lower], dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_total: Tensor, d_gram: Tensor) -> tuple[Tensor | None, ...]:
        x, reference, mask = ctx.saved_tensors
        d_x, both = torch.empty_like(x), d_gram + d_gram.mT
        for span, offsets in _pieces(x, reference, mask):
            d_x[:, span] = torch.baddbmm(d_total[:, None].to(offsets), offsets, both.to(offsets))
        d_x = blank_padding(d_x, mask)
        d_reference = -wide(d_x).sum(1, keepdim=True) if ctx.needs_input_grad[1] else None
        return d_x, d_reference, None


class _OffsetLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, reference: Tensor, matrix: Tensor, offset: Tensor, mask: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, reference, matrix, mask)
        out = x.new_empty(*x.shape[:2], matrix.shape[2])
        for span, offsets in _pieces(x, reference, mask):
            out[:, span] = torch.baddbmm(offset.to(offsets), offsets, matrix.to(offsets))
        return blank_padding(out, mask)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, reference, matrix, mask = ctx.saved_tensors
        gradient = blank_padding(gradient, mask)
        d_x, d_matrix = torch.empty_like(x), torch.zeros_like(matrix)
        d_offset = wide(gradient).sum(1, keepdim=True)
        for span, offsets in _pieces(x, reference, mask):
            received = gradient[:, span].to(offsets)
            d_x[:, span] = received @ matrix.mT.to(offsets)
            _add_product(d_matrix, offsets.mT, received)
        return d_x, -d_offset @ matrix.mT, d_matrix, d_offset, None


def _pieces(x: Tensor, reference: Tensor, mask: Tensor | None) -> Iterator[tuple[slice, Tensor]]:
    """Differences from the reference, zero at padding, a cache's worth at a time; on a GPU all at once."""
    size = x.shape[1] if x.is_cuda else max(1, _PIECE // max(1, len(x)))
    for start in range(0, x.shape[1], max(1, size)):
        span = slice(start, start + size)
        yield span, blank_padding(x[:, span] - reference, None if mask is None else mask[:, span]).to(operand_dtype(x))


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """``total += left right`` with sums in float32 at least: sums over many tokens overflow half precision."""
    if left.dtype.itemsize < 4:
        total += torch.bmm(left, right, out_dtype=torch.float32)
    else:
        total.baddbmm_(left, right)
