"""Three layouts of class folders, and what is wrong with others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from monai_memvit.data.patches.folders import read_class_folders


def fill(folder: Path, *names: str) -> None:
    """Put tiny pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (3, 3)).save(folder / name)


@pytest.mark.parametrize("norm", ["", "-NONORM"])
def test_nct_folders_are_training_and_test(tmp_path: Path, norm: str) -> None:
    for name in ("ADI", "TUM"):
        fill(tmp_path / f"NCT-CRC-HE-100K{norm}" / name, f"{name}-A.tif", f"{name}-B.tif")
        fill(tmp_path / "CRC-VAL-HE-7K" / name, f"{name}-TCGA-C.tif")
    source = read_class_folders(tmp_path)
    assert source.class_names == ["ADI", "TUM"]
    assert [(r.label, r.split) for r in source.records] == [(0, "train")] * 2 + [(1, "train")] * 2 + [
        (0, "test"),
        (1, "test"),
    ]
    first = source.records[0]
    assert first.sample_key == first.group_key == f"NCT-CRC-HE-100K{norm}/ADI/ADI-A.tif"
    assert first.image == tmp_path / first.sample_key


def test_nct_training_alone(tmp_path: Path) -> None:
    fill(tmp_path / "NCT-CRC-HE-100K" / "ADI", "a.tif")
    assert [r.split for r in read_class_folders(tmp_path).records] == ["train"]


def test_split_folders(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        fill(tmp_path / split / "b", "1.png")
        fill(tmp_path / split / "a", "1.jpg")
    source = read_class_folders(tmp_path)
    assert [(r.sample_key, r.label, r.split) for r in source.records] == [
        ("test/a/1.jpg", 0, "test"),
        ("test/b/1.png", 1, "test"),
        ("train/a/1.jpg", 0, "train"),
        ("train/b/1.png", 1, "train"),
        ("validation/a/1.jpg", 0, "val"),
        ("validation/b/1.png", 1, "val"),
    ]


def test_class_folders_with_nested_folders_and_other_files(tmp_path: Path) -> None:
    fill(tmp_path / "a", "2.PNG", "sub/1.jpeg", ".hidden.png")
    fill(tmp_path / "b", "1.tiff")
    fill(tmp_path / ".cache", "1.png")
    fill(tmp_path / "__MACOSX", "1.png")
    (tmp_path / "a" / "notes.txt").write_text("")
    (tmp_path / "README.md").write_text("")
    assert [r.sample_key for r in read_class_folders(tmp_path).records] == ["a/2.PNG", "a/sub/1.jpeg", "b/1.tiff"]


def test_the_order_of_classes_can_be_given(tmp_path: Path) -> None:
    fill(tmp_path / "a", "1.png")
    fill(tmp_path / "b", "1.png")
    source = read_class_folders(tmp_path, class_names=["b", "a"])
    assert source.class_names == ["b", "a"]
    assert [r.label for r in source.records] == [1, 0]


def test_the_group_comes_from_the_name(tmp_path: Path) -> None:
    fill(tmp_path / "a", "p07_1.png", "p07_2.png", "p11_1.png")
    source = read_class_folders(tmp_path, group_pattern=r"(p\d+)_")
    assert [r.group_key for r in source.records] == ["p07", "p07", "p11"]


@pytest.mark.parametrize(
    "pattern, message",
    [
        ("(", "no regular expression"),
        ("p", "0 capture groups"),
        ("(p)(0)", "2 capture groups"),
        ("(q)", "finds no group"),
    ],
)
def test_a_bad_pattern_is_named(tmp_path: Path, pattern: str, message: str) -> None:
    fill(tmp_path / "a", "p07_1.png")
    with pytest.raises(ValueError, match=f"{re.escape(pattern)}.*{message}"):
        read_class_folders(tmp_path, group_pattern=pattern)


def test_an_unknown_class_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "a", "1.png")
    fill(tmp_path / "c", "1.png")
    with pytest.raises(ValueError, match="class 'c' is unknown, the classes are a, b"):
        read_class_folders(tmp_path, class_names=["a", "b"])


def test_a_class_without_training_images_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "train" / "a", "1.png")
    fill(tmp_path / "test" / "b", "1.png")
    with pytest.raises(ValueError, match="train lacks the class b"):
        read_class_folders(tmp_path)


def test_layouts_that_do_not_fit_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no class folders"):
        read_class_folders(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError, match="holds no image"):
        read_class_folders(tmp_path)
    fill(tmp_path / "train" / "a", "1.png")
    with pytest.raises(ValueError, match=r"split folders \(train\) and others \(a\)"):
        read_class_folders(tmp_path)
    fill(tmp_path / "NCT-CRC-HE-100K" / "a", "1.png")
    fill(tmp_path / "NCT-CRC-HE-100K-NONORM" / "a", "1.png")
    with pytest.raises(ValueError, match="the same tissue twice"):
        read_class_folders(tmp_path)
