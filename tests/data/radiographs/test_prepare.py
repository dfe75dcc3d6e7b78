"""The whole way: what is written, what is left out, what is refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_memvit.data import Datalist, load_case_index, load_class_names, load_section
from monai_memvit.data.radiographs import (
    FilmPipeline,
    LabelOptions,
    LabelPolicy,
    RadiographOptions,
    RadiographReport,
    load_film_pipeline,
    prepare_radiographs,
)

MakeSet = Callable[..., Path]
PIPELINE = FilmPipeline(size=48)


def prepare(source: Path, out: Path, **options: Any) -> RadiographReport:
    """Prepare quietly, in this process."""
    return prepare_radiographs(source, out, RadiographOptions(PIPELINE, **options), workers=0, progress=False)


def labels_of(report: RadiographReport) -> dict[str, tuple[int, ...]]:
    """Film -> labels."""
    return {case.sample_key: tuple(map(int, case.labels or ())) for case in load_case_index(report.datalist).values()}


def test_a_set_becomes_a_datalist(make_set: MakeSet, tmp_path: Path) -> None:
    report = prepare(make_set(split=True), tmp_path / "out")
    datalist = Datalist.load(tmp_path / "out" / "datalist.json")
    assert (datalist.multi_label, datalist.class_names, datalist.num_channels) == (True, ["nodule", "effusion"], 1)
    assert datalist.pipeline == PIPELINE.digest() and load_film_pipeline(tmp_path / "out") == PIPELINE
    assert report.films == {"training": 24, "validation": 8, "test": 8}
    assert report.patients == {"training": 6, "validation": 2, "test": 2}
    assert report.counts["training"] == {
        "nodule": {"present": 12, "absent": 12, "unknown": 0},
        "effusion": {"present": 6, "absent": 6, "unknown": 12},
    }
    assert (report.uncertain, report.missing) == ({"nodule": 0, "effusion": 10}, {"nodule": 0, "effusion": 10})
    assert report.views["test"] == {"PA": 4, "AP": 2, "LATERAL": 2}
    assert report.sizes == {"60x48": 40} and report.problems == [] and report.twins == []
    items = load_section(report.datalist, "training")
    assert {np.load(item["image"]).shape for item in items} == {(48, 48)}
    assert labels_of(report)["p0/3.png"] == (1, 0) and labels_of(report)["p0/1.png"] == (1, -1)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["fingerprint"] == datalist.fingerprint


def test_policy_and_findings(make_set: MakeSet, tmp_path: Path) -> None:
    policy = LabelPolicy(uncertain="ones", missing="zeros")
    report = prepare(make_set(), tmp_path / "out", findings=["effusion"], policy=policy)
    assert report.class_names == ["effusion"]
    assert [labels_of(report)[f"p0/{number}.png"] for number in range(4)] == [(0,), (1,), (1,), (0,)]


def test_preparing_again_changes_nothing(make_set: MakeSet, tmp_path: Path) -> None:
    source = make_set()
    prepare(source, tmp_path / "out")
    before = {path: path.read_bytes() for path in sorted((tmp_path / "out").rglob("*")) if path.is_file()}
    prepare(source, tmp_path / "out")
    assert before == {path: path.read_bytes() for path in sorted((tmp_path / "out").rglob("*")) if path.is_file()}


def test_drawn_splits_keep_patients_whole(make_set: MakeSet, tmp_path: Path) -> None:
    report = prepare(make_set(), tmp_path / "out", val_fraction=0.25, test_fraction=0.3, seed=3)
    homes: dict[str, set[str]] = {}
    for case in load_case_index(report.datalist).values():
        homes.setdefault(case.group_key, set()).add(case.section)
    assert len(homes) == 10 and all(len(sections) == 1 for sections in homes.values())
    assert all(report.films.values())


def test_views_are_filtered_and_told(make_set: MakeSet, tmp_path: Path) -> None:
    report = prepare(make_set(), tmp_path / "out", views=("FRONTAL",))
    assert sum(report.films.values()) == 30 and report.other_views == {"LATERAL": 10} and report.left_out() == []
    with pytest.raises(ValueError, match="view 'side' is unknown: take some of PA, AP"):
        RadiographOptions(PIPELINE, views=("side",))


def test_bad_films_are_left_out_and_the_rest_is_done(make_set: MakeSet, tmp_path: Path) -> None:
    source = make_set()
    (source / "films/p0/0.png").write_bytes(b"no picture")
    (source / "films/p1/5.png").unlink()
    (source / "old/p2").mkdir(parents=True)
    shutil.copy(source / "films/p2/9.png", source / "old/p2/9.png")
    report = prepare(source, tmp_path / "out")
    assert sum(report.films.values()) == 37
    assert {problem.film for problem in report.problems} == {"p0/0.png", "p1/5.png", "p2/9.png"}
    assert len(report.left_out()) == 3 and all(
        line.startswith("left out: labels.csv, line") for line in report.left_out()
    )
    assert "p1/5.png" in (tmp_path / "out" / "report.md").read_text()


def test_a_copy_of_a_test_film_leaves_training(make_set: MakeSet, tmp_path: Path) -> None:
    source = make_set(split=True)
    shutil.copy(source / "films/p9/36.png", source / "films/p0/0.png")
    shutil.copy(source / "films/p1/4.png", source / "films/p1/5.png")
    with Image.open(source / "films/p6/24.png") as film:
        Image.fromarray(np.asarray(film) // 2).save(source / "films/p2/8.png")
    report = prepare(source, tmp_path / "out")
    assert {problem.film: problem.where for problem in report.problems} == {
        "p0/0.png": "labels.csv, line 2",
        "p2/8.png": "labels.csv, line 10",
    }
    assert report.films == {"training": 22, "validation": 8, "test": 8}
    assert [(twin.first, twin.second, twin.exact, twin.same_patient, twin.left_out) for twin in report.twins] == [
        ("p0/0.png", "p9/36.png", True, False, "p0/0.png"),
        ("p1/4.png", "p1/5.png", True, True, ""),
        ("p2/8.png", "p6/24.png", False, False, "p2/8.png"),
    ]
    assert any("2 pairs of films of two patients" in warning for warning in report.warnings())


def test_splits_that_share_a_patient_are_refused_before_anything_is_written(make_set: MakeSet, tmp_path: Path) -> None:
    source = make_set(split=True)
    text = (source / "labels.csv").read_text()
    (source / "labels.csv").write_text(text.replace("p0/2.png,0,PA,0,1,train", "p0/2.png,0,PA,0,1,test"))
    with pytest.raises(ValueError, match="line 4: the patient of this film is in 'test' here and in 'train'"):
        prepare(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_label_files_may_lie_elsewhere(make_set: MakeSet, tmp_path: Path) -> None:
    source = make_set()
    (source / "labels.csv").rename(tmp_path / "mine.csv")
    report = prepare(source, tmp_path / "out", labels=LabelOptions(files=[tmp_path / "mine.csv"]))
    assert (report.label_files, sum(report.films.values())) == (["mine.csv"], 40)


def test_places_that_cannot_be_are_refused(make_set: MakeSet, tmp_path: Path) -> None:
    source = make_set()
    with pytest.raises(ValueError, match="is no folder"):
        prepare(source / "labels.csv", tmp_path / "out")
    with pytest.raises(ValueError, match="lies inside"):
        prepare(source, source / "out")
    with pytest.raises(ValueError, match="is a file"):
        prepare(source / "films", source / "labels.csv")
    ours = source / "films" / "ab" / "notes.json"
    ours.parent.mkdir()
    ours.write_text("{}")
    with pytest.raises(ValueError, match="is where .*set keeps prepared films: choose another folder for OUT"):
        prepare(source / "films", source, labels=LabelOptions([source / "labels.csv"]))
    assert ours.exists()


def test_names_that_are_not_utf8_are_passed_over_and_told(make_set: MakeSet, tmp_path: Path) -> None:
    source = make_set()
    film = source / "films" / "p0" / "0.png"
    film.rename(Path(os.fsdecode(os.fsencode(film.parent / "M") + b"\xfc.png")))
    report = prepare(source, tmp_path / "out")
    assert [problem.film for problem in report.problems] == ["p0/0.png"] and sum(report.films.values()) == 39
    assert any("1 files were not looked at" in note for note in report.notes)


def test_a_set_without_a_usable_film_is_refused(make_set: MakeSet, tmp_path: Path) -> None:
    source = make_set()
    shutil.rmtree(source / "films")
    with pytest.raises(ValueError, match=r"no film can be used \(labels.csv, line 2: no file p0/0.png"):
        prepare(source, tmp_path / "out")
    source = make_set(name="broken")
    for path in source.rglob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(ValueError, match="no film can be used"):
        prepare(source, tmp_path / "out")
    assert not (tmp_path / "out" / "datalist.json").exists()


def test_headers_tell_patients_views_and_devices(write_film: Callable[..., str], tmp_path: Path) -> None:
    rows = ["sop_instance_uid,nodule"]
    for number in range(24):
        view = {"ViewPosition": "LL" if number % 4 == 3 else "PA", "Manufacturer": "Maker"}
        uid = write_film(tmp_path / "pacs" / f"IM{number:03}", f"Patient {number // 3}", **view)
        rows.append(f"{uid},{number % 2}")
    (tmp_path / "pacs" / "labels.csv").write_text("\n".join(rows) + "\n")
    report = prepare(tmp_path / "pacs", tmp_path / "out", views=("PA",))
    assert report.other_views == {"LATERAL": 6} and report.problems == []
    assert report.devices == {"Maker": 18} and sum(report.patients.values()) == 8
    assert {case.group_key for case in load_case_index(report.datalist).values()} == {f"Patient {n}" for n in range(8)}
    again = prepare(tmp_path / "pacs", tmp_path / "out")
    assert sum(again.films.values()) == 24


def test_no_identifier_of_a_patient_is_in_an_item(make_set: MakeSet, tmp_path: Path) -> None:
    report = prepare(make_set(), tmp_path / "out")
    for item in load_section(report.datalist, "training"):
        assert set(item) == {"image", "labels", "sample_id", "group_id"}
        assert "p0" not in Path(item["image"]).relative_to(tmp_path / "out").as_posix()


@pytest.mark.slow
def test_real_films_with_their_copies_and_shortcuts(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "cxr_nih_512"
    if not source.is_dir():
        pytest.skip(f"{source} is absent")
    options = RadiographOptions(FilmPipeline(size=64), val_fraction=0)
    report = prepare_radiographs(source, tmp_path / "out", options, workers=2, progress=False)
    assert report.films == {"training": 578, "validation": 159, "test": 0} and report.problems == []
    assert [(twin.first, twin.same_patient, twin.exact) for twin in report.twins] == [
        ("No_findings/00002658_001.jpg", True, True)
    ]
    found = report.shortcuts["pneumonia"]
    assert 0.77 < found.pixels["validation"] < 0.87 and 0.6 < found.cues["mean brightness"] < 0.75


def test_films_that_nobody_has_labelled_serve_pretraining_alone(make_set: MakeSet, tmp_path: Path) -> None:
    source = make_set()
    (source / "labels.csv").unlink()
    pattern = r"films/(p\d+)/"
    report = prepare(source, tmp_path / "out", labels=LabelOptions(unlabelled=True), patient_pattern=pattern)
    assert sum(report.films.values()) == 40 and sum(report.patients.values()) == 10
    items = load_section(report.datalist, "training")
    assert len(items) == report.films["training"] and all(item["labels"] == [] for item in items)
    assert "## Findings" not in (tmp_path / "out" / "report.md").read_text()
    with pytest.raises(ValueError, match="for pre-training alone"):
        load_class_names(report.datalist)


def test_unlabelled_films_and_a_label_file_contradict_each_other(make_set: MakeSet, tmp_path: Path) -> None:
    source = make_set()
    with pytest.raises(ValueError, match="reads no label file"):
        prepare(source, tmp_path / "out", labels=LabelOptions([source / "labels.csv"], unlabelled=True))
