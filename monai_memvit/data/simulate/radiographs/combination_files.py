"""One DICOM file of every way of writing a film, and beside it what a display shall show."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from monai.utils import optional_import
from tqdm import tqdm

from ...atomic import atomic_write_json, atomic_write_text, sync_folder
from .combinations import DEPTHS, POLARITIES, RESCALES, FilmCombination, film_combinations
from .dicom_film import NOTE, new_dataset
from .encodings import encode
from .expected import expected_display, stored_values
from .film import simulate_film
from .options import RadiographSimulation

pydicom, _ = optional_import("pydicom", descriptor='DICOM needs pydicom: pip install "monai_memvit[radiograph]"')

__all__ = ["simulate_film_combinations"]

_README = """\
SIMULATED: no patient is shown in this folder.

One simulated film, written as DICOM in every way that combinations.json lists; beside every file NAME.dcm the display
values that PS3.3 C.11 asks for, NAME.npy, float64 (rows, columns) in [0, 1]: 0 black, 1 white.
"""
_SMALLEST = 32  # JPEG 2000 halves an image five times


def simulate_film_combinations(
    out: str | os.PathLike[str],
    size: tuple[int, int] = (96, 80),
    seed: int = 0,
    combinations: Sequence[FilmCombination] | None = None,
    progress: bool = False,
) -> Path:
    """Write a DICOM file of every combination of photometric, modality, values of interest, bits and syntax.

    The folder appears once it is complete. The expected values come from :func:`expected_display`, which shares nothing
    with the reader.

    Args:
        out: a new or empty folder.
        size: rows and columns, each at least 32.
        seed: of the film, non-negative.
        combinations: which ones; None: all of :func:`film_combinations`.
        progress: whether to show a bar on stderr.

    Returns:
        The folder: ``<name>.dcm`` and ``<name>.npy``, ``combinations.json`` and ``README.txt``.

    Raises:
        ValueError: for numbers out of range, or a folder that is not empty.
    """
    out = Path(out)
    if min(size) < _SMALLEST or seed < 0:
        raise ValueError(f"size is {size} and seed {seed}: give at least {_SMALLEST} rows and columns, and 0 or more")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is there and not empty: name a new folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    chosen = film_combinations() if combinations is None else list(combinations)
    folder = out.with_name(f".{out.name}.{secrets.token_hex(8)}.tmp")
    folder.mkdir()
    try:
        grey = _picture(size, seed)
        for combination in tqdm(chosen, desc="film combinations", unit="film", disable=not progress):
            _write(folder, combination, grey, seed)
        content = [{"name": combination.name, **asdict(combination)} for combination in chosen]
        atomic_write_json(folder / "combinations.json", {"note": NOTE, "seed": seed, "combinations": content})
        atomic_write_text(folder / "README.txt", _README)
        folder.replace(out)
        sync_folder(out.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return out


def _picture(size: tuple[int, int], seed: int) -> np.ndarray:
    """Float64 in [0, 1]: a film cut to size, with some pixels at both ends of the range."""
    film = simulate_film(0, seed, options=RadiographSimulation(size=max(max(size) * 5 // 4, 32))).display
    grey = np.clip(np.resize(film, (max(size[0], film.shape[0]), max(size[1], film.shape[1]))), 0.0, 1.0)
    grey = grey[: size[0], : size[1]].astype(np.float64)
    grey[-1, ::2], grey[-1, 1::2] = 0.0, 1.0
    return grey


def _write(folder: Path, combination: FilmCombination, grey: np.ndarray, seed: int) -> None:
    data = _dataset(combination, grey, seed)
    signed = bool(data.PixelRepresentation)
    cells = np.frombuffer(data.PixelData, np.uint8 if data.BitsAllocated == 8 else "<u2")[: grey.size]
    stored = stored_values(cells.reshape(grey.shape), data.BitsStored, data.HighBit, signed)
    expected = expected_display(data, stored)
    decoded = encode(data, combination.syntax)
    if decoded is not None:
        expected = expected_display(data, decoded.astype(np.int64))
    pydicom.dcmwrite(folder / f"{combination.name}.dcm", data, enforce_file_format=True)
    np.save(folder / f"{combination.name}.npy", expected)


def _dataset(combination: FilmCombination, grey: np.ndarray, seed: int) -> Any:
    data = new_dataset("DX", "COMBINATION", (seed, combination.name))
    data.SeriesDescription = f"SIM {combination.name}"[:64]
    data.ManufacturerModelName, data.ViewPosition = "SIM combinations", "PA"
    data.PresentationIntentType, data.ImagerPixelSpacing = "FOR PRESENTATION", [4.3, 4.3]
    photometric, shape = POLARITIES[combination.polarity]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, photometric
    if shape:
        data.PresentationLUTShape = shape
    allocated, bits, signed = DEPTHS[combination.depth]
    data.Rows, data.Columns = grey.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = allocated, bits, bits - 1, signed
    low = -(2 ** (bits - 1)) if signed else 0
    stored = np.rint(grey * (2**bits - 1)).astype(np.int64) + low
    _add_extra(data, combination.extra, stored, low)
    _add_modality(data, combination.modality, low, bits)
    _add_voi(data, combination.voi, *_modality_range(combination.modality, low, bits))
    data["PixelData"] = _pixel_data(stored, combination, allocated, bits, seed)
    return data


def _pixel_data(stored: np.ndarray, combination: FilmCombination, allocated: int, bits: int, seed: int) -> Any:
    cells = stored & (2**allocated - 1)
    if combination.extra == "highbits":  # as overlays in the unused bits were, once (PS3.5 8.1.1)
        strange = np.random.default_rng(seed).integers(0, 2 ** (allocated - bits), stored.shape)
        cells = (cells & (2**bits - 1)) | (strange << bits)
    content = cells.astype(np.uint8 if allocated == 8 else "<u2").tobytes()
    return pydicom.DataElement("PixelData", "OB" if allocated == 8 else "OW", content + b"\0" * (len(content) % 2))


def _add_extra(data: Any, extra: str, stored: np.ndarray, low: int) -> None:
    """Padding at the left: one value at the dark end, a range, or the bright end (PS3.3 C.7.5.1.1.2)."""
    if not extra.startswith("padding"):
        return
    value = {"padding": low, "paddingrange": low + 7, "paddingwhite": int(stored.max())}[extra]
    columns = stored.shape[1] // 5
    stored[:, :columns] = value
    data.add_new("PixelPaddingValue", "SS" if data.PixelRepresentation else "US", value)
    if extra == "paddingrange":
        stored[:, : columns // 2] = low
        data.add_new("PixelPaddingRangeLimit", "SS" if data.PixelRepresentation else "US", low)


def _add_modality(data: Any, modality: str, low: int, bits: int) -> None:
    if not modality.startswith("table"):
        if rescale := RESCALES[modality]:
            data.RescaleSlope, data.RescaleIntercept = rescale
            data.RescaleType = "US"
        return
    # It leaves out the ends of its output range, and of the stored values: what is below the first is mapped as it.
    entry_bits, count = int(modality[5:]), 2**bits - 2 ** (bits - 2)
    curve = (2**entry_bits - 1) * (0.05 + 0.75 * np.linspace(0.0, 1.0, count) ** 0.7)
    item = _table(low + 2 ** (bits - 3), np.rint(curve), entry_bits, signed=bool(data.PixelRepresentation))
    item.ModalityLUTType = "US"
    data.ModalityLUTSequence = [item]


def _modality_range(modality: str, low: int, bits: int) -> tuple[float, float]:
    if modality.startswith("table"):
        return 0.0, 2.0 ** int(modality[5:]) - 1.0
    slope, intercept = RESCALES[modality] or (1.0, 0.0)
    ends = (slope * low + intercept, slope * (low + 2**bits - 1) + intercept)
    return min(ends), max(ends)


def _add_voi(data: Any, voi: str, low: float, high: float) -> None:
    """Values of interest within the modality's output."""
    if "table" in voi or voi in ("words8", "odd8", "partial16"):
        _add_voi_table(data, voi, low, high)
    if voi in ("linear", "exact", "sigmoid", "two", "tablewindow", "stepped"):
        span = high - low
        centre, width = round(low + 0.45 * span, 2), round(0.6 * span, 2)
        data.WindowCenter, data.WindowWidth = centre, 1 if voi == "stepped" else width
        if voi == "two":
            data.WindowCenter, data.WindowWidth = [centre, centre + 5], [width, round(0.9 * span, 2)]
            data.WindowCenterWidthExplanation = ["NORMAL", "WIDE"]
        if voi in ("exact", "sigmoid"):
            data.VOILUTFunction = {"exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}[voi]


def _add_voi_table(data: Any, voi: str, low: float, high: float) -> None:
    bits = 12 if voi == "tablewindow" else int("".join(letter for letter in voi if letter.isdigit()))
    span = int(high - low) + 1
    # The table of 16 bits takes the whole range where its descriptor can say so, the others a part of it.
    first, count = (int(low), min(span, 2**16)) if bits == 16 else (int(low) + span // 10, min(6 * span // 10, 2**16))
    first, count = max(first, -(2**15)), count - (count + (voi == "odd8")) % 2
    begin, end = (0.1, 0.8) if voi == "partial16" else (0.0, 1.0)
    curve = (2**bits - 1) * (begin + (end - begin) * np.linspace(0.0, 1.0, count) ** 1.4)
    item = _table(first, np.rint(curve), bits, signed=low < 0, words=voi == "words8")
    item.LUTExplanation = "SIMULATED"
    data.VOILUTSequence = [item]


def _table(first: int, entries: np.ndarray, bits: int, signed: bool, words: bool = False) -> Any:
    """An item with LUT Descriptor and LUT Data; entries of 8 bits are packed unless ``words`` (PS3.3 C.11.2.1.1)."""
    item = pydicom.Dataset()
    # The first value is unsigned whatever the VR says; pydicom knows that.
    item.add_new("LUTDescriptor", "SS" if signed else "US", [len(entries) % 2**16, first, bits])
    content = entries.astype(np.uint8 if bits == 8 and not words else "<u2").tobytes()
    item.add_new("LUTData", "OW", content + b"\0" * (len(content) % 2))
    return item
