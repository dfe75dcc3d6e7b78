"""Reading a DICOM file: only the elements that matter, and never more bytes than there are."""

from __future__ import annotations

import io
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from monai.utils import optional_import

from .attributes import ALLOWED_ATTRIBUTES
from .errors import DisplayError
from .observations import OVERLAY_TAGS
from .refusals import MAX_BYTES

dcmread, _ = optional_import(
    "pydicom", name="dcmread", descriptor='DICOM needs pydicom: pip install "monai_memvit[radiograph]"'
)

__all__ = ["read_dicom"]

_ELEMENTS = """
SpecificCharacterSet SOPClassUID SOPInstanceUID SamplesPerPixel PlanarConfiguration NumberOfFrames
PixelPaddingValue PixelPaddingRangeLimit ModalityLUTSequence RescaleSlope RescaleIntercept VOILUTSequence
WindowCenterWidthExplanation PresentationLUTSequence ViewCodeSequence SharedFunctionalGroupsSequence
PerFrameFunctionalGroupsSequence PixelData FloatPixelData DoubleFloatPixelData
""".split()
_NEEDED = ("SOPClassUID", "Rows", "Columns", "PixelData")
# The first two bytes of a file without preamble: group 0002 or 0008, in either byte order.
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08")


class _Bounded(io.RawIOBase):
    """A file that gives what it has: Python allocates whatever length a damaged element claims before it reads.

    Args:
        file: to read from.
        size: of the file in bytes.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self.tell, self.seek = file.tell, file.seek  # type: ignore[method-assign]

    def read(self, size: int = -1) -> bytes:
        """Return at most so many bytes; all the rest is asked for where it is deflated.

        Args:
            size: number of bytes.
        """
        left = max(0, self._size - self._file.tell())
        if left > MAX_BYTES and not 0 <= size <= MAX_BYTES:
            raise DisplayError(f"an element has over {MAX_BYTES} bytes: it is no film, leave it out")
        data = self._file.read(left if size < 0 else min(size, left))
        if size < 0:
            _refuse_bomb(data)
        return data


def read_dicom(path: Path) -> Any:
    """Read the elements of a film.

    Args:
        path: the file, with or without preamble.

    Returns:
        pydicom's data set.

    Raises:
        DisplayError: where it is no DICOM file.
        Exception: whatever damaged bytes make pydicom raise.
    """
    with open(path, "rb") as file:
        start = file.read(132)
        file.seek(0)
        has_preamble = start[128:] == b"DICM"
        if not has_preamble and start[:2] not in _FIRST_GROUPS:
            raise DisplayError("it is no DICOM, PNG or JPEG file: leave it out")
        bounded = _Bounded(file, path.stat().st_size)
        dataset = dcmread(bounded, force=not has_preamble, specific_tags=_tags())
        if not has_preamble and (absent := [name for name in _NEEDED if name not in dataset]):
            raise DisplayError(f"it is no DICOM file: it has neither a preamble nor {absent}; leave it out")
    return dataset


@lru_cache(maxsize=1)
def _tags() -> list[int]:
    from pydicom.datadict import tag_for_keyword

    tags = (tag_for_keyword(name) for name in (*_ELEMENTS, *ALLOWED_ATTRIBUTES))
    return [*(tag for tag in tags if tag is not None), *OVERLAY_TAGS]


def _refuse_bomb(deflated: bytes) -> None:
    """Inflate into nothing beyond the limit: pydicom inflates without one."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflater.decompress(deflated, MAX_BYTES)
    if inflater.unconsumed_tail:
        raise DisplayError(f"it inflates to over {MAX_BYTES} bytes: it is no film, leave it out")
