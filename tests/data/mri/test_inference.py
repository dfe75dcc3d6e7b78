"""Slices of new patients, prepared as those of training were."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monai_memvit.data import Datalist, IdentityKey
from monai_memvit.data.mri import MriOptions, MriPipeline, load_new_slices, prepare_mri

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


def test_what_cannot_be_done_is_said(datalist: Path, new: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="work_dir is empty"):
        load_new_slices(datalist, new)
    for name in ("p0", "p1"):
        shutil.rmtree(new / name)
    with pytest.raises(ValueError, match="no study that can be used"):
        load_new_slices(datalist, new, tmp_path / "work")
    (datalist.parent / "pipeline.json").unlink()
    with pytest.raises(ValueError, match=r"pipeline\.json does not exist"):
        load_new_slices(datalist, new, tmp_path / "work")


def test_another_pipeline_than_that_of_the_datalist_is_refused(datalist: Path, new: Path, tmp_path: Path) -> None:
    path = datalist.parent / "pipeline.json"
    path.write_text(path.read_text().replace('"t1"', '"t2"'))
    with pytest.raises(ValueError, match="the pipeline beside it gives t2, t1gd"):
        load_new_slices(datalist, new, tmp_path / "work")
