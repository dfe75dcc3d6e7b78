"""Stored features: what is written is read, others' layout is understood, ragged slides are padded and masked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_memvit.data.slides import (
    collate_bags,
    features,
    iter_tile_features,
    load_tile_features,
    save_tile_features,
)

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_parquet_gives_back_what_was_written(tmp_path: Path, dtype: torch.dtype) -> None:
    values, places = torch.randn(37, 12).to(dtype), torch.rand(37, 2, dtype=torch.float64) * 1e5
    save_tile_features(tmp_path / "a.parquet", values, places)
    found = load_tile_features(tmp_path / "a.parquet")
    assert found.features.dtype == torch.float32 and torch.equal(found.features, values.float())
    assert torch.equal(found.position_um, places)


class _Dataset(np.ndarray):
    attrs: dict[str, Any]


class _File(dict):  # type: ignore[type-arg]
    """What h5py shows of a file, from an npz: where h5py is absent, the layout can be tested all the same."""

    def __init__(self, path: Path, mode: str) -> None:
        with open(path, "rb") as file:
            stored = np.load(file)
            for name in ("features", "coords"):
                self[name] = stored[name].view(_Dataset)
                self[name].attrs = {k: int(stored[k]) for k in stored if k == "patch_size_level0"}

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *error: object) -> None:
        pass


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(features, "h5py", type("h5py", (), {"File": _File}))
    yield


def stored(path: Path, **arrays: Any) -> Path:
    with open(path, "wb") as file:
        np.savez(file, **arrays)
    return path


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("leading", [(), (1,)])
def test_the_layout_of_trident_and_clam_is_read(tmp_path: Path, leading: tuple[int, ...]) -> None:
    values, corners = np.random.default_rng(0).random((3, 4), np.float32), np.array([[0, 0], [512, 0], [0, 1024]])
    arrays = {"features": values.reshape(*leading, 3, 4), "coords": corners}
    path = stored(tmp_path / "a.h5", **arrays, patch_size_level0=512)
    found = load_tile_features(path, mpp=0.25)
    np.testing.assert_array_equal(found.features, values)
    np.testing.assert_array_equal(found.position_um, [[64, 64], [192, 64], [64, 320]])
    with pytest.raises(ValueError, match="a.h5 tells places in pixels only: give mpp"):
        load_tile_features(path)
    plain = stored(tmp_path / "b.h5", **arrays)
    with pytest.raises(ValueError, match="b.h5 does not tell how large its tiles are"):
        load_tile_features(plain, mpp=0.25)
    np.testing.assert_array_equal(load_tile_features(plain, 0.25, 256).position_um[0], [32, 32])


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("leading", [(), (1,)])
def test_hdf5_is_read_some_tiles_at_a_time(tmp_path: Path, leading: tuple[int, ...]) -> None:
    values, corners = np.random.default_rng(0).random((5, 4), np.float32), np.arange(10).reshape(5, 2)
    path = stored(tmp_path / "a.h5", features=values.reshape(*leading, 5, 4), coords=corners, patch_size_level0=8)
    parts = list(iter_tile_features(path, 0.5, batch_size=2))
    assert [len(part.features) for part in parts] == [2, 2, 1]
    np.testing.assert_array_equal(torch.cat([part.features for part in parts]), values)
    np.testing.assert_array_equal(torch.cat([part.position_um for part in parts]), (corners + 4) * 0.5)
    longer = stored(tmp_path / "b.h5", features=values, coords=corners[:4], patch_size_level0=8)
    with pytest.raises(ValueError, match=r"b.h5 holds \(1, 4\) features, \(0, 2\) places"):
        list(iter_tile_features(longer, 0.5, batch_size=2))


@pytest.mark.usefixtures("stand_in")
def test_shapes_that_do_not_fit_are_told(tmp_path: Path) -> None:
    path = stored(tmp_path / "c.h5", features=np.zeros((3, 4)), coords=np.zeros((2, 2)), patch_size_level0=8)
    with pytest.raises(ValueError, match=r"c.h5 holds \(3, 4\) features, \(2, 2\) places"):
        load_tile_features(path, 1.0)


def test_other_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        load_tile_features(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("nothing of the kind")
    with pytest.raises(ValueError, match="text.parquet holds no features"):
        load_tile_features(tmp_path / "text.parquet")
    for odd in ([1.0, 2.0], [[1.0], [2.0, 3.0]]):
        table = pyarrow.table({"x_um": [0.0, 1.0], "y_um": [0.0, 1.0], "features": odd})
        parquet.write_table(table, tmp_path / "odd.parquet")
        with pytest.raises(ValueError, match="odd.parquet holds"):
            load_tile_features(tmp_path / "odd.parquet")
    with pytest.raises(ValueError, match=r"give \(N, F\) and \(N, 2\)"):
        save_tile_features(tmp_path / "a.parquet", torch.zeros(3, 4), torch.zeros(2, 2))


def test_ragged_slides_are_padded_and_masked() -> None:
    items = [
        {"features": torch.full((n, 3), float(n)), "position_um": torch.full((n, 2), 10.0 * n), "label": n}
        for n in (2, 5, 1)
    ]
    batch = collate_bags(items)
    assert batch["features"].shape == (3, 5, 3) and batch["position_um"].shape == (3, 5, 2)
    assert batch["mask"].sum(dim=1).tolist() == [2, 5, 1] and batch["label"].tolist() == [2, 5, 1]
    for row, item in enumerate(items):
        assert torch.equal(batch["features"][row][batch["mask"][row]], item["features"])
        assert (batch["features"][row][~batch["mask"][row]] == 0).all()


def test_slides_without_tiles_or_places_are_told() -> None:
    with pytest.raises(ValueError, match="slide 0 of the batch has 0 features"):
        collate_bags([{"features": torch.zeros(0, 3), "position_um": torch.zeros(0, 2)}])
    with pytest.raises(ValueError, match="slide 0 of the batch has 2 features, 1 places"):
        collate_bags([{"features": torch.zeros(2, 3), "position_um": torch.zeros(1, 2)}])
    with pytest.raises(ValueError, match="no slide"):
        collate_bags([])
