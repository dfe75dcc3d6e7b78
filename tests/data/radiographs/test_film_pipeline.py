"""From a file to a square of display values: every step against plain NumPy and Pillow."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import RLELossless

from monai_memvit.data import array_digest
from monai_memvit.data.radiographs import FilmPipeline
from monai_memvit.transforms.radiograph.refusals import RADIOGRAPH_MODALITIES

PLAIN = FilmPipeline(size=48, crop_border=False)


def write_png(path: Path, pixels: np.ndarray) -> Path:
    """A grey picture of 8 or 16 bits."""
    Image.fromarray(pixels).save(path)
    return path


def noise(rows: int = 48, columns: int = 36) -> np.ndarray:
    """Structure everywhere, uint8."""
    return np.random.default_rng(0).integers(0, 256, (rows, columns)).astype(np.uint8)


@pytest.mark.parametrize(("bits", "kind"), [(8, np.uint8), (16, np.uint16)])
def test_values_are_those_of_the_file(tmp_path: Path, bits: int, kind: type) -> None:
    pixels = noise()
    image, record = replace(PLAIN, bits=bits).prepare(write_png(tmp_path / "film.png", pixels))
    assert image.dtype == kind and image.shape == (48, 48)
    expected = np.rint(pixels / 255 * (2**bits - 1)).astype(kind)
    assert np.array_equal(image[:, 6:42], expected)
    assert not image[:, :6].any() and not image[:, 42:].any()
    assert record["original_size"] == [48, 36] and record["box"] == [0, 0, 48, 36]
    assert record["size"] == 48 and record["bits"] == bits and record["spacing_kind"] == "none"
    assert record["image_digest"] == array_digest(image)


def test_a_frame_is_cut_off_and_the_film_scaled(tmp_path: Path) -> None:
    pixels = np.zeros((140, 100), np.uint8)
    pixels[20:120, 10:90] = noise(100, 80)
    image, record = FilmPipeline(size=50).prepare(write_png(tmp_path / "film.png", pixels))
    assert record["box"] == [20, 10, 120, 90] and record["original_size"] == [140, 100]
    small = Image.fromarray(pixels[20:120, 10:90].astype(np.float32)).resize((40, 50), Image.Resampling.BILINEAR)
    assert np.abs(image[:, 5:45].astype(float) - np.asarray(small)).max() <= 0.51


def test_dicom_brings_spacing_and_attributes(tmp_path: Path, write_film: Callable[..., str]) -> None:
    path = tmp_path / "film.dcm"
    told = {"ViewPosition": "PA", "Manufacturer": "ACME", "ImagerPixelSpacing": ["0.2", "0.3"]}
    uid = write_film(path, "Doe^Jane", PatientName="Doe^Jane", **told)
    image, record = PLAIN.prepare(path)
    assert image.any() and record["spacing_mm"] == [0.2, 0.3] and record["spacing_kind"] == "imager"
    assert record["attributes"]["ViewPosition"] == "PA" and record["attributes"]["Manufacturer"] == "ACME"
    text = json.dumps(record, allow_nan=False)
    assert "Doe" not in text and uid not in text and str(tmp_path) not in text


def test_a_film_is_known_again_however_it_is_compressed(tmp_path: Path, write_film: Callable[..., str]) -> None:
    write_film(tmp_path / "raw.dcm", "p")
    dataset = pydicom.dcmread(tmp_path / "raw.dcm")
    dataset.compress(RLELossless)
    dataset.save_as(tmp_path / "rle.dcm")
    records = [PLAIN.prepare(tmp_path / name)[1] for name in ("raw.dcm", "rle.dcm")]
    assert (tmp_path / "raw.dcm").read_bytes() != (tmp_path / "rle.dcm").read_bytes()
    assert records[0]["pixel_hash"] == records[1]["pixel_hash"]


def test_size_and_bits_do_not_change_the_hash_but_pixels_do(tmp_path: Path) -> None:
    pixels = noise()
    one = write_png(tmp_path / "one.png", pixels)
    pixels[3, 3] ^= 1
    other = write_png(tmp_path / "other.png", pixels)
    hashes = [p.prepare(one)[1]["pixel_hash"] for p in (PLAIN, FilmPipeline(size=20, bits=16))]
    assert hashes[0] == hashes[1] != PLAIN.prepare(other)[1]["pixel_hash"]


def test_other_modalities_when_asked_for(tmp_path: Path, write_film: Callable[..., str]) -> None:
    path = tmp_path / "film.dcm"
    write_film(path, "p", modality="OT")
    with pytest.raises(ValueError, match=r"film\.dcm.*modality '?OT'?"):
        PLAIN.prepare(path)
    assert replace(PLAIN, modalities=("OT",)).prepare(path)[0].any()
    assert PLAIN.modalities == tuple(RADIOGRAPH_MODALITIES)


def test_the_digest_tells_parameters_apart_and_survives_json() -> None:
    changed = [
        replace(PLAIN, size=49),
        replace(PLAIN, crop_border=True),
        replace(PLAIN, bits=16),
        replace(PLAIN, window=1),
        replace(PLAIN, window="LUNG"),
        replace(PLAIN, modalities=("CR",)),
    ]
    assert len({pipeline.digest() for pipeline in [PLAIN, *changed]}) == 7
    again = FilmPipeline(**json.loads(json.dumps(asdict(PLAIN))))
    assert again == PLAIN and again.digest() == PLAIN.digest() and hash(again) == hash(PLAIN)


def test_how_much_a_film_takes() -> None:
    assert PLAIN.bytes_per_film == 48 * 48 and replace(PLAIN, bits=16).bytes_per_film == 2 * 48 * 48


@pytest.mark.parametrize(
    ("wrong", "told"), [({"size": 0}, "size is 0"), ({"bits": 12}, "bits is 12"), ({"modalities": ()}, "no modalities")]
)
def test_values_that_cannot_be(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        FilmPipeline(**wrong)  # type: ignore[arg-type]
