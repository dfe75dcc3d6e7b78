"""Aspect, filter, padding, affine and the way back; Pillow and plain means are the references."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor, set_track_meta
from monai.transforms import Compose, Invertd
from PIL import Image

from monai_memvit.transforms.radiograph import CropFilmBorderd, ResizeFilm, ResizeFilmd


def random_film(rows: int, columns: int) -> torch.Tensor:
    """Noise: the worst case of a filter."""
    return torch.from_numpy(np.random.default_rng(7).random((1, rows, columns), dtype=np.float32))


@pytest.mark.parametrize(("rows", "columns", "size"), [(90, 130, 64), (301, 255, 100), (40, 30, 96), (77, 77, 76)])
def test_equals_pillow_with_its_filter(rows: int, columns: int, size: int) -> None:
    film = random_film(rows, columns)
    done = np.asarray(ResizeFilm(size, value=0.25)(film))[0]
    scale = size / max(rows, columns)
    height, width = round(rows * scale), round(columns * scale)
    expected = Image.fromarray(film[0].numpy()).resize((width, height), Image.Resampling.BILINEAR)
    top, left = (size - height) // 2, (size - width) // 2
    np.testing.assert_allclose(
        done[top : top + height, left : left + width], np.asarray(expected), atol=2e-5
    )  # weights of one or the other are float32
    outside = np.ones((size, size), bool)
    outside[top : top + height, left : left + width] = False
    assert (done[outside] == 0.25).all() and outside.sum() == size * size - height * width


def test_means_are_kept_where_plain_pixels_would_alias() -> None:
    """A grid of lines, two pixels wide each: its mean is grey, and every fourth pixel of it would be black."""
    lines = ((torch.arange(256) // 2) % 2).to(torch.float32).repeat(256, 1)[None]
    means = lines.reshape(1, 64, 4, 64, 4).mean(dim=(2, 4))
    done = ResizeFilm(64)(lines)
    inner = (slice(None), slice(2, -2), slice(2, -2))
    assert float((done - means)[inner].abs().max()) < 1e-6
    assert bool((lines[:, ::4, ::4] == 0).all())


def test_values_stay_in_their_range() -> None:
    done = ResizeFilm(33)(torch.ones(1, 100, 80))
    assert float(done.max()) <= 1 + 1e-6 and float(ResizeFilm(33)(random_film(100, 80)).min()) >= 0


@pytest.mark.parametrize(("rows", "columns", "size"), [(90, 130, 64), (40, 30, 96), (64, 64, 64)])
def test_the_affine_keeps_places_in_mm(rows: int, columns: int, size: int) -> None:
    """A ramp in mm, resized, still says the mm of every pixel."""
    affine = torch.diag(torch.tensor([0.2, 0.3, 1.0, 1.0], dtype=torch.float64))
    places = torch.arange(rows, dtype=torch.float32)[:, None] * 0.2 + torch.zeros(1, columns)
    done = ResizeFilm(size, value=-1.0)(MetaTensor(places[None], affine=affine))
    assert isinstance(done, MetaTensor)
    inside = torch.nonzero(done.as_tensor()[0, :, size // 2] >= 0)[:, 0][4:-4]
    told = done.affine[0, 0] * inside + done.affine[0, 3]
    np.testing.assert_allclose(done.as_tensor()[0, inside, size // 2], told, atol=0.02)  # a tenth of a pixel
    assert done.affine[1, 1] * round(columns * size / max(rows, columns)) == pytest.approx(0.3 * columns)


def test_the_inverse_brings_a_map_to_the_film() -> None:
    film = MetaTensor(random_film(60, 100), affine=torch.diag(torch.tensor([0.2, 0.3, 1.0, 1.0])))
    resize = ResizeFilm(50)
    done = resize(film)
    heat = MetaTensor(torch.zeros(1, 50, 50)).copy_meta_from(done)
    heat[0, 10 + 5, 25] = 1.0  # the film has rows 10 to 39 of the square
    back = resize.inverse(heat)
    assert back.shape == (1, 60, 100) and back.applied_operations == []
    row, column = np.unravel_index(int(back.argmax()), (60, 100))
    assert row in (10, 11) and column in (50, 51)
    np.testing.assert_allclose(back.affine, film.affine, atol=1e-9)


def test_invertd_goes_back_through_resize_and_crop() -> None:
    film = torch.zeros(1, 120, 160)
    film[:, 12:100, 20:150] = random_film(88, 130)
    done = Compose([CropFilmBorderd("image"), ResizeFilmd("image", 44)])
    item = done({"image": MetaTensor(film)})
    assert item["image"].shape == (1, 44, 44) and item["image"].meta["film_box"] == [12, 20, 100, 150]
    item["heat"] = MetaTensor(torch.ones(1, 44, 44))
    back = Invertd("heat", done, orig_keys="image", nearest_interp=False)(item)["heat"]
    assert back.shape == (1, 120, 160)
    assert bool((back[:, 12:100, 20:150] == 1).all()) and float(back.sum()) == 88 * 130


def test_plain_tensors_and_other_numbers() -> None:
    set_track_meta(False)
    try:
        done = ResizeFilmd(["a", "b"], 8)({"a": torch.ones(1, 4, 8), "b": torch.full((3, 9, 9), 2, dtype=torch.uint8)})
    finally:
        set_track_meta(True)
    assert type(done["a"]) is torch.Tensor and done["b"].dtype == torch.float32
    assert done["b"].shape == (3, 8, 8) and float((done["b"] - 2).abs().max()) < 1e-5


def test_what_cannot_be_resized() -> None:
    with pytest.raises(ValueError, match="size is 0"):
        ResizeFilm(0)
    for film in (torch.ones(4, 4), torch.ones(1, 0, 4)):
        with pytest.raises(ValueError, match=r"not \(C, H, W\)"):
            ResizeFilm(4)(film)
