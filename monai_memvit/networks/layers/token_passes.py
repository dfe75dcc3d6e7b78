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
from .precision import no_autocast, operand_dtype, wide

__all__ = ["offset_gram", "offset_linear"]

_PIECE = 2048  # tokens of all samples together: with 192 channels 1.6 MB, about a processor's second-level cache
_PIECE_ON_GPU = 16 * _PIECE  # not measured


def offset_gram(x: Tensor, reference: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Sum and Gram matrix of ``x - reference`` over the valid tokens.

    Args:
        x: tokens ``(B, T, D)``.
        reference: a constant, ``(B, 1, D)``, in float32 at least.
        mask: valid tokens ``(B, T)`` bool; None when all are.

    Returns:
        the sum ``(B, D)`` and the matrix ``(B, D, D)``, in the dtype of ``reference``.
    """
    return _OffsetGram.apply(x, reference, mask, operand_dtype(x))


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
    return _OffsetLinear.apply(x, reference, matrix, offset, mask, operand_dtype(x))


class _OffsetGram(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, reference: Tensor, mask: Tensor | None, operands: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(x, reference, mask)
        ctx.operands = operands
        batch, _, width = x.shape
        half = width // 2
        total = reference.new_zeros(batch, width)
        upper, corner = reference.new_zeros(batch, half, width), reference.new_zeros(batch, width - half, width - half)
        with no_autocast(x):
            for _, offsets in _pieces(x, reference, mask, operands):
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
        d_x = torch.empty_like(x, dtype=ctx.operands)
        constant, matrix = d_total[:, None].to(d_x), (d_gram + d_gram.mT).to(d_x)
        with no_autocast(x):
            for span, offsets in _pieces(x, reference, mask, ctx.operands):
                torch.baddbmm(constant, offsets, matrix, out=d_x[:, span])
        d_x = blank_padding(d_x, mask)
        d_reference = -wide(d_x).sum(1, keepdim=True) if ctx.needs_input_grad[1] else None
        return d_x.to(x.dtype), d_reference, None, None


class _OffsetLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        reference: Tensor,
        matrix: Tensor,
        offset: Tensor,
        mask: Tensor | None,
        operands: torch.dtype,
    ) -> Tensor:
        ctx.save_for_backward(x, reference, matrix, mask)
        ctx.operands = operands
        out = x.new_empty(*x.shape[:2], matrix.shape[2], dtype=operands)
        constant, matrix = offset.to(out), matrix.to(out)
        with no_autocast(x):
            for span, offsets in _pieces(x, reference, mask, operands):
                torch.baddbmm(constant, offsets, matrix, out=out[:, span])
        return blank_padding(out, mask).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, reference, matrix, mask = ctx.saved_tensors
        gradient = blank_padding(gradient, mask).to(ctx.operands)
        d_x, d_matrix = torch.empty_like(x, dtype=ctx.operands), torch.zeros_like(matrix)
        d_offset = gradient.sum(1, keepdim=True, dtype=matrix.dtype)
        transposed = matrix.mT.to(gradient)
        with no_autocast(x):
            for span, offsets in _pieces(x, reference, mask, ctx.operands):
                torch.bmm(gradient[:, span], transposed, out=d_x[:, span])
                _add_product(d_matrix, offsets.mT, gradient[:, span])
            d_reference = -d_offset @ matrix.mT
        return d_x.to(x.dtype), d_reference, d_matrix, d_offset, None, None


def _pieces(x: Tensor, reference: Tensor, mask: Tensor | None, operands: torch.dtype) -> Iterator[tuple[slice, Tensor]]:
    """Differences from the reference, zero at padding, a cache's worth at a time."""
    size = max(1, (_PIECE_ON_GPU if x.is_cuda else _PIECE) // max(1, len(x)))
    for start in range(0, x.shape[1], size):
        span = slice(start, start + size)
        yield span, blank_padding(x[:, span] - reference, None if mask is None else mask[:, span]).to(operands)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """``total += left right`` with sums in float32 at least: sums over many tokens overflow half precision."""
    if left.dtype.itemsize < 4:
        total += torch.bmm(left, right, out_dtype=torch.float32)
    else:
        total.baddbmm_(left, right)
