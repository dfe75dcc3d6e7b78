"""Paired differences over patients: figures against torchmetrics, intervals against a loop and a normal law."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_memvit.benchmarks.studies.patient_intervals import finding_figures, patient_intervals, run_figures
from monai_memvit.metrics import classification_summary, multi_label_summary


def _scores(n: int, runs: int, classes: int, digits: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(n)
    labels = torch.randint(classes, (n,), generator=generator)
    logits = torch.randn(n, runs, classes, generator=generator) + 0.7 * torch.eye(classes)[labels][:, None]
    return (logits.softmax(-1) * 10**digits).round() / 10**digits, labels  # rounded: ties


@pytest.mark.parametrize("classes", [2, 3])
def test_figures_are_those_of_the_summary(classes):
    probabilities, labels = _scores(60, 4, classes)
    found = run_figures(probabilities, labels)
    for run in range(4):
        expected = classification_summary(probabilities[:, run], labels)
        for name, values in found.items():
            assert values[run] == pytest.approx(expected[name], abs=1e-6)


def test_one_class_has_no_auc():
    found = run_figures(_scores(5, 2, 2)[0], torch.ones(5, dtype=torch.int64))
    assert np.isnan(found["auc"]).all() and (found["accuracy"] == found["balanced_accuracy"]).all()


def test_the_difference_is_that_of_the_means_over_seeds():
    probabilities, labels = _scores(80, 5, 2)
    runs = {f"run{number}": probabilities[:, number] for number in range(5)}
    found = patient_intervals(runs, {"a": (["run0", "run1"], ["run2", "run4"])}, labels, torch.arange(80) // 8, 50)
    for metric, (difference, low, high) in found["a"].items():
        one = [classification_summary(run, labels)[metric] for run in runs.values()]
        assert difference == pytest.approx((one[2] + one[4]) / 2 - (one[0] + one[1]) / 2, abs=1e-6)
        assert low < high


def test_a_run_does_not_differ_from_itself():
    probabilities, labels = _scores(40, 1, 2)
    found = patient_intervals({0: probabilities[:, 0]}, {"same": ([0], [0])}, labels, torch.arange(40) // 4, 30)
    assert found["same"]["auc"] == (0, 0, 0) == found["same"]["accuracy"]


def test_the_width_is_that_of_the_patients_and_not_of_the_slices():
    """Patients of five equal slices: the standard error is that of as many slices as there are patients."""
    patients, generator = 200, torch.Generator().manual_seed(0)
    right = (torch.rand(patients, 2, generator=generator) < 0.7).repeat_interleave(5, dim=0)
    labels = (torch.arange(patients) % 2).repeat_interleave(5)
    hit = torch.where(right, labels[:, None], 1 - labels[:, None])
    runs = {run: torch.eye(2)[hit[:, run]] for run in (0, 1)}
    groups = torch.arange(patients).repeat_interleave(5)
    difference, low, high = patient_intervals(runs, {"x": ([0], [1])}, labels, groups, 2000)["x"]["accuracy"]
    by_patient = (right[:, 1].double() - right[:, 0].double())[::5]
    assert difference == pytest.approx(float(by_patient.mean()))
    assert high - low == pytest.approx(2 * 1.96 * float(by_patient.std()) / patients**0.5, rel=0.08)


def test_figures_of_findings_are_those_of_the_summary():
    """Some labels are unknown; a finding that all films show has no area."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.randint(-1, 2, (50, 3), generator=generator).float()
    probabilities = (torch.rand(50, 4, 3, generator=generator) * 20).round() / 20
    found = finding_figures(probabilities, labels)["auc"]
    for run in range(4):
        assert found[run] == pytest.approx(multi_label_summary(probabilities[:, run], labels, "abc")["auc"], abs=1e-6)
    labels[:, 1] = 1
    assert np.isnan(finding_figures(probabilities, labels)["auc"]).all()


def test_differences_of_findings():
    generator = torch.Generator().manual_seed(4)
    labels = torch.randint(0, 2, (60, 2), generator=generator).float()
    runs = {name: 0.7 * torch.rand(60, 2, generator=generator) + 0.3 * labels * (name != "a") for name in "abc"}
    groups, pairs = torch.arange(60) // 3, {"x": ("a", "bc"), "y": ("b", "c")}
    found = patient_intervals(runs, pairs, labels, groups, 200, finding_figures)
    auc = {name: multi_label_summary(run, labels, "pq")["auc"] for name, run in runs.items()}
    assert {*found["x"]} == {"auc"}
    difference, low, high = found["x"]["auc"]
    assert difference == pytest.approx((auc["b"] + auc["c"]) / 2 - auc["a"], abs=1e-6) and 0 < low < difference < high
