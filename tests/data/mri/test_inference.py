"""Slices of new patients, prepared as those of training were."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from monai_memvit.data import Datalist, IdentityKey
from monai_memvit.data.mri import (
    FindOptions,
    MriOptions,
    MriPipeline,
    StudyProblem,
    find_studies,
    load_new_slices,
    prepare_mri,
)
from monai_memvit.data.mri import inference as module

TINY = MriPipeline(sequences=("t1", "t1gd"), kind="none", size=32, spacing_mm=8.0)


@pytest.fixture
def datalist(tmp_path: Path, write_cohort: Callable[..., Path]) -> Path:
    """Four prepared patients."""
    source = write_cohort(tmp_path / "source", 4, ("t1", "t1gd"))
    options = MriOptions(TINY, test_fraction=0.25, val_fraction=0.3)
    return prepare_mri(source, tmp_path / "out", options, workers=0, progress=False).datalist


@pytest.fixture
def new(tmp_path: Path, datalist: Path) -> Path:
    """A sound study, one without its second sequence, one that is damaged, one without the reference."""
    folder = tmp_path / "new"
    shutil.copytree(tmp_path / "source", folder)
    for path in folder.glob("*/tumour_mask.nii.gz"):
        path.unlink()
    (folder / "p1" / "t1.nii.gz").unlink()
    (folder / "p2" / "t1.nii.gz").write_bytes(b"")
    (folder / "p3" / "t1gd.nii.gz").unlink()
    return folder


def test_new_studies_go_through_the_pipeline_of_training(datalist: Path, new: Path, tmp_path: Path) -> None:
    cases = load_new_slices(datalist, new, tmp_path / "work")
    trained = {
        (item["group_key"], item["slice"]): datalist.parent / item["image"]
        for section in Datalist.load(datalist).sections.values()
        for item in section
    }
    identity = IdentityKey.load(datalist.parent)
    p0 = [case for case in cases if case["group_id"] == identity.identify("new:p0")]
    assert [case["sample_id"] for case in p0] == [identity.identify(f"new:p0/{case['slice']}") for case in p0]
    assert {case["slice"] for case in p0} >= {number for patient, number in trained if patient == "p0"}
    (old,) = {path for (patient, _), path in trained.items() if patient == "p0"}
    np.testing.assert_array_equal(np.load(p0[0]["image"]), np.load(old))
    assert {case["case_id"] for case in p0} == {identity.identify("case:new:p0")}
    p1 = [case for case in cases if case["group_id"] == identity.identify("new:p1")]
    assert p1 and all(case["channel_mask"] == [False, True] for case in p1)
    assert len(p0) + len(p1) == len(cases) and not any("label" in case for case in cases)


def test_studies_that_cannot_be_used_are_named_at_the_end(
    datalist: Path, new: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cases = load_new_slices(datalist, new, tmp_path / "work")
    assert len(cases.broken) == 2
    with pytest.raises(ValueError, match=r"(?s)p2.*t1\.nii\.gz|t1\.nii\.gz.*p3") as caught:
        cases.raise_for_broken()
    assert "t1gd" in str(caught.value)
    assert "2 of the studies" in caplog.text and "p2" not in caplog.text and "p3" not in caplog.text


def test_folders_may_be_named_by_numbers(
    datalist: Path, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load_new_slices(datalist, new, tmp_path / "work")
    new.rename(tmp_path / "815")
    datalist.parent.joinpath("datalist.json").rename(datalist.parent / "2")
    monkeypatch.chdir(datalist.parent)
    (datalist.parent / "815").symlink_to(tmp_path / "815")
    found = load_new_slices(2, 815, 4711)
    assert [case["sample_id"] for case in found] == [case["sample_id"] for case in expected]
    assert all(Path(case["image"]).is_relative_to(datalist.parent / "4711") for case in found)


def test_two_studies_of_a_new_patient_are_two_cases(datalist: Path, new: Path, tmp_path: Path) -> None:
    find = FindOptions(TINY.sequences, patient_pattern=r"(p\d)")
    options = MriOptions(TINY, find, test_fraction=0.25, val_fraction=0.3)
    prepare_mri(tmp_path / "source", datalist.parent, options, workers=0, progress=False)
    (new / "p1").rename(new / "p0_later")
    cases = load_new_slices(datalist, new, tmp_path / "work")
    assert len({case["group_id"] for case in cases}) == 1 and len({case["case_id"] for case in cases}) == 2


def test_a_section_is_the_alternative(datalist: Path) -> None:
    items = [item for item in Datalist.load(datalist).sections["test"]]
    cases = load_new_slices(datalist)
    assert [case["sample_id"] for case in cases] == [item["sample_id"] for item in items]
    assert [case["label"] for case in cases] == [item["label"] for item in items]
    assert cases.broken == {}


def test_a_damaged_case_of_a_section_is_set_aside(datalist: Path) -> None:
    cases = load_new_slices(datalist, section="training")
    image = Path(cases[0]["image"])
    image.write_bytes(image.read_bytes()[:-8])
    others = load_new_slices(datalist, section="training")
    assert list(others.broken) == [str(image)]
    assert {case["image"] for case in others} == {case["image"] for case in cases} - {str(image)}


def test_a_tumour_mask_beside_new_images_does_not_count(datalist: Path, new: Path, tmp_path: Path) -> None:
    for case in ("p1", "p2", "p3"):
        shutil.rmtree(new / case)
    nibabel.save(nibabel.Nifti1Image(np.zeros((20, 24, 8), np.uint8), np.eye(4)), new / "p0" / "tumour_mask.nii.gz")
    cases = load_new_slices(datalist, new, tmp_path / "work")
    assert cases and not cases.broken


def test_all_that_is_wrong_with_one_file_is_told(datalist: Path, new: Path, tmp_path: Path, monkeypatch) -> None:
    problems = [StudyProblem("p0", "here", "first"), StudyProblem("p0", "here", "second")]
    monkeypatch.setattr(
        module, "find_studies", lambda *_: (find_studies(new, FindOptions(("t1", "t1gd")))[0], problems)
    )
    assert load_new_slices(datalist, new, tmp_path / "work").broken["here"] == "first; second"


def test_no_name_of_a_patient_stands_in_the_error_when_nothing_is_usable(
    datalist: Path, tmp_path: Path, write_cohort: Callable[..., Path]
) -> None:
    folder = write_cohort(tmp_path / "ward", 1, ("t1",))
    (folder / "p0").rename(folder / "Doe_Jane")
    with pytest.raises(ValueError, match="none of the 1 studies can be used") as caught:
        load_new_slices(datalist, folder, tmp_path / "work")
    assert "Doe" not in str(caught.value)
    told = (tmp_path / "work" / "left_out.txt").read_text()
    assert "Doe_Jane" in told and "t1gd" in told and str(tmp_path / "work" / "left_out.txt") in str(caught.value)


def test_a_pipeline_that_was_replaced_after_the_datalist_is_refused(datalist: Path, new: Path, tmp_path: Path) -> None:
    path = datalist.parent / "pipeline.json"
    path.write_text(path.read_text().replace('"size": 32', '"size": 48'))
    with pytest.raises(ValueError, match=r"pipeline\.json is not the one that .*datalist\.json was made with"):
        load_new_slices(datalist, new, tmp_path / "work")


def test_what_cannot_be_done_is_said(datalist: Path, new: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="work_dir is empty"):
        load_new_slices(datalist, new)
    for name in ("p0", "p1"):
        shutil.rmtree(new / name)
    with pytest.raises(ValueError, match="none of the 2 studies can be used"):
        load_new_slices(datalist, new, tmp_path / "work")
    (datalist.parent / "pipeline.json").unlink()
    with pytest.raises(ValueError, match=r"(?s)pipeline\.json does not exist.*archive .* cannot be prepared alike"):
        load_new_slices(datalist, new, tmp_path / "work")


def test_another_pipeline_than_that_of_the_datalist_is_refused(datalist: Path, new: Path, tmp_path: Path) -> None:
    path = datalist.parent / "pipeline.json"
    path.write_text(path.read_text().replace('"t1"', '"t2"'))
    with pytest.raises(ValueError, match="the pipeline beside it gives t2, t1gd"):
        load_new_slices(datalist, new, tmp_path / "work")
