"""Counts of patients: figures of drawn patients against the same figures of their images, repeated."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_memvit.benchmarks.studies.patient_counts import count_patients
from monai_memvit.benchmarks.studies.patient_intervals import patient_intervals, run_figures


def _said(classes: int, digits: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Four runs, labels, and 9 patients with different numbers of images; few digits make ties."""
    generator = torch.Generator().manual_seed(classes)
    labels = torch.randint(classes, (80,), generator=generator)
    patients = torch.cat([torch.arange(9), torch.randint(9, (71,), generator=generator)])
    logits = torch.randn(80, 4, classes, generator=generator) + 0.7 * torch.eye(classes)[labels][:, None]
    return (logits.softmax(-1) * 10**digits).round() / 10**digits, labels, patients


@pytest.mark.parametrize("digits", [1, 6])
@pytest.mark.parametrize("classes", [2, 4])
def test_figures_are_those_of_repeated_images(classes, digits):
    runs, labels, patients = _said(classes, digits)
    counts = count_patients([*runs.unbind(1)], labels, patients)
    for seed in range(5):
        drawn = torch.randint(9, (9,), generator=torch.Generator().manual_seed(seed))
        rows = torch.cat([(patients == patient).nonzero()[:, 0] for patient in drawn])
        wanted = run_figures(runs[rows], labels[rows])
        found = counts.figures(drawn.bincount(minlength=9).double())
        assert found == pytest.approx({name: values.mean() for name, values in wanted.items()}, abs=1e-12)


def test_a_class_that_is_not_drawn_has_no_figures():
    runs, labels, patients = _said(2, 6)
    counts = count_patients([runs[:, 0]], torch.where(patients == 0, 1, 0), patients)
    found = counts.figures(torch.arange(9).clamp(max=1).double())
    assert np.isnan(found["auc"]) and np.isnan(found["balanced_accuracy"]) and not np.isnan(found["accuracy"])


def test_intervals_are_those_of_ranking_every_resample_anew():
    runs, labels, patients = _said(4, 2)
    groups = patients * 7 - 2**61
    named = {f"run{number}": runs[:, number] for number in range(4)}
    pairs = {"a/b": (["run0", "run1"], ["run2", "run3"]), "c": (["run0"], ["run3"])}
    fast = patient_intervals(named, pairs, labels, groups, 60)
    slow = patient_intervals(named, pairs, labels, groups, 60, run_figures)
    assert fast.keys() == slow.keys()
    for name, figures in slow.items():
        assert fast[name] == {figure: pytest.approx(values, abs=1e-12) for figure, values in figures.items()}
