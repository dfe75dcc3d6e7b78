"""Prepared films on disk: made once, whole, the same for any number of workers and after any death."""

from __future__ import annotations

import errno
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_memvit.data import array_digest
from monai_memvit.data.radiographs import (
    FilmPipeline,
    cache_films,
    load_film_record,
    remove_stale_films,
)

TINY = FilmPipeline(size=32, crop_border=False)


@pytest.fixture
def films(tmp_path: Path) -> list[Path]:
    """Four PNG films of noise."""
    return write_films(tmp_path / "source", 4)


def write_films(folder: Path, count: int) -> list[Path]:
    """PNG films of noise."""
    folder.mkdir()
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 30)).astype(np.uint8)
        Image.fromarray(pixels).save(path)
    return paths


def contents(out: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The films that are really prepared from here on."""
    made: list[Path] = []
    prepare = FilmPipeline.prepare

    def counted(self: FilmPipeline, path: Path) -> tuple[np.ndarray, dict[str, object]]:
        made.append(path)
        return prepare(self, path)

    monkeypatch.setattr(FilmPipeline, "prepare", counted)
    return made


def test_files_hold_what_was_prepared(films: list[Path], tmp_path: Path) -> None:
    cached, problems = cache_films(films, TINY, tmp_path / "out", workers=0, progress=False)
    assert not problems and list(cached) == films
    for path, film in cached.items():
        image, record = TINY.prepare(path)
        assert np.array_equal(np.load(film.file), image) and film.record == record == load_film_record(film.file)
        assert re.fullmatch(r"films/[0-9a-f]{2}/[0-9a-f]{30}\.npy", film.file.relative_to(tmp_path / "out").as_posix())
    assert len(contents(tmp_path / "out")) == 8


def test_what_is_there_is_not_made_again(films: list[Path], tmp_path: Path, prepared: list[Path]) -> None:
    first, _ = cache_films(films, TINY, tmp_path / "out", workers=0, progress=False)
    before = contents(tmp_path / "out")
    moved = [path.rename(path.with_name(f"new{path.name}")) for path in films]  # names do not count
    again, problems = cache_films(moved, TINY, tmp_path / "out", workers=0, progress=False)
    assert not problems and prepared == films and contents(tmp_path / "out") == before
    assert [film.file for film in again.values()] == [film.file for film in first.values()]
    assert [film.record for film in again.values()] == [film.record for film in first.values()]


def test_other_bytes_or_parameters_are_another_film(films: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, _ = cache_films(films, TINY, out, workers=0, progress=False)
    other, _ = cache_films(films, replace(TINY, size=16), out, workers=0, progress=False)
    shutil.copyfile(films[1], films[0])
    mixed, _ = cache_films(films, TINY, out, workers=0, progress=False)
    assert len({film.file for film in (*first.values(), *other.values())}) == 8
    assert mixed[films[0]].file == mixed[films[1]].file == first[films[1]].file != first[films[0]].file


def test_a_dicom_file_that_changed_is_another_film(tmp_path: Path, write_film: Callable[..., str]) -> None:
    path = tmp_path / "film.dcm"
    uid = write_film(path, "Doe")
    first, _ = cache_films([path], TINY, tmp_path / "out", workers=0, progress=False)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    second, _ = cache_films([path], TINY, tmp_path / "out", workers=0, progress=False)
    assert first[path].file != second[path].file
    assert all("Doe" not in name and uid not in name for name in contents(tmp_path / "out"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-7]),
        lambda file: file.write_bytes(file.read_bytes()[:-1] + b"\x99"),
        lambda file: file.write_bytes(b""),
        lambda file: file.unlink(),
        lambda file: np.save(file, np.array([None]), allow_pickle=True),
        lambda file: file.with_suffix(".json").write_text(file.with_suffix(".json").read_text()[:20]),
        lambda file: file.with_suffix(".json").write_text("[1]"),
        lambda file: file.with_suffix(".json").unlink(),
    ],
)
def test_a_damaged_film_is_made_again(
    films: list[Path], tmp_path: Path, damage: Callable[[Path], object], prepared: list[Path]
) -> None:
    out = tmp_path / "out"
    cached, _ = cache_films(films, TINY, out, workers=0, progress=False)
    before = contents(out)
    damage(cached[films[2]].file)
    assert contents(out) != before
    del prepared[:]
    again, problems = cache_films(films, TINY, out, workers=0, progress=False)
    assert contents(out) == before and again == cached and not problems and prepared == [films[2]]


def test_bad_films_are_named_and_the_others_are_done(films: list[Path], tmp_path: Path) -> None:
    films[1].write_bytes(films[1].read_bytes()[:200])
    films[3].unlink()
    (tmp_path / "text.png").write_text("no film")
    given = [*films, tmp_path / "text.png"]
    cached, problems = cache_films(given, TINY, tmp_path / "out", workers=0, progress=False)
    assert list(cached) == [films[0], films[2]]
    assert [problem.path for problem in problems] == [films[1], films[3], tmp_path / "text.png"]
    assert all(problem.path.name in problem.cause for problem in problems)


def test_a_film_given_twice_is_one(films: list[Path], tmp_path: Path, prepared: list[Path]) -> None:
    cached, problems = cache_films([*films, films[0]], TINY, tmp_path / "out", workers=0, progress=False)
    assert list(cached) == films and prepared == films and not problems


def test_the_limit_is_told_before_anything_is_written(films: list[Path], tmp_path: Path) -> None:
    need = 4 * (32 * 32 + 8192)
    with pytest.raises(ValueError, match=r"4 films of 32 x 32 pixels in 8 bits need 0\.04 MB, the limit is 0\.04 MB"):
        cache_films(films, TINY, tmp_path / "out", workers=0, progress=False, max_bytes=need - 1)
    assert not (tmp_path / "out").exists()
    cached, _ = cache_films(films, TINY, tmp_path / "out", workers=0, progress=False, max_bytes=need)
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file()) <= need
    assert len(cached) == 4


def test_a_disk_with_too_little_room_is_told_before(
    films: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [10**6]
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=free[0]))
    cache_films(films, TINY, tmp_path / "out", workers=0, progress=False)
    free[0] = 30_000
    cache_films(films, TINY, tmp_path / "out", workers=0, progress=False)  # what is there counts as room
    with pytest.raises(ValueError, match=r"4 films .* need .* has room for 0\.03 MB: make room"):
        cache_films(films, TINY, tmp_path / "other", workers=0, progress=False)
    assert not (tmp_path / "other").exists()


def test_a_full_disk_ends_the_work_and_leaves_nothing_half(
    films: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, calls = np.save, []

    def fail(file: object, array: np.ndarray) -> None:
        calls.append(file)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(file, array)

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(ValueError, match="no space is left on the disk"):
        cache_films(films, TINY, tmp_path / "out", workers=0, progress=False)
    assert len(calls) == 3
    assert (
        sorted(path.suffix for path in (tmp_path / "out").rglob("*") if path.is_file()) == [".json"] * 2 + [".npy"] * 2
    )


def test_a_folder_that_cannot_be_written_to_fails_its_films(
    films: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: object, array: np.ndarray) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(np, "save", refuse)
    cached, problems = cache_films(films, TINY, tmp_path / "out", workers=0, progress=False)
    assert not cached and all("Permission denied" in problem.cause for problem in problems)


def test_stale_films_go_and_nothing_else(films: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    cached, _ = cache_films(films, TINY, out, workers=0, progress=False)
    kept = [cached[path].file for path in films[:3]]
    alien = kept[0].with_name("notes.txt")
    alien.write_text("mine")
    (kept[0].parent / f".{kept[0].name}.{'0' * 16}.tmp").touch()  # of a killed writer
    (out / "datalist.json").touch()
    remove_stale_films(out, kept)
    left = {path for path in out.rglob("*") if path.is_file()}
    assert left == {*kept, *(file.with_suffix(".json") for file in kept), alien, out / "datalist.json"}
    remove_stale_films(out, [])
    assert {path for path in out.rglob("*") if path.is_file()} == {alien, out / "datalist.json"}


def test_records_that_are_none(tmp_path: Path) -> None:
    for text in (None, "{", "[]"):
        if text is not None:
            (tmp_path / "film.json").write_text(text)
        with pytest.raises(ValueError, match=r"film\.json is no record of a prepared film"):
            load_film_record(tmp_path / "film.npy")


def test_a_bar_tells_how_far_it_is(films: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache_films(films, TINY, tmp_path / "out", workers=0, progress=True)
    assert "prepare films: 100%" in capsys.readouterr().err


def test_a_negative_number_of_workers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="workers is -1"):
        cache_films([], TINY, tmp_path, workers=-1)


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_bytes(tmp_path: Path) -> None:
    films = write_films(tmp_path / "source", 9)
    films[4].write_text("no film")
    told = []
    for workers in (0, 1, 3):
        cached, problems = cache_films(films, TINY, tmp_path / str(workers), workers, progress=False)
        told.append([str(problem) for problem in problems])
        assert list(cached) == films[:4] + films[5:]
    alone, one, three = (contents(tmp_path / str(workers)) for workers in (0, 1, 3))
    assert len(alone) == 16 and alone == one == three and told[0] == told[1] == told[2]


PROGRAM = """
import sys
from pathlib import Path
from monai_memvit.data.radiographs import FilmPipeline, cache_films

if __name__ == "__main__":
    films = sorted(Path(sys.argv[1]).iterdir())
    cache_films(films, FilmPipeline(size=512, crop_border=False), Path(sys.argv[2]), 2)
"""


@pytest.mark.slow
def test_a_killed_run_is_taken_up_and_gives_the_same_bytes(tmp_path: Path, prepared: list[Path]) -> None:
    films, out = write_films(tmp_path / "source", 150), tmp_path / "out"
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path / "source"), str(out)], stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    shown = b""
    while not re.search(rb"prepare films[^\r]* ([2-9]|[1-9]\d)/150", shown):
        shown += process.stderr.read(1)
    process.send_signal(signal.SIGKILL)
    process.communicate()  # until its stderr ends: the last of the worker processes is gone
    done = {path for path in out.rglob("*.json") if path.with_suffix(".npy").is_file()}
    assert 2 <= len(done) < 150
    for record in done:
        assert array_digest(np.load(record.with_suffix(".npy"))) == json.loads(record.read_text())["image_digest"]
    pipeline = FilmPipeline(size=512, crop_border=False)
    cached, problems = cache_films(films, pipeline, out, workers=0, progress=False)
    assert not problems and len(cached) == 150 and len(prepared) == 150 - len(done)
    cache_films(films, pipeline, tmp_path / "whole", workers=0, progress=False)
    assert contents(out) == contents(tmp_path / "whole")
