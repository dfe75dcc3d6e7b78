"""Giving a DICOM image another transfer syntax, each by an encoder of its own."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from monai.utils import optional_import
from PIL import Image

from .combinations import SYNTAXES

pydicom, _ = optional_import("pydicom", descriptor='DICOM needs pydicom: pip install "monai_memvit[radiograph]"')
gdcm, _ = optional_import("gdcm", descriptor="JPEG lossless is encoded by GDCM: pip install python-gdcm")

__all__ = ["encode"]

_NATIVE = ("explicit", "implicit", "deflated")
_COMPRESSED = ("rle", "jpegls", "jpeg2000")
_QUALITY = 90


def encode(data: Any, syntax: str) -> np.ndarray | None:
    """Change the transfer syntax of a data set in explicit little endian, in place.

    Args:
        data: a ``pydicom.Dataset`` with 8 or 16 bits allocated.
        syntax: a name of ``SYNTAXES``.

    Returns:
        The pixels as a decoder gives them back where the syntax changes them (JPEG baseline), else None.

    Raises:
        RuntimeError: when an encoder fails.
    """
    if syntax in _COMPRESSED:
        data.compress(SYNTAXES[syntax], generate_instance_uid=False)
        return None
    decoded = None
    if syntax == "bigendian":
        _swap_bytes(data)
    elif syntax == "jpeglossless":
        _encode_jpeg_lossless(data)
    elif syntax == "jpeg":
        decoded = _encode_jpeg(data)
    data.file_meta.TransferSyntaxUID = SYNTAXES[syntax]
    return decoded


def _swap_bytes(data: Any) -> None:
    """Swap words by hand: what is OW is written as it is."""
    if data["PixelData"].VR == "OW":
        data.PixelData = _swapped(data.PixelData)
    for name in ("ModalityLUTSequence", "VOILUTSequence"):
        for item in data.get(name) or ():
            if item["LUTData"].VR == "OW":
                item.LUTData = _swapped(item.LUTData)


def _swapped(words: bytes) -> bytes:
    return np.frombuffer(words, "<u2").astype(">u2").tobytes()


def _encapsulate(data: Any, frame: bytes) -> None:
    data["PixelData"] = pydicom.DataElement("PixelData", "OB", pydicom.encaps.encapsulate([frame]))
    data["PixelData"].is_undefined_length = True


def _encode_jpeg(data: Any) -> np.ndarray:
    pixels = np.frombuffer(data.PixelData, np.uint8)[: data.Rows * data.Columns].reshape(data.Rows, data.Columns)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY)
    data.LossyImageCompression, data.LossyImageCompressionMethod = "01", "ISO_10918_1"
    data.LossyImageCompressionRatio = round(pixels.size / file.tell(), 2)
    _encapsulate(data, file.getvalue())
    return np.asarray(Image.open(file))


def _encode_jpeg_lossless(data: Any) -> None:
    """JPEG lossless, first-order prediction; only the frame is taken from GDCM's file, no attribute."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "film.dcm")
        pydicom.dcmwrite(path, data, enforce_file_format=True)
        reader = gdcm.ImageReader()
        reader.SetFileName(path)
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
        if not reader.Read():
            raise RuntimeError(f"GDCM does not read {data.BitsStored}-bit pixels")
        change.SetInput(reader.GetImage())
        if not change.Change():
            raise RuntimeError(f"GDCM does not encode {data.BitsStored}-bit pixels as JPEG lossless")
        writer = gdcm.ImageWriter()
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.SetFileName(path)
        if not writer.Write():
            raise RuntimeError(f"GDCM does not write {data.BitsStored}-bit JPEG lossless")
        _encapsulate(data, next(pydicom.encaps.generate_frames(pydicom.dcmread(path).PixelData, number_of_frames=1)))
