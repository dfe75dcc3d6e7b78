"""What a display shows of a film: PS3.3 C.11 clause by clause, value by value, in float64, slow and independent."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["expected_display", "modality_range", "padding_mask", "stored_values"]

_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_Step = Callable[[float], float]


def stored_values(words: np.ndarray, bits_stored: int, high_bit: int, signed: bool) -> np.ndarray:
    """Stored values from pixel cells: what lies beside the stored bits is no part of them (PS3.5 8.1.1).

    Args:
        words: unsigned pixel cells, of any shape.
        bits_stored: number of bits of a value.
        high_bit: its highest bit.
        signed: whether values are two's complements (Pixel Representation 1).

    Returns:
        int64 values of the same shape.
    """
    values = (words.astype(np.int64) >> (high_bit + 1 - bits_stored)) & (2**bits_stored - 1)
    return values - 2**bits_stored * (signed & (values >= 2 ** (bits_stored - 1)))


def expected_display(dataset: Any, stored: np.ndarray, window: int = 0) -> np.ndarray:
    """Display values by the letter of the standard: modality, then values of interest, then polarity, then padding.

    Nothing here is fast or shared with the reader: it is what the reader is compared with. Every distinct stored value
    goes through plain Python floats.

    Args:
        dataset: a ``pydicom.Dataset`` of a grey, single-frame image.
        stored: its stored values, integers ``(rows, columns)``, see :func:`stored_values`.
        window: number of the window where there are several, from 0.

    Returns:
        float64 ``(rows, columns)`` in [0, 1]: 0 black, 1 white, the full range of the last transform present.
    """
    modality, low, high = _modality(dataset)
    interest = _values_of_interest(dataset, window, low, high)
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"
    is_padding = _padding(dataset)

    def shown(value: int) -> float:
        if is_padding(value):
            return 0.0
        grey = interest(modality(float(value)))
        return 1.0 - grey if inverted else grey

    values, places = np.unique(stored, return_inverse=True)
    return np.array([shown(int(value)) for value in values], dtype=np.float64)[places].reshape(stored.shape)


def padding_mask(dataset: Any, stored: np.ndarray) -> np.ndarray:
    """Tell where there is no image.

    Args:
        dataset: a ``pydicom.Dataset`` of a grey, single-frame image.
        stored: its stored values.

    Returns:
        bool, of the same shape.
    """
    is_padding = _padding(dataset)
    values, places = np.unique(stored, return_inverse=True)
    return np.array([is_padding(int(value)) for value in values])[places].reshape(stored.shape)


def modality_range(dataset: Any) -> tuple[float, float]:
    """Least and greatest value that the modality transform of a data set can give.

    Args:
        dataset: a ``pydicom.Dataset`` of a grey, single-frame image.
    """
    return _modality(dataset)[1:]


def _modality(dataset: Any) -> tuple[_Step, float, float]:
    """PS3.3 C.11.1.1: the transform, and the least and greatest value that it can give."""
    if dataset.get("ModalityLUTSequence"):
        # C.11.1.1.1: the first mapped value is signed as the pixels are; the output range is 0 to 2 ** n - 1.
        table, bits = _table(dataset, dataset.ModalityLUTSequence[0], signed=bool(dataset.PixelRepresentation))
        return table, 0.0, 2.0**bits - 1.0
    # C.11.1.1.2: output = slope * stored + intercept
    slope = float(1.0 if dataset.get("RescaleSlope") is None else dataset.RescaleSlope)
    intercept = float(dataset.get("RescaleIntercept") or 0.0)
    ends = [slope * value + intercept for value in _stored_range(dataset)]
    return lambda value: slope * value + intercept, min(ends), max(ends)


def _stored_range(dataset: Any) -> tuple[int, int]:
    bits = int(dataset.BitsStored)
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if dataset.PixelRepresentation else (0, 2**bits - 1)


def _values_of_interest(dataset: Any, window: int, low: float, high: float) -> _Step:
    """PS3.3 C.11.2.1: a table wins over windows; without either the modality's whole range is shown."""
    if dataset.get("VOILUTSequence"):
        table, bits = _table(dataset, dataset.VOILUTSequence[0], signed=_voi_input_signed(dataset, low))
        return lambda value: table(value) / (2.0**bits - 1.0)
    if dataset.get("WindowCenter") is not None:
        centre, width = (_nth(dataset.get(name), window) for name in ("WindowCenter", "WindowWidth"))
        return _window(str(dataset.get("VOILUTFunction") or "LINEAR"), centre, width)
    return lambda value: (value - low) / (high - low)


def _voi_input_signed(dataset: Any, low: float) -> bool:
    """PS3.3 C.11.2.1.1 on the second value of the descriptor, by where the table's input comes from."""
    if dataset.get("ModalityLUTSequence"):
        return False
    if dataset.get("RescaleSlope") is not None or dataset.get("RescaleIntercept") is not None:
        return low < 0.0
    return bool(dataset.PixelRepresentation)


def _window(function: str, centre: float, width: float) -> _Step:
    def linear(x: float) -> float:  # C.11.2.1.2.1, with an output range of 0 to 1
        if x <= centre - 0.5 - (width - 1.0) / 2.0:
            return 0.0
        if x > centre - 0.5 + (width - 1.0) / 2.0:
            return 1.0
        return (x - (centre - 0.5)) / (width - 1.0) + 0.5

    def sigmoid(x: float) -> float:  # C.11.2.1.3.1
        exponent = -4.0 * (x - centre) / width
        return 1.0 / (1.0 + math.exp(exponent)) if exponent < 700.0 else 0.0

    def linear_exact(x: float) -> float:  # C.11.2.1.3.2
        if x <= centre - width / 2.0:
            return 0.0
        return 1.0 if x > centre + width / 2.0 else (x - centre) / width + 0.5

    return {"LINEAR": linear, "SIGMOID": sigmoid, "LINEAR_EXACT": linear_exact}[function]


def _table(dataset: Any, item: Any, signed: bool) -> tuple[_Step, int]:
    """A lookup table by its descriptor (PS3.3 C.11.1.1.1 and C.11.2.1.1), and the bits of its entries."""
    count, first, bits = (int(value) % 2**16 for value in item.LUTDescriptor)
    count = count or 2**16
    first = first - 2**16 if signed and first >= 2**15 else first
    entries = _entries(item.LUTData, count, bits, big=dataset.file_meta.TransferSyntaxUID == _BIG_ENDIAN)

    def look_up(value: float) -> float:
        # Values between two entries are not in the standard: the nearest entry, of two equally near the even one.
        return float(entries[min(max(round(value) - first, 0), count - 1)])

    return look_up, bits


def _entries(data: Any, count: int, bits: int, big: bool) -> list[int]:
    """Entries of 8 or 16 allocated bits: their number tells which, not the bits of an entry (C.11.2.1.1)."""
    if not isinstance(data, bytes):
        return [int(value) for value in np.atleast_1d(data)][:count]
    if bits == 8 and len(data) < 2 * count:
        swapped = [data[i ^ 1] for i in range(len(data) - len(data) % 2)] if big else list(data)
        return swapped[:count]
    return [int.from_bytes(data[2 * i : 2 * i + 2], "big" if big else "little") for i in range(count)]


def _padding(dataset: Any) -> Callable[[int], bool]:
    """PS3.3 C.7.5.1.1.2: one stored value, or all between two of them, in either order."""
    if dataset.get("PixelPaddingValue") is None:
        return lambda value: False
    words = [dataset.PixelPaddingValue, dataset.get("PixelPaddingRangeLimit", dataset.PixelPaddingValue)]
    values = [int(word) for word in words]
    if dataset.PixelRepresentation:
        values = [(value + 2**15) % 2**16 - 2**15 for value in values]
    return lambda value: min(values) <= value <= max(values)


def _nth(value: Any, index: int) -> float:
    return float(value if isinstance(value, (str, float, int)) else value[index])
