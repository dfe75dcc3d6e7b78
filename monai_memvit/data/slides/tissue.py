"""Where on a slide there is tissue: by colour under transmitted light, by brightness under fluorescence; no model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .box_means import box_means
from .overview import Overview
from .stain_colours import channel_range, glass_colour, optical_density, pen_pixels, stained_pixels

__all__ = ["STAINS", "TissueMask", "tissue_mask"]

STAINS = ("he", "ihc", "fluorescence")
_ROWS = 256  # of the overview, looked at together: densities take four times the memory of the picture
_CLOSE_UM = 32.0  # gaps between cells
_STROKE_UM = 120.0  # the thinnest stroke of a pen; specks of ink-like colour are no pen
_FADE_UM = 60.0  # the faded rim of a stroke
_SMALLEST_MM2, _HOLE_MM2 = 0.02, 0.005  # debris is smaller; a lumen is larger
_GLOW_UM = 24.0  # between nuclei that glow, there is tissue


@dataclass(frozen=True)
class TissueMask:
    """Where there is tissue.

    Args:
        tissue: ``(H, W)`` bool, without pen marks.
        pen: ``(H, W)`` bool.
        scale: level-0 pixels per pixel of the masks.
        mpp: micrometres per pixel of the masks, (x, y).
        glass: ``(3,)`` colour of empty glass; of a fluorescence slide black.
    """

    tissue: np.ndarray
    pen: np.ndarray
    scale: float
    mpp: tuple[float, float]
    glass: np.ndarray

    @property
    def area_mm2(self) -> float:
        """The area of the tissue."""
        return float(self.tissue.sum()) * self.mpp[0] * self.mpp[1] / 1e6

    def share(self, x: np.ndarray, y: np.ndarray, width: int, height: int) -> np.ndarray:
        """Return how much of each tile is tissue; what lies outside the slide is none.

        Args:
            x: ``(N,)`` left edges in level-0 pixels.
            y: ``(N,)`` top edges in level-0 pixels.
            width: of the tiles in level-0 pixels.
            height: of the tiles in level-0 pixels.

        Returns:
            ``(N,)`` float64 in 0 … 1.
        """
        return box_means(self.tissue, *(np.asarray(edge) / self.scale for edge in (x, x + width, y, y + height)))


def tissue_mask(overview: Overview, stain: str = "he") -> TissueMask:
    """Find the tissue in a picture of a slide.

    ``he`` and ``ihc``: a pixel is tissue where it has a colour, told by its optical density against the slide's own
    glass, and is no ink. ``fluorescence``: where it is brighter than the dark background. Then gaps are closed, and
    small objects and holes removed, all in micrometres.

    Args:
        overview: the picture.
        stain: one of ``he``, ``ihc``, ``fluorescence``.
    """
    pixels, mpp = overview.pixels, max(overview.mpp)
    if stain == "fluorescence":
        found, pen, glass = _glowing(pixels, mpp), np.zeros(pixels.shape[:2], bool), np.zeros(3, np.float32)
    else:
        glass = glass_colour(pixels)
        found, pen = _stained(pixels, glass, stain, mpp)
    found = _cleaned(found, mpp) & ~pen
    return TissueMask(found, pen, overview.scale, overview.mpp, glass)


def _stained(pixels: np.ndarray, glass: np.ndarray, stain: str, mpp: float) -> tuple[np.ndarray, np.ndarray]:
    """Stained pixels that are no ink, and strokes of a pen."""
    found, ink = _coloured(pixels, glass, stain)
    pen = _strokes(ink, mpp)
    np.logical_or(ink, pen, out=ink)
    found &= np.logical_not(ink, out=ink)
    return found, pen


def _coloured(pixels: np.ndarray, glass: np.ndarray, stain: str) -> tuple[np.ndarray, np.ndarray]:
    found, ink = np.zeros(pixels.shape[:2], bool), np.zeros(pixels.shape[:2], bool)
    for top in range(0, len(pixels), _ROWS):
        density = optical_density(pixels[top : top + _ROWS], glass)
        found[top : top + _ROWS] = stained_pixels(density)
        ink[top : top + _ROWS] = pen_pixels(density, stain)
    return found, ink


def _strokes(ink: np.ndarray, mpp: float) -> np.ndarray:
    """Ink that is as broad as a pen's, and its rim; looked at in steps of 30 µm: fast, and fine enough."""
    step = max(1, int(_STROKE_UM / 4 / mpp))
    height, width = ink.shape
    padded = np.pad(ink, ((0, -height % step), (0, -width % step)), mode="edge")
    shares = padded.reshape(len(padded) // step, step, -1, step).mean(axis=(1, 3))
    reach = round(_STROKE_UM / 2 / (mpp * step))
    broad = _dilated(_eroded(shares >= 0.5, reach), reach + round(_FADE_UM / (mpp * step)))
    return broad.repeat(step, axis=0).repeat(step, axis=1)[:height, :width]


def _glowing(pixels: np.ndarray, mpp: float) -> np.ndarray:
    """Brighter, blurred to the distance of nuclei, than Otsu's threshold of the logarithm."""
    bright = ndimage.gaussian_filter(channel_range(np.moveaxis(pixels, 2, 0))[1].astype(np.float32), _GLOW_UM / mpp)
    levels = np.round(32 * np.log2(1 + bright)).astype(np.int64)
    threshold = _otsu(np.bincount(levels.ravel(), minlength=258).astype(np.float64))
    return np.asarray(levels > max(threshold, round(32 * np.log2(1 + 4))))


def _otsu(counts: np.ndarray) -> int:
    """Otsu's threshold (IEEE Trans. SMC 9:62, 1979): the last value of the darker class."""
    value = np.arange(len(counts))
    below, moment = counts.cumsum(), (counts * value).cumsum()
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (moment / below - (moment[-1] - moment) / above) ** 2
    return int(np.nanargmax(np.where(np.isfinite(between), between, 0)))


def _cleaned(found: np.ndarray, mpp: float) -> np.ndarray:
    pixel_mm2 = mpp * mpp / 1e6
    reach = round(_CLOSE_UM / 2 / mpp)
    found = _eroded(_dilated(found, reach), reach)
    found = _without_small(found, _SMALLEST_MM2 / pixel_mm2)
    return ~_without_small(~found, _HOLE_MM2 / pixel_mm2)


def _without_small(mask: np.ndarray, pixels: float) -> np.ndarray:
    if pixels <= 1:
        return mask
    labels, found = ndimage.label(mask)  # four bytes a pixel
    # strip by strip: counting takes eight bytes a pixel
    strips = range(0, len(labels), _ROWS)
    counts = (np.bincount(labels[top : top + _ROWS].ravel(), minlength=found + 1) for top in strips)
    kept = np.asarray(sum(counts) >= pixels)
    kept[0] = False
    return np.asarray(kept[labels])


def _dilated(mask: np.ndarray, reach: int) -> np.ndarray:
    return np.asarray(ndimage.maximum_filter(mask.view(np.uint8), 2 * reach + 1)).view(bool)


def _eroded(mask: np.ndarray, reach: int) -> np.ndarray:
    return np.asarray(ndimage.minimum_filter(mask.view(np.uint8), 2 * reach + 1)).view(bool)
