"""Whatever is in a file: a film, or the one error; no other exception, no warning, and no more memory than it needs."""

from __future__ import annotations

import random
import resource
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import config
from pydicom.dataset import Dataset

from monai_memvit.transforms.radiograph import DisplayError, read_film

UID = "1.2.840.10008.1.2"
SYNTAXES = (UID, f"{UID}.1", f"{UID}.2", f"{UID}.1.99", f"{UID}.5", f"{UID}.4.80", f"{UID}.4.90")
ENCODERS = {SYNTAXES[4]: "pydicom", SYNTAXES[5]: "pyjpegls", SYNTAXES[6]: "pylibjpeg"}
ODD_NUMBERS = (b"\0\0", b"\1\0", b"\3\0", b"\x0c\0", b"\x20\0", b"\xff\xff", b"\0\x80", b"\xff\x7f")
ODD_LENGTHS = (b"\xff\xff\xff\xff", b"\xf0\xff\xff\x7f", b"\0\0\0\0", b"\xfe\xff\xdd\xe0")
ODD_TEXTS = (b"", b"0 ", b"-1", b"1e999 ", b"nan ", b"\\\\", b"4,5 ", b"RGB ", b"\xff\xfe", b"9" * 20)
MEMORY = 400e6


def originals(folder: Path, make_film: Callable[..., Dataset], make_table: Any, save_film: Any) -> list[bytes]:
    """Small films of every kind, as bytes."""
    stored = np.random.default_rng(0).integers(0, 4096, (40, 36))
    window = {"WindowCenter": ["2000", "1000"], "WindowWidth": ["3000", "500"], "PixelSpacing": ["0.2", "0.2"]}
    tables = {
        "ModalityLUTSequence": [make_table(0, list(range(256)), 8)],
        "VOILUTSequence": [make_table(0, list(range(256)), 8)],
    }
    found = []
    for number, (syntax, more) in enumerate((syntax, more) for syntax in SYNTAXES for more in (window, tables)):
        film = make_film(stored, PatientName="A^B", PresentationLUTShape="IDENTITY", **more)
        film.add_new("PixelPaddingValue", "US", 7)
        if syntax in ENCODERS:
            film.compress(syntax, encoding_plugin=ENCODERS[syntax], generate_instance_uid=False)
        else:
            film.file_meta.TransferSyntaxUID = syntax
        found.append(save_film(film, folder / f"{number}.dcm").read_bytes())
    for mode in ("L", "RGB"):
        for kind in ("png", "jpeg"):
            path = folder / f"{mode}.{kind}"
            Image.fromarray((stored // 16).astype(np.uint8)).convert(mode).save(path)
            found.append(path.read_bytes())
    return [*found, found[0][132:]]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Break a file in one or several of many ways, its header more often than its pixels."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 12))):
        end = len(out) if chance.random() < 0.4 else min(len(out), 1400)
        at = chance.randrange(end) if end else 0
        way = chance.randrange(7)
        if way == 0:
            out[at : at + 1] = bytes([chance.randrange(256)])
        elif way == 1:
            out[at : at + 2] = chance.choice(ODD_NUMBERS)
        elif way == 2:
            del out[at:]
        elif way == 3:
            del out[at : at + chance.choice((1, 2, 8, 60))]
        elif way == 4:
            out[at:at] = bytes(chance.randrange(256) for _ in range(chance.choice((1, 2, 8))))
        elif way == 5:
            out[at : at + 4] = chance.choice(
                (b"\xff\xff\xff\xff", b"\xf0\xff\xff\x7f", b"\0\0\0\0", b"\xfe\xff\xdd\xe0")
            )
        else:
            odd = chance.choice(ODD_TEXTS)
            out[at : at + len(odd)] = odd
    return bytes(out)


def changed(make_film: Callable[..., Dataset], make_table: Any, chance: random.Random) -> Dataset:
    """A well-formed file whose elements do not fit each other."""
    film = make_film(
        VOILUTSequence=[make_table(0, [1, 2, 3], 8)] if chance.random() < 0.3 else None,
        WindowCenter="100",
        WindowWidth="50",
        RescaleSlope="1",
        RescaleIntercept="0",
        PixelSpacing=["0.1", "0.1"],
    )
    for element in chance.sample(list(film), chance.choice((1, 1, 2, 3))):
        if chance.random() < 0.25:
            del film[element.tag]
        elif element.VR == "US":
            element.value = chance.choice((0, 1, 3, 8, 11, 12, 15, 16, 32, 64, 40000, 65535))
        elif element.VR in ("DS", "IS"):
            element.value = chance.choice(("", "0", "-1", "1e30", "0.000", ["1", "2", "3"]))
        elif element.VR in ("CS", "UI"):
            element.value = chance.choice(("", "MONOCHROME1", "RGB", "1.2.840.10008.5.1.4.1.1.2", "SIGMOID"))
        elif element.VR == "SQ":
            element.value = chance.choice(([], [Dataset()]))
    return film


def inputs(count: int, folder: Path, make_film: Any, make_table: Any, save_film: Any) -> Iterator[bytes]:
    chance = random.Random(20240229)
    whole = originals(folder, make_film, make_table, save_film)
    yield from whole
    for number in range(count):
        if number % 4:
            yield mutated(chance.choice(whole), chance)
        else:
            film = changed(make_film, make_table, chance)
            film.file_meta.TransferSyntaxUID = chance.choice(SYNTAXES[:4])
            try:
                yield save_film(film, folder / "changed.dcm").read_bytes()
            except (ValueError, AttributeError, KeyError, TypeError):
                continue  # pydicom does not write it


def fuzz(count: int, folder: Path, make_film: Any, make_table: Any, save_film: Any) -> tuple[int, int]:
    """Read them all; returns how many were films, and how many were refused."""
    path, films, refused = folder / "input", 0, 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    settings = dict(vars(config.settings))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        broken = list(inputs(count, folder, make_film, make_table, save_film))
        warnings.simplefilter("error")
        for data in broken:
            path.write_bytes(data)
            try:
                film = read_film(path, modalities=None)
            except DisplayError as error:
                assert str(path) in str(error)
                assert "A^B" not in str(error)
                refused += 1
                continue
            assert film.values.dtype == np.float32
            assert "A^B" not in f"{film.attributes} {film.notes}"
            assert ((film.values >= 0) & (film.values <= 1)).all()
            films += 1
    assert dict(vars(config.settings)) == settings
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MEMORY
    return films, refused


def test_damaged_films(tmp_path: Path, make_film: Any, make_table: Any, save_film: Any) -> None:
    films, refused = fuzz(1500, tmp_path, make_film, make_table, save_film)
    assert films > 100
    assert refused > 100


@pytest.mark.slow
def test_ten_thousand_damaged_films(tmp_path: Path, make_film: Any, make_table: Any, save_film: Any) -> None:
    films, refused = fuzz(10_000, tmp_path, make_film, make_table, save_film)
    assert films + refused > 9000


def test_a_film_that_claims_to_be_huge(tmp_path: Path, make_film: Any, save_film: Any) -> None:
    import tracemalloc

    for rows, columns in ((65535, 65535), (10000, 9999)):
        path = save_film(make_film(Rows=rows, Columns=columns), tmp_path / "huge.dcm")
        tracemalloc.start()
        with pytest.raises(DisplayError):
            read_film(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20e6
