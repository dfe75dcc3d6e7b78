"""Some of a slide's tiles, other ones in every epoch."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Randomizable

__all__ = ["RandTileSubsetD", "RandTileSubsetDict", "RandTileSubsetd"]


class RandTileSubsetd(Randomizable, MapTransform):
    """Keeps a random share of a slide's tiles, in their order.

    It augments, since the label of a slide rests on few tiles and other ones are seen every time, and it saves time. A
    lesion of few tiles may be missed, which makes the label wrong: keep half or more where lesions are small.

    Args:
        keys: entries with one row per tile, such as ``image`` and ``position_um``.
        share: of the tiles, above 0 and at most 1; at least one tile stays.
        max_tiles: at most so many; None for no limit.
        allow_missing_keys: whether an item may lack a key.

    Raises:
        ValueError: for a number out of range.
    """

    def __init__(
        self,
        keys: KeysCollection,
        share: float = 1.0,
        max_tiles: int | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        if not 0 < share <= 1 or (max_tiles is not None and max_tiles < 1):
            raise ValueError(f"share={share}, max_tiles={max_tiles}: give a share above 0 up to 1, and 1 tile or more")
        super().__init__(keys, allow_missing_keys)
        self.share = share
        self.max_tiles = max_tiles
        self.chosen = np.zeros(0, np.int64)

    def randomize(self, data: Any) -> None:
        """Draw the tiles of the next item.

        Args:
            data: their number.
        """
        wanted = max(1, round(self.share * int(data)))
        wanted = wanted if self.max_tiles is None else min(wanted, self.max_tiles)
        self.chosen = np.sort(self.R.permutation(int(data))[:wanted])

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Choose.

        Args:
            data: item.

        Returns:
            the item with the same rows of all keys.

        Raises:
            ValueError: where the keys have different numbers of rows.
        """
        done = dict(data)
        lengths = {key: len(done[key]) for key in self.key_iterator(done)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"entries of one slide have different numbers of tiles: {lengths}")
        self.randomize(next(iter(lengths.values()), 0))
        rows = torch.from_numpy(self.chosen)
        return done | {key: done[key][rows] for key in lengths}


RandTileSubsetD = RandTileSubsetDict = RandTileSubsetd
