"""GeoJSON for QuPath: places, measurements and classes of every tile."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_memvit.data.slides import TileHeatmap, save_heatmap_geojson


@pytest.fixture
def heatmap(make_index: Callable[..., Any]) -> TileHeatmap:
    index = make_index(tile=64, overlap=16)
    random = np.random.default_rng(0)
    values = random.normal(size=len(index))
    values[[2, 5]] = np.nan
    return TileHeatmap(index, "Adenokarzinom, mäßig", {"contribution": values, "weight": np.abs(values)})


def features(path: Path) -> list[dict[str, Any]]:
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["type"] == "FeatureCollection"
    return content["features"]


def test_every_seen_tile_is_a_detection_at_its_place(heatmap: TileHeatmap, tmp_path: Path) -> None:
    save_heatmap_geojson(tmp_path / "a.geojson", heatmap)
    found = features(tmp_path / "a.geojson")
    seen = np.flatnonzero(~np.isnan(heatmap.values))
    assert len(found) == len(seen) == len(heatmap.index) - 2
    for feature, i in zip(found, seen, strict=True):
        (ring,) = feature["geometry"]["coordinates"]
        x, y, w, h = (heatmap.index.table[name][i] for name in ("x", "y", "width", "height"))
        assert ring[0] == ring[-1] and len(ring) == 5
        assert set(map(tuple, ring)) == {(x, y), (x + w, y), (x, y + h), (x + w, y + h)}
        doubled = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, ring[1:]))
        assert abs(doubled) == 2 * w * h  # a rectangle, not a bow tie
        properties = feature["properties"]
        assert properties["objectType"] == "detection"
        assert properties["measurements"]["contribution"] == pytest.approx(heatmap.values[i], rel=1e-5)
        assert set(properties["measurements"]) == {"contribution", "weight"}


def test_the_strongest_are_classified_and_numbered(heatmap: TileHeatmap, tmp_path: Path) -> None:
    save_heatmap_geojson(tmp_path / "a.geojson", heatmap, top=3)
    found = [f["properties"] for f in features(tmp_path / "a.geojson")]
    by_value = sorted(found, key=lambda p: p["measurements"]["contribution"])
    name = heatmap.class_name
    assert [p["name"] for p in by_value[::-1][:3]] == [f"{rank} for {name}" for rank in (1, 2, 3)]
    assert [p["name"] for p in by_value[:3]] == [f"{rank} against {name}" for rank in (1, 2, 3)]
    assert {p["classification"]["name"] for p in by_value[-3:]} == {f"for {name}"}
    red, _, blue = by_value[-1]["classification"]["color"]
    assert red > blue and by_value[0]["classification"]["color"][2] > by_value[0]["classification"]["color"][0]
    assert not any("classification" in p or "name" in p for p in by_value[3:-3])


def test_a_tile_is_for_or_against_not_both(make_index: Callable[..., Any], tmp_path: Path) -> None:
    index = make_index()
    values = np.zeros(len(index))
    values[:2] = 1, 2
    save_heatmap_geojson(tmp_path / "a.geojson", TileHeatmap(index, "tumour", {"contribution": values}), top=5)
    classes = [f["properties"].get("classification", {}).get("name") for f in features(tmp_path / "a.geojson")]
    assert classes == ["for tumour"] * 2 + [None] * (len(index) - 2)


def test_bytes_are_the_same_and_no_half_file_is_left(
    heatmap: TileHeatmap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        save_heatmap_geojson(tmp_path / name, heatmap)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    monkeypatch.setattr("monai_memvit.data.slides.heatmap_geojson.tile_feature", lambda *args: {"x": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_heatmap_geojson(tmp_path / "a", heatmap)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() and len(list(tmp_path.iterdir())) == 2
