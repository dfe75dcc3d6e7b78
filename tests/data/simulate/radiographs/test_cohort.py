"""A cohort on disk: whole patients only, gone on with, and never written over what is not its own."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_memvit.data.simulate import simulate_radiographs
from monai_memvit.data.simulate.radiographs import RadiographSimulation, cohort, simulate_film

pydicom = pytest.importorskip("pydicom")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows_of(out: Path) -> list[dict[str, str]]:
    with open(out / "labels.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_and_the_truth_are_those_of_the_films(small: RadiographSimulation, tmp_path: Path) -> None:
    out = simulate_radiographs(tmp_path / "a" / "b", 4, seed=3, options=small)
    truth = json.loads((out / "findings.json").read_text())["films"]
    rows = rows_of(out)
    assert list(rows[0]) == ["file", "patient", "view", "consolidation", "nodule", "effusion", "cardiomegaly"]
    assert [row["file"] for row in rows] == [film["file"] for film in truth]
    assert {row["file"] for row in rows} == {str(path.relative_to(out)) for path in out.rglob("*.dcm")}
    for row, film in zip(rows, truth):
        patient, number = int(row["patient"][4:]) - 1, int(film["file"][-5]) - 1
        simulated = simulate_film(patient, 3, number, small)
        assert {name: int(row[name]) for name in simulated.truth} == simulated.truth == film["findings"]
        assert row["view"] == simulated.view
        assert [box["finding"] for box in film["boxes"]] == list(simulated.boxes)
        data = pydicom.dcmread(out / film["file"])
        assert (data.Rows, data.Columns) == (film["rows"], film["columns"]) == simulated.display.shape
        assert data.PatientID == row["patient"] and data.ImageComments == "SIMULATED: not a patient"
    assert (out / "README.txt").read_text().startswith("SIMULATED")


@pytest.mark.parametrize("file_format", ["dicom", "png"])
def test_same_arguments_same_bytes_and_more_patients_are_added(
    file_format: str, small: RadiographSimulation, tmp_path: Path
) -> None:
    first = simulate_radiographs(tmp_path / "1", 2, 0, file_format, small)
    before = {name: content for name, content in contents(first).items() if name.startswith("films")}
    simulate_radiographs(first, 3, 0, file_format, small)
    second = simulate_radiographs(tmp_path / "2", 3, 0, file_format, small)
    assert contents(first) == contents(second)
    assert before.items() <= contents(first).items() and len(before) < len(contents(first)) - 4


def test_pictures_hold_the_display_values(small: RadiographSimulation, tmp_path: Path) -> None:
    out = simulate_radiographs(tmp_path / "out", 1, file_format="png", options=small)
    with Image.open(out / "films" / "sub-0001" / "film-1.png") as picture:
        assert picture.mode == "L" and picture.text["Comment"] == "SIMULATED: not a patient"
        display = np.clip(simulate_film(0, 0, 0, small).display, 0.0, 1.0)
        np.testing.assert_allclose(np.asarray(picture) / 255, display, atol=0.5001 / 255)


def test_uncertain_and_blank_cells(small: RadiographSimulation, tmp_path: Path) -> None:
    out = simulate_radiographs(tmp_path / "out", 12, options=replace(small, size=32, uncertain=0.3, blank=0.3))
    cells = [row[name] for row in rows_of(out) for name in ("consolidation", "nodule", "effusion", "cardiomegaly")]
    assert set(cells) == {"0", "1", "-1", ""}
    assert 0.1 < cells.count("-1") / len(cells) < 0.5 and 0.1 < cells.count("") / len(cells) < 0.5
    for film in json.loads((out / "findings.json").read_text())["films"]:
        assert set(film["findings"].values()) <= {0, 1}


def test_a_foreign_folder_is_left_alone(small: RadiographSimulation, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty and holds no simulated cohort"):
        simulate_radiographs(tmp_path, 1, options=small)
    assert contents(tmp_path) == {"thesis.txt": b"mine"}


def test_a_cohort_of_other_settings_is_left_alone(small: RadiographSimulation, tmp_path: Path) -> None:
    out = simulate_radiographs(tmp_path / "out", 1, options=small)
    before = contents(out)
    with pytest.raises(ValueError, match="other settings"):
        simulate_radiographs(out, 2, seed=1, options=small)
    assert contents(out) == before


def test_a_patient_is_written_whole_or_not_at_all(
    small: RadiographSimulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = cohort.atomic_write_json

    def fail(path: Path, content: object) -> None:
        if path.name == "truth.json":
            raise OSError("disk full")
        write(path, content)

    monkeypatch.setattr(cohort, "atomic_write_json", fail)
    with pytest.raises(OSError, match="disk full"):
        simulate_radiographs(tmp_path / "out", 1, options=small)
    assert not list((tmp_path / "out" / "films").iterdir())


@pytest.mark.parametrize("name", ["atomic_write_json", "atomic_write_text"])
def test_a_run_that_ended_before_its_first_patient_goes_on(
    small: RadiographSimulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write, out = getattr(cohort, name), tmp_path / "out"

    def killed_after(path: Path, content: Any) -> None:
        write(path, content)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cohort, name, killed_after)
        with pytest.raises(KeyboardInterrupt):
            simulate_radiographs(out, 1, options=small)
    simulate_radiographs(out, 1, options=small)
    assert (out / "README.txt").is_file() and (out / "labels.csv").is_file()


def test_what_a_killed_writer_left_is_cleared(small: RadiographSimulation, tmp_path: Path) -> None:
    out = simulate_radiographs(tmp_path / "out", 1, options=small)
    (out / "films" / ".sub-0002.00ff.tmp").mkdir()
    simulate_radiographs(out, 2, options=small)
    assert sorted(path.name for path in (out / "films").iterdir()) == ["sub-0001", "sub-0002"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patients": 0}, "patients is 0: give 1 or more"),
        ({"seed": -1}, "seed is -1"),
        ({"file_format": "nifti"}, "choose one of dicom, png"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_written(
    arguments: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_radiographs(tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()
