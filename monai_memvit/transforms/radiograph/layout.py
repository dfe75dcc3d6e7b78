"""How a stored value lies in a pixel cell (PS3.5 8.1.1): which bits of the word, and whether they carry a sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .elements import whole
from .errors import DisplayError
from .refusals import MAX_PIXELS

__all__ = ["PixelLayout", "layout_of"]


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """Size and bit fields of a film.

    Args:
        rows: number of rows.
        columns: number of columns.
        bits_allocated: of a word, 8 or 16.
        bits_stored: that hold the value.
        high_bit: the highest of them.
        signed: whether they are a two's complement.
    """

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool

    @property
    def word(self) -> np.dtype[Any]:
        """Unsigned type of a pixel cell."""
        return np.dtype(f"u{self.bits_allocated // 8}")

    @property
    def low(self) -> int:
        """Smallest value that can be stored."""
        return -(2 ** (self.bits_stored - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """Largest value that can be stored."""
        return self.low + 2**self.bits_stored - 1

    def stored_values(self) -> NDArray[np.int64]:
        """Return the value of every pattern of the stored bits, ``(2 ** bits_stored,)``."""
        patterns = np.arange(2**self.bits_stored)
        return np.where(patterns > self.high, patterns - 2**self.bits_stored, patterns)

    def by_word(self, table: NDArray[Any]) -> NDArray[Any]:
        """Spread a table over whole words, so that bits beside the stored ones (old overlays, garbage) do nothing.

        Args:
            table: ``(2 ** bits_stored,)``, by the pattern of the stored bits.

        Returns:
            ``(2 ** bits_allocated,)``, by the word.
        """
        below = self.high_bit + 1 - self.bits_stored
        return np.tile(np.repeat(table, 2**below), 2 ** (self.bits_allocated - self.high_bit - 1))


def layout_of(dataset: Any) -> PixelLayout:
    """Read and check the bit fields.

    Args:
        dataset: pydicom's data set.

    Raises:
        DisplayError: naming the field that is absent or contradicts another.
    """
    rows, columns, allocated, stored, signed = (
        _given(dataset, name) for name in ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation")
    )
    if rows < 1 or columns < 1 or rows * columns > MAX_PIXELS:
        raise DisplayError(f"Rows × Columns is {rows} × {columns}; films have 1 to {MAX_PIXELS} pixels: leave it out")
    if allocated not in (8, 16):
        raise DisplayError(f"BitsAllocated is {allocated}, films have 8 or 16: leave it out, or export it again")
    high = whole(dataset, "HighBit")
    high = stored - 1 if high is None else high
    if not (1 <= stored <= high + 1 <= allocated and signed in (0, 1)):
        raise DisplayError(
            f"BitsAllocated {allocated}, BitsStored {stored}, HighBit {high} and PixelRepresentation {signed} "
            "contradict each other: export the film again"
        )
    return PixelLayout(rows, columns, allocated, stored, high, bool(signed))


def _given(dataset: Any, keyword: str) -> int:
    if (number := whole(dataset, keyword)) is None:
        raise DisplayError(f"{keyword} is missing: the file is cut off or damaged, export it again")
    return number
