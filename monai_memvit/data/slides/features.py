"""Features of tiles that an encoder has made: ours as Parquet, others' as HDF5, and ragged batches of them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.utils import optional_import
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import default_collate

from ..atomic import atomic_write_bytes
from .readers.needed import needed

h5py, _ = optional_import("h5py", descriptor="features in HDF5 need h5py: pip install h5py")

__all__ = ["TileFeatures", "collate_bags", "iter_tile_features", "load_tile_features", "save_tile_features"]

_BUFFER = 1 << 20  # bytes of a column at once; without, Parquet reads it whole
_RAGGED = ("features", "image", "position_um", "tile")  # one row per tile


class TileFeatures(NamedTuple):
    """The features of a slide's tiles, and where the tiles lie.

    Args:
        features: ``(N, F)`` float32.
        position_um: ``(N, 2)`` float64, centres (x, y) in micrometres.
    """

    features: Tensor
    position_um: Tensor


def save_tile_features(path: str | os.PathLike[str], features: Tensor, position_um: Tensor) -> None:
    """Write the features of a slide as one Parquet file, whole or not at all.

    Args:
        path: the file; its folder must exist.
        features: ``(N, F)``; kept as float16 where they are, else float32.
        position_um: ``(N, 2)``, centres (x, y) in micrometres.

    Raises:
        ValueError: where the shapes do not fit.
    """
    if features.ndim != 2 or position_um.shape != (len(features), 2):
        raise ValueError(f"features {tuple(features.shape)}, places {tuple(position_um.shape)}: give (N, F) and (N, 2)")
    pyarrow, parquet = needed("pyarrow"), needed("pyarrow.parquet")
    kind = torch.float16 if features.dtype == torch.float16 else torch.float32
    values = features.detach().to("cpu", kind).contiguous().numpy()
    places = position_um.detach().cpu().double().numpy()
    listed = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(values.ravel()), values.shape[1])
    table = pyarrow.table({"x_um": places[:, 0], "y_um": places[:, 1], "features": listed})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    atomic_write_bytes(path, buffer.getvalue())


def load_tile_features(
    path: str | os.PathLike[str], mpp: float | None = None, tile_pixels: int | None = None
) -> TileFeatures:
    """Read the features of a slide.

    Parquet as :func:`save_tile_features` writes it, or HDF5 (``.h5``, ``.hdf5``) as TRIDENT and CLAM do: ``features``
    ``(N, F)`` or ``(1, N, F)``, and ``coords`` ``(N, 2)``, upper left corners (x, y) in level-0 pixels, which say
    nothing of their scale.

    Args:
        path: the file.
        mpp: micrometres per pixel of the slide's level 0; for HDF5.
        tile_pixels: level-0 pixels a side of a tile; by default what TRIDENT notes (``patch_size_level0``).

    Raises:
        ValueError: naming the file, where it is no such file, or the scale is not known.
    """
    found = list(iter_tile_features(path, mpp, tile_pixels))
    return TileFeatures(torch.cat([part.features for part in found]), torch.cat([part.position_um for part in found]))


def iter_tile_features(
    path: str | os.PathLike[str], mpp: float | None = None, tile_pixels: int | None = None, batch_size: int = 8192
) -> Iterator[TileFeatures]:
    """Read the features of a slide some tiles at a time.

    Args:
        path: the file, see :func:`load_tile_features`.
        mpp: as there.
        tile_pixels: as there.
        batch_size: tiles that are held at once.

    Yields:
        features and places of the next tiles.

    Raises:
        ValueError: as there.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} does not exist: correct the path")
    of_hdf5, seen = path.suffix in (".h5", ".hdf5"), 0
    try:
        parts = _from_hdf5(path, mpp, tile_pixels, batch_size) if of_hdf5 else _from_parquet(path, batch_size)
        for part in parts:
            _check(part, path)
            yield part
            seen += len(part.features)
    except (OSError, KeyError) as error:
        raise ValueError(
            f"{path} holds no features of tiles ({type(error).__name__}: {error}): make it again"
        ) from None
    if not seen:
        raise ValueError(f"{path} holds no tile: make it again, or leave the slide out")


def _check(found: TileFeatures, path: Path) -> None:
    if found.features.ndim != 2 or found.position_um.shape != (len(found.features), 2):
        shapes = f"{tuple(found.features.shape)} features, {tuple(found.position_um.shape)} places"
        raise ValueError(f"{path} holds {shapes}, not (N, F) and (N, 2): make it again")


def _from_parquet(path: Path, batch_size: int) -> Iterator[TileFeatures]:
    parquet = needed("pyarrow.parquet")
    try:
        with parquet.ParquetFile(path, buffer_size=_BUFFER) as file:
            for batch in file.iter_batches(batch_size, columns=["features", "x_um", "y_um"], use_threads=False):
                values = batch["features"].flatten().to_numpy(zero_copy_only=False).reshape(len(batch), -1)
                places = np.stack([batch["x_um"].to_numpy(), batch["y_um"].to_numpy()], axis=1)
                yield TileFeatures(torch.from_numpy(values.astype(np.float32)), torch.from_numpy(places))
    except (ValueError, NotImplementedError, AttributeError) as error:  # damaged, or no lists of one length
        raise OSError(str(error)) from None


def _from_hdf5(path: Path, mpp: float | None, tile_pixels: int | None, batch_size: int) -> Iterator[TileFeatures]:
    if mpp is None or not 0 < mpp < float("inf"):
        raise ValueError(f"{path} tells places in pixels only: give mpp, the slide's micrometres per pixel")
    with h5py.File(path, "r") as file:
        values, corners = file["features"], file["coords"]
        side = tile_pixels or corners.attrs.get("patch_size_level0")
        if side is None:
            raise ValueError(f"{path} does not tell how large its tiles are: give tile_pixels, of level 0")
        packed = values.ndim == 3 and len(values) == 1
        for start in range(0, max(len(corners), values.shape[1] if packed else len(values)), batch_size):
            own = slice(start, start + batch_size)
            places = (np.asarray(corners[own], np.float64) + float(side) / 2) * mpp
            part = np.asarray(values[0, own] if packed else values[own], np.float32)
            yield TileFeatures(torch.from_numpy(part), torch.from_numpy(places))


def collate_bags(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Make a batch of slides with different numbers of tiles.

    Args:
        items: with ``features`` ``(N_i, F)`` or ``image`` ``(N_i, *tile)``, ``position_um`` ``(N_i, 2)``, perhaps
            ``tile`` ``(N_i,)``, and anything torch can collate.

    Returns:
        the same with a first dimension B, zero beyond a slide's tiles, ``mask`` ``(B, N)`` bool, true where there is a
        tile, and the rest.

    Raises:
        ValueError: where there is no item, a slide has no tile, or features and places differ in number.
    """
    if not items:
        raise ValueError("there is no slide to collate")
    ragged = [name for name in _RAGGED if isinstance(items[0].get(name), Tensor)]
    lengths = [len(item[ragged[0]]) for item in items]
    for number, (item, length) in enumerate(zip(items, lengths, strict=True)):
        if not length or any(len(item[name]) != length for name in ragged):
            raise ValueError(f"slide {number} of the batch has {length} {ragged[0]}, {len(item['position_um'])} places")
    batch = {name: pad_sequence([item[name] for item in items], batch_first=True) for name in ragged}
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    rest = [{name: value for name, value in item.items() if name not in ragged} for item in items]
    return {**batch, "mask": mask, **(default_collate(rest) if rest[0] else {})}
