"""DICOM slides through wsidicom: a series of whole-slide objects, one per level."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .bounds import inside
from .dicom_series import DicomSlideFile, find_dicom_slides
from .downsample import true_downsample
from .handles import HANDLES
from .needed import needed
from .slide import Level, SlideError, SlideReader

wsidicom: Any = needed("wsidicom")

__all__ = ["DicomSlideReader"]


class DicomSlideReader(SlideReader):
    """A DICOM series of VL Whole Slide Microscopy images (PS3.3 A.32.8).

    Of a monochrome slide with several optical paths the first three, by their identifiers, become red, green and blue.

    Args:
        path: the folder of one series, or any file of it.
        mpp: see :class:`SlideReader`.

    Raises:
        SlideError: where it is no such series, or a file of it cannot be read.
    """

    @cached_property
    def _volumes(self) -> list[DicomSlideFile]:
        """The files that hold levels; labels and overviews are left alone."""
        folder = self.path if self.path.is_dir() else self.path.parent
        found = find_dicom_slides(path for path in folder.iterdir() if path.is_file())
        damaged = [file.path for file in found.pop("", [])]
        if damaged and (self.path in damaged or len(found) < 2):  # among several series nobody knows whose it is
            file = self.path if self.path in damaged else damaged[0]
            raise SlideError(f"{file}: its DICOM header is damaged: copy it again")
        if not self.path.is_dir():
            found = {uid: files for uid, files in found.items() if self.path in [file.path for file in files]}
        if len(found) != 1:
            raise SlideError(f"{self.path} holds {len(found)} series of DICOM slides: name one, by any file of it")
        files = next(iter(found.values()))
        _require_image_type(files)
        volumes = [file for file in files if file.kind == "VOLUME"]
        if not volumes:
            raise SlideError(f"{self.path} holds no VOLUME image of a slide, only {files[0].kind}: export all of it")
        return volumes

    @property
    def files(self) -> Sequence[Path]:
        """The files of all levels."""
        return [file.path for file in self._volumes]

    @property
    def properties(self) -> Mapping[str, str]:
        """Vendor, and the version of wsidicom."""
        return {"reader": f"wsidicom {wsidicom.__version__}", "vendor": "dicom"}

    @property
    def tells_fluorescence(self) -> bool:
        """Whether an optical path has epifluorescence illumination (PS3.16 CID 8123)."""
        return any(file.fluorescence for file in self._volumes)

    @property
    def notes(self) -> list[str]:
        """Levels that seem to be missing."""
        widest = max(self._volumes, key=lambda file: file.width)
        resampled = ["its finest level is a resampled one: a finer one is missing"] if widest.resampled else []
        downsamples = [level.downsample for level in self.levels]
        steps = [coarse / fine for fine, coarse in zip(downsamples, downsamples[1:], strict=False)]
        gaps = [i for i, step in enumerate(steps) if step > 1.5 * min(steps)]
        return resampled + [f"a level is missing between the downsamples {_pair(downsamples, i)}" for i in gaps]

    def read(self, x: int, y: int, width: int, height: int, level: int = 0) -> np.ndarray:
        """See :meth:`SlideReader.read`."""
        stored = self.levels[level]
        left, top = round(x / stored.downsample), round(y / stored.downsample)
        x_in, width_in = inside(left, width, stored.width)
        y_in, height_in = inside(top, height, stored.height)
        canvas = np.full((height, width, 3), 255, np.uint8)
        if width_in and height_in:
            part = self._read_inside(x_in, y_in, width_in, height_in, level)
            canvas[y_in - top : y_in - top + height_in, x_in - left : x_in - left + width_in] = part
        return canvas

    def _read_inside(self, x: int, y: int, width: int, height: int, level: int) -> np.ndarray:
        try:
            handle = self._handle()
            stored = handle.levels[level]
            region = (x, y), stored.level, (width, height)
            if self._is_colour(stored):
                return handle.read_region(*region, as_array=True)
            paths = sorted(stored.optical_paths, key=lambda name: (len(name), name))[:3]  # wsidicom's own order varies
            planes = [handle.read_region(*region, path=path, as_array=True) for path in paths]
        except Exception as error:  # decoders raise all kinds
            HANDLES.drop(self._key)
            where = f"{width}x{height} pixels at ({x}, {y}) of level {level}"
            raise SlideError(f"{self.path}: {where} cannot be read: {type(error).__name__}: {error}") from None
        return _as_rgb([plane.reshape(height, width) for plane in planes], self._volumes[0].bits)

    def _is_colour(self, stored: Any) -> bool:
        return bool(stored.default_instance.dataset.samples_per_pixel == 3)

    def _handle(self) -> Any:
        return HANDLES.get(self._key, self._open)

    def _open(self) -> Any:
        try:
            with _quiet():
                handle = wsidicom.WsiDicom.open(self.files)
        except SlideError:
            raise
        except Exception as error:
            raise SlideError(f"{self.path} cannot be opened: {error}: export it again") from None
        opened = {Path(str(file)).name for file in handle.files or []}
        lost = [path.name for path in self.files if path.name not in opened]
        if lost:
            raise SlideError(f"{self.path}: {lost[0]} is damaged, cut off or of an unsupported kind: copy it again")
        return handle

    def _read_levels(self) -> tuple[Level, ...]:
        sizes = [(level.size.width, level.size.height) for level in self._handle().levels]
        return tuple(Level(true_downsample(sizes[0], size), *size) for size in sizes)

    def _read_mpp(self) -> tuple[float, float] | None:
        try:
            found = self._handle().mpp
        except wsidicom.errors.WsiDicomNoResolutionError:
            return None
        return float(found.width), float(found.height)


def _require_image_type(files: Sequence[DicomSlideFile]) -> None:
    """Without Image Type (PS3.3 C.8.12.4.1.1) and frame positions nobody can tell where the frames lie."""
    for file in files:
        if not file.kind:
            raise SlideError(
                f"{file.path}: Image Type (0008,0008) is missing, so it does not tell whether its frames are a slide, "
                "nor their order: export it again as a conforming DICOM slide"
            )


def _pair(downsamples: Sequence[float], i: int) -> str:
    return f"{downsamples[i]:g} and {downsamples[i + 1]:g}"


def _as_rgb(planes: Sequence[np.ndarray], bits: int) -> np.ndarray:
    eight = [(plane >> (bits - 8)).astype(np.uint8) if bits > 8 else plane for plane in planes]
    if len(eight) == 1:
        eight *= 3
    rgb = np.zeros((*eight[0].shape, 3), np.uint8)
    for channel, plane in enumerate(eight):
        rgb[..., channel] = plane
    return rgb


@contextmanager
def _quiet() -> Iterator[None]:
    """What wsidicom cannot open it logs, with its traceback; here it becomes an error."""
    logger = logging.getLogger("wsidicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
