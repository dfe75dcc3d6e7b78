"""Writing -inf over the scores of excluded facts, at a cost that follows the number of excluded facts."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["exclusion"]

_WORD = 8  # bools looked at together, as one int64


def exclusion(mask: Tensor | None) -> Callable[[Tensor], object]:
    """Prepare the exclusion once, to be applied to the scores of several heads.

    Usually a few facts in a hundred thousand are excluded (one patient's). On a CPU their places are then found by
    reading the mask eight at a time, which is several times faster than filling under the mask for every head.

    Args:
        mask: ``(B, S)`` bool, or None for no exclusion.

    Returns:
        a function that sets excluded entries of scores ``(B, Q, S)`` to -inf in place.
    """
    if mask is None:
        return lambda scores: scores
    if mask.device.type == "cpu":
        samples, words = _words(mask).nonzero(as_tuple=True)
        if len(samples) * _WORD < mask.numel() / 16:
            return _fill_at(mask, samples, words)
    return lambda scores: scores.masked_fill_(mask[:, None], float("-inf"))


def _words(mask: Tensor) -> Tensor:
    short = -mask.shape[1] % _WORD
    return (F.pad(mask, (0, short)) if short else mask.contiguous()).view(torch.int64)


def _fill_at(mask: Tensor, samples: Tensor, words: Tensor) -> Callable[[Tensor], object]:
    facts = (words[:, None] * _WORD + torch.arange(_WORD)).clamp_(max=mask.shape[1] - 1)
    hit = mask[samples[:, None], facts]
    samples, facts = samples[:, None].expand_as(facts)[hit], facts[hit]

    def fill(scores: Tensor) -> None:
        scores[samples, :, facts] = float("-inf")

    return fill
