"""Every film of a folder, without findings."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_memvit.data.radiographs.label_files.unlabelled import every_film


def test_films_are_told_from_other_files(tmp_path: Path) -> None:
    contents = {"a/1.png": b"", "b/2.JPG": b"", "c/IM0": b"\0" * 128 + b"DICM", "notes.txt": b"x", "labels.csv": b"x"}
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    table = every_film(tmp_path, sorted(path for path in tmp_path.rglob("*") if path.is_file()))
    assert [film.key for film in table.films] == ["a/1.png", "b/2.JPG", "c/IM0"]
    assert table.findings == [] and {film.labels for film in table.films} == {()}


def test_a_folder_without_films_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no film"):
        every_film(tmp_path, [])
