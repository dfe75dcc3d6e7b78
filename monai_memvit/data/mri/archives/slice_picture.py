"""One picture a patient to judge an archive by: a slice of each sequence, and its values after normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from monai.utils import optional_import
from numpy.typing import NDArray

from ..quality import draw_picture, draw_values, stretched
from .slice_stack import SliceStack

Figure, _ = optional_import(
    "matplotlib.figure", name="Figure", descriptor='pictures need matplotlib: pip install "monai_memvit[mri]"'
)

__all__ = ["slice_picture"]


def slice_picture(stack: SliceStack, present: NDArray[np.bool_], sequences: Sequence[str]) -> Any:
    """One row per sequence that is there: its slice with most brain, and its values in the brain of all slices.

    Args:
        stack: slices of a patient.
        present: ``(S, C)``, as handed to :func:`monai_memvit.data.mri.archives.slice_stack.stack_slices`.
        sequences: names of the channels.

    Returns:
        a matplotlib ``Figure``.
    """
    channels = np.flatnonzero(present.any(0)).tolist()
    figure = Figure(figsize=(6.5, 3.1 * len(channels)), layout="constrained")
    for axes, channel in zip(figure.subplots(len(channels), 2, squeeze=False), channels):
        there = present[:, channel]
        number = int(np.where(there, stack.brain.sum((1, 2)), -1).argmax())
        picture = stack.image[number, channel].astype(np.float32)
        draw_picture(axes[0], stretched(picture), f"{sequences[channel]}: slice {number}")
        draw_values(axes[1], stack.image[there, channel][stack.brain[there]].astype(np.float32))
    return figure
