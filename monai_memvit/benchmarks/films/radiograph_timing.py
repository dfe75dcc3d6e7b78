"""How long a film of 7.8 megapixels takes: the display transform, the whole load, each transfer syntax, the cache."""

from __future__ import annotations

import statistics
import tempfile
import warnings
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.utils import optional_import

from ...data.simulate.radiographs import RadiographSimulation, simulate_film
from ...data.simulate.radiographs.combinations import SYNTAXES
from ...data.simulate.radiographs.dicom_film import new_dataset
from ...data.simulate.radiographs.encodings import encode
from ...transforms.radiograph import LoadCachedFilmd, LoadRadiograph, display_values
from ..tools.timing import Stopwatch, interleave, paired_ratio
from .radiograph_departures import HAS_HIGHDICOM, highdicom

_, HAS_ITK = optional_import("itk")

__all__ = ["measure_times", "write_film"]

_Arms = dict[str, Callable[[], object]]
_CACHED = 1024
# Bit depths a syntax can hold (PS3.5 8.2): JPEG baseline has 8.
_BITS = dict.fromkeys(SYNTAXES, 12) | {"jpeg": 8}


def measure_times(shape: tuple[int, int], rounds: int, seed: int, processor_time: bool = True) -> dict[str, Any]:
    """Time ours and others on one simulated film, one thread each, in turns.

    Args:
        shape: rows and columns of the film.
        rounds: timed calls of each arm.
        seed: of the film.
        processor_time: count the processor's time rather than the wall clock's.

    Returns:
        ``display``, ``load``, ``cached`` and ``syntaxes``: by arm ``median_ms``, ``lowest_ms``, ``highest_ms``, and the
        median of its ratio to ``ours``, round by round, in ``ours_over``.
    """
    stopwatch, threads = Stopwatch(torch.device("cpu"), processor_time), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MONAI's and pydicom's, at every call
            files = {syntax: write_film(Path(name), shape, syntax, seed) for syntax in SYNTAXES}
            groups = {
                "display": _display_arms(files["explicit"]),
                "load": _load_arms(files["explicit"]),
                "cached": _cached_arms(Path(name)),
                "syntaxes": _syntax_arms(files),
            }
            times = {group: interleave(arms, rounds, stopwatch) for group, arms in groups.items()}
    finally:
        torch.set_num_threads(threads)
    clock = "processor" if processor_time else "wall clock"
    return {"shape": list(shape), "rounds": rounds, "clock": clock, **{k: _figures(v) for k, v in times.items()}}


def write_film(folder: Path, shape: tuple[int, int], syntax: str, seed: int) -> Path:
    """Write a simulated film of 12 bits (JPEG baseline: 8) with a LINEAR window.

    Args:
        folder: an existing folder.
        shape: rows and columns.
        syntax: of ``SYNTAXES``.
        seed: of the film.

    Returns:
        The file.
    """
    import pydicom

    bits = _BITS[syntax]
    data = new_dataset("DX", "TIMING", (seed, "timing", syntax))
    data.Rows, data.Columns = shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 8 if bits == 8 else 16, bits, bits - 1
    data.WindowCenter, data.WindowWidth = 2 ** (bits - 1), round(0.8 * 2**bits)
    data.ImagerPixelSpacing = [0.139, 0.139]
    stored = np.rint(_grey(shape, seed) * (2**bits - 1)).astype(np.uint8 if bits == 8 else "<u2")
    data["PixelData"] = pydicom.DataElement("PixelData", "OB" if bits == 8 else "OW", stored.tobytes())
    encode(data, syntax)
    path = folder / f"{syntax}.dcm"
    pydicom.dcmwrite(path, data, enforce_file_format=True)
    return path


@lru_cache(maxsize=1)
def _grey(shape: tuple[int, int], seed: int) -> np.ndarray:
    film = simulate_film(0, seed, options=RadiographSimulation(size=max(shape))).display
    beyond = [(0, max(0, wanted - there)) for wanted, there in zip(shape, film.shape)]
    return np.clip(np.pad(film, beyond, mode="edge")[: shape[0], : shape[1]], 0.0, 1.0)


def _display_arms(path: Path) -> _Arms:
    import pydicom
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    data = pydicom.dcmread(path)
    pixels = data.pixel_array
    arms: _Arms = {
        "ours": lambda: display_values(data),
        "pydicom, apply_modality_lut and apply_voi_lut": lambda: apply_voi_lut(apply_modality_lut(pixels, data), data),
    }
    if HAS_HIGHDICOM:
        image = highdicom.Image.from_dataset(data, copy=True)
        for dtype in (np.float32, np.float64):
            arms[f"highdicom, {dtype.__name__}"] = partial(image.get_frame, 1, dtype=dtype, apply_voi_transform=True)
    return arms


def _load_arms(path: Path) -> _Arms:
    from monai.transforms import LoadImage

    readers = ["PydicomReader", *(["ITKReader"] if HAS_ITK else [])]
    arms: _Arms = {"ours": partial(LoadRadiograph(), path)}
    for reader in readers:
        load = LoadImage(reader=reader, image_only=True, ensure_channel_first=True)
        arms[f"MONAI LoadImage, {reader}"] = partial(load, path)
    return arms


def _cached_arms(folder: Path) -> _Arms:
    """A square film as the cache holds it: 8 or 16 bits of display value."""
    arms: _Arms = {}
    rng = np.random.default_rng(0)
    for dtype in (np.uint8, np.uint16):
        path = folder / f"{dtype.__name__}.npy"
        np.save(path, rng.integers(0, np.iinfo(dtype).max, (_CACHED, _CACHED), dtype, endpoint=True))
        arms[f"{_CACHED} x {_CACHED}, {dtype.__name__}"] = partial(LoadCachedFilmd("image"), {"image": str(path)})
    return arms


def _syntax_arms(files: dict[str, Path]) -> _Arms:
    load = LoadRadiograph()
    return {f"{syntax}, {_BITS[syntax]} bits": partial(load, path) for syntax, path in files.items()}


def _figures(times: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    figures = {}
    for name, seconds in times.items():
        milliseconds = [1000 * second for second in seconds]
        figures[name] = {
            "median_ms": statistics.median(milliseconds),
            "lowest_ms": min(milliseconds),
            "highest_ms": max(milliseconds),
        }
        if "ours" in times:
            figures[name]["ours_over"] = paired_ratio(times["ours"], seconds).median
    return figures
