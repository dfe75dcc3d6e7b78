"""The stored values, as they are, and clear words for what is not a prepared film."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor, list_data_collate, set_track_meta

from monai_memvit.transforms.radiograph import LoadCachedFilmd


@pytest.mark.parametrize(("kind", "full"), [(np.uint8, 255), (np.uint16, 65535)])
def test_values(tmp_path: Path, kind: type, full: int) -> None:
    stored = np.random.default_rng(0).integers(0, full + 1, (20, 30)).astype(kind)
    stored[0, :2] = 0, full
    np.save(tmp_path / "film.npy", stored)
    done = LoadCachedFilmd("image")({"image": str(tmp_path / "film.npy"), "labels": [1, 0]})
    film = done["image"]
    assert film.shape == (1, 20, 30) and film.dtype == torch.float32 and done["labels"] == [1, 0]
    np.testing.assert_allclose(np.asarray(film)[0], stored.astype(np.float64) / full, rtol=1e-7)
    assert float(film.min()) == 0.0 and float(film.max()) == 1.0
    assert film.meta["filename_or_obj"] == str(tmp_path / "film.npy")


def test_tracks_metadata_as_monai_does_and_collates(tmp_path: Path) -> None:
    np.save(tmp_path / "film.npy", np.zeros((4, 4), np.uint8))
    transform = pickle.loads(pickle.dumps(LoadCachedFilmd(["image"])))
    item = {"image": tmp_path / "film.npy"}
    assert isinstance(transform(item)["image"], MetaTensor)
    assert list_data_collate([transform(item)] * 3)["image"].shape == (3, 1, 4, 4)
    set_track_meta(False)
    try:
        assert type(transform(item)["image"]) is torch.Tensor
    finally:
        set_track_meta(True)


def test_missing_keys(tmp_path: Path) -> None:
    assert LoadCachedFilmd("image", allow_missing_keys=True)({"id": 1}) == {"id": 1}
    with pytest.raises(KeyError):
        LoadCachedFilmd("image")({"id": 1})


def test_missing_torn_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="absent.npy does not exist"):
        LoadCachedFilmd("image")({"image": tmp_path / "absent.npy"})
    np.save(tmp_path / "film.npy", np.zeros((9, 9), np.uint8))
    (tmp_path / "torn.npy").write_bytes((tmp_path / "film.npy").read_bytes()[:-10])
    (tmp_path / "text.npy").write_text("{}")
    (tmp_path / "empty.npy").touch()
    np.save(tmp_path / "object.npy", np.array([[None]]), allow_pickle=True)
    for name in ("torn", "text", "empty", "object"):
        with pytest.raises(ValueError, match=f"{name}.npy is no whole .npy file"):
            LoadCachedFilmd("image")({"image": tmp_path / f"{name}.npy"})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (np.zeros((4, 4), np.float32), r"float32 \(4, 4\)"),
        (np.zeros((1, 4, 4), np.uint8), r"uint8 \(1, 4, 4\)"),
        (np.zeros((4, 4), np.int16), r"int16 \(4, 4\)"),
    ],
)
def test_other_arrays(tmp_path: Path, content: np.ndarray, told: str) -> None:
    np.save(tmp_path / "film.npy", content)
    with pytest.raises(ValueError, match=f"{told}, not uint8 or uint16"):
        LoadCachedFilmd("image")({"image": tmp_path / "film.npy"})


def test_an_archive(tmp_path: Path) -> None:
    np.savez(tmp_path / "films.npz", a=np.zeros(3))
    with pytest.raises(ValueError, match="holds an archive"):
        LoadCachedFilmd("image")({"image": tmp_path / "films.npz"})
