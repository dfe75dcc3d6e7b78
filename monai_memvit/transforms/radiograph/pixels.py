"""From PixelData to words: native bytes are viewed as they are, compressed ones go through pydicom's decoders."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .codestream import codestream_header
from .decoders import decode
from .errors import DisplayError, in_few_words
from .isolated import decode_apart
from .layout import PixelLayout
from .syntax import BIG_ENDIAN, NATIVE, name_of, transfer_syntax

__all__ = ["stored_words"]

_RLE = "1.2.840.10008.1.2.5"
_JPEG = "1.2.840.10008.1.2.4."
# One order, whatever is installed, so that lossy films have the same values everywhere.
_ORDER = ("pyjpegls", "pylibjpeg", "gdcm", "pillow", "pydicom")
_JPEG_ORDER = ("pillow", "gdcm", "pylibjpeg")
_LIBJPEG = "pylibjpeg pylibjpeg-libjpeg (GPL)"
_PACKAGES = {
    f"{_JPEG}50": "pillow",
    f"{_JPEG}51": _LIBJPEG,
    f"{_JPEG}57": f"python-gdcm, or {_LIBJPEG}",
    f"{_JPEG}70": f"python-gdcm, or {_LIBJPEG}",
    f"{_JPEG}80": "pyjpegls",
    f"{_JPEG}81": "pyjpegls",
    **{f"{_JPEG}{code}": "pylibjpeg pylibjpeg-openjpeg" for code in (90, 91, 201, 202, 203)},
}


def stored_words(dataset: Any, layout: PixelLayout) -> NDArray[Any]:
    """Return the pixel cells of a film.

    Args:
        dataset: pydicom's data set.
        layout: of its pixels.

    Returns:
        ``(rows, columns)``, uint8 or uint16 in either byte order: whole words, bits beside the stored ones included.

    Raises:
        DisplayError: where pixels are missing, cut off or damaged, or nothing installed decodes them.
    """
    syntax = transfer_syntax(dataset)
    element = dataset.get_item("PixelData")
    data = element.value
    if not isinstance(data, bytes) or not data:
        raise DisplayError("PixelData is empty: the file is cut off or was anonymised, export it again")
    encapsulated = getattr(element, "is_undefined_length", False) or getattr(element, "length", 0) == 0xFFFFFFFF
    if syntax not in NATIVE:
        return _decoded(syntax, data, layout)
    if encapsulated:
        raise DisplayError("PixelData is compressed, but the transfer syntax says it is not: export it again")
    return _native(data, layout, syntax == BIG_ENDIAN, element.VR == "OW")


def _native(data: bytes, layout: PixelLayout, big_endian: bool, as_words: bool) -> NDArray[Any]:
    count = layout.rows * layout.columns
    needed = count * layout.word.itemsize
    if len(data) < needed:
        raise DisplayError(
            f"PixelData has {len(data)} bytes, {layout.rows} × {layout.columns} pixels of {layout.bits_allocated} bits "
            f"need {needed}: the file is cut off, or Rows and Columns are wrong; export it again"
        )
    if big_endian and layout.bits_allocated == 8 and as_words and len(data) % 2 == 0:
        # Bytes in words of 16 bits: each pair is the other way round (PS3.5 8.1.1).
        words = np.frombuffer(data, np.uint16).byteswap().view(np.uint8)[:count]
    else:
        words = np.frombuffer(data, layout.word.newbyteorder(">" if big_endian else "<"), count)
    return words.reshape(layout.rows, layout.columns)


def _decoded(syntax: str, data: bytes, layout: PixelLayout) -> NDArray[Any]:
    if syntax != _RLE:
        _check_header(data, syntax, layout)
    values = _decode(data, syntax, layout)
    if values.shape != (layout.rows, layout.columns) or values.dtype.kind not in "iu":
        raise DisplayError(f"the decoded pixels are {values.dtype} {values.shape}: the file is damaged")
    if syntax != _RLE and not _fits(values, layout):
        raise DisplayError(f"the decoded pixels do not fit BitsStored {layout.bits_stored}: export the film again")
    wide = values.astype(f"{values.dtype.kind}{layout.word.itemsize}", copy=False)
    return wide.view(layout.word)


def _check_header(data: bytes, syntax: str, layout: PixelLayout) -> None:
    """Refuse what a decoder would fill the memory with, or what other bits than the film's are in."""
    from pydicom.encaps import get_frame

    if syntax not in _PACKAGES:
        return
    try:
        frame = get_frame(data, 0, number_of_frames=1)
    except Exception as error:
        raise DisplayError(f"PixelData cannot be taken apart ({in_few_words(error)}): export it again") from None
    header = codestream_header(frame)
    if (header.rows, header.columns, header.components) != (layout.rows, layout.columns, 1):
        raise DisplayError(
            f"the compressed image has {header.rows} × {header.columns} pixels of {header.components} samples, "
            f"Rows and Columns say {layout.rows} × {layout.columns}: export the film again"
        )
    if header.precision > layout.bits_allocated or layout.high_bit != layout.bits_stored - 1:
        raise DisplayError(
            f"{header.precision} bits are compressed; BitsStored {layout.bits_stored} and HighBit {layout.high_bit} "
            "contradict that: export the film again"
        )


def _decode(data: bytes, syntax: str, layout: PixelLayout) -> NDArray[Any]:
    order = _JPEG_ORDER if syntax in (f"{_JPEG}50", f"{_JPEG}51") else _ORDER
    reason = ""
    for plugin in sorted(_plugins(syntax), key=order.index):
        run = decode_apart if plugin == "gdcm" else decode
        try:
            return run(data, syntax, plugin, _options(layout))
        except BaseException as error:  # each decoder raises its own; a panic of Rust code is no Exception
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            reason = in_few_words(error)
    raise DisplayError(
        f"its {name_of(syntax)} pixels cannot be decoded ({reason}): the file is damaged, or another package is "
        f"needed: pip install {_PACKAGES.get(syntax, 'pylibjpeg-rle')}"
    )


def _options(layout: PixelLayout) -> dict[str, Any]:
    return {
        "rows": layout.rows,
        "columns": layout.columns,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "photometric_interpretation": "MONOCHROME2",  # which of the two does not matter to a decoder
        "bits_allocated": layout.bits_allocated,
        "bits_stored": layout.bits_stored,
        "pixel_representation": int(layout.signed),
        "pixel_keyword": "PixelData",
    }


def _plugins(syntax: str) -> tuple[str, ...]:
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    name = name_of(syntax)
    try:
        decoder = get_decoder(UID(syntax))
    except NotImplementedError:
        raise DisplayError(
            f"the transfer syntax {name} is unknown to pydicom: convert the film, for example with gdcmconv --raw"
        ) from None
    if not decoder.is_available:
        raise DisplayError(f"nothing installed decodes {name}: pip install {_PACKAGES.get(syntax, 'pylibjpeg')}")
    return tuple(decoder.available_plugins)


def _fits(values: NDArray[Any], layout: PixelLayout) -> bool:
    """Codes of more bits than BitsStored are met; they count as long as the values stay within."""
    if layout.bits_stored == layout.bits_allocated:
        return True
    return bool(values.max() < 2**layout.bits_stored and values.min() >= min(layout.low, 0))
