from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import set_track_meta
from monai.data.meta_tensor import MetaTensor
from monai.data.utils import list_data_collate
from PIL import Image
from pydicom.dataset import Dataset

from monai_memvit.transforms.radiograph import DisplayError, LoadRadiograph, LoadRadiographd, display_values

MakeFilm = Callable[..., Dataset]
SaveFilm = Callable[[Dataset, Path], Path]
CHANGES = {
    "PhotometricInterpretation": "MONOCHROME1",
    "PatientName": "A^B",
    "PatientID": "secret",
    "PatientOrientation": ["L", "F"],
    "ImagerPixelSpacing": ["0.2", "0.1"],
}


@pytest.fixture
def path(make_film: MakeFilm, save_film: SaveFilm, tmp_path: Path) -> Path:
    return save_film(make_film(**CHANGES), tmp_path / "film.dcm")


def test_a_film_with_its_metadata(make_film: MakeFilm, path: Path) -> None:
    film = LoadRadiograph()(path)
    assert isinstance(film, MetaTensor)
    assert film.dtype == torch.float32
    np.testing.assert_array_equal(film[0].numpy(), display_values(make_film(**CHANGES)))
    np.testing.assert_allclose(np.diag(film.affine), [0.2, 0.1, 1, 1])
    assert film.meta["filename_or_obj"] == str(path)
    assert film.meta["spacing_kind"] == "imager"
    assert film.meta["patient_orientation"] == "L\\F"
    assert film.meta["attributes"]["Modality"] == "DX"
    assert film.meta["original_channel_dim"] == 0
    assert "full range" in film.meta["notes"]


def test_no_identifier_is_in_the_metadata(path: Path) -> None:
    said = str({name: value for name, value in LoadRadiograph()(path).meta.items() if name != "filename_or_obj"})
    assert "secret" not in said
    assert "A^B" not in said
    assert "1.2.3.4" not in said


def test_without_metadata_it_is_a_tensor(path: Path) -> None:
    set_track_meta(False)
    film = LoadRadiograph()(path)
    assert not isinstance(film, MetaTensor)
    assert film.shape == (1, 6, 5)


def test_films_of_any_kind_are_collated(path: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((6, 5), np.uint8)).save(tmp_path / "film.png")
    load = LoadRadiographd("image")
    batch = list_data_collate([load({"image": path}), load({"image": tmp_path / "film.png"})])
    assert batch["image"].shape == (2, 1, 6, 5)
    assert batch["image"].meta["spacing_kind"] == ["imager", "none"]


def test_the_dictionary_transform(path: Path) -> None:
    load = LoadRadiographd(["image", "other"], allow_missing_keys=True)
    item = {"image": str(path), "sample_id": "a"}
    out = load(item)
    torch.testing.assert_close(out["image"].as_tensor(), LoadRadiograph()(path).as_tensor())
    assert out["sample_id"] == "a"
    assert item["image"] == str(path)
    with pytest.raises(KeyError):
        LoadRadiographd("other")(item)


def test_it_can_be_sent_to_a_worker(path: Path) -> None:
    load = pickle.loads(pickle.dumps(LoadRadiographd("image", window=0)))
    assert load({"image": path})["image"].shape == (1, 6, 5)


def test_one_modality_may_be_a_plain_text(path: Path) -> None:
    assert LoadRadiographd("image", modalities="DX")({"image": path})["image"].shape == (1, 6, 5)
    with pytest.raises(DisplayError, match="modality DX"):
        LoadRadiograph(modalities="CR")(path)


def test_a_bad_film_is_named(tmp_path: Path) -> None:
    with pytest.raises(DisplayError, match="absent.dcm: it does not exist"):
        LoadRadiograph()(tmp_path / "absent.dcm")
    with pytest.raises(ValueError, match="window"):
        LoadRadiographd("image", window=-3)
