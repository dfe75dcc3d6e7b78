"""One picture a case to judge its preparation by: checkerboards before and after registration, and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from monai.utils import optional_import

from .slices.moved_sequence import MovedSequence
from .slices.prepared_case import PreparedCase

Figure, _ = optional_import(
    "matplotlib.figure", name="Figure", descriptor='pictures need matplotlib: pip install "monai_memvit[mri]"'
)

__all__ = ["checkerboard", "draw_picture", "draw_values", "quality_picture", "stretched"]

_FIELDS = 8
_SHOWN = 5.0  # standard deviations


def checkerboard(first: np.ndarray, second: np.ndarray, fields: int = _FIELDS) -> np.ndarray:
    """Two pictures in alternating fields: edges go on across the fields where they are aligned.

    Args:
        first: ``(H, W)``.
        second: ``(H, W)``.
        fields: along each side.

    Returns:
        ``(H, W)`` from 0 to 1; each picture is stretched between its own 1st and 99th percentile.
    """
    rows, columns = (np.arange(length) * fields // length for length in first.shape)
    odd = (rows[:, None] + columns[None, :]) % 2 == 1
    return np.where(odd, stretched(second), stretched(first))


def stretched(picture: np.ndarray) -> np.ndarray:
    """Grey values from 0 to 1: the 1st and the 99th percentile and all beyond.

    Args:
        picture: ``(H, W)``.
    """
    values = picture.astype(np.float64)
    low, high = np.percentile(values, [1, 99])
    return np.clip((values - low) / max(high - low, 1e-12), 0, 1)


def quality_picture(case: PreparedCase) -> Any:
    """One row per sequence: reference and sequence before and after registration, and the values in the brain.

    Args:
        case: prepared, with its pictures from before registration.

    Returns:
        a matplotlib ``Figure``.
    """
    names = [name for name, present in zip(case.record["pipeline"]["sequences"], case.channel_mask) if present]
    height = 3.1 * len(names)
    figure = Figure(figsize=(9.5, height))
    figure.subplots_adjust(0.03, 0.65 / height, 0.97, 1 - 0.3 / height, 0.1, 0.25)
    for axes, name in zip(figure.subplots(len(names), 3, squeeze=False), names):
        _draw_row(axes, case, name)
    figure.supxlabel(f"slice {case.fullest_slice}: reference and sequence in alternating fields", size=8)
    return figure


def _draw_row(axes: Sequence[Any], case: PreparedCase, name: str) -> None:
    channels, reference = case.record["pipeline"]["sequences"], case.record["pipeline"]["reference"]
    picture, after = case.after[reference], case.after[name]
    if name == reference:
        draw_picture(axes[0], stretched(after), f"{name}: the reference")
        axes[1].axis("off")
    else:
        before = case.before.get(name)
        draw_picture(axes[0], None if before is None else checkerboard(picture, before), f"{name} before")
        draw_picture(axes[1], checkerboard(picture, after), f"{name} after")
        how = MovedSequence.of(case.record["sequences"][name]["registration"])
        axes[1].set_xlabel("not registered" if how is None else str(how), size=7)
    there = np.array(case.record["slice_channel_mask"])[:, channels.index(name)]
    values = case.image[there, channels.index(name)][case.brain[there]].astype(np.float32)
    draw_values(axes[2], values)


def draw_values(axes: Any, values: np.ndarray) -> None:
    """Draw the histogram of normalised values; those beyond its ends count at the ends.

    Args:
        axes: to draw on.
        values: in standard deviations, float.
    """
    axes.stairs(*np.histogram(np.clip(values, -_SHOWN, _SHOWN), 100, (-_SHOWN, _SHOWN)), fill=True, color="#4575b4")
    axes.set(yticks=[])
    axes.set_title("in the brain, in standard deviations", size=8)
    axes.tick_params(labelsize=7)


def draw_picture(axes: Any, picture: np.ndarray | None, title: str) -> None:
    """Draw a picture without ticks.

    Args:
        axes: to draw on.
        picture: ``(H, W)`` from 0 to 1, or None where it would repeat the next.
        title: above it.
    """
    if picture is None:
        axes.text(0.5, 0.5, "the same as after", ha="center", va="center", size=8)
    else:
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, size=8)
