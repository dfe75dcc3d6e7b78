"""The slices of one patient as one stack: foreground, z-scores in it, and nothing where a sequence is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..metadata import tracked_metadata

__all__ = ["SliceStack", "stack_slices"]

# Tissue differs from the picture's frame by this share of a sequence's range at least, and by so many deviations.
_SHARE, _DEVIATIONS = 0.1, 4.0


class SliceStack(NamedTuple):
    """A patient's slices, ready to learn from.

    Args:
        image: ``(S, C, H, W)`` float16; 0 outside of the brain and where a sequence is missing.
        brain: ``(S, H, W)`` bool.
        normalization: sequence -> ``mean`` and ``std`` that were taken out and number of ``voxels``; no missing one.
    """

    image: NDArray[np.float16]
    brain: NDArray[np.bool_]
    normalization: dict[str, dict[str, float]]


@tracked_metadata()
def stack_slices(images: NDArray[np.generic], present: NDArray[np.bool_], sequences: Sequence[str]) -> SliceStack:
    """Normalise every sequence to mean 0 and standard deviation 1 over the brain in all slices together.

    The brain (the head, unless it was stripped) is where any sequence differs from its background, opened by one pixel
    and filled, slice by slice. The background is what the outermost two pixels of all slices show: its median need not
    be 0, and its noise does not count.

    Args:
        images: ``(S, H, W, C)``.
        present: ``(S, C)``; a sequence that is not there in a slice is not looked at.
        sequences: names of the channels.

    Raises:
        ValueError: when no brain is found, or a sequence has one value everywhere in it.
    """
    import torch
    from monai.data.meta_tensor import MetaTensor

    from monai_memvit.transforms.mri import NormalizeInMask

    volume = np.moveaxis(images, -1, 1).astype(np.float32)
    brain = _foreground(volume, present)
    image, normalization = np.zeros(volume.shape, dtype=np.float16), {}
    for channel in np.flatnonzero(present.any(0)).tolist():
        inside = torch.from_numpy(brain & present[:, channel, None, None])[None]
        sequence = MetaTensor(torch.from_numpy(volume[:, channel])[None])
        scores = NormalizeInMask()(sequence, inside, sequences[channel])
        image[:, channel] = scores[0].numpy()
        normalization[sequences[channel]] = scores.meta["normalization"]
    return SliceStack(image, brain, normalization)


def _foreground(volume: NDArray[np.float32], present: NDArray[np.bool_]) -> NDArray[np.bool_]:
    brain = np.zeros((volume.shape[0], *volume.shape[2:]), dtype=bool)
    for channel in np.flatnonzero(present.any(0)).tolist():
        there = present[:, channel]
        brain[there] |= _apart_from_frame(volume[there, channel])
    opened = [ndimage.binary_fill_holes(ndimage.binary_opening(mask)) for mask in brain]
    return np.stack(opened)


def _apart_from_frame(slices: NDArray[np.float32]) -> NDArray[np.bool_]:
    low, high = np.percentile(slices, [1, 99])
    inside = np.zeros(slices.shape[1:], dtype=bool)
    inside[2:-2, 2:-2] = True
    frame = slices[:, ~inside]
    level = np.median(frame)
    deviation = 1.4826 * np.median(np.abs(frame - level))  # of a normal distribution, by its median absolute deviation
    return np.abs(slices - level) > max(_SHARE * (high - low), _DEVIATIONS * deviation)
