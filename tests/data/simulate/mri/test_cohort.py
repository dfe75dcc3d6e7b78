"""A cohort on disk: whole patients only, gone on with, and never written over what is not its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monai_memvit.__main__ import main
from monai_memvit.data.simulate import simulate_mri
from monai_memvit.data.simulate.mri import MriSimulation, cohort, simulate_patient

nibabel = pytest.importorskip("nibabel")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nifti_files_hold_the_patient(coarse: MriSimulation, tmp_path: Path) -> None:
    out = simulate_mri(tmp_path / "a" / "b", patients=1, seed=3, options=coarse)
    patient = simulate_patient(0, 3, coarse)
    for sequence, (volume, affine) in patient.volumes.items():
        image = nibabel.load(out / "sub-0001" / f"{sequence}.nii.gz")
        np.testing.assert_array_equal(np.asarray(image.dataobj), volume)
        np.testing.assert_allclose(image.affine, affine, atol=1e-4)
        np.testing.assert_allclose(image.get_qform(), affine, atol=1e-4)
        assert image.header.get_xyzt_units()[0] == "mm"
        assert b"SIMULATED" in bytes(image.header["descrip"])
    for name, expected in (("tumour_seg", patient.tumour), ("brain_mask", patient.brain)):
        np.testing.assert_array_equal(nibabel.load(out / "sub-0001" / f"{name}.nii.gz").get_fdata(), expected)
    truth = json.loads((out / "sub-0001" / "truth.json").read_text())
    assert truth["note"] == "SIMULATED: not a patient" and truth["malignant"] == patient.malignant
    for sequence, matrix in patient.truth.items():
        np.testing.assert_array_equal(truth["matrices"][sequence], matrix)
    assert (out / "README.txt").read_text().startswith("SIMULATED")


@pytest.mark.parametrize("file_format", ["nifti", "dicom"])
def test_same_arguments_same_bytes_and_more_patients_are_added(
    file_format: str, coarse: MriSimulation, tmp_path: Path
) -> None:
    pytest.importorskip("pydicom")
    first = simulate_mri(tmp_path / "1", 1, 0, file_format, missing=0.4, options=coarse)
    before = contents(first)
    simulate_mri(first, 2, 0, file_format, options=replace(coarse, missing=0.4))
    second = simulate_mri(tmp_path / "2", 2, 0, file_format, missing=0.4, options=coarse)
    assert contents(first) == contents(second)
    assert before.items() <= contents(first).items()


def test_missing_sequences_have_no_file(coarse: MriSimulation, tmp_path: Path) -> None:
    out = simulate_mri(tmp_path / "out", 1, missing=1.0, options=coarse)
    names = {path.name for path in (out / "sub-0001").iterdir()}
    assert names == {"t1gd.nii.gz", "tumour_seg.nii.gz", "brain_mask.nii.gz", "truth.json"}
    assert json.loads((out / "sub-0001" / "truth.json").read_text())["missing"] == ["t1", "t2", "flair", "apt"]


def test_a_foreign_folder_is_left_alone(coarse: MriSimulation, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty and holds no simulated cohort"):
        simulate_mri(tmp_path, 1, options=coarse)
    assert contents(tmp_path) == {"thesis.txt": b"mine"}


def test_a_cohort_of_other_settings_is_left_alone(coarse: MriSimulation, tmp_path: Path) -> None:
    out = simulate_mri(tmp_path / "out", 1, missing=1.0, options=coarse)
    before = contents(out)
    with pytest.raises(ValueError, match="other settings"):
        simulate_mri(out, 2, seed=1, missing=1.0, options=coarse)
    assert contents(out) == before


def test_a_patient_is_written_whole_or_not_at_all(
    coarse: MriSimulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(cohort, "atomic_write_json", fail)  # of the patient's truth, written last
        with pytest.raises(OSError, match="disk full"):
            simulate_mri(out, 1, missing=1.0, options=coarse)
    assert sorted(path.name for path in out.iterdir()) == ["README.txt", "cohort.json"]


def test_what_a_killed_writer_left_is_cleared(coarse: MriSimulation, tmp_path: Path) -> None:
    out = simulate_mri(tmp_path / "out", 1, missing=1.0, options=coarse)
    (out / ".sub-0002.00ff.tmp").mkdir()
    simulate_mri(out, 2, missing=1.0, options=coarse)
    assert sorted(path.name for path in out.iterdir()) == ["README.txt", "cohort.json", "sub-0001", "sub-0002"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patients": 0}, "patients is 0: give 1 or more"),
        ({"seed": -1}, "seed is -1"),
        ({"file_format": "png"}, "choose one of nifti, dicom"),
        ({"missing": 2.0}, "missing is 2.0"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_written(
    arguments: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_mri(tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_the_command_writes_a_cohort(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["simulate", "mri", str(tmp_path / "out"), "--patients", "1", "--missing", "1", "--seed", "5"]
    assert main(words) == 0
    assert "1 simulated patients" in capsys.readouterr().out
    settings = json.loads((tmp_path / "out" / "cohort.json").read_text())
    assert settings["seed"] == 5 and settings["options"]["size"] == "small"
    assert main(["simulate", "mri", str(tmp_path / "other"), "--size", "huge"]) == 2
