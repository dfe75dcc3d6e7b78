"""Slides of an inference run: new ones cut as the datalist's were, broken ones told, names kept out of the log."""

from __future__ import annotations

import csv
import json
import logging
import shutil
from pathlib import Path

import pytest

from monai_memvit.data import load_section
from monai_memvit.data.simulate.slides import SlideSimulation, simulate_slides
from monai_memvit.data.slides import (
    SlideOptions,
    StandardizedTiles,
    TileIndex,
    TileOptions,
    load_new_slides,
    load_tile_options,
    prepare_slides,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared slides in data, both classes to train on, and two new ones in new."""
    folder = tmp_path_factory.mktemp("inference")
    cohort = simulate_slides(folder / "cohort", 10, options=SlideSimulation(size=(512, 512), lesion_share=0.1))
    (folder / "new" / "Smith").mkdir(parents=True)
    for number in (5, 6):
        (cohort / "slides" / f"sim-000{number}-1.tif").rename(folder / "new" / "Smith" / f"{number}.tif")
    header, *rows = (cohort / "labels.csv").read_text().splitlines()
    kept = sorted(
        (row for row in rows if "-0005-" not in row and "-0006-" not in row), key=lambda row: row.split(",")[2]
    )
    sections = ["train", "val", *["train"] * (len(kept) - 3), "test"]  # one class begins, the other ends
    lines = [f"{header},split", *(f"{row},{section}" for row, section in zip(kept, sections, strict=True))]
    (cohort / "labels.csv").write_text("\n".join(lines) + "\n")
    options = SlideOptions(TileOptions(mpp_target=2.0, tile=16, overlap=4), cohort / "labels.csv")
    prepare_slides(cohort / "slides", folder / "data", options, workers=0, progress=False)
    return folder


def test_a_section_is_given_as_it_is(folder: Path) -> None:
    datalist = folder / "data" / "datalist.json"
    assert list(load_new_slides(datalist, section="training")) == load_section(datalist, "training")


def test_new_slides_are_cut_as_the_datalists_were(folder: Path, tmp_path: Path) -> None:
    cases = load_new_slides(folder / "data" / "datalist.json", folder / "new", tmp_path / "work")
    assert len(cases) == 2 and not cases.broken
    for item in cases:
        index = TileIndex.load(item["image"])
        assert (index.tile, index.mpp_target, index.header["grid"]["overlap"]) == (16, 2.0, 4)
        assert "label" not in item and "Smith" not in item["image"]
    rows = list(csv.DictReader((tmp_path / "work" / "slides.csv").read_text().splitlines()))
    assert {row["slide"]: int(row["sample_id"]) for row in rows} == {
        f"Smith/{number}.tif": item["sample_id"] for number, item in zip((5, 6), cases)
    }
    known = {item["sample_id"] for section in ("training", "validation", "test") for item in
             load_section(folder / "data" / "datalist.json", section)}  # fmt: skip
    assert not known & {item["sample_id"] for item in cases}
    again = load_new_slides(folder / "data" / "datalist.json", folder / "new" / "Smith" / "5.tif", tmp_path / "work")
    assert [TileIndex.load(item["image"]).header["slide"]["name"] for item in again] == ["5.tif"]


def test_broken_slides_are_told_at_the_end_and_not_in_the_log(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "Miller.svs").write_bytes(b"")
    with pytest.raises(ValueError, match=r"none of the 1 slides can be used, .*left_out.txt says why"):
        load_new_slides(folder / "data" / "datalist.json", source, tmp_path / "work")
    assert "Miller.svs: " in (tmp_path / "work" / "left_out.txt").read_text()
    (source / "good.tif").symlink_to(folder / "new" / "Smith" / "5.tif")
    with caplog.at_level(logging.INFO):
        cases = load_new_slides(folder / "data" / "datalist.json", source, tmp_path / "work")
    assert len(cases) == 1 and "Miller" not in caplog.text
    with pytest.raises(ValueError, match="Miller.svs: .*is empty"):
        cases.raise_for_broken()


def test_slides_of_a_section_that_cannot_be_read_are_told_and_the_rest_is_given(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "data", tmp_path / "data")
    datalist, check = tmp_path / "data" / "datalist.json", StandardizedTiles().check
    first, second, *others = load_section(datalist, "training")
    Path(first["image"]).write_bytes(Path(first["image"]).read_bytes()[:300])
    index = TileIndex.load(second["image"])
    index.header["slide"]["fingerprint"] = "another"
    index.save(second["image"])
    assert list(load_new_slides(datalist, section="training").broken) == [first["image"]]
    cases = load_new_slides(datalist, section="training", check=check)
    assert list(cases) == others and others
    assert cases.broken.keys() == {first["image"], second["image"]}
    with pytest.raises(ValueError, match=rf"{first['image']} is no tile index(.|\n)*is not the slide that was indexed"):
        cases.raise_for_broken()


def test_a_damaged_index_of_a_new_slide_is_made_again(folder: Path, tmp_path: Path) -> None:
    datalist = folder / "data" / "datalist.json"
    (item, *_) = load_new_slides(datalist, folder / "new", tmp_path / "work")
    content = Path(item["image"]).read_bytes()
    Path(item["image"]).write_bytes(content[:300])
    cases = load_new_slides(datalist, folder / "new", tmp_path / "work", check=StandardizedTiles().check)
    assert len(cases) == 2 and not cases.broken and Path(item["image"]).read_bytes() == content


def test_new_slides_that_the_check_refuses_are_left_out(folder: Path, tmp_path: Path) -> None:
    def check(path: str) -> None:
        if TileIndex.load(path).header["slide"]["name"] == "Smith/5.tif":
            raise ValueError("no tile is left")

    datalist = folder / "data" / "datalist.json"
    cases = load_new_slides(datalist, folder / "new", tmp_path / "work", check=check)
    assert len(cases) == 1 and cases.broken == {"Smith/5.tif": "no tile is left"}
    assert (tmp_path / "work" / "left_out.txt").read_text() == "Smith/5.tif: no tile is left\n"


def test_what_is_missing_is_told(folder: Path, tmp_path: Path) -> None:
    datalist = folder / "data" / "datalist.json"
    with pytest.raises(ValueError, match="work_dir is empty"):
        load_new_slides(datalist, folder / "new")
    with pytest.raises(ValueError, match="nowhere does not exist"):
        load_new_slides(datalist, tmp_path / "nowhere", tmp_path)
    for content in ("", "{}", json.dumps({"parameters": {"speed": 3}})):
        (tmp_path / "report.json").write_text(content)
        with pytest.raises(ValueError, match=r"report.json does not tell how slides were cut"):
            load_tile_options(tmp_path)
