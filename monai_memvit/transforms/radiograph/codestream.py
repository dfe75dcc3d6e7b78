"""What the header of a JPEG, JPEG-LS or JPEG 2000 codestream says, read before a decoder allocates what it claims."""

from __future__ import annotations

from dataclasses import dataclass
from struct import error as StructError
from struct import unpack_from

from .errors import DisplayError

__all__ = ["CodestreamHeader", "codestream_header"]

_JPEG_2000 = b"\xff\x4f\xff\x51"  # SOC, SIZ: ISO/IEC 15444-1 A.4.1 and A.5.1
# Frame headers of ISO/IEC 10918-1 table B.1 (C4, C8 and CC among them are none), and of JPEG-LS.
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, *range(0xD0, 0xD9)}


@dataclass(frozen=True, slots=True)
class CodestreamHeader:
    """Size of a coded image.

    Args:
        rows: number of rows.
        columns: number of columns.
        components: 1 for grey.
        precision: bits of a sample.
    """

    rows: int
    columns: int
    components: int
    precision: int


def codestream_header(data: bytes) -> CodestreamHeader:
    """Read it.

    Args:
        data: one coded frame.

    Raises:
        DisplayError: where there is none.
    """
    try:
        at = data.find(_JPEG_2000, 0, 4096)
        return _size_of_jpeg_2000(data, at) if at >= 0 else _size_of_jpeg(data)
    except (StructError, IndexError):
        raise DisplayError("its compressed pixels have no whole header: the file is damaged, export it again") from None


def _size_of_jpeg_2000(data: bytes, at: int) -> CodestreamHeader:
    right, bottom, left, top = unpack_from(">4I", data, at + 8)
    components, precision = unpack_from(">HB", data, at + 40)
    return CodestreamHeader(bottom - top, right - left, components, (precision & 0x7F) + 1)


def _size_of_jpeg(data: bytes) -> CodestreamHeader:
    at = 0
    while True:
        if data[at] != 0xFF:
            raise IndexError
        marker = data[at + 1]
        if marker in _FRAMES:
            precision, rows, columns, components = unpack_from(">BHHB", data, at + 4)
            return CodestreamHeader(rows, columns, components, precision)
        at += 1 if marker == 0xFF else 2 if marker in _ALONE else 2 + max(2, unpack_from(">H", data, at + 2)[0])
