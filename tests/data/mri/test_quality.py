"""Pictures and the page to judge a preparation by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_memvit.data.mri import CachedCase, LeftOut, PreparedCase, SequenceSource, Study, StudyProblem
from monai_memvit.data.mri.case_report import report_case
from monai_memvit.data.mri.quality import checkerboard, quality_picture
from monai_memvit.data.mri.quality_page import quality_page
from monai_memvit.data.mri.report import position_shares


def test_a_checkerboard_shows_both_in_turn() -> None:
    ramp = np.linspace(0, 1, 64).reshape(8, 8)
    board = checkerboard(ramp, 10 - 3 * ramp, fields=4)
    low, high = np.percentile(ramp, [1, 99])
    stretched = np.clip((ramp - low) / (high - low), 0, 1)
    odd = np.add.outer(np.arange(8) // 2, np.arange(8) // 2) % 2 == 1
    np.testing.assert_allclose(board, np.where(odd, 1 - stretched, stretched), atol=1e-12)
    assert np.isfinite(checkerboard(np.zeros((4, 4)), np.ones((4, 4)))).all()


@pytest.fixture
def record() -> dict:
    """Of a case of three sequences, one moved, one failed."""
    moved = {
        "shift_mm": 3.2,
        "rotation_degrees": 1.5,
        "mutual_information_before": 0.2,
        "mutual_information_after": 0.7,
        "identical_space": False,
        "succeeded": True,
        "reason": "",
    }
    failed = moved | {"succeeded": False, "reason": "no <peak>"}
    return {
        "pipeline": {"sequences": ["t1", "t2", "flair", "t1gd"], "reference": "t1gd"},
        "sequences": {"t1": {"registration": moved}, "t2": {"registration": failed}, "t1gd": {"registration": None}},
        "channel_mask": [True, True, False, True],
        "slice_channel_mask": [[True, True, False, True], [True, False, False, True], [False] * 4],
        "slices_kept": [0, 1],
        "slices_unseen": [],
        "places_assumed": [],
        "brain_area_mm2": [4.0, 6.0, 0.0],
        "tumour_area_mm2": [0.0, 0.0, 0.0],
        "brain_cut_share": 0.25,
        "tumour_cut_share": 0.0,
        "tumour_in_brain_share": None,
    }


def test_a_picture_has_a_row_per_sequence(record: dict) -> None:
    rng = np.random.default_rng(0)
    brain = np.zeros((3, 16, 16), dtype=bool)
    brain[0, 4:8, 4:8] = brain[1, 4:12, 4:12] = True
    pictures = {name: rng.normal(size=(16, 16)) for name in ("t1", "t2", "t1gd")}
    image = rng.normal(size=(3, 4, 16, 16)).astype(np.float16)
    before = {"t1": pictures["t2"], "t2": pictures["t1"]}
    case = PreparedCase(image, brain, None, np.array(record["channel_mask"]), record, before, pictures)
    figure = quality_picture(case)
    titles = [axes.get_title() for axes in figure.axes]
    assert len(figure.axes) == 9 and titles[0] == "t1 before" and titles[6] == "t1gd: the reference"
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), checkerboard(pictures["t1gd"], before["t1"]))
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), checkerboard(pictures["t1gd"], pictures["t1"]))
    assert figure.axes[1].get_xlabel() == "moved 3.2 mm, 1.5°; mutual information 0.200 → 0.700"
    assert "FAILED" in figure.axes[4].get_xlabel()
    bars = figure.axes[5].patches[0].get_data().values  # t2 is in slice 0 only
    assert bars.sum() == brain[0].sum()


def test_reports_flag_what_a_person_should_look_at(record: dict) -> None:
    source = SequenceSource("t1", "nifti", (Path("/data/a<b>.nii.gz"),), "T1 | axial", 0.9, "named so")
    sequences = {name: source for name in ("t1", "t2", "t1gd")}
    study = Study("case<1>", "p", sequences, (LeftOut("localizer", "3 slices"),))
    case = report_case(CachedCase(study, Path("/out/cases/ab12"), record), labelled=2, ambiguous=0)
    assert case.folder == "cases/ab12" and case.missing == ["flair"] and (case.slices, case.kept) == (3, 2)
    notes = "; ".join(case.notes)
    assert "t2: registration failed (no <peak>)" in notes and "25% of the brain lies outside" in notes
    assert "t2 shows the brain in 1 of 2 slices" in notes and "the tumour mask is empty" in notes
    page = quality_page([case], [StudyProblem("c&d", "here", "torn")])
    assert "case&lt;1&gt;" in page and "no &lt;peak&gt;" in page and "<b>c&amp;d</b>" in page
    assert page.count('class="flag"') == 1 and 'href="cases/ab12/quality.png"' in page


def test_shares_by_third_of_the_head() -> None:
    places = [(0.0, 0), (0.32, 0), (0.34, 1), (0.5, 0), (0.6, 1), (1.0, 1)]
    shares = position_shares(places, ["a", "b"])
    assert shares["first"] == {"a": 1.0, "b": 0.0}
    assert shares["middle"] == {"a": pytest.approx(1 / 3), "b": pytest.approx(2 / 3)}
    assert shares["last"] == {"a": 0.0, "b": 1.0}
    assert position_shares([(0.1, 0)], ["a", "b"]).keys() == {"first"}
