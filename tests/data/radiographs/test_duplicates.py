"""Copies are found, other films are not, and no copy of a test film stays in training."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_memvit.data.radiographs.duplicates import FilmPair, films_to_drop, find_pairs

SIZE = 256


def film(seed: int) -> np.ndarray:
    """Smooth noise, uint8."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (24, 24)).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def copied(picture: np.ndarray) -> np.ndarray:
    """The same film with another size, gamma and compression."""
    bright = Image.fromarray((255 * (picture / 255) ** 0.8).astype(np.uint8)).resize((SIZE - 40, SIZE - 40))
    buffer = io.BytesIO()
    bright.save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer))


def thumbnails(*pictures: np.ndarray) -> np.ndarray:
    """As the films are seen."""
    small = [Image.fromarray(picture.astype(np.float32) / 255).resize((32, 32), Image.BOX) for picture in pictures]
    return np.stack([np.asarray(picture) for picture in small])


def test_equal_films_altered_copies_and_negatives_are_found() -> None:
    films = [film(0), film(1), film(1), copied(film(0)), 255 - film(2), film(3), film(2)]
    pairs = find_pairs(thumbnails(*films), ["0", "1", "1", "0c", "2n", "3", "2"])
    assert [(pair.first, pair.second, pair.exact) for pair in pairs] == [(0, 3, False), (1, 2, True), (4, 6, False)]
    assert 0.95 < pairs[0].likeness < 1 and pairs[1].likeness == 1 and pairs[2].likeness == pytest.approx(-1, abs=1e-4)


def test_films_without_detail_are_like_none() -> None:
    flat = np.full((SIZE, SIZE), 7, dtype=np.uint8)
    assert find_pairs(thumbnails(flat, flat + 100, film(0)), ["a", "b", "c"]) == []


def test_many_films_are_compared_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_memvit.data.radiographs.duplicates._BLOCK", 3)
    films = [film(seed) for seed in range(7)]
    pairs = find_pairs(thumbnails(*films, copied(films[1]), copied(films[6])), [str(n) for n in range(9)])
    assert [(pair.first, pair.second) for pair in pairs] == [(1, 7), (6, 8)]


def test_the_later_section_keeps_its_film() -> None:
    sections = ["training", "test", "training", "validation", "training", "training", "validation", "test"]
    pairs = [FilmPair(0, 1, True, 1), FilmPair(0, 2, True, 1), FilmPair(3, 7, False, 0.97), FilmPair(4, 5, True, 1)]
    assert films_to_drop(pairs, sections) == {0: 1, 2: 1, 3: 7}
    assert films_to_drop([], sections) == {}


def test_films_of_other_patients_are_told_apart(shared_data: Path) -> None:
    folder = shared_data / "cxr_nih_512"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    paths = sorted(folder.glob("*/*.jpg"))[::4]
    films = [np.asarray(Image.open(path).convert("L")) for path in paths]
    seen = thumbnails(*films, *(copied(picture) for picture in films[:20]))
    pairs = find_pairs(seen, [str(number) for number in range(len(seen))])
    assert [(pair.first, pair.second) for pair in pairs] == [(n, len(films) + n) for n in range(20)]
