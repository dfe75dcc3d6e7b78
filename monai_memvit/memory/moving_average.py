"""Attention temporal moving average: how much of a newly generated fact enters the memory (MoViT, eq. (1) and (2))."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["AttentionMovingAverage"]

_CONVENTIONS = ("generated", "retained")


class AttentionMovingAverage:
    """The schedule of eq. (2), as the weight of the **new** fact in eq. (1).

    With ``t`` the epoch from 0 and ``t0 = max(1, round(warmup * max_epochs))``, eq. (2) reads
    ``alpha(t) = 1 - alpha0 * exp(-ramp * (1 - t / t0) ** 2)`` up to ``t0`` and ``1 - alpha0`` from there on.

    Eq. (1) as printed gives this alpha to the generated fact, so 99 % to 100 % of a fact is overwritten at every visit;
    that is the default. To smooth over epochs, choose ``alpha0`` of about 0.3 to 0.7: the memory then spans about
    ``1 / (1 - alpha0)`` epochs. The mean-teacher reading (``convention="retained"``) gives alpha to the stored fact;
    with the paper's ``alpha0``, 39.5 % of each fact is then still that of the first epoch after 100 epochs.

    Args:
        max_epochs: E, the length of the training.
        alpha0: friction, in [0, 1]: 0 overwrites, 1 with ``ramp=0`` freezes (of the generated convention).
        ramp: factor in the exponent: ``"t0"`` as printed, which is the ramp-down of Laine & Aila, or a number
            (5.0 is their ramp-up; 0 makes alpha constant).
        warmup: t0 as a fraction of ``max_epochs``, in [0, 1].
        convention: which fact eq. (2)'s alpha weights, ``"generated"`` (as printed) or ``"retained"``.

    Raises:
        ValueError: when an argument is out of range.

    Example:
        >>> alpha = AttentionMovingAverage(max_epochs=100)
        >>> round(alpha(5), 5), alpha(50)
        (0.99918, 0.99)
    """

    def __init__(
        self,
        max_epochs: int,
        alpha0: float = 0.01,
        ramp: str | float = "t0",
        warmup: float = 0.1,
        convention: str = "generated",
    ) -> None:
        if max_epochs < 1:
            raise ValueError(f"max_epochs must be at least 1, got {max_epochs}.")
        if not 0 <= alpha0 <= 1:
            raise ValueError(f"alpha0 must lie in [0, 1], got {alpha0}.")
        if not 0 <= warmup <= 1:
            raise ValueError(f"warmup is a fraction of max_epochs in [0, 1], got {warmup}.")
        if convention not in _CONVENTIONS:
            raise ValueError(f"convention must be one of {_CONVENTIONS}, got {convention!r}.")
        self.max_epochs = max_epochs
        self.alpha0 = alpha0
        self.warmup_epochs = max(1, round(warmup * max_epochs))
        self.ramp = _ramp_factor(ramp, self.warmup_epochs)
        self.convention = convention

    def __call__(self, epoch: int) -> float:
        """The weight of the new fact.

        Args:
            epoch: t, from 0.

        Returns:
            alpha of eq. (1), in [0, 1].

        Raises:
            ValueError: when the epoch is negative.
        """
        if epoch < 0:
            raise ValueError(f"epochs count from 0, got {epoch}.")
        remaining = 1 - min(epoch / self.warmup_epochs, 1.0)
        friction = self.alpha0 * math.exp(-self.ramp * remaining**2)
        return 1 - friction if self.convention == "generated" else friction

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(max_epochs={self.max_epochs}, alpha0={self.alpha0}, ramp={self.ramp}, "
            f"warmup_epochs={self.warmup_epochs}, convention={self.convention!r})"
        )

    @staticmethod
    def blend(old: Tensor, new: Tensor, alpha: float | Tensor) -> Tensor:
        """Eq. (1), ``alpha * new + (1 - alpha) * old``, exact at both ends whatever the other fact holds.

        Args:
            old: stored facts, any shape.
            new: generated facts, of the same shape.
            alpha: weight of the new facts, a number or a tensor that broadcasts to them.

        Returns:
            a new tensor; where ``alpha`` is 1 it is ``new`` and where it is 0 ``old``, NaN or infinity notwithstanding.
        """
        alpha = torch.as_tensor(alpha, dtype=new.dtype, device=new.device)
        mixed = alpha * new + (1 - alpha) * old
        return torch.where(alpha == 1, new, torch.where(alpha == 0, old, mixed))


def _ramp_factor(ramp: str | float, warmup_epochs: int) -> float:
    if ramp == "t0":
        return float(warmup_epochs)
    if isinstance(ramp, str) or not (math.isfinite(ramp) and ramp >= 0):
        raise ValueError(f'ramp must be "t0" or a finite number of at least 0, got {ramp!r}.')
    return float(ramp)
