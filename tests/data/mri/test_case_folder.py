"""Folders that are whole or not there."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from monai_memvit.data.mri.case_folder import new_folder, remove_stale, remove_unfinished


def test_the_name_appears_only_when_all_is_written(tmp_path: Path) -> None:
    with new_folder(tmp_path / "ab") as folder:
        (folder / "a.txt").write_text("1")
        assert not (tmp_path / "ab").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["ab"]
    assert (tmp_path / "ab" / "a.txt").read_text() == "1"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_is_left_of_a_failure(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), new_folder(tmp_path / "ab") as folder:
        (folder / "a.txt").write_text("1")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_the_first_of_two_writers_stays(tmp_path: Path) -> None:
    with new_folder(tmp_path / "ab") as second:
        (second / "a.txt").write_text("second")
        with new_folder(tmp_path / "ab") as first:
            (first / "a.txt").write_text("first")
    assert (tmp_path / "ab" / "a.txt").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["ab"]


def test_leftovers_go_but_not_those_of_the_living(tmp_path: Path) -> None:
    dead, alive = (tmp_path / f".ab.{digit * 16}.tmp" for digit in "01")
    for folder in (dead, alive, tmp_path / "ab", tmp_path / ".other.tmp"):
        folder.mkdir()
        (folder / "a.txt").write_text("1")
    lock = os.open(alive, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert remove_unfinished(tmp_path) == 1
    os.close(lock)
    assert sorted(path.name for path in tmp_path.iterdir()) == [alive.name, ".other.tmp", "ab"]


def test_stale_cases_and_late_leftovers_go_and_nothing_else(tmp_path: Path) -> None:
    kept, stale, foreign, late = "0" * 32, "1" * 32, "notes", f".{'2' * 32}.{'3' * 16}.tmp"
    for name in (kept, stale, foreign, late):
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text("{}")
    remove_stale(tmp_path, {kept})
    assert sorted(path.name for path in tmp_path.iterdir()) == [kept, foreign]
