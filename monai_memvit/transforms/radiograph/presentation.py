"""What comes last: polarity (PS3.3 C.7.6.3.1.2 and C.11.6), and padding (C.7.5.1.1.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .elements import text, whole
from .layout import PixelLayout

__all__ = ["is_inverted", "padding_values"]


def is_inverted(dataset: Any, notes: list[str]) -> bool:
    """Tell whether the smallest value is white.

    It is where PhotometricInterpretation is MONOCHROME1, and where PresentationLUTShape is INVERSE. The standard pairs
    INVERSE with MONOCHROME1, and IDENTITY with MONOCHROME2. Files that pair them otherwise contradict themselves:
    either attribute that asks for white wins, and a note says so.

    Args:
        dataset: pydicom's data set.
        notes: contradictions are added here.
    """
    photometric, shape = text(dataset, "PhotometricInterpretation"), text(dataset, "PresentationLUTShape")
    white_first = photometric == "MONOCHROME1"
    if shape not in ("", "IDENTITY", "INVERSE"):
        notes.append("PresentationLUTShape is neither IDENTITY nor INVERSE: passed over")
    elif shape and white_first != (shape == "INVERSE"):
        notes.append(f"{photometric} contradicts PresentationLUTShape {shape}: the smallest value is shown white")
    if "PresentationLUTSequence" in dataset:
        notes.append("a presentation LUT is not applied")
    return white_first or shape == "INVERSE"


def padding_values(dataset: Any, layout: PixelLayout) -> NDArray[np.bool_] | None:
    """Tell which stored values are no image, from PixelPaddingValue and PixelPaddingRangeLimit, in either order.

    Args:
        dataset: pydicom's data set.
        layout: of its pixels.

    Returns:
        ``(2 ** bits_stored,)``, by the pattern of the stored bits, or None where nothing is padding.
    """
    if (first := whole(dataset, "PixelPaddingValue")) is None:
        return None
    limit = whole(dataset, "PixelPaddingRangeLimit")
    low, high = sorted(_as_stored(end, layout) for end in (first, first if limit is None else limit))
    stored = layout.stored_values()
    padding = (low <= stored) & (stored <= high)
    return padding if padding.any() else None


def _as_stored(value: int, layout: PixelLayout) -> int:
    """Files of implicit VR leave open whether the 16 bits have a sign: it is that of the pixels."""
    return (value + 2**15) % 2**16 - 2**15 if layout.signed else value % 2**16
