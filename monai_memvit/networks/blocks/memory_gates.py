"""How much of an attention's answer comes from the memory: a number per head, or one that follows the retrieval."""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor

__all__ = ["ConfidenceGate", "HeadGate"]


class HeadGate(nn.Module):
    """``g_h = sigmoid(b_h)``: one gate per head, as in Memorizing Transformers. The bias is the layer's.

    Args:
        num_heads: H.
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads

    def forward(self, bias: Tensor, confidence: Tensor) -> Tensor:
        """The weight of the memory.

        Args:
            bias: b, ``(H,)``.
            confidence: of the retrieval, ``(B, H, Q)``; not needed.

        Returns:
            ``(1, H, 1, 1)`` float32 in [0, 1].
        """
        return bias.float().sigmoid().view(1, self.num_heads, 1, 1)

    def extra_repr(self) -> str:
        """What the module prints of itself."""
        return f"num_heads={self.num_heads}"


class ConfidenceGate(HeadGate):
    """``g_h = sigmoid(b_h + a_h c)`` with the confidence c of the retrieval: a memory that is asked where it knows.

    a begins at 0, so the gate begins as a :class:`HeadGate`. No gradient goes through c.

    Args:
        num_heads: H.
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__(num_heads)
        self.slope = nn.Parameter(torch.zeros(num_heads))

    def forward(self, bias: Tensor, confidence: Tensor) -> Tensor:
        """The weight of the memory.

        Args:
            bias: b, ``(H,)``.
            confidence: c, ``(B, H, Q)``, finite.

        Returns:
            ``(B, H, Q, 1)`` float32 in [0, 1].
        """
        heads = (1, self.num_heads, 1)
        logits = bias.float().view(heads) + self.slope.float().view(heads) * confidence.detach().float()
        return logits.sigmoid()[..., None]
