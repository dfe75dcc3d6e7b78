"""Both kinds of npz archives, and what is wrong with others."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_memvit.data.patches.archives import archive_names, load_array
from monai_memvit.data.patches.medmnist import is_medmnist, read_medmnist
from monai_memvit.data.patches.named_arrays import ArrayNames, read_named_arrays

RNG = np.random.default_rng(0)


def save(path: Path, **arrays: Any) -> Path:
    """Write an archive."""
    np.savez(path, **{name: np.asarray(array) for name, array in arrays.items()})
    return path


def pictures(count: int, *channels: int) -> np.ndarray:
    """Random 5 x 5 pictures."""
    return RNG.integers(0, 256, (count, 5, 5, *channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_medmnist(tmp_path: Path, channels: tuple[int, ...]) -> None:
    train, test = pictures(3, *channels), pictures(2, *channels)
    path = save(
        tmp_path / "set.npz",
        train_images=train,
        train_labels=[[0], [2], [1]],
        test_images=test,
        test_labels=[[1], [0]],
    )
    source = read_medmnist(path)
    assert is_medmnist(path)
    assert source.class_names == ["class 0", "class 1", "class 2"]
    assert [(r.sample_key, r.group_key, r.label, r.split) for r in source.records] == [
        ("train/000000", "train/000000", 0, "train"),
        ("train/000001", "train/000001", 2, "train"),
        ("train/000002", "train/000002", 1, "train"),
        ("test/000000", "test/000000", 1, "test"),
        ("test/000001", "test/000001", 0, "test"),
    ]
    for record, pixels in zip(source.records, [*train, *test], strict=True):
        assert np.array_equal(record.image, pixels)


def test_pathmnist_has_the_names_of_nct(tmp_path: Path) -> None:
    path = save(tmp_path / "pathmnist.npz", train_images=pictures(2, 3), train_labels=[[8], [0]])
    assert read_medmnist(path).class_names == ["ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM"]


@pytest.mark.parametrize(
    "images, labels, names, message",
    [
        (pictures(2, 3), [[0], [1], [2]], None, "has shape .3,., but there are 2 images"),
        (pictures(2, 3), [[0, 1], [1, 0]], None, "has shape .2, 2."),
        (pictures(2, 3), [[0.5], [1.0]], None, "class indices"),
        (pictures(2, 3), [[0], [-1]], None, "from -1"),
        (pictures(2, 3), [[0], [2]], ["a", "b"], "label 2 is an unknown class, 2 are named"),
        (pictures(2, 28), [[0], [1]], None, "volumes are not patches"),
    ],
)
def test_bad_medmnist_is_named(
    tmp_path: Path, images: np.ndarray, labels: list[Any], names: list[str] | None, message: str
) -> None:
    path = save(tmp_path / "set.npz", train_images=images, train_labels=labels)
    with pytest.raises(ValueError, match=message):
        read_medmnist(path, names)


def test_named_arrays(tmp_path: Path) -> None:
    images = pictures(5, 3)
    path = save(
        tmp_path / "set.npz",
        pixels=images,
        kind=np.array([1, -1, 0, -3, 1], dtype=np.int8),
        patient=np.array([7, 7, 8, 8, 9]),
        part=["train", "train", "validation", "train", "test"],
        number=[10, 11, 12, 13, 14],
    )
    assert not is_medmnist(path)
    source = read_named_arrays(path, ArrayNames("pixels", "kind", "patient", "part", "number"), ["a", "b"])
    assert source.unknown_labels == 2
    assert source.class_names == ["a", "b"]
    assert [(r.sample_key, r.group_key, r.label, r.split) for r in source.records] == [
        ("7/10", "7", 1, "train"),
        ("8/12", "8", 0, "val"),
        ("9/14", "9", 1, "test"),
    ]
    assert np.array_equal(source.records[1].image, images[2])
    assert source.records[1].where == f"{path}[pixels][2]"


def test_usual_names_are_found_without_being_named(tmp_path: Path) -> None:
    path = save(
        tmp_path / "set.npz",
        image=pictures(2),
        label=[0, 1],
        patient_id=["x", "y"],
        instance_id=[5, 6],
        split=["train", "test"],
        class_names=["a", "b"],
    )
    source = read_named_arrays(path)
    assert source.class_names == ["a", "b"]
    assert [(r.sample_key, r.group_key, r.split) for r in source.records] == [
        ("x/5", "x", "train"),
        ("y/6", "y", "test"),
    ]


def test_without_groups_and_keys_rows_stand_for_themselves(tmp_path: Path) -> None:
    source = read_named_arrays(save(tmp_path / "set.npz", image=pictures(2), label=[0, 1]))
    assert [(r.sample_key, r.group_key, r.split) for r in source.records] == [("000000",) * 2 + (None,)] + [
        ("000001",) * 2 + (None,)
    ]
    assert source.class_names == ["class 0", "class 1"]


def test_labels_may_be_names(tmp_path: Path) -> None:
    path = save(tmp_path / "set.npz", image=pictures(3), label=["tumour", "", "benign"])
    source = read_named_arrays(path)
    assert (source.class_names, [r.label for r in source.records]) == (["benign", "tumour"], [1, 0])
    assert source.unknown_labels == 1
    with pytest.raises(ValueError, match="class 'benign' is unknown, the classes are tumour"):
        read_named_arrays(path, class_names=["tumour"])


@pytest.mark.parametrize(
    "change, options, message",
    [
        ({}, {"label": "grade"}, "has no array 'grade'; it holds image, label"),
        ({}, {"group": "patient"}, "has no array 'patient'"),
        ({"label": [0, 1, 2]}, {}, "array 'label' has shape .3,., but there are 2 images"),
        ({"label": [0.0, 1.0]}, {}, "float64 values"),
        ({"label": [0, 4]}, {}, "label 4 is an unknown class, known are a, b"),
        ({"label": [-1, -1]}, {}, "no known class"),
        ({"split": ["train", "holdout"]}, {}, "split 'holdout' is unknown"),
        ({"patient_id": [1.5, 2.5]}, {}, "integers or texts"),
        ({"image": pictures(2, 28)}, {}, "volumes are not patches"),
        ({"image": np.zeros((0, 5, 5), np.uint8)}, {}, "has shape"),
    ],
)
def test_bad_arrays_are_named(tmp_path: Path, change: dict[str, Any], options: dict[str, str], message: str) -> None:
    arrays = {"image": pictures(2, 3), "label": [0, 1], "class_names": ["a", "b"]} | change
    path = save(tmp_path / "set.npz", **arrays)
    with pytest.raises(ValueError, match=message) as caught:
        read_named_arrays(path, ArrayNames(**options))
    assert str(path) in str(caught.value)


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", image=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="'image' cannot be read"):
        load_array(tmp_path / "set.npz", "image")


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_truncated_archive_is_named(tmp_path: Path, share: float) -> None:
    path = save(tmp_path / "set.npz", image=pictures(50, 3), label=np.arange(50))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"set\.npz is not a whole npz archive"):
        archive_names(path)


def test_a_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = save(tmp_path / "set.npz", image=pictures(50, 3))
    with zipfile.ZipFile(path) as archive:
        middle = archive.infolist()[0].header_offset + 1_500
    content = bytearray(path.read_bytes())
    content[middle] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match="'image' cannot be read"):
        load_array(path, "image")
