"""What the tiles of a slide say to one class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .tile_index import TileIndex

__all__ = ["TileHeatmap"]


@dataclass(frozen=True)
class TileHeatmap:
    """Measurements of the tiles of a slide, the first of which ranks them.

    Args:
        index: the tiles.
        class_name: what they speak for or against.
        measurements: name -> ``(N,)`` in the order of the index, NaN where a tile was not seen. The first one is
            positive where a tile speaks for the class, negative where it speaks against it.

    Raises:
        ValueError: where there is no measurement, or one has not a value per tile, or an infinite one.
    """

    index: TileIndex
    class_name: str
    measurements: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        if not self.measurements:
            raise ValueError("a heatmap needs a measurement of the tiles")
        for name, values in self.measurements.items():
            if values.shape != (len(self.index),) or np.isinf(values).any():
                raise ValueError(f"{name} has shape {values.shape}, of {len(self.index)} tiles: give a number for each")

    @property
    def values(self) -> np.ndarray:
        """The measurement that ranks the tiles, ``(N,)``."""
        return next(iter(self.measurements.values()))

    def ranked(self) -> np.ndarray:
        """Return the rows of the tiles that were seen, what speaks most for the class first."""
        order = np.argsort(-self.values, kind="stable")  # NaN goes last
        return order[: np.count_nonzero(~np.isnan(self.values))]

    def strongest(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of the tiles that speak most for the class and most against it, strongest first.

        Args:
            count: of each, at most.
        """
        ranked = self.ranked()
        speaks_for, against = ranked[:count], ranked[::-1][:count]
        return speaks_for[self.values[speaks_for] > 0], against[self.values[against] < 0]
