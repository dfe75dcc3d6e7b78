from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data.image_reader import PydicomReader
from monai.transforms import LoadImage
from PIL import Image
from pydicom.dataset import Dataset

from monai_memvit.transforms.radiograph import DisplayError, LoadRadiograph, RadiographReader, display_values

MakeFilm = Callable[..., Dataset]
SaveFilm = Callable[[Dataset, Path], Path]


@pytest.fixture
def path(make_film: MakeFilm, save_film: SaveFilm, tmp_path: Path) -> Path:
    film = make_film(PhotometricInterpretation="MONOCHROME1", PixelSpacing=["0.2", "0.1"])
    film.ImagePositionPatient, film.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    return save_film(film, tmp_path / "film.dcm")


def test_load_image_gives_what_load_radiograph_gives(path: Path) -> None:
    loaded = LoadImage(reader=RadiographReader(), ensure_channel_first=True)(path)
    ours = LoadRadiograph()(path)
    torch.testing.assert_close(loaded.as_tensor(), ours.as_tensor(), rtol=0, atol=0)
    torch.testing.assert_close(loaded.affine, ours.affine)
    assert loaded.meta["notes"] == ours.meta["notes"]


def test_a_refused_film_is_not_read_by_another_reader(make_film: MakeFilm, save_film: SaveFilm, tmp_path: Path) -> None:
    bad = save_film(make_film(WindowCenter="1", WindowWidth="0"), tmp_path / "bad.dcm")
    with pytest.raises(DisplayError, match="WindowWidth"):
        LoadImage(reader=RadiographReader())(bad)


def test_monais_own_reader_shows_it_otherwise(path: Path) -> None:
    """The counter-example: stored values, black for white, and the axes swapped."""
    theirs = PydicomReader()
    array, _ = theirs.get_data(theirs.read(path))
    ours, _ = RadiographReader().get_data(path)
    np.testing.assert_allclose(1 - np.asarray(array).T / 4095, ours, atol=1e-6)
    assert abs(np.asarray(array).T / 4095 - ours).max() > 0.9


def test_the_array_has_rows_first(path: Path) -> None:
    reader = RadiographReader()
    array, meta = reader.get_data(reader.read(path))
    assert array.shape == (6, 5)
    assert meta["spatial_shape"].tolist() == [6, 5]
    np.testing.assert_allclose(np.diag(meta["affine"]), [0.2, 0.1, 1, 1])


def test_it_offers_itself_for_films_only(path: Path, tmp_path: Path) -> None:
    reader = RadiographReader()
    bare = tmp_path / "1.2.840.99"
    bare.write_bytes(path.read_bytes())
    other = tmp_path / "scan.nii.gz"
    other.write_bytes(b"")
    assert reader.verify_suffix(path)
    assert reader.verify_suffix([str(path), bare])
    assert reader.verify_suffix("film.PNG")
    assert not reader.verify_suffix(other)
    assert not reader.verify_suffix([path, other])


def test_several_files_are_no_film(path: Path) -> None:
    reader = RadiographReader()
    with pytest.raises(DisplayError, match="several files"):
        reader.get_data(reader.read([path, path]))


def test_it_takes_the_window(make_film: MakeFilm, save_film: SaveFilm, tmp_path: Path) -> None:
    film = make_film(WindowCenter=["100", "3000"], WindowWidth=["50", "700"])
    file = save_film(film, tmp_path / "film.dcm")
    for window in (0, 1):
        array, _ = RadiographReader(window=window).get_data(file)
        np.testing.assert_array_equal(array, display_values(film, window))
    with pytest.raises(ValueError, match="window"):
        RadiographReader(window=-1)


def test_it_takes_modalities(make_film: MakeFilm, save_film: SaveFilm, tmp_path: Path) -> None:
    film = make_film(Modality="RF", SOPClassUID="1.2.840.10008.5.1.4.1.1.12.2")
    file = save_film(film, tmp_path / "film.dcm")
    with pytest.raises(DisplayError, match="modality RF"):
        RadiographReader().get_data(file)
    for modalities in (["RF"], "RF"):
        assert RadiographReader(modalities=modalities).get_data(file)[0].shape == (6, 5)


def test_pictures_too(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 6), 51, np.uint8)).save(tmp_path / "film.png")
    array, meta = RadiographReader().get_data(tmp_path / "film.png")
    assert array.shape == (4, 6)
    assert np.allclose(array, 0.2)
    assert meta["spacing_kind"] == "none"
