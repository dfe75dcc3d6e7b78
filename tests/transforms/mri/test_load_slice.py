"""The right slice, only its own bytes, and nothing of channels that are not there."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor, list_data_collate, set_track_meta

from monai_memvit.transforms.mri.load_slice import LoadSliced

SHAPE = (6, 5, 8, 7)


@pytest.fixture
def case(tmp_path: Path) -> tuple[Path, np.ndarray]:
    voxels = np.random.default_rng(0).normal(size=SHAPE).astype(np.float16)
    path = tmp_path / "image.npy"
    np.save(path, voxels)
    return path, voxels


@pytest.mark.parametrize("number", [0, 3, 5, np.int64(2), torch.tensor(4)])
def test_the_slice_that_was_asked_for(case: tuple[Path, np.ndarray], number: int) -> None:
    path, voxels = case
    done = LoadSliced(num_channels=5)({"image": str(path), "slice": number, "label": 1})
    assert done["image"].dtype == torch.float32 and done["label"] == 1
    np.testing.assert_array_equal(np.asarray(done["image"]), voxels[int(number)].astype(np.float32))
    assert done["channel_mask"].dtype == torch.bool and done["channel_mask"].tolist() == [True] * 5
    assert done["image"].meta["filename_or_obj"] == str(path) and done["image"].meta["slice"] == int(number)


@pytest.mark.parametrize("garbage", [np.nan, np.inf, 7.0])
def test_content_of_missing_channels_is_never_read(case: tuple[Path, np.ndarray], garbage: float) -> None:
    path, voxels = case
    present = [True, False, True, True, False]
    expected = np.where(np.reshape(present, (5, 1, 1)), voxels[1], 0).astype(np.float32)
    voxels[:, ~np.array(present)] = garbage
    np.save(path, voxels)
    done = LoadSliced()({"image": path, "slice": 1, "channel_mask": present})
    np.testing.assert_array_equal(np.asarray(done["image"]), expected)
    assert done["channel_mask"].tolist() == present


def test_other_slices_are_not_read(tmp_path: Path) -> None:
    """A file of 64 GiB that is all hole but for one slice: it could not be read whole."""
    shape, path = (1 << 16, 1, 512, 512), tmp_path / "image.npy"
    stored = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    stored[40_000] = 1.5
    del stored
    done = LoadSliced()({"image": path, "slice": 40_000})
    path.unlink()
    assert done["image"].shape == (1, 512, 512) and bool((done["image"] == 1.5).all())


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float64, bool])
def test_other_kinds_of_numbers_become_float32(tmp_path: Path, kind: type) -> None:
    voxels = np.arange(24).reshape(1, 2, 3, 4).astype(kind)
    np.save(tmp_path / "image.npy", voxels)
    image = LoadSliced()({"image": tmp_path / "image.npy", "slice": 0})["image"]
    assert image.dtype == torch.float32
    np.testing.assert_array_equal(np.asarray(image), voxels[0])


def test_the_result_is_a_copy_that_may_be_written_to(case: tuple[Path, np.ndarray]) -> None:
    path, voxels = case
    LoadSliced()({"image": path, "slice": 0})["image"].zero_()
    np.testing.assert_array_equal(np.load(path), voxels)


def test_tracks_metadata_as_monai_does(case: tuple[Path, np.ndarray]) -> None:
    item = {"image": case[0], "slice": 0}
    assert isinstance(LoadSliced()(item)["image"], MetaTensor)
    set_track_meta(False)
    try:
        assert type(LoadSliced()(item)["image"]) is torch.Tensor
    finally:
        set_track_meta(True)


def test_slices_collate_and_the_transform_travels_to_workers(case: tuple[Path, np.ndarray]) -> None:
    transform = pickle.loads(pickle.dumps(LoadSliced()))
    batch = list_data_collate([transform({"image": str(case[0]), "slice": number}) for number in (0, 4)])
    assert batch["image"].shape == (2, *SHAPE[1:]) and batch["channel_mask"].shape == (2, 5)


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"slice": 6}, "no slice 6, they are 0 to 5"),
        ({"slice": -1}, "no slice -1"),
        ({"slice": None}, "has no 'slice'"),
        ({"slice": 1.5}, "slice 1.5 is no whole number"),
        ({"channel_mask": [True] * 4}, r"has 5 channels, but 'channel_mask' has shape \(4,\)"),
        ({"channel_mask": [[True] * 5]}, "has 5 channels, but"),
        ({"channel_mask": [False] * 5}, "no channel is there"),
    ],
)
def test_errors_name_the_file_and_the_value(
    case: tuple[Path, np.ndarray], changed: dict[str, object], cause: str
) -> None:
    with pytest.raises(ValueError, match=cause) as error:
        LoadSliced()({"image": case[0], "slice": 0, **changed})
    assert str(case[0]) in str(error.value)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (np.zeros((3, 4, 5)), r"holds float64 \(3, 4, 5\)"),
        (np.zeros(SHAPE, dtype="U3"), "not numbers"),
        (np.full(SHAPE, np.nan), "slice 2 holds NaN"),
        (np.zeros((6, 3, 8, 7)), "has 3 channels, not 5"),
        (np.array([[[[None]]]]), "no whole .npy file"),
    ],
)
def test_files_that_hold_something_else(tmp_path: Path, content: np.ndarray, cause: str) -> None:
    path = tmp_path / "image.npy"
    np.save(path, content, allow_pickle=True)
    with pytest.raises(ValueError, match=cause) as error:
        LoadSliced(num_channels=5)({"image": path, "slice": 2})
    assert str(path) in str(error.value)


def test_missing_torn_and_foreign_files(case: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="absent.npy does not exist"):
        LoadSliced()({"image": tmp_path / "absent.npy", "slice": 0})
    torn = tmp_path / "torn.npy"
    torn.write_bytes(case[0].read_bytes()[:-10])
    foreign = tmp_path / "foreign.npy"
    foreign.write_text("{}")
    empty = tmp_path / "empty.npy"
    empty.touch()
    for path in (torn, foreign, empty):
        with pytest.raises(ValueError, match=f"{path.name} is no whole .npy file"):
            LoadSliced()({"image": path, "slice": 0})
    archive = tmp_path / "archive.npz"
    np.savez(archive, image=np.zeros(SHAPE))
    with pytest.raises(ValueError, match="an archive"):
        LoadSliced()({"image": archive, "slice": 0})
