"""How stained tissue becomes a picture: Beer and Lambert's law, and the differences between laboratories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

__all__ = ["EOSIN", "HAEMATOXYLIN", "Laboratory"]

# Optical density per unit of stain in red, green and blue, of length one, as two laboratories measured it:
# Ruifrok and Johnston 2001, and the reference slide of Macenko 2009.
HAEMATOXYLIN = np.array([[0.650, 0.704, 0.286], [0.563, 0.720, 0.406]])
EOSIN = np.array([[0.072, 0.990, 0.105], [0.216, 0.801, 0.558]])


@dataclass(frozen=True)
class Laboratory:
    """Stains and scanner of one patient's slide.

    Args:
        stains: optical density per unit of haematoxylin and of eosin, ``(2, 3)``, rows of length one.
        strength: factor on the two concentrations, ``(2,)``.
        white: transmitted light of empty glass in red, green and blue, ``(3,)``, at most 1.
        blur: standard deviation of the scanner's point spread, in pixels of the picture.
        noise: standard deviation of the scanner's noise, in grey levels of 255.
    """

    stains: np.ndarray
    strength: np.ndarray
    white: np.ndarray
    blur: float
    noise: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Laboratory:
        """Draw a plausible laboratory: its stains lie between the two published ones, and a little beside.

        Args:
            rng: source of chance.
        """
        mixture = rng.uniform(0.15, 0.7)
        between = np.array([1 - mixture, mixture])
        stains = np.stack([between @ HAEMATOXYLIN, between @ EOSIN]) + rng.normal(0.0, 0.03, (2, 3))
        stains = np.clip(stains, 0.01, None)
        return cls(
            stains=stains / np.linalg.norm(stains, axis=1, keepdims=True),
            strength=np.exp(rng.normal(0.0, [0.18, 0.22])),
            white=np.clip(rng.normal([0.965, 0.945, 0.97], [0.02, 0.025, 0.015]), 0.85, 1.0),
            blur=float(rng.uniform(0.3, 0.6)),
            noise=float(rng.uniform(1.5, 3.5)),
        )

    def picture(self, concentrations: np.ndarray, rng: np.random.Generator, oversampling: int = 1) -> np.ndarray:
        """Photograph stained tissue.

        The light that passes is ``white * 10 ** -(concentrations @ stains)``; a sensor pixel averages it over its area,
        then come blur and noise.

        Args:
            concentrations: haematoxylin and eosin, ``(2, H * oversampling, W * oversampling)``, non-negative.
            rng: source of the noise.
            oversampling: tissue samples per pixel and axis.

        Returns:
            RGB picture, uint8 ``(H, W, 3)``.
        """
        density = np.tensordot(self.strength[:, None] * self.stains, concentrations, axes=(0, 0))
        light = self.white[:, None, None] * 10.0**-density
        channels, height, width = light.shape
        grid = (channels, height // oversampling, oversampling, width // oversampling, oversampling)
        light = light.reshape(grid).mean(axis=(2, 4))
        light = ndimage.gaussian_filter(light, (0.0, self.blur, self.blur))
        values = 255.0 * light + rng.normal(0.0, self.noise, light.shape)
        return np.rint(np.clip(values, 0, 255)).astype(np.uint8).transpose(1, 2, 0)
