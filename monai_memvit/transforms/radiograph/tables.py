"""Lookup tables of DICOM (PS3.3 C.11.1.1.1 and C.11.2.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .elements import value_of
from .errors import DisplayError

__all__ = ["LookupTable", "read_table"]


@dataclass(frozen=True, slots=True)
class LookupTable:
    """A table as its descriptor says.

    Args:
        entries: uint16.
        first: the input that the first entry stands for; smaller ones take it too, and larger ones the last.
        bits: of an entry; the output range is 0 to ``2 ** bits - 1``, whatever the entries are.
    """

    entries: NDArray[np.uint16]
    first: int
    bits: int

    @property
    def largest(self) -> int:
        """End of the output range."""
        return 2**self.bits - 1

    def look_up(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the entry nearest to each value, of two equally near the even one.

        Args:
            values: inputs, of any shape.
        """
        places = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1).astype(np.intp)
        return self.entries[places].astype(np.float64)


def read_table(item: Any, keyword: str, signed: bool, big_endian: bool) -> LookupTable:
    """Read an item of ModalityLUTSequence or VOILUTSequence.

    Args:
        item: pydicom's data set.
        keyword: of its sequence, for errors.
        signed: whether inputs can be negative; then the first input is a two's complement of 16 bits.
        big_endian: byte order of the file.

    Raises:
        DisplayError: where the descriptor or the entries are absent, damaged or too few.
    """
    count, first, bits = _descriptor(item, keyword)
    if not 8 <= bits <= 16:
        raise DisplayError(f"{keyword}: LUTDescriptor says {bits} bits an entry, the standard 8 to 16: export it again")
    entries = _entries(_words(item, keyword, big_endian), count or 2**16, bits)
    if len(entries) < (count or 2**16):
        raise DisplayError(
            f"{keyword}: LUTData has {len(entries)} entries, LUTDescriptor promises {count or 2**16}: "
            "choose a window, or export the film again"
        )
    first = first - 2**16 if signed and first >= 2**15 else first
    return LookupTable(np.minimum(entries, 2**bits - 1).astype(np.uint16), first, bits)


def _descriptor(item: Any, keyword: str) -> tuple[int, int, int]:
    try:
        count, first, bits = (int(part) % 2**16 for part in value_of(item, "LUTDescriptor"))
        return count, first, bits
    except (TypeError, ValueError):
        raise DisplayError(f"{keyword}: LUTDescriptor is absent or no three numbers: export the film again") from None


def _words(item: Any, keyword: str, big_endian: bool) -> NDArray[np.uint16]:
    """The data as words of 16 bits, whether pydicom gives bytes (OW) or numbers (US)."""
    data = value_of(item, "LUTData")
    if isinstance(data, bytes):
        return np.frombuffer(data + b"\0" * (len(data) % 2), ">u2" if big_endian else "<u2").astype("<u2")
    try:
        return (np.atleast_1d(np.array([] if data is None else data, dtype=np.int64)) % 2**16).astype("<u2")
    except (TypeError, ValueError, OverflowError):
        raise DisplayError(f"{keyword}: LUTData is damaged: choose a window, or export the film again") from None


def _entries(words: NDArray[np.uint16], count: int, bits: int) -> NDArray[Any]:
    """One entry a word, or two where they have 8 bits and there are too few words: the lower byte comes first."""
    return words[:count] if bits > 8 or len(words) >= count else words.view(np.uint8)[:count]
