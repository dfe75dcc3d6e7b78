"""The simulated cohort on disk: its files, its truth, and that the whole way of real slides takes it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from monai_memvit.data.simulate.slides import SlideSimulation, simulate_slides

openslide = pytest.importorskip("openslide")

SMALL = SlideSimulation(size=(640, 512), mpp=2.0, lesion_share=0.03, pen=0.5, blur=0.5)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_slides(tmp_path_factory.mktemp("cohort") / "a", patients=6, seed=3, options=SMALL)


def truth_of(cohort: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((cohort / "truth").iterdir())]


def test_the_table_says_what_the_truth_says(cohort: Path) -> None:
    with open(cohort / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["slide"] for row in rows] == sorted(path.name for path in (cohort / "slides").iterdir())
    for row, truth in zip(rows, truth_of(cohort), strict=True):
        kinds = [feature["properties"]["classification"]["name"] for feature in truth["features"]]
        assert row["label"] == truth["label"] == ("tumour" if "lesion" in kinds else "normal")
        assert row["patient"] == truth["patient"]
    assert sum(row["label"] == "tumour" for row in rows) == 3


def test_a_lesion_has_the_share_of_the_tissue_it_should(cohort: Path) -> None:
    for truth in truth_of(cohort):
        share = truth["lesion_pixels"] / truth["tissue_pixels"]
        assert share == 0 if truth["label"] == "normal" else 0.024 < share < 0.033


def test_the_lesion_is_where_the_truth_says(cohort: Path) -> None:
    """Its tissue is denser than the rest: the nuclei of a tumour are large and dark."""
    for truth in truth_of(cohort):
        lesions = [f for f in truth["features"] if f["properties"]["classification"]["name"] == "lesion"]
        for lesion in lesions:
            slide = openslide.OpenSlide(cohort / "slides" / truth["slide"])
            pixels = np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB"), float)
            canvas = Image.new("1", slide.dimensions)
            ImageDraw.Draw(canvas).polygon([tuple(p) for p in lesion["geometry"]["coordinates"][0]], fill=1)
            inside = np.asarray(canvas)
            tissue = pixels.min(axis=2) < 215
            assert pixels[inside, 0].mean() < pixels[tissue & ~inside, 0].mean() - 10


def test_openslide_reads_a_pyramid_with_its_scale(cohort: Path) -> None:
    slide = openslide.OpenSlide(cohort / "slides" / "sim-0001-1.tif")
    assert slide.dimensions == (640, 512)
    assert float(slide.properties["openslide.mpp-x"]) == float(slide.properties["openslide.mpp-y"]) == 2.0
    assert "SIMULATED" in slide.properties["tiff.ImageDescription"]


def test_the_same_seed_gives_the_same_bytes_and_more_patients_go_on(cohort: Path, tmp_path: Path) -> None:
    again = simulate_slides(tmp_path / "b", patients=2, seed=3, options=SMALL)
    first = again / "slides" / "sim-0002-1.tif"
    assert first.read_bytes() == (cohort / "slides" / "sim-0002-1.tif").read_bytes()
    (again / "truth" / "sim-0002-1.geojson").unlink()  # killed before its truth was written
    simulate_slides(again, patients=3, seed=3, options=SMALL)
    for path in sorted(again.rglob("sim-*")):
        assert path.read_bytes() == (cohort / path.relative_to(again)).read_bytes()
    assert len(list((again / "slides").iterdir())) == 3


@pytest.mark.slow
def test_the_cohort_is_prepared_like_real_slides(cohort: Path, tmp_path: Path) -> None:
    from monai_memvit.data.slides import SlideOptions, SlideTiles, TileOptions, prepare_slides

    options = SlideOptions(TileOptions(mpp_target=2.0, tile=32), labels=cohort / "labels.csv", val_fraction=0.3)
    report = prepare_slides(cohort / "slides", tmp_path / "out", options, workers=0, progress=False)
    assert len(report.slides) == 6 and not report.problems
    items = json.loads((tmp_path / "out" / "datalist.json").read_text())["training"]
    tiles = SlideTiles(tmp_path / "out" / items[0]["image"])
    assert sum(len(batch["tile"]) for batch in tiles) == tiles.num_tiles > 20


def test_other_settings_and_foreign_folders_are_left_alone(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cohort of other settings"):
        simulate_slides(cohort, patients=2, seed=4, options=SMALL)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(ValueError, match="is not empty"):
        simulate_slides(tmp_path, options=SMALL)
    with pytest.raises(ValueError, match="patients is 0"):
        simulate_slides(tmp_path / "c", patients=0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": (100, 2048)}, "size is"),
        ({"mpp": 5.0}, "mpp is 5.0"),
        ({"lesion_share": 0.5}, "lesion_share is 0.5"),
        ({"slides": 0}, "slides is 0"),
        ({"pen": float("nan")}, "pen is nan"),
    ],
)
def test_numbers_out_of_range_are_told(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SlideSimulation(**wrong)
