"""Binary cross-entropy of several findings of which some are not known."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn as nn
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

__all__ = ["MaskedBCEWithLogitsLoss"]


class MaskedBCEWithLogitsLoss(nn.Module):
    """The mean of torch's ``BCEWithLogitsLoss`` over the labels that are known.

    A batch in which no label is known has a loss of 0 and a gradient of 0.

    Args:
        pos_weight: weights of the positive labels, one per class; None weighs positive and negative ones alike.

    Raises:
        ValueError: while running, when shapes differ, a label is none of 0, 1 and −1, or ``pos_weight`` does not fit.
    """

    pos_weight: Tensor | None

    def __init__(self, pos_weight: Sequence[float] | None = None) -> None:
        super().__init__()
        self.register_buffer("pos_weight", None if pos_weight is None else torch.as_tensor(pos_weight).float())

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Compare logits with labels.

        Args:
            logits: ``(B, K)``.
            labels: ``(B, K)`` of 0, 1, or −1 where unknown.

        Returns:
            a scalar, in float32 at least.
        """
        known = self._known(logits, labels)
        logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
        weight = None if self.pos_weight is None else self.pos_weight.to(logits)
        losses = binary_cross_entropy_with_logits(
            logits, labels.clamp(min=0).to(logits), pos_weight=weight, reduction="none"
        )
        return torch.where(known, losses, 0).sum() / known.sum().clamp(min=1)

    def _known(self, logits: Tensor, labels: Tensor) -> Tensor:
        if logits.ndim != 2 or logits.shape != labels.shape:
            raise ValueError(f"need (B, K) twice, got logits {tuple(logits.shape)} and labels {tuple(labels.shape)}.")
        if self.pos_weight is not None and self.pos_weight.shape != logits.shape[1:]:
            raise ValueError(f"pos_weight has {self.pos_weight.numel()} values for {logits.shape[1]} classes.")
        known = labels >= 0
        fitting = (labels == 0) | (labels == 1) | (labels == -1)
        if not fitting.all():
            raise ValueError(f"labels must be 0, 1 or -1 (unknown), got {labels[~fitting].unique().tolist()}.")
        return known
