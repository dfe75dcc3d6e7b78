"""How blurred a tile is, in micrometres."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

__all__ = ["blur_um"]

_FINE_UM, _BROAD_UM = 0.5, 2.0
_FLAT = 0.05  # squared grey values per pixel: where there is nothing to be sharp


def blur_um(pixels: np.ndarray, mpp: float) -> float:
    """Measure the standard deviation of the blur of a picture by blurring it once more.

    The energy of the gradient of an edge that is blurred by a Gaussian of σ is proportional to 1/σ. Of the picture
    smoothed by s₁ (0.5 µm, against noise) and s₂ (2 µm) the energies are in the ratio
    ``R = sqrt((σ² + s₂²) / (σ² + s₁²))``, so that ``σ² = (s₂² - R² s₁²) / (R² - 1)`` (re-blurring, after Crété et al.,
    SPIE 6492, 2007). Of texture finer than an edge it tells less than there is.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB.
        mpp: micrometres per pixel, at most 1 to be of use.

    Returns:
        σ in micrometres, 0 for perfectly sharp edges; NaN where there is no structure to measure.
    """
    grey = pixels.mean(axis=2, dtype=np.float32)
    fine, broad = (_gradient_energy(ndimage.gaussian_filter(grey, side / mpp)) for side in (_FINE_UM, _BROAD_UM))
    if broad < _FLAT:
        return math.nan
    ratio = (fine / broad) ** 2
    if ratio <= 1:
        return math.inf
    return math.sqrt(max((_BROAD_UM**2 - ratio * _FINE_UM**2) / (ratio - 1), 0.0))


def _gradient_energy(grey: np.ndarray) -> float:
    by_row, by_column = np.diff(grey, axis=0), np.diff(grey, axis=1)
    return float(np.mean(by_row**2, dtype=np.float64) + np.mean(by_column**2, dtype=np.float64))
