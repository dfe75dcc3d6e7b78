"""Prepared cases on disk: made once, whole, the same for any number of workers and after any death."""

from __future__ import annotations

import errno
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monai_memvit.data import array_digest
from monai_memvit.data.mri import MriPipeline, Study, cache_cases, find_studies
from monai_memvit.data.mri import case_cache as module

TINY = MriPipeline(sequences=("t1", "t1gd"), kind="none", size=32, spacing_mm=8.0)


@pytest.fixture
def source(tmp_path: Path, write_cohort: Callable[..., Path]) -> Path:
    """Three cases of two sequences."""
    return write_cohort(tmp_path / "source", 3, ("t1", "t1gd"))


def studies_of(source: Path) -> list[Study]:
    """What is found there."""
    studies, problems = find_studies(source)
    assert not problems
    return studies


def contents(out: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_a_folder_holds_what_was_prepared(source: Path, tmp_path: Path) -> None:
    cases, problems = cache_cases(studies_of(source), TINY, tmp_path / "out", workers=0, progress=False)
    assert not problems and [case.study.case_key for case in cases] == ["p0", "p1", "p2"]
    for case in cases:
        names = {path.name for path in case.folder.iterdir()}
        assert names == {"image.npy", "brain.npy", "tumour.npy", "record.json", "quality.png"}
        image = np.load(case.folder / "image.npy")
        assert image.shape == (8, 2, 32, 32) and image.dtype == np.float16
        assert case.record["image_digest"] == array_digest(image)
        assert (case.folder / "quality.png").read_bytes()[:4] == b"\x89PNG"


def test_what_is_there_is_not_computed_again(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    first, _ = cache_cases(studies_of(source), TINY, out, workers=0, progress=False)
    before = contents(out)
    source.rename(tmp_path / "elsewhere")  # names and places do not count

    def no_more(pipeline: MriPipeline, task: tuple[Study, Path]) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(module, "_prepare_case", no_more)
    again, problems = cache_cases(studies_of(tmp_path / "elsewhere"), TINY, out, workers=0, progress=False)
    assert not problems and [case.folder for case in again] == [case.folder for case in first]
    assert contents(out) == before


def test_other_bytes_or_parameters_are_another_case(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, _ = cache_cases(studies_of(source), TINY, out, workers=0, progress=False)
    other, _ = cache_cases(studies_of(source), replace(TINY, size=16), out, workers=0, progress=False)
    (source / "p0" / "t1.nii.gz").write_bytes((source / "p1" / "t1.nii.gz").read_bytes())
    mixed, _ = cache_cases(studies_of(source), TINY, out, workers=0, progress=False)
    assert len({case.folder for case in (*first, *other)}) == 6
    assert [a.folder == b.folder for a, b in zip(first, mixed)] == [False, True, True]


def test_what_a_file_is_taken_for_counts(source: Path, tmp_path: Path) -> None:
    (study,) = studies_of(source)[:1]
    swapped = replace(study, sequences={"t1": study.sequences["t1gd"], "t1gd": study.sequences["t1"]})
    digests = {module.study_digest(s) for s in (study, swapped, replace(study, tumour_mask=None))}
    assert len(digests) == 3


@pytest.mark.parametrize("name", ["image.npy", "tumour.npy"])
def test_a_damaged_folder_is_made_again(source: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    cases, _ = cache_cases(studies_of(source), TINY, out, workers=0, progress=False)
    before = contents(out)
    (cases[1].folder / name).unlink()
    cache_cases(studies_of(source), TINY, out, workers=0, progress=False)
    assert contents(out) == before


def test_one_bad_case_is_named_and_the_others_are_done(source: Path, tmp_path: Path) -> None:
    studies = studies_of(source)
    (source / "p1" / "t1.nii.gz").write_bytes(b"no image")
    cases, (problem,) = cache_cases(studies, TINY, tmp_path / "out", workers=0, progress=False)
    assert [case.study.case_key for case in cases] == ["p0", "p2"]
    assert problem.case_key == "p1" and "t1.nii.gz" in problem.cause


def test_a_file_that_went_away_is_named(source: Path, tmp_path: Path) -> None:
    studies = studies_of(source)
    (source / "p2" / "t1.nii.gz").unlink()
    cases, (problem,) = cache_cases(studies, TINY, tmp_path / "out", workers=0, progress=False)
    assert len(cases) == 2 and problem.case_key == "p2" and "t1.nii.gz" in problem.cause


def test_the_same_files_under_two_names_are_one_patient(source: Path, tmp_path: Path) -> None:
    for path in (source / "p0").iterdir():
        (source / "p2" / path.name).write_bytes(path.read_bytes())
    cases, (problem,) = cache_cases(studies_of(source), TINY, tmp_path / "out", workers=0, progress=False)
    assert len(cases) == 2
    assert problem.case_key == "p2" and "are those of case 'p0'" in problem.cause


def test_one_reference_belongs_to_one_patient(source: Path, tmp_path: Path) -> None:
    (source / "p2" / "t1gd.nii.gz").write_bytes((source / "p0" / "t1gd.nii.gz").read_bytes())
    studies = studies_of(source)
    cases, (problem,) = cache_cases(studies, TINY, tmp_path / "out", workers=0, progress=False)
    assert [case.study.case_key for case in cases] == ["p0", "p1"] and problem.case_key == "p2"
    assert "its t1gd is that of case 'p0', which is of another patient" in problem.cause
    studies[2] = replace(studies[2], patient_key="p0")
    cases, problems = cache_cases(studies, TINY, tmp_path / "out", workers=0, progress=False)
    assert len(cases) == 3 and not problems


def test_a_full_disk_leaves_nothing_half(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save, calls = np.save, []

    def fail_once(path: Path, array: np.ndarray) -> None:
        calls.append(path)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(path, array)

    monkeypatch.setattr(np, "save", fail_once)
    cases, (problem,) = cache_cases(studies_of(source), TINY, tmp_path / "out", workers=0, progress=False)
    assert problem.case_key == "p0" and "No space left" in problem.cause
    assert sorted(path.name for path in (tmp_path / "out" / "cases").iterdir()) == sorted(c.folder.name for c in cases)


def test_bars_tell_how_far_reading_and_preparing_are(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache_cases(studies_of(source), TINY, tmp_path / "out", workers=0, progress=True)
    told = capsys.readouterr().err
    assert "read files: 100%" in told and "prepare cases: 100%" in told


def test_a_negative_number_of_workers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="workers is -1"):
        cache_cases([], TINY, tmp_path, workers=-1)


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    pipeline = replace(TINY, kind="rigid", same_grid="register", on_failure="flag")
    for workers in (0, 1, 3):
        _, problems = cache_cases(studies_of(source), pipeline, tmp_path / str(workers), workers, progress=False)
        assert not problems
    alone, one, three = (contents(tmp_path / str(workers)) for workers in (0, 1, 3))
    assert len(alone) == 15 and alone == one == three


PROGRAM = """
import sys
from pathlib import Path
from monai_memvit.data.mri import MriPipeline, cache_cases, find_studies

if __name__ == "__main__":
    pipeline = MriPipeline(sequences=("t1", "t1gd"), kind="none", size=32, spacing_mm=8.0)
    cache_cases(find_studies(Path(sys.argv[1]))[0], pipeline, Path(sys.argv[2]), 1)
"""


@pytest.mark.slow
def test_a_killed_run_is_taken_up_and_gives_the_same_bytes(
    tmp_path: Path, write_cohort: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out, program = write_cohort(tmp_path / "source", 12, ("t1", "t1gd")), tmp_path / "out", tmp_path / "run.py"
    program.write_text(PROGRAM)
    process = subprocess.Popen([sys.executable, str(program), str(source), str(out)], stderr=subprocess.PIPE)
    assert process.stderr is not None
    shown = b""
    while not re.search(rb"prepare cases[^\r]* [2-9]/12", shown):
        shown += process.stderr.read(1)
    process.send_signal(signal.SIGKILL)
    process.communicate()  # until its stderr ends: the last of the worker processes is gone
    done = finished(out)
    assert 2 <= len(done) < 12
    (out / "cases" / f".{'a' * 32}.{'0' * 16}.tmp").mkdir()  # what a kill leaves in the middle of a case
    made = []
    prepare = module._prepare_case

    def count(pipeline: MriPipeline, task: tuple[Study, Path]) -> None:
        made.append(task[1])
        prepare(pipeline, task)

    monkeypatch.setattr(module, "_prepare_case", count)
    cases, problems = cache_cases(studies_of(source), TINY, out, workers=0, progress=False)
    assert not problems and len(cases) == 12 and not done & {path.name for path in made}
    cache_cases(studies_of(source), TINY, tmp_path / "whole", workers=0, progress=False)
    assert contents(out) == contents(tmp_path / "whole")


def finished(out: Path) -> set[str]:
    """Names of the folders of finished cases."""
    cases = out / "cases"
    return {path.name for path in cases.iterdir() if not path.name.startswith(".")} if cases.is_dir() else set()
