"""Small pyramids of known content, written by tifffile alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("openslide")

GLASS, TISSUE = (240, 238, 241), (190, 110, 165)
WritePyramid = Callable[..., Path]


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
    """Write a tiled TIFF of some downsamples; level n is every n-th pixel of the picture."""

    def write(
        picture: np.ndarray,
        name: str = "slide.tif",
        mpp: float | None = 0.5,
        downsamples: Sequence[int] = (1, 4),
        tile: int = 256,
        folder: Path | None = None,
    ) -> Path:
        path = (folder or tmp_path) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tifffile.TiffWriter(path) as file:
            for downsample in downsamples:
                scale = {} if mpp is None else {"resolution": (1e4 / mpp,) * 2, "resolutionunit": "CENTIMETER"}
                file.write(
                    picture[::downsample, ::downsample],
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
