from __future__ import annotations

from pathlib import Path
from struct import pack
from zlib import compress, crc32

import numpy as np
import pytest
from PIL import Image

from monai_memvit.transforms.radiograph import picture_files
from monai_memvit.transforms.radiograph.errors import DisplayError
from monai_memvit.transforms.radiograph.picture_files import is_picture, read_picture

GREY = np.random.default_rng(3).integers(0, 256, (7, 5)).astype(np.uint8)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_a_grey_png_of_8_bits_in_any_dress(tmp_path: Path, mode: str) -> None:
    Image.fromarray(GREY).convert(mode).save(tmp_path / "film.png")
    film = read_picture(tmp_path / "film.png")
    np.testing.assert_allclose(film.values, GREY / 255, atol=1e-7)
    assert film.values.dtype == np.float32
    assert (film.spacing.kind, film.padding, film.sop_instance) == ("none", None, "")


def test_a_png_of_16_bits_keeps_them(tmp_path: Path) -> None:
    grey = GREY.astype(np.uint16) * 256 + 3
    Image.fromarray(grey).save(tmp_path / "film.png")
    film = read_picture(tmp_path / "film.png")
    np.testing.assert_allclose(film.values, grey / 65535, atol=1e-7)
    assert "PNG of 16 bits" in film.notes[0]


@pytest.mark.parametrize(("colour_type", "samples"), [(2, 3), (4, 2), (6, 4)])
def test_16_bits_that_pillow_would_halve_are_refused(tmp_path: Path, colour_type: int, samples: int) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + name + data + pack(">I", crc32(name + data))

    header = pack(">IIBBBBB", 2, 1, 16, colour_type, 0, 0, 0)
    content = compress(b"\0" + b"\x12\x34" * samples * 2)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    (tmp_path / "film.png").write_bytes(png)
    with pytest.raises(DisplayError, match="16 bits with colour or alpha"):
        read_picture(tmp_path / "film.png")


def test_a_jpeg(tmp_path: Path) -> None:
    smooth = np.tile(np.arange(0, 200, 4, dtype=np.uint8), (40, 1))
    Image.fromarray(smooth).save(tmp_path / "film.jpg", quality=98)
    np.testing.assert_allclose(read_picture(tmp_path / "film.jpg").values, smooth / 255, atol=0.02)


def test_a_photograph_is_turned_as_it_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((40, 20), np.uint8)).save(tmp_path / "film.jpg", exif=exif)
    film = read_picture(tmp_path / "film.jpg")
    assert film.values.shape == (20, 40)
    assert "EXIF" in film.notes[1]


def test_colours_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.stack([GREY, GREY, 255 - GREY], -1)).save(tmp_path / "shot.png")
    with pytest.raises(DisplayError, match="colours"):
        read_picture(tmp_path / "shot.png")
    Image.new("CMYK", (4, 4)).save(tmp_path / "shot.jpg")
    with pytest.raises(DisplayError, match="CMYK"):
        read_picture(tmp_path / "shot.jpg")


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(GREY).save(tmp_path / "film.png")
    monkeypatch.setattr(picture_files, "MAX_PIXELS", 34)
    with pytest.raises(DisplayError, match="7 × 5"):
        read_picture(tmp_path / "film.png")


@pytest.mark.parametrize(
    ("start", "expected"), [(b"\x89PNG", True), (b"\xff\xd8\xff\xe0", True), (b"DICM", False), (b"", False)]
)
def test_pictures_are_known_by_their_bytes(tmp_path: Path, start: bytes, expected: bool) -> None:
    (tmp_path / "file.dcm").write_bytes(start)
    assert is_picture(tmp_path / "file.dcm") == expected
