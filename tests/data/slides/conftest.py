"""Small pyramids of known content, written by tifffile alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("openslide")

GLASS, TISSUE = (240, 238, 241), (190, 110, 165)
WritePyramid = Callable[..., Path]
MakeIndex = Callable[..., Any]


def he_picture(width: int, height: int, box: Sequence[int], seed: int = 0) -> np.ndarray:
    """Glass with a rectangle (left, top, right, bottom) of something pink and rough."""
    random = np.random.default_rng(seed)
    picture = np.empty((height, width, 3), np.float64)
    picture[:] = GLASS
    left, top, right, bottom = box
    picture[top:bottom, left:right] = TISSUE
    picture[top:bottom, left:right] += random.normal(0, 12, (bottom - top, right - left, 1))
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


@pytest.fixture
def write_pyramid(tmp_path: Path) -> WritePyramid:
    """Write a tiled TIFF of some downsamples; level n is every n-th pixel of the picture, rounded up or down."""

    def write(
        picture: np.ndarray,
        name: str = "slide.tif",
        mpp: float | None = 0.5,
        downsamples: Sequence[int] = (1, 4),
        tile: int = 256,
        folder: Path | None = None,
        floor: bool = False,
    ) -> Path:
        path = (folder or tmp_path) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tifffile.TiffWriter(path) as file:
            for downsample in downsamples:
                scale = {} if mpp is None else {"resolution": (1e4 / mpp,) * 2, "resolutionunit": "CENTIMETER"}
                height, width = (side // downsample * downsample if floor else side for side in picture.shape[:2])
                file.write(
                    picture[:height:downsample, :width:downsample],
                    tile=(tile, tile),
                    photometric="rgb",
                    compression="zlib",
                    subfiletype=int(downsample > 1),
                    metadata=None,
                    **scale,
                )
        return path

    return write


@pytest.fixture
def he_slide(write_pyramid: WritePyramid) -> Path:
    """A slide of 2048x1536 pixels of 0.5 µm, tissue from (512, 256) to (1536, 1280)."""
    return write_pyramid(he_picture(2048, 1536, (512, 256, 1536, 1280)))


@pytest.fixture(scope="session")
def wsi(shared_data: Path) -> Path:
    """The folder of real slides."""
    if not (shared_data / "wsi").is_dir():
        pytest.skip(f"no real slides in {shared_data}")
    return shared_data / "wsi"


@pytest.fixture
def spoil_tile() -> Callable[[Path, int, int], None]:
    """Overwrite one compressed tile of a level with what no decoder takes."""

    def spoil(path: Path, level: int, tile: int) -> None:
        with tifffile.TiffFile(path) as file:
            page = file.pages[level]
            offset, count = page.dataoffsets[tile], page.databytecounts[tile]
        with open(path, "r+b") as raw:
            raw.seek(offset)
            raw.write(b"\xff" * count)

    return spoil


@pytest.fixture
def make_index() -> MakeIndex:
    """An index of a slide that is nowhere: some tiles of a grid, in the grid's order."""
    from monai_memvit.data.slides import TileIndex, tile_grid
    from monai_memvit.data.slides.tile_index import COLUMNS, TILES_FORMAT

    def make(
        size: tuple[int, int] = (1000, 700),
        mpp: tuple[float, float] = (0.5, 0.5),
        tile: int = 64,
        overlap: int = 0,
        partial: str = "drop",
        keep: float = 0.7,
    ) -> TileIndex:
        grid = tile_grid(size, mpp, 1.0, tile, overlap, partial)
        row, column = grid.positions()
        table = {name: np.zeros(len(row), kind) for name, kind in COLUMNS.items()}
        table |= {"row": row, "column": column, "x": column * grid.step_x, "y": row * grid.step_y}
        table |= {"width": np.full(len(row), grid.width), "height": np.full(len(row), grid.height)}
        kept = np.random.default_rng(1).random(len(row)) < keep
        slide = {"name": "none.tif", "path": "/nowhere/none.tif", "fingerprint": "0", "size": size, "mpp": mpp}
        laid = {"mpp": 1.0, "tile": tile, "overlap": overlap, "level": 0, **vars(grid)}
        header = {"format": TILES_FORMAT, "key": "0" * 32, "slide": slide, "grid": laid}
        return TileIndex(header, {name: table[name].astype(kind)[kept] for name, kind in COLUMNS.items()})

    return make
