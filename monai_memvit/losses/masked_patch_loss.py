"""The loss of masked auto-encoders: mean squared error of the pixels that were hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn as nn
from torch import Tensor

__all__ = ["MaskedPatchLoss"]


class MaskedPatchLoss(nn.Module):
    """Compares the hidden patches of an image with their prediction, each normalised by its own mean and deviation.

    He et al. (CVPR 2022), section 4.1. Every channel of a patch is normalised by itself, for the sequences of a study
    have no common unit; of one channel it is the published loss. An image with nothing hidden has the loss 0.

    Args:
        normalize: whether the prediction is of normalised pixels; False compares the pixels as they are.
        eps: added to the variance of a patch, which is 0 on plain background.
    """

    def __init__(self, normalize: bool = True, eps: float = 1e-6) -> None:
        super().__init__()
        self.normalize = normalize
        self.eps = eps

    def forward(self, pred: Mapping[str, Tensor], image: Tensor) -> Tensor:
        """Mean over all hidden pixels of the batch.

        Args:
            pred: ``"reconstruction"`` ``(B, C, *spatial)`` and ``"hidden"`` ``(B, C, *grid)`` bool, as
                :class:`MaskedAutoencoder` gives them.
            image: ``(B, C, *spatial)``; what it holds where nothing is hidden is irrelevant, NaN included.

        Returns:
            scalar.
        """
        hidden = pred["hidden"]
        mean, scale = self._statistics(image, hidden.shape[2:])
        target = (_patches(image, hidden.shape[2:]) - mean) / scale
        shown = hidden.view(mean.shape)
        error = torch.where(shown, _patches(pred["reconstruction"], hidden.shape[2:]) - target, 0)
        pixels = error[0, 0].numel() // max(1, hidden[0, 0].numel())
        return error.square().sum() / (hidden.sum() * pixels).clamp(min=1)

    def restored(self, pred: Mapping[str, Tensor], image: Tensor) -> Tensor:
        """The image with its hidden patches as they were predicted, for pictures.

        A normalised prediction is given the true mean and deviation of its patch, as in the paper's figures: brightness
        and contrast of patches are known there, their content is not.

        Args:
            pred: as in :meth:`forward`.
            image: ``(B, C, *spatial)``.

        Returns:
            ``(B, C, *spatial)`` float32.
        """
        hidden = pred["hidden"]
        mean, scale = self._statistics(image, hidden.shape[2:])
        guess = _patches(pred["reconstruction"], hidden.shape[2:]) * scale + mean
        return torch.where(hidden.view(mean.shape), guess, _patches(image, hidden.shape[2:])).reshape(image.shape)

    def _statistics(self, image: Tensor, grid: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Mean and scale of every patch of every channel, shaped to broadcast over its pixels."""
        patches = _patches(image, grid)
        inside = tuple(range(3, patches.ndim, 2))
        mean = patches.mean(inside, keepdim=True)
        if not self.normalize:
            return torch.zeros_like(mean), torch.ones_like(mean)
        return mean, (patches.var(inside, correction=0, keepdim=True) + self.eps).sqrt()


def _patches(x: Tensor, grid: Sequence[int]) -> Tensor:
    """``(B, C, cells, pixels, cells, pixels, ...)`` float32: every axis as cells and the pixels of a cell."""
    split = [size for cells, whole in zip(grid, x.shape[2:]) for size in (cells, whole // cells)]
    return x.float().reshape(*x.shape[:2], *split)
