"""Slides in the formats of the scanners' vendors, and tiled TIFF, through openslide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from ctypes import c_uint32
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from .downsample import true_downsample
from .handles import HANDLES
from .jpeg_tiles import JpegTiles
from .needed import needed
from .slide import Level, SlideError, SlideReader

openslide: Any = needed("openslide")
lowlevel: Any = needed("openslide.lowlevel")

__all__ = ["VendorSlideReader"]

_PLAIN_TIFF = ("aperio", "generic-tiff")  # vendors of TIFFs whose tiles lie side by side
_OPAQUE = 0xFF000000
_TOLD = ("openslide.vendor", "openslide.objective-power", "openslide.quickhash-1")


class _Handle(NamedTuple):
    """A slide that is open: for openslide, and for the short way to its tiles where there is one."""

    slide: Any
    tiles: JpegTiles | None


class VendorSlideReader(SlideReader):
    """A slide that openslide reads.

    JPEG tiles of an ordinary TIFF are decoded without it, where that gives the same pixels. All other pixels are taken
    from openslide's own buffer (premultiplied ARGB) and laid on white, without a detour by Pillow. openslide refuses
    everything after one error ("Not a JPEG file", ...), so the handle is then opened anew.

    Args:
        path: the slide's file.
        mpp: see :class:`SlideReader`.

    Raises:
        SlideError: where openslide does not know the format, or cannot open the file.
    """

    @property
    def files(self) -> Sequence[Path]:
        """The file, and of a MIRAX slide those in the folder of its name, where the pixels lie."""
        folder = self.path.with_suffix("")
        owns_folder = self.path.suffix.lower() == ".mrxs" and folder.is_dir()
        return [self.path, *(path for path in sorted(folder.rglob("*")) if owns_folder and path.is_file())]

    @property
    def properties(self) -> Mapping[str, str]:
        """Vendor, magnification, openslide's own digest, and the version of openslide."""
        found = self._handle().slide.properties
        told = {name.removeprefix("openslide."): found[name] for name in _TOLD if name in found}
        return {"reader": f"openslide {openslide.__library_version__}", **told}

    def read(self, x: int, y: int, width: int, height: int, level: int = 0) -> np.ndarray:
        """See :meth:`SlideReader.read`."""
        tiles = self._handle().tiles
        column, row = (round(edge / self.levels[level].downsample) for edge in (x, y))
        if tiles is not None and (x, y) == self._place(column, row, level):
            region = tiles.read(column, row, width, height, level)
            if region is not None:
                return region
        return self._drawn(x, y, width, height, level)

    def _place(self, column: int, row: int, level: int) -> tuple[int, int]:
        downsample = self.levels[level].downsample
        return round(column * downsample), round(row * downsample)

    def _drawn(self, x: int, y: int, width: int, height: int, level: int) -> np.ndarray:
        """By openslide, which places a level by its own downsample."""
        stretch = self._stretch[level]
        try:
            return _drawn(self._handle().slide, round(x * stretch), round(y * stretch), width, height, level)
        except openslide.OpenSlideError as error:
            HANDLES.drop(self._key)
            where = f"{width}x{height} pixels of level {level} at ({x}, {y})"
            raise SlideError(f"{self.path}: {where} cannot be read: {error}") from None

    def _handle(self) -> _Handle:
        return cast("_Handle", HANDLES.get(self._key, self._opened))

    def _opened(self) -> _Handle:
        slide = self._open()
        tiles = None
        if slide.properties.get("openslide.vendor") in _PLAIN_TIFF:
            with suppress(Exception):  # then openslide alone reads it
                tiles = JpegTiles(self.path, slide.level_dimensions, partial(_drawn_anew, self.path))
        return _Handle(slide, tiles)

    def _open(self) -> Any:
        if self.path.is_file() and not self.path.stat().st_size:
            raise SlideError(f"{self.path} is empty (0 bytes): copy it again")
        try:
            return openslide.OpenSlide(self.path)
        except openslide.OpenSlideUnsupportedFormatError:
            raise SlideError(f"{self.path} {_unknown(self.path)}: convert it to DICOM or a tiled TIFF") from None
        except openslide.OpenSlideError as error:
            raise SlideError(
                f"{self.path} cannot be opened, it is damaged or cut off ({error}): copy it again"
            ) from None
        except OSError as error:
            raise SlideError(f"{self.path} cannot be opened: {error.strerror or error}") from None

    def _read_levels(self) -> tuple[Level, ...]:
        handle = self._handle().slide
        levels = tuple(Level(true_downsample(handle.dimensions, size), *size) for size in handle.level_dimensions)
        told = zip(handle.level_downsamples, levels, strict=True)
        self._stretch = [theirs / level.downsample for theirs, level in told]
        return levels

    def _read_mpp(self) -> tuple[float, float] | None:
        found = self._handle().slide.properties
        try:
            return float(found["openslide.mpp-x"]), float(found["openslide.mpp-y"])
        except (KeyError, ValueError):
            return None


def _drawn(slide: Any, x: int, y: int, width: int, height: int, level: int) -> np.ndarray:
    buffer = (width * height * c_uint32)()
    lowlevel._read_region(slide._osr, buffer, x, y, level, width, height)
    return _on_white(np.ctypeslib.as_array(buffer).reshape(height, width))


def _drawn_anew(path: Path, *region: int) -> np.ndarray:
    with openslide.OpenSlide(path) as slide:  # a handle of its own: an error would spoil the other
        return _drawn(slide, *region)


def _unknown(path: Path) -> str:
    with open(path, "rb") as file:
        is_tiff = file.read(4)[:3] in (b"II*", b"II+", b"MM\0")
    damaged = "is a TIFF, but cut off, damaged or not tiled; copy it again, and if that does not help"
    return damaged if is_tiff else "is of a format that openslide does not know"


def _on_white(argb: np.ndarray) -> np.ndarray:
    """RGB of premultiplied ARGB, a number a pixel, in front of white."""
    bgra = argb.view(np.uint8).reshape(*argb.shape, 4)
    rgb = np.empty((*argb.shape, 3), np.uint8)
    for channel in range(3):  # plane by plane: as one copy of reversed colours it takes twenty times as long
        rgb[..., channel] = bgra[..., 2 - channel]
    if argb.min() < _OPAQUE:
        rgb += 255 - bgra[..., 3:]
    return rgb
