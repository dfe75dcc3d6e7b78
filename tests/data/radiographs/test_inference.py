"""New films are prepared as the datalist's were, and stay apart from them."""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_memvit.data import load_section
from monai_memvit.data.radiographs import FilmPipeline, RadiographOptions, load_new_films, prepare_radiographs

MakeSet = Callable[..., Path]
WriteFilm = Callable[..., str]


@pytest.fixture
def datalist(make_set: MakeSet, tmp_path: Path) -> Path:
    """A prepared set."""
    options = RadiographOptions(FilmPipeline(size=48))
    return prepare_radiographs(make_set(), tmp_path / "out", options, workers=0, progress=False).datalist


def test_an_export_becomes_items(
    datalist: Path, write_film: WriteFilm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    export = tmp_path / "export"
    export.mkdir()
    write_film(export / "IM1", "Smith")
    write_film(export / "IM2.dcm", "Smith")
    write_film(export / "PS1", "Smith", modality="PR")
    Image.fromarray(np.eye(60, 48, dtype=np.uint8) * 255).save(export / "c.png")
    (export / "Smith.png").write_bytes(b"no picture")
    (export / "README.TXT").write_text("export")
    with caplog.at_level(logging.INFO):
        cases = load_new_films(datalist, export, tmp_path / "new")
    assert [set(item) for item in cases] == [{"image", "sample_id", "group_id"}] * 3
    assert all(np.load(item["image"]).shape == (48, 48) for item in cases)
    first, second, third = cases
    assert first["group_id"] == second["group_id"] != third["group_id"] == third["sample_id"]
    assert [Path(path).name for path in cases.broken] == ["Smith.png"]
    with pytest.raises(ValueError, match="1 image.s. could not be read"):
        cases.raise_for_broken()
    assert "Smith" not in caplog.text and "Smith" in (tmp_path / "new" / "left_out.txt").read_text()
    with open(tmp_path / "new" / "films.csv", newline="") as file:
        rows = {int(row["sample_id"]): Path(row["film"]).name for row in csv.DictReader(file)}
    assert [rows[item["sample_id"]] for item in cases] == ["IM1", "IM2.dcm", "c.png"]


def test_an_export_may_have_names_in_latin_1(datalist: Path, write_film: WriteFilm, tmp_path: Path) -> None:
    good, bad = (Path(os.fsdecode(os.fsencode(tmp_path / "export" / name) + b"\xfc.dcm")) for name in ("M", "S"))
    write_film(tmp_path / "export" / "film", "Smith")
    (tmp_path / "export" / "film").rename(good)
    bad.write_bytes(b"no film")
    cases = load_new_films(datalist, tmp_path / "export", tmp_path / "new")
    assert len(cases) == 1 and len(cases.broken) == 1
    assert "M\\udcfc.dcm" in (tmp_path / "new" / "films.csv").read_text()
    assert "S\\udcfc.dcm" in (tmp_path / "new" / "left_out.txt").read_text()


def test_a_film_without_preamble_or_ending_is_no_less_a_film(
    datalist: Path, write_film: WriteFilm, tmp_path: Path
) -> None:
    for name in ("IM1", "IM2"):
        write_film(tmp_path / "export" / name, "Smith")
    (tmp_path / "export" / "IM2").write_bytes((tmp_path / "export" / "IM2").read_bytes()[132:])
    first, second = load_new_films(datalist, tmp_path / "export", tmp_path / "new")
    assert first["group_id"] == second["group_id"] and first["sample_id"] != second["sample_id"]


def test_a_film_of_the_datalist_is_a_new_case_when_it_comes_as_one(datalist: Path, tmp_path: Path) -> None:
    source = tmp_path / "set" / "films"
    new = load_new_films(datalist, source, tmp_path / "new")
    known = [item for section in ("training", "validation", "test") for item in load_section(datalist, section)]
    assert len(new) == len(known) == 40
    assert not {item["sample_id"] for item in new} & {item["sample_id"] for item in known}
    pixels = {np.load(item["image"]).tobytes() for item in known}
    assert {np.load(item["image"]).tobytes() for item in new} == pixels


def test_one_film_is_enough(datalist: Path, tmp_path: Path) -> None:
    assert len(load_new_films(datalist, tmp_path / "set/films/p0/0.png", tmp_path / "new")) == 1


def test_a_section_needs_no_source(datalist: Path) -> None:
    items = load_section(datalist, "test")
    assert list(load_new_films(datalist)) == items and "labels" in items[0]
    whole = Path(items[0]["image"]).read_bytes()
    Path(items[0]["image"]).write_bytes(whole[:-10])
    cases = load_new_films(datalist, section="test")
    assert len(cases) == len(items) - 1 and list(cases.broken) == [items[0]["image"]]


def test_what_cannot_be_prepared_alike_is_refused(datalist: Path, tmp_path: Path) -> None:
    source = tmp_path / "set" / "films"
    with pytest.raises(ValueError, match="work_dir is empty"):
        load_new_films(datalist, source)
    with pytest.raises(ValueError, match="no film .* there"):
        load_new_films(datalist, tmp_path / "nothing", tmp_path / "new")
    text = (datalist.parent / "pipeline.json").read_text()
    (datalist.parent / "pipeline.json").write_text(text.replace("48", "64"))
    with pytest.raises(ValueError, match=r"pipeline\.json is not the one that .*datalist\.json was made with"):
        load_new_films(datalist, source, tmp_path / "new")
