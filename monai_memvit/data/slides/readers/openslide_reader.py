"""Slides in the formats of the scanners' vendors, and tiled TIFF, through openslide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ctypes import c_uint32
from pathlib import Path
from typing import Any

import numpy as np

from .handles import HANDLES
from .needed import needed
from .slide import Level, SlideError, SlideReader

openslide: Any = needed("openslide")
lowlevel: Any = needed("openslide.lowlevel")

__all__ = ["VendorSlideReader"]

_TOLD = ("openslide.vendor", "openslide.objective-power", "openslide.quickhash-1")


class VendorSlideReader(SlideReader):
    """A slide that openslide reads.

    Its pixels are taken from openslide's own buffer (premultiplied BGRA) and laid on white, without a detour by Pillow.
    openslide refuses everything after one error ("Not a JPEG file", ...), so the handle is then opened anew.

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
        found = self._handle().properties
        told = {name.removeprefix("openslide."): found[name] for name in _TOLD if name in found}
        return {"reader": f"openslide {openslide.__library_version__}", **told}

    def read(self, x: int, y: int, width: int, height: int, level: int = 0) -> np.ndarray:
        """See :meth:`SlideReader.read`."""
        buffer = (width * height * c_uint32)()
        try:
            lowlevel._read_region(self._handle()._osr, buffer, x, y, level, width, height)
        except openslide.OpenSlideError as error:
            HANDLES.drop(self._key)
            where = f"{width}x{height} pixels of level {level} at ({x}, {y})"
            raise SlideError(f"{self.path}: {where} cannot be read: {error}") from None
        return _on_white(np.ctypeslib.as_array(buffer).view(np.uint8).reshape(height, width, 4))

    @property
    def _key(self) -> tuple[str, Path]:
        return "openslide", self.path

    def _handle(self) -> Any:
        return HANDLES.get(self._key, self._open)

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
        handle = self._handle()
        pairs = zip(handle.level_downsamples, handle.level_dimensions, strict=True)
        return tuple(Level(downsample, *size) for downsample, size in pairs)

    def _read_mpp(self) -> tuple[float, float] | None:
        found = self._handle().properties
        try:
            return float(found["openslide.mpp-x"]), float(found["openslide.mpp-y"])
        except (KeyError, ValueError):
            return None


def _unknown(path: Path) -> str:
    with open(path, "rb") as file:
        is_tiff = file.read(4)[:3] in (b"II*", b"II+", b"MM\0")
    damaged = "is a TIFF, but cut off, damaged or not tiled; copy it again, and if that does not help"
    return damaged if is_tiff else "is of a format that openslide does not know"


def _on_white(bgra: np.ndarray) -> np.ndarray:
    """RGB of premultiplied BGRA in front of white."""
    rgb = np.empty((*bgra.shape[:2], 3), np.uint8)
    for channel in range(3):  # plane by plane: as one copy of reversed colours it takes twenty times as long
        rgb[..., channel] = bgra[..., 2 - channel]
    if bgra[..., 3].min() < 255:
        rgb += 255 - bgra[..., 3:]
    return rgb
