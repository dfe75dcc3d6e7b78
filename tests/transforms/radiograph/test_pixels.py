from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders import base

from monai_memvit.transforms.radiograph.errors import DisplayError
from monai_memvit.transforms.radiograph.layout import layout_of
from monai_memvit.transforms.radiograph.pixels import stored_words

MakeFilm = Callable[..., Dataset]
SaveFilm = Callable[[Dataset, Path], Path]
UID = "1.2.840.10008.1.2"
JPEG = f"{UID}.4."
STORED = np.random.default_rng(1).integers(0, 4096, (41, 35))
RLE, JPEG_LS, JPEG_2000 = f"{UID}.5", f"{JPEG}80", f"{JPEG}90"


ENCODERS = {RLE: "pydicom", JPEG_LS: "pyjpegls", JPEG_2000: "pylibjpeg"}  # not gdcm: it aborts on some


def words(film: Dataset) -> np.ndarray:
    return np.asarray(stored_words(film, layout_of(film)))


@pytest.mark.parametrize("syntax", [UID, f"{UID}.1", f"{UID}.2", f"{UID}.1.99"])
@pytest.mark.parametrize(("allocated", "bits"), [(8, 8), (16, 12), (16, 16)])
@pytest.mark.parametrize("signed", [0, 1])
def test_native_pixels(
    make_film: MakeFilm, save_film: SaveFilm, tmp_path: Path, syntax: str, allocated: int, bits: int, signed: int
) -> None:
    stored = STORED % 2**bits - signed * 2 ** (bits - 1)
    cells = (stored % 2**allocated).astype(f"u{allocated // 8}")
    film = make_film(stored, allocated, bits, signed, syntax=syntax)
    big = syntax.endswith("1.2.2")
    data = cells.astype(f">u{allocated // 8}" if big else cells.dtype.newbyteorder("<")).tobytes()
    data += b"\0" * (len(data) % 2)
    if big and allocated == 8:  # pairs of bytes are words
        data = np.frombuffer(data, "<u2").astype(">u2").tobytes()
    film.PixelData = data
    read = dcmread(save_film(film, tmp_path / "film.dcm"))
    np.testing.assert_array_equal(words(read), cells)


@pytest.mark.parametrize(("allocated", "bits"), [(8, 8), (16, 12), (16, 16)])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("syntax", [RLE, JPEG_LS, JPEG_2000])
def test_compressed_pixels(make_film: MakeFilm, syntax: str, allocated: int, bits: int, signed: int) -> None:
    pytest.importorskip({JPEG_LS: "jpeg_ls", JPEG_2000: "openjpeg"}.get(syntax, "pydicom"))
    stored = STORED % 2**bits - signed * 2 ** (bits - 1)
    film = make_film(stored, allocated, bits, signed)
    film.compress(syntax, encoding_plugin=ENCODERS[syntax], generate_instance_uid=False)
    layout = layout_of(film)
    found = layout.by_word(layout.stored_values())[words(film)]
    np.testing.assert_array_equal(found, stored)


def test_rle_keeps_the_bits_above_the_stored_ones_apart(make_film: MakeFilm) -> None:
    film = make_film(STORED + (STORED % 7 << 12))
    film.compress(RLE, encoding_plugin="pydicom", generate_instance_uid=False)
    layout = layout_of(film)
    np.testing.assert_array_equal(layout.by_word(layout.stored_values())[words(film)], STORED)


def test_more_bytes_than_pixels_are_passed_over(make_film: MakeFilm) -> None:
    film = make_film()
    expected = words(film)
    film.PixelData += b"\1\2"
    np.testing.assert_array_equal(words(film), expected)


def encapsulated(film: Dataset, syntax: str, frame: bytes) -> Dataset:
    film.file_meta.TransferSyntaxUID = syntax
    film.PixelData = encapsulate([frame])
    film["PixelData"].is_undefined_length = True
    return film


def rows_of(frame: bytes, rows: int) -> bytes:
    """A JPEG-LS frame that claims another number of rows."""
    at = frame.index(b"\xff\xf7")
    return frame[: at + 5] + rows.to_bytes(2, "big") + frame[at + 7 :]


def jpeg_ls(stored: np.ndarray) -> bytes:
    jpeg_ls = pytest.importorskip("jpeg_ls")
    return bytes(jpeg_ls.encode_array(stored.astype(np.uint16)))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda film: setattr(film, "PixelData", b""), "empty"),
        (lambda film: setattr(film, "PixelData", b"\0" * 58), "58 bytes, 6 × 5 pixels of 16 bits need 60"),
        (lambda film: setattr(film["PixelData"], "is_undefined_length", True), "is compressed, but"),
        (lambda film: setattr(film.file_meta, "TransferSyntaxUID", f"{JPEG}102"), "unknown to pydicom"),
        (lambda film: setattr(film.file_meta, "TransferSyntaxUID", "1.2.3"), "unknown to pydicom"),
        (lambda film: setattr(film.file_meta, "TransferSyntaxUID", f"{JPEG}80"), "cannot be taken apart"),
        (lambda film: setattr(film.file_meta, "TransferSyntaxUID", RLE), "cannot be decoded"),
        (lambda film: encapsulated(film, f"{JPEG}50", b"no jpeg at all"), "no whole header"),
        (lambda film: encapsulated(film, JPEG_LS, rows_of(jpeg_ls(STORED), 60000)), "60000 × 35 pixels"),
        (lambda film: encapsulated(film, JPEG_LS, jpeg_ls(STORED[:6, :5] % 256)[:40]), "cannot be decoded"),
    ],
)
def test_damaged_pixels_are_named(make_film: MakeFilm, change: Callable[[Dataset], Any], named: str) -> None:
    film = make_film()
    change(film)
    with pytest.raises(DisplayError, match=named):
        words(film)


def test_bits_that_do_not_fit_are_refused(make_film: MakeFilm) -> None:
    film = encapsulated(make_film(STORED), JPEG_LS, jpeg_ls(STORED + 4096))
    with pytest.raises(DisplayError, match="do not fit BitsStored 12"):
        words(film)


def test_a_high_bit_beside_compression_is_refused(make_film: MakeFilm) -> None:
    film = encapsulated(make_film(STORED, HighBit=15), JPEG_LS, jpeg_ls(STORED))
    with pytest.raises(DisplayError, match="HighBit 15"):
        words(film)


@pytest.mark.parametrize(
    ("decoder", "package"),
    [
        ("JPEGBaseline8BitDecoder", "pillow"),
        ("JPEGLosslessSV1Decoder", "python-gdcm"),
        ("JPEGLSLosslessDecoder", "pyjpegls"),
        ("JPEG2000LosslessDecoder", "pylibjpeg pylibjpeg-openjpeg"),
    ],
)
def test_the_package_that_is_missing_is_named(
    make_film: MakeFilm, monkeypatch: pytest.MonkeyPatch, decoder: str, package: str
) -> None:
    found = getattr(base, decoder)
    monkeypatch.setattr(found, "_available", {})
    film = encapsulated(make_film(), found.UID, b"\xff\xd8\xff\xc0\0\x0b\x08\0\6\0\5\1\1\x11\0")
    with pytest.raises(DisplayError, match=f"pip install {package}"):
        words(film)
