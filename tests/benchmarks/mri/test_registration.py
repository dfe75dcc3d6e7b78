"""The benchmark of the registration: its sums, its report, and one run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_memvit.benchmarks.mri.registration import add_arguments, report, run_benchmark
from monai_memvit.benchmarks.mri.registration_measure import measure_times, measure_volumes, summary
from monai_memvit.transforms.mri.registration_options import RegistrationOptions

pytest.importorskip("SimpleITK")


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def row(median: float, worst: float, succeeded: bool = True) -> dict[str, Any]:
    return {
        "start_mm": 8.0,
        "median_mm": median,
        "worst_mm": worst,
        "succeeded": succeeded,
        "processor_seconds": median * 2,
    }


def test_flagged_ones_are_counted_and_left_out() -> None:
    found = summary([row(0.1, 0.2), row(0.2, 0.4), row(0.3, 3.5), row(9.0, 20.0, succeeded=False)])
    assert found == {
        "registrations": 4,
        "start_mm": 8.0,
        "median_mm": pytest.approx(0.2),
        "p95_mm": pytest.approx(0.29),
        "max_mm": 0.3,
        "worst_point_mm": 3.5,
        "flagged": 1,
        "unnoticed": 1,
        "processor_seconds": pytest.approx(4.8),
    }


def test_all_flagged_is_no_crash() -> None:
    found = summary([row(9.0, 20.0, succeeded=False)])
    assert (found["flagged"], found["unnoticed"], found["worst_point_mm"]) == (1, 0, 0.0)


def test_the_report_shows_every_part() -> None:
    cases = {
        "patients": 1,
        "size": "small",
        "rotation_deg": 10.0,
        "shift_mm": 10.0,
        "unnoticed_above_mm": 3.0,
        "summary": {"all": summary([row(0.1, 0.2)])},
    }
    volume = {
        "mutual_information_before": 0.2214,
        "mutual_information_after": 0.5604,
        "shift_mm": 18.21,
        "rotation_deg": 7.93,
        "identical_space": False,
        "succeeded": True,
        "reason": "",
        "seconds": 3.21,
    }
    time = {"median_seconds": 9.04, "lowest_seconds": 8.0, "highest_seconds": 11.0}
    text = report(
        {"machine": {"cores": "2"}, "kind": "rigid", "cases": cases, "volumes": {"t2": volume}, "timing": {"one": time}}
    )
    assert text.startswith("Rigid registration; cores 2.")
    assert "| all | 1 | 8.00 | 0.10 | 0.10 | 0.10 | 0.20 | 0 | 0 | 0.2 |" in text
    assert "| t2 | 0.221 | 0.560 | 18.2 | 7.9 | registered | 3.2 |" in text
    assert "| one | 9.0 | 8.0 | 11.0 |" in text


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--cases", "-1"], "--cases must be at least 0"),
        (["--threads", "0"], "--threads must be at least 1"),
        (["--cases", "0"], "nothing to measure"),
        (["--volumes", "nowhere"], "no folder"),
    ],
)
def test_wrong_options_are_named(words: list[str], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        run_benchmark(parsed(*words))


def test_a_folder_without_the_reference_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no t1gd"):
        measure_volumes(tmp_path, RegistrationOptions())


@pytest.mark.slow
def test_one_simulated_patient_and_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder: two sequences of a simulated patient, so that the truth is known there, too."""
    nibabel = pytest.importorskip("nibabel")
    from monai_memvit.data.simulate.mri import simulate_patient

    patient = simulate_patient(4, 2)
    for name in ("t1gd", "flair"):
        voxels, affine = patient.volumes[name]
        nibabel.save(nibabel.Nifti1Image(voxels, affine), tmp_path / f"{name}.nii.gz")
    file = tmp_path / "figures.json"
    assert run_benchmark(parsed("--cases", "1", "--volumes", str(tmp_path), "--json", str(file))) == 0
    found = json.loads(file.read_text())
    assert "1 simulated patients" in capsys.readouterr().out
    assert found["cases"]["summary"]["all"]["registrations"] == 4
    assert found["cases"]["summary"]["all"]["median_mm"] < 0.5
    assert [x["sequence"] for x in found["cases"]["registrations"]] == ["t1", "t2", "flair", "apt"]
    assert found["volumes"].keys() == {"flair"}
    turn = patient.truth["flair"][:3, :3]
    truth = np.degrees(np.arccos((np.trace(turn) - 1) / 2))
    assert found["volumes"]["flair"]["rotation_deg"] == pytest.approx(truth, abs=0.5)


def test_every_arm_is_timed_and_the_threads_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import SimpleITK

    from monai_memvit.benchmarks.mri import registration_measure
    from monai_memvit.data.simulate.mri import simulate_patient

    patient = simulate_patient(0, 0)
    monkeypatch.setattr(registration_measure, "simulate_patient", lambda *_: patient)
    usual = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    found = measure_times(1, 1, RegistrationOptions(samples=2000, iterations=2, levels_mm=(6.0,), max_rotation_deg=90))
    assert found.keys() == {"1 thread"}
    assert found["1 thread"]["lowest_seconds"] == found["1 thread"]["highest_seconds"] > 0
    assert SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads() == usual
