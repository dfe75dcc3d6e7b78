"""Which files of a folder are slides."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from monai_memvit.data.slides.find_slides import SlideSource, find_slides


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_slides_by_their_suffix_in_the_order_of_their_paths(tmp_path: Path) -> None:
    touch(tmp_path, "b/c.SVS", "a.ndpi", "b/a.tiff", "notes.txt", "labels.csv", ".hidden.svs", "._a.ndpi", "x.vsi")
    found = find_slides(tmp_path)
    assert [slide.key for slide in found] == ["a.ndpi", "b/a.tiff", "b/c.SVS", "x.vsi"]
    assert found[1].names == {"b/a.tiff", "a.tiff", "a"}


def test_the_folder_of_a_mirax_slide_belongs_to_it(tmp_path: Path) -> None:
    touch(tmp_path, "one.mrxs", "one/Data0000.dat", "one/stray.tif", "two/three.mrxs", "two/three/a.svs", "four/a.svs")
    assert [slide.key for slide in find_slides(tmp_path)] == ["four/a.svs", "one.mrxs", "two/three.mrxs"]


def test_dicom_series(wsi: Path, tmp_path: Path) -> None:
    for name in ("5_0", "9_0", "2"):
        touch(tmp_path, f"single/{name}", f"both/{name}")
        for folder in ("single", "both"):
            shutil.copyfile(wsi / "dicom_multi_level_bpaec" / name, tmp_path / folder / name)
    shutil.copyfile(wsi / "dicom_jpeg2000" / "camelyon.dcm", tmp_path / "both" / "camelyon.dcm")
    touch(tmp_path, "single/readme.txt")
    found = find_slides(tmp_path)
    assert [slide.key for slide in found] == ["both/2", "both/camelyon.dcm", "single"]
    assert found[2].path == tmp_path / "single"
    assert [slide.key for slide in find_slides(tmp_path / "single")] == ["single"]


def test_a_damaged_dicom_file_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00")
    assert [slide.key for slide in find_slides(tmp_path)] == ["a.dcm"]


def test_one_file_and_none(tmp_path: Path) -> None:
    touch(tmp_path, "a.svs", "b/c.txt")
    assert find_slides(tmp_path / "a.svs") == [SlideSource("a.svs", tmp_path / "a.svs")]
    with pytest.raises(ValueError, match="holds no slide"):
        find_slides(tmp_path / "b")


def test_keys_are_text_whatever_the_file_system_holds(tmp_path: Path) -> None:
    try:
        touch(tmp_path, "caf\udce9.svs", "Größe 1.svs")
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    assert [slide.key for slide in find_slides(tmp_path)] == ["Größe 1.svs", r"caf\xe9.svs"]


def test_a_link_to_nowhere_is_not_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a.svs")
    (tmp_path / "b.svs").symlink_to(tmp_path / "gone.svs")
    (tmp_path / "c.txt").symlink_to(tmp_path / "gone.txt")
    assert [slide.key for slide in find_slides(tmp_path)] == ["a.svs", "b.svs"]


def test_a_link_to_a_folder_above_is_not_followed_for_ever(tmp_path: Path) -> None:
    touch(tmp_path, "a/b.svs")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert [slide.key for slide in find_slides(tmp_path)] == ["a/b.svs"]
