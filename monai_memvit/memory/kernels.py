"""Similarities between keys, by direction only, for the maximum mean discrepancy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["KERNELS", "CosineKernel", "KeyKernel", "RadialKernel", "directions", "row_blocks"]

_BLOCK_ENTRIES = 2**22  # similarities held at a time


def directions(vectors: Tensor) -> Tensor:
    """Vectors of length one, in float64 (float32 on devices without it); zero vectors stay zero.

    Args:
        vectors: ``(..., d)``.

    Returns:
        ``(..., d)``.
    """
    wide = vectors.to(torch.float32 if vectors.device.type == "mps" else torch.float64)
    norm = wide.norm(dim=-1, keepdim=True)
    return torch.where(norm > 0, wide / norm, 0.0)


class KeyKernel(Protocol):
    """A positive-definite similarity between unit vectors."""

    def fitted(self, reference: Tensor) -> KeyKernel:
        """The kernel with what it has to learn from the reference ``(M, d)``."""
        ...

    def gram(self, a: Tensor, b: Tensor) -> Tensor:
        """All similarities ``(A, B)`` of ``(A, d)`` and ``(B, d)``."""
        ...

    def mean(self, a: Tensor, reference: Tensor) -> Tensor:
        """Mean similarity ``(A,)`` of each row of ``(A, d)`` to the reference ``(M, d)``, without an A x M matrix."""
        ...

    def diagonal(self, a: Tensor) -> Tensor:
        """Similarity ``(A,)`` of each row to itself."""
        ...


class CosineKernel:
    """The paper's D: a linear kernel, so means cost O(Md), but only first moments are compared.

    A zero vector has similarity 0 to all, itself included.
    """

    def fitted(self, reference: Tensor) -> CosineKernel:
        """Nothing to learn."""
        return self

    def gram(self, a: Tensor, b: Tensor) -> Tensor:
        """See :class:`KeyKernel`."""
        return a @ b.T

    def mean(self, a: Tensor, reference: Tensor) -> Tensor:
        """See :class:`KeyKernel`."""
        return a @ reference.mean(0)

    def diagonal(self, a: Tensor) -> Tensor:
        """See :class:`KeyKernel`."""
        return a.square().sum(1)


class RadialKernel:
    """``exp(-gamma * |a - b|^2)`` on unit vectors: characteristic, so prototypes also cover the modes (Kim et al.).

    The means take O(M^2 d) time, in blocks of bounded memory.

    Args:
        gamma: inverse squared width; None takes the inverse of the mean squared distance within the reference.

    Raises:
        ValueError: when gamma is not positive.
    """

    def __init__(self, gamma: float | None = None) -> None:
        if gamma is not None and not gamma > 0:
            raise ValueError(f"gamma must be positive, got {gamma}.")
        self.gamma = gamma

    def fitted(self, reference: Tensor) -> RadialKernel:
        """See :class:`KeyKernel`. The mean squared distance is twice the total variance."""
        if self.gamma is not None:
            return self
        spread = float(2 * reference.var(dim=0, unbiased=False).sum())
        return RadialKernel(1 / spread if spread > 1e-12 else 1.0)

    def gram(self, a: Tensor, b: Tensor) -> Tensor:
        """See :class:`KeyKernel`."""
        return (self._width() * (2 * (a @ b.T) - _squares(a)[:, None] - _squares(b))).exp_()

    def mean(self, a: Tensor, reference: Tensor) -> Tensor:
        """See :class:`KeyKernel`.

        M^2 similarities: float32 is several times as fast, and its rounding averages out. The squared lengths travel as
        two more components, so that a block needs one product and one exponential.
        """
        gamma, ones = self._width(), torch.ones_like
        left, right = -gamma * _squares(a)[:, None], -gamma * _squares(reference)[:, None]
        left = torch.cat([2 * gamma * a, left, ones(left)], dim=1).float()
        right = torch.cat([reference, ones(right), right], dim=1).float()
        blocks = ((left[rows] @ right.T).exp_().mean(1) for rows in row_blocks(len(left), len(right)))
        return torch.cat(list(blocks)).to(a.dtype)

    def diagonal(self, a: Tensor) -> Tensor:
        """See :class:`KeyKernel`."""
        return torch.ones_like(a[:, 0])

    def _width(self) -> float:
        if self.gamma is None:
            raise ValueError("gamma is not set: call fitted(reference) first.")
        return self.gamma


def _squares(vectors: Tensor) -> Tensor:
    return torch.linalg.vector_norm(vectors, dim=1).square_()


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Cut a matrix that is too large to hold at once.

    Args:
        rows: its rows.
        columns: its columns.

    Returns:
        slices of rows such that a block of the matrix stays small.
    """
    step = max(1, _BLOCK_ENTRIES // max(1, columns))
    return (slice(start, start + step) for start in range(0, rows, step))


KERNELS: dict[str, Callable[[], KeyKernel]] = {"cosine": CosineKernel, "rbf": RadialKernel}
