from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, features

from monai_memvit.transforms.radiograph.codestream import CodestreamHeader, codestream_header
from monai_memvit.transforms.radiograph.errors import DisplayError


def encoded(kind: str, mode: str = "L", **options: object) -> bytes:
    file = io.BytesIO()
    shape = (37, 23) if mode == "L" else (37, 23, 3)
    Image.fromarray(np.zeros(shape, np.uint8)).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"comment": b"\xff\xc0 in a comment"}])
def test_a_jpeg(options: dict[str, object]) -> None:
    assert codestream_header(encoded("JPEG", **options)) == CodestreamHeader(37, 23, 1, 8)


def test_a_jpeg_of_three_components() -> None:
    assert codestream_header(encoded("JPEG", "RGB")).components == 3


@pytest.mark.skipif(not features.check("jpg_2000"), reason="this Pillow writes no JPEG 2000")
@pytest.mark.parametrize("boxed", [True, False])
def test_a_jpeg_2000(boxed: bool) -> None:
    data = encoded("JPEG2000", no_jp2=not boxed)
    assert codestream_header(data) == CodestreamHeader(37, 23, 1, 8)


def test_jpeg_ls_has_its_own_frame_header() -> None:
    data = b"\xff\xd8\xff\xf7" + struct.pack(">HBHHB", 11, 12, 300, 200, 1) + b"\1\x11\0"
    assert codestream_header(data) == CodestreamHeader(300, 200, 1, 12)


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 50, b"\xff\xd8", b"\xff\xd8\xff\xe0\xff\xff", b"\xff" * 500, b"\xff\x4f\xff\x51\0\0"]
)
def test_without_header_it_is_damaged(data: bytes) -> None:
    with pytest.raises(DisplayError, match="damaged"):
        codestream_header(data)
