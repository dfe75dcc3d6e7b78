"""Folders of simulated cohorts: whose they are, and what a killed run leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_memvit.data.simulate.cohort_folder import check_counts, open_cohort, whole_folder


def test_a_cohort_is_gone_on_with(tmp_path: Path) -> None:
    out = tmp_path / "a" / "cohort"
    open_cohort(out, {"seed": 0, "size": (2, 3)}, "simulated")
    (out / "films" / ".sub-0001.ab.tmp").mkdir(parents=True)
    (out / "README.txt").unlink()  # a run may be killed after the record and before this
    open_cohort(out, {"seed": 0, "size": (2, 3)}, "simulated")
    assert (out / "README.txt").read_text() == "simulated"
    assert list((out / "films").iterdir()) == []


def test_other_folders_are_refused(tmp_path: Path) -> None:
    open_cohort(tmp_path / "cohort", {"seed": 0}, "")
    with pytest.raises(ValueError, match="other settings"):
        open_cohort(tmp_path / "cohort", {"seed": 1}, "")
    (tmp_path / "file").write_text("mine")
    for foreign in (tmp_path, tmp_path / "file"):
        with pytest.raises(ValueError, match="holds no simulated cohort"):
            open_cohort(foreign, {"seed": 0}, "")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "sub-0001") as folder:
        (folder / "film").write_text("1")
        assert not (tmp_path / "sub-0001").exists()
    with pytest.raises(OSError, match="full"), whole_folder(tmp_path / "sub-0002"):
        raise OSError("full")
    assert [path.name for path in tmp_path.iterdir()] == ["sub-0001"]


@pytest.mark.parametrize(("patients", "seed", "named"), [(0, 0, "patients is 0"), (1, -1, "seed is -1")])
def test_counts_are_checked(patients: int, seed: int, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        check_counts(patients, seed)
