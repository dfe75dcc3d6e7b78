"""The tiles of one slide: where each lies, how much tissue it shows, and what is wrong with it."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import atomic_write_bytes
from .readers.needed import needed

pyarrow: Any = needed("pyarrow")
parquet: Any = needed("pyarrow.parquet")

__all__ = ["COLUMNS", "FLAGS", "TILES_FORMAT", "TileIndex"]

TILES_FORMAT = "monai_memvit-tiles/1"
COLUMNS: dict[str, Any] = {
    "x": np.int64,
    "y": np.int64,
    "width": np.int32,
    "height": np.int32,
    "row": np.int32,
    "column": np.int32,
    "tissue": np.float32,
    "background": np.float32,
    "pen": np.float32,
    "fold": np.float32,
    "blur_um": np.float32,
    "flags": np.uint8,
}
FLAGS = {"background": 1, "pen": 2, "fold": 4, "blur": 8, "unreadable": 16}
_HEADER = b"monai_memvit"


@dataclass(frozen=True)
class TileIndex:
    """The tiles of a slide, row by row, as they stand in one Parquet file; the same input gives the same bytes.

    Args:
        header: ``format``; ``slide`` (``name``, ``path``, ``fingerprint``, ``size``, ``mpp``, ``properties``); ``grid``
            (``mpp``, the wanted micrometres per pixel; ``tile`` and ``overlap`` in pixels of that scale; ``level``, the
            one to read); ``key``, the digest of slide and parameters; ``parameters``; ``versions``.
        table: column -> ``(N,)`` array. ``x``, ``y``, ``width``, ``height`` are level-0 pixels, ``row`` and ``column``
            places in the grid; ``tissue``, ``background``, ``pen`` and ``fold`` shares of the tile; ``blur_um`` the
            width of its blur in micrometres, NaN where it was not measured; ``flags`` the sum of ``FLAGS``.

    Raises:
        ValueError: where a column is missing, or their lengths differ.
    """

    header: dict[str, Any]
    table: dict[str, np.ndarray]

    def __post_init__(self) -> None:
        missing = [name for name in COLUMNS if name not in self.table]
        if missing or len({len(self.table[name]) for name in COLUMNS}) != 1:
            raise ValueError(f"a tile index has the columns {', '.join(COLUMNS)} of one length; missing: {missing}")

    def __len__(self) -> int:
        return len(self.table["x"])

    @property
    def slide_path(self) -> Path:
        """Where the slide lay when it was indexed."""
        return Path(self.header["slide"]["path"])

    @property
    def slide_mpp(self) -> tuple[float, float]:
        """Micrometres per pixel of level 0, (x, y)."""
        x, y = self.header["slide"]["mpp"]
        return float(x), float(y)

    @property
    def mpp_target(self) -> float:
        """Micrometres per pixel of the tiles."""
        return float(self.header["grid"]["mpp"])

    @property
    def tile(self) -> int:
        """Pixels a side of a tile, at :attr:`mpp_target`."""
        return int(self.header["grid"]["tile"])

    @property
    def level(self) -> int:
        """The level to read tiles from: just finer than they shall be."""
        return int(self.header["grid"]["level"])

    def positions_um(self) -> np.ndarray:
        """Return the tiles' centres in micrometres from the slide's upper left corner, ``(N, 2)`` float64 (x, y)."""
        x = (self.table["x"] + self.table["width"] / 2) * self.slide_mpp[0]
        y = (self.table["y"] + self.table["height"] / 2) * self.slide_mpp[1]
        return np.stack([x, y], axis=1)

    def flagged(self, *names: str) -> np.ndarray:
        """Return which tiles have one of some flags, ``(N,)`` bool.

        Args:
            names: of ``FLAGS``; all where none is given.

        Raises:
            ValueError: for an unknown name.
        """
        unknown = [name for name in names if name not in FLAGS]
        if unknown:
            raise ValueError(f"flag {unknown[0]!r} is unknown: take some of {', '.join(FLAGS)}")
        wanted = sum(FLAGS[name] for name in set(names or FLAGS))
        return np.asarray(self.table["flags"] & np.uint8(wanted), bool)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one Parquet file, whole or not at all.

        Args:
            path: the file; its folder must exist.
        """
        columns = {name: pyarrow.array(self.table[name].astype(kind)) for name, kind in COLUMNS.items()}
        header = json.dumps(self.header, sort_keys=True, ensure_ascii=False, allow_nan=False).encode("utf-8")
        table = pyarrow.table(columns).replace_schema_metadata({_HEADER: header})
        buffer = io.BytesIO()
        parquet.write_table(table, buffer, compression="zstd")
        atomic_write_bytes(path, buffer.getvalue())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TileIndex:
        """Read a file that :meth:`save` wrote.

        Args:
            path: the file.

        Raises:
            ValueError: naming the file, where it is no tile index of this format.
        """
        again = "prepare the slides again"
        try:
            table = parquet.read_table(path, use_threads=False)
            header = json.loads((table.schema.metadata or {})[_HEADER])
            missing = [name for name in COLUMNS if name not in table.column_names]
        except FileNotFoundError:
            raise ValueError(f"{path} does not exist: make it with `python -m monai_memvit prepare slides …`") from None
        except (KeyError, ValueError, OSError, NotImplementedError) as error:
            raise ValueError(f"{path} is no tile index ({type(error).__name__}: {error}): {again}") from None
        if header.get("format") != TILES_FORMAT:
            raise ValueError(
                f"{path} has format {header.get('format')!r}, this version reads {TILES_FORMAT!r}: {again}"
            )
        if missing:
            raise ValueError(f"{path} lacks the column {missing[0]!r}: {again}")
        return cls(header, {name: table[name].to_numpy() for name in COLUMNS})
