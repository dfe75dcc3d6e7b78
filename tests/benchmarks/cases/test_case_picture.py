"""The picture of what added cases are worth."""

from __future__ import annotations

import pytest
from PIL import Image

from monai_memvit.benchmarks.cases.case_picture import _curve, draw_gains

ROWS = [
    {"seed": seed, "shift": shift, "added": added, "arm": arm, "site_auc": 0.6 + gain, "site_balanced_accuracy": 0.5}
    for shift in ("none", "stain")
    for added in (5, 50)
    for seed in range(2)
    for arm, gain in (("network alone", 0.0), ("memory, ridge", 0.001 * added + 0.02 * seed))
]


def test_curves_are_paired_gains_with_students_interval():
    here = [row for row in ROWS if row["shift"] == "none"]
    sizes, means, halves = _curve(here, "network alone", "memory, ridge", "site_auc")
    assert sizes == [5, 50] and means == pytest.approx([1.5, 6.0])
    assert halves == pytest.approx([12.706] * 2, rel=1e-3)  # t(1; 0.975) * sqrt(2) / sqrt(2)
    assert _curve(here, "network alone", "cache", "site_auc") == ([], [], [])


def test_every_site_has_its_panels(tmp_path):
    draw_gains(ROWS, "network alone", str(tmp_path / "both.png"))
    draw_gains([row for row in ROWS if row["shift"] == "none"], "network alone", str(tmp_path / "one.png"))
    both, one = (Image.open(tmp_path / name).convert("RGB") for name in ("both.png", "one.png"))
    assert both.width == 2 * one.width and len(set(one.getdata())) > 10
