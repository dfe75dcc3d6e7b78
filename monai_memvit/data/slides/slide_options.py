"""How slides are cut into tiles, labelled and split."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .tissue import STAINS

__all__ = ["SlideOptions", "TileOptions"]

_FOCUS_MPP = 1.0  # coarser pixels do not show whether a tile is sharp


@dataclass(frozen=True)
class TileOptions:
    """How a slide is cut into tiles.

    Args:
        mpp_target: micrometres per pixel of the tiles.
        tile: pixels a side.
        overlap: pixels that neighbours share.
        min_tissue: share of a tile that must be tissue; 0 takes all tiles.
        mpp: of level 0, for slides that tell none.
        stain: ``he``, ``ihc`` (brown is no red pen) or ``fluorescence``.
        partial: tiles over the right and lower edge: ``drop`` or ``keep`` (filled up with white).
        check_focus: whether to measure the blur, for which every tile is read near its own scale.

    Raises:
        ValueError: for a value out of range.
    """

    mpp_target: float = 0.5
    tile: int = 256
    overlap: int = 0
    min_tissue: float = 0.25
    mpp: float | None = None
    stain: str = "he"
    partial: str = "drop"
    check_focus: bool = False

    def __post_init__(self) -> None:
        for name in ("mpp_target", "mpp"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1000:
                raise ValueError(f"{name} is {value}: give micrometres per pixel, such as 0.5")
        if self.tile < 16:
            raise ValueError(f"tile is {self.tile}: give 16 pixels or more")
        if not 0 <= self.overlap < self.tile:
            raise ValueError(f"overlap is {self.overlap}: give 0 to {self.tile - 1} pixels, less than a tile has")
        if not 0 <= self.min_tissue <= 1:
            raise ValueError(f"min_tissue is {self.min_tissue}: give a share from 0 to 1")
        if self.stain not in STAINS:
            raise ValueError(f"stain {self.stain!r} is unknown: take one of {', '.join(STAINS)}")
        if self.partial not in ("drop", "keep"):
            raise ValueError(f"partial is {self.partial!r}: take drop or keep")
        if self.check_focus and self.mpp_target > _FOCUS_MPP:
            raise ValueError(f"tiles of {self.mpp_target:g} µm per pixel do not show the focus: take 1 or finer")

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters as plain JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class SlideOptions:
    """How a folder of slides is cut into tiles, labelled and split.

    Args:
        tiles: how each is cut.
        labels: CSV with the columns ``slide``, ``label`` and perhaps ``patient`` and ``split``; without it slides are
            indexed, but there is no datalist.
        class_names: classes in label order; by default the names in the CSV in alphabetical order.
        val_fraction: see :func:`monai_memvit.data.patches.sections.assign_sections`.
        test_fraction: likewise.
        seed: of the splits that are drawn.
        name: name of the data set; by default that of the source.

    Raises:
        ValueError: for classes or fractions without labels.
    """

    tiles: TileOptions = field(default_factory=TileOptions)
    labels: str | os.PathLike[str] | None = None
    class_names: Sequence[str] | None = None
    val_fraction: float | None = None
    test_fraction: float | None = None
    seed: int = 0
    name: str | None = None

    def __post_init__(self) -> None:
        for option in ("class_names", "val_fraction", "test_fraction"):
            if self.labels is None and getattr(self, option) is not None:
                raise ValueError(
                    f"{option} is {getattr(self, option)}, but there are no labels: give --labels, or leave it out"
                )
