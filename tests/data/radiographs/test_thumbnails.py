"""Looks of films against plain NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_memvit.data.radiographs.thumbnails import film_looks


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_looks_are_means_of_fields(tmp_path: Path, kind: type) -> None:
    most = np.iinfo(kind).max
    stored = np.random.default_rng(0).integers(0, most, (64, 128), dtype=kind, endpoint=True)
    stored[:6, :20], stored[-3:, :] = 0, most
    np.save(tmp_path / "a.npy", stored)
    look = film_looks([tmp_path / "a.npy"], workers=1, progress=False)[0]
    film = stored.astype(np.float64) / most
    assert look.thumbnail == pytest.approx(film.reshape(32, 2, 32, 4).mean(axis=(1, 3)), abs=1e-5)
    assert (look.mean, look.deviation) == (pytest.approx(film.mean()), pytest.approx(film.std(), rel=1e-5))
    rim = np.ones(film.shape, dtype=bool)
    rim[6:-6, 13:-13] = False
    assert look.dark_rim == pytest.approx((film[rim] <= 0.02).mean(), abs=1e-4)
    assert look.bright_rim == pytest.approx((film[rim] >= 0.98).mean(), abs=1e-4)


def test_looks_come_in_order(tmp_path: Path) -> None:
    for number in range(12):
        np.save(tmp_path / f"{number}.npy", np.full((32, 40), number * 20, dtype=np.uint8))
    looks = film_looks([tmp_path / f"{number}.npy" for number in range(12)], workers=3, progress=False)
    assert [round(look.mean * 255) for look in looks] == [number * 20 for number in range(12)]
