"""One slide into tiles: which, where, and what cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_memvit.data.slides import SlideError, TileOptions, index_slide, tiles_geojson, tiles_picture
from monai_memvit.data.slides.readers import open_slide as opening


def expected_share(x: int, y: int, side: int, box: tuple[int, int, int, int]) -> float:
    width = max(min(x + side, box[2]) - max(x, box[0]), 0)
    height = max(min(y + side, box[3]) - max(y, box[1]), 0)
    return width * height / side**2


@pytest.mark.parametrize(("mpp_target", "tile", "overlap"), [(0.5, 256, 0), (1.0, 128, 32), (0.75, 100, 10)])
def test_the_tiles_of_a_known_slide(he_slide: Path, mpp_target: float, tile: int, overlap: int) -> None:
    index, _, mask = index_slide(he_slide, TileOptions(mpp_target, tile, overlap, min_tissue=0))
    box = (512, 256, 1536, 1280)
    side = round(tile * mpp_target / 0.5)
    shares = [expected_share(x, y, side, box) for x, y in zip(index.table["x"], index.table["y"], strict=True)]
    np.testing.assert_allclose(index.table["tissue"], shares, atol=0.06)
    assert mask.area_mm2 == pytest.approx(0.512**2, rel=0.03)
    kept, _, _ = index_slide(he_slide, TileOptions(mpp_target, tile, overlap, min_tissue=0.5))
    assert len(kept) == int((index.table["tissue"] >= 0.5).sum())
    assert (np.diff(kept.table["row"].astype(int) * 1000 + kept.table["column"]) > 0).all()


def test_the_header_tells_what_was_done(he_slide: Path) -> None:
    index, _, _ = index_slide(he_slide, TileOptions(mpp_target=2.0, tile=64, overlap=16), name="a/b.tif")
    assert index.header["slide"]["name"] == "a/b.tif"
    assert index.header["slide"]["size"] == [2048, 1536]
    assert index.header["grid"]["level"] == 1  # 4 times coarser: exactly 2 µm
    assert index.header["parameters"]["overlap"] == 16
    assert {"memvit", "numpy", "scipy", "pyarrow"} == set(index.header["versions"])
    assert json.loads(json.dumps(index.header)) == index.header


def test_the_key_is_of_slide_and_parameters(he_slide: Path) -> None:
    keys = [
        index_slide(he_slide, options, name)[0].header["key"]
        for options, name in [
            (TileOptions(), "a"),
            (TileOptions(), "a"),
            (TileOptions(), "b"),
            (TileOptions(min_tissue=0.3), "a"),
        ]
    ]
    assert keys[0] == keys[1] and len(set(keys)) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (TileOptions(0.25), "finer than the slide"),
        (TileOptions(tile=4096), "smaller tiles"),
        (TileOptions(stain="fluorescence"), "bright background"),
        (TileOptions(min_tissue=1.0, tile=1400), "the fullest of 1 tiles has a tissue share of 0.4"),
    ],
)
def test_a_slide_that_does_not_fit_the_options(he_slide: Path, options: TileOptions, message: str) -> None:
    with pytest.raises(SlideError, match=f"slide.tif.*{message}"):
        index_slide(he_slide, options)


def test_empty_glass_is_reported(write_pyramid: Callable[..., Path]) -> None:
    path = write_pyramid(np.full((1024, 1024, 3), 240, np.uint8))
    with pytest.raises(SlideError, match="slide.tif shows no tissue"):
        index_slide(path)
    assert len(index_slide(path, TileOptions(min_tissue=0))[0]) == 16


def test_a_dark_slide_is_no_he(write_pyramid: Callable[..., Path]) -> None:
    picture = np.zeros((1024, 1024, 3), np.uint8)
    picture[200:800:7, 200:800:7] = 200
    path = write_pyramid(picture)
    with pytest.raises(SlideError, match="slide.tif is a fluorescence slide"):
        index_slide(path)
    assert len(index_slide(path, TileOptions(stain="fluorescence"))[0])


def test_geojson_in_level_0_pixels(he_slide: Path) -> None:
    index, _, _ = index_slide(he_slide, TileOptions(mpp_target=1.0, tile=100))
    collection = json.loads(tiles_geojson(index))
    assert collection["type"] == "FeatureCollection" and len(collection["features"]) == len(index)
    for i, feature in enumerate(collection["features"]):
        ring = feature["geometry"]["coordinates"][0]
        x, y = int(index.table["x"][i]), int(index.table["y"][i])
        assert ring[0] == ring[-1] == [x, y] and ring[2] == [x + 200, y + 200]
        assert feature["properties"]["classification"]["name"] == "tissue"
        assert feature["properties"]["objectType"] == "tile"


def test_the_picture_shows_the_tiles(he_slide: Path) -> None:
    index, overview, _ = index_slide(he_slide)
    picture = tiles_picture(overview, index)
    assert isinstance(picture, Image.Image) and picture.width == 128
    drawn = (np.asarray(picture) == (34, 139, 34)).all(axis=2)
    rows, columns = np.nonzero(drawn)
    scale = 2048 / 128
    assert columns.min() * scale == index.table["x"].min() and rows.min() * scale == index.table["y"].min()
    assert abs((columns.max() + 1) * scale - (index.table["x"] + 256).max()) <= scale
    small = tiles_picture(overview, index, longest=50)
    assert max(small.size) == 50


@pytest.mark.parametrize(
    ("name", "options", "tiles"),
    [
        ("cmu_small_region.svs", TileOptions(), 43),
        ("tcga-cr-7395.svs", TileOptions(mpp=0.5), 160),
        ("fluorescence_dapi.ndpi", TileOptions(stain="fluorescence"), 55),
        ("dicom_jpeg2000", TileOptions(mpp_target=29.0, tile=64), 132),
        ("dicom_multi_level_bpaec", TileOptions(mpp_target=2.0, stain="fluorescence"), 35),
    ],
)
def test_real_slides(wsi: Path, name: str, options: TileOptions, tiles: int) -> None:
    index, overview, _ = index_slide(wsi / name, options)
    assert len(index) == pytest.approx(tiles, rel=0.15)
    width, height = index.header["slide"]["size"]
    assert (index.table["x"] + index.table["width"] <= width).all()
    assert (index.table["y"] + index.table["height"] <= height).all()
    assert tiles_picture(overview, index).size[0] > 50
    assert len(json.loads(tiles_geojson(index))["features"]) == len(index)


def test_a_real_slide_without_a_scale_wants_one(wsi: Path) -> None:
    with pytest.raises(SlideError, match="tcga-cr-7395.svs does not tell its micrometres per pixel.*--mpp"):
        index_slide(wsi / "tcga-cr-7395.svs")


def test_a_real_fluorescence_slide_is_refused_for_he(wsi: Path) -> None:
    with pytest.raises(SlideError, match="fluorescence_dapi.ndpi is a fluorescence slide.*--stain fluorescence"):
        index_slide(wsi / "fluorescence_dapi.ndpi")
    assert opening.open_slide(wsi / "dicom_multi_level_bpaec").tells_fluorescence
