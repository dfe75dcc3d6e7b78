"""Ranks of tiles, and their table."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_memvit.data.slides import TileHeatmap, save_heatmap_table


@pytest.fixture
def heatmap(make_index: Callable[..., Any]) -> TileHeatmap:
    index = make_index(mpp=(0.5, 0.4))
    values = np.random.default_rng(0).normal(size=len(index))
    values[4] = np.nan
    values[6] = values[3]
    index.table["flags"][0] = 2 + 8
    return TileHeatmap(index, "tumour", {"contribution": values, "weight": values**2})


def test_tiles_are_ranked_and_ties_keep_their_order(heatmap: TileHeatmap) -> None:
    ranked = heatmap.ranked().tolist()
    assert sorted(ranked) == [i for i in range(len(heatmap.index)) if i != 4]
    assert (np.diff(heatmap.values[ranked]) <= 0).all()
    assert ranked.index(6) == ranked.index(3) + 1
    speaks_for, against = heatmap.strongest(4)
    assert speaks_for.tolist() == ranked[:4] and against.tolist() == ranked[::-1][:4]
    everything = heatmap.strongest(10_000)
    assert (heatmap.values[everything[0]] > 0).all() and (heatmap.values[everything[1]] < 0).all()


def test_the_table_has_the_strongest_tile_first(heatmap: TileHeatmap, tmp_path: Path) -> None:
    save_heatmap_table(tmp_path / "a.csv", heatmap)
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()))
    ranked, table = heatmap.ranked().tolist(), heatmap.index.table
    assert [int(row["rank"]) for row in rows] == list(range(1, len(ranked) + 1))
    for row, i in zip(rows, ranked, strict=True):
        assert [int(row[name]) for name in ("row", "column", "x", "y", "width", "height")] == [
            int(table[name][i]) for name in ("row", "column", "x", "y", "width", "height")
        ]
        assert float(row["x_um"]) == pytest.approx((table["x"][i] + table["width"][i] / 2) * 0.5, abs=1e-3)
        assert float(row["y_um"]) == pytest.approx((table["y"][i] + table["height"][i] / 2) * 0.4, abs=1e-3)
        assert float(row["contribution"]) == pytest.approx(heatmap.values[i], rel=1e-5)
        assert float(row["weight"]) == pytest.approx(heatmap.values[i] ** 2, rel=1e-5)
    assert next(row["flags"] for row, i in zip(rows, ranked) if i == 0) == "pen blur"
    assert "nan" not in (tmp_path / "a.csv").read_text()


def test_wrong_measurements_are_named(heatmap: TileHeatmap) -> None:
    with pytest.raises(ValueError, match="needs a measurement"):
        TileHeatmap(heatmap.index, "tumour", {})
    with pytest.raises(ValueError, match=r"weight has shape \(3,\)"):
        TileHeatmap(heatmap.index, "tumour", {"contribution": heatmap.values, "weight": np.zeros(3)})
    with pytest.raises(ValueError, match="contribution has .* a number for each"):
        TileHeatmap(heatmap.index, "tumour", {"contribution": np.full_like(heatmap.values, np.inf)})
