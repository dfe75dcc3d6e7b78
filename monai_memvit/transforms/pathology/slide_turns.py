"""A slide lies on its glass in any of eight ways."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import Randomizable, Transform

__all__ = ["RandSlideTurnD", "RandSlideTurnDict", "RandSlideTurnd"]


class RandSlideTurnd(Randomizable, Transform):
    """Turns a slide by a multiple of a right angle and perhaps mirrors it: its tiles, and the places of these.

    All eight ways are equally likely. Places stay positive: the slide is as large as its outermost tiles say. Without
    pixels (features ``(N, F)``) only the places turn.

    Args:
        image_key: tiles ``(N, C, P, P)``, or features.
        position_key: centres ``(N, 2)`` (x, y) in micrometres.
    """

    def __init__(self, image_key: str = "image", position_key: str = "position_um") -> None:
        self.image_key = image_key
        self.position_key = position_key
        self.quarters, self.mirrored = 0, False

    def randomize(self, data: Any = None) -> None:
        """Draw the next turn.

        Args:
            data: not looked at.
        """
        self.quarters, self.mirrored = int(self.R.randint(4)), bool(self.R.randint(2))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Turn.

        Args:
            data: item with tiles and places.

        Returns:
            the item, turned.
        """
        self.randomize()
        image, places = data[self.image_key], data[self.position_key]
        corner = places.amin(0) + places.amax(0)  # a slide of which the outermost tiles lie as far from either edge
        if self.mirrored:
            image = image.flip(-1) if image.ndim == 4 else image
            places = torch.stack([corner[0] - places[:, 0], places[:, 1]], 1)
        for _ in range(self.quarters):  # anticlockwise, as torch.rot90 turns pixels
            places = torch.stack([places[:, 1], corner[0] - places[:, 0]], 1)
            corner = corner.flip(0)
        image = torch.rot90(image, self.quarters, (-2, -1)) if image.ndim == 4 else image
        return {**data, self.image_key: image, self.position_key: places}


RandSlideTurnD = RandSlideTurnDict = RandSlideTurnd
