"""Frames go, anatomy stays, and what is not understood is left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor, set_track_meta
from PIL import Image

from monai_memvit.transforms.radiograph import CropFilmBorder, CropFilmBorderd


def chest(rows: int = 200, columns: int = 240, seed: int = 0) -> torch.Tensor:
    """Something with structure up to its edges: a bright body on darker air, and noise."""
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    body = 0.3 + 0.5 * np.exp(-2 * x**2) + 0.1 * np.sin(20 * y)
    noise = np.random.default_rng(seed).normal(0, 0.01, body.shape)
    return torch.from_numpy((body + noise).clip(0, 1).astype(np.float32))[None]


def framed(film: torch.Tensor, margins: tuple[int, int, int, int], value: float, noise: float = 0.0) -> torch.Tensor:
    """A film in a frame: top, left, bottom, right."""
    top, left, bottom, right = margins
    done = torch.full((1, film.shape[1] + top + bottom, film.shape[2] + left + right), value)
    done += noise * torch.from_numpy(np.random.default_rng(1).normal(size=tuple(done.shape)).astype(np.float32))
    done[:, top : top + film.shape[1], left : left + film.shape[2]] = film
    return done.clip(0, 1)


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("noise", [0.0, 0.005])
@pytest.mark.parametrize("margins", [(20, 30, 10, 5), (0, 40, 0, 0), (0, 0, 25, 0), (3, 0, 0, 60)])
def test_a_frame_is_cut_off(margins: tuple[int, int, int, int], value: float, noise: float) -> None:
    top, left, _, _ = margins
    box = CropFilmBorder().find(framed(chest(), margins, value, noise))
    assert box == (top, left, top + 200, left + 240)


def test_a_frame_in_a_frame() -> None:
    """White paper around black blades."""
    film = framed(framed(chest(), (20, 20, 20, 20), 0.0), (15, 15, 15, 15), 1.0)
    assert CropFilmBorder().find(film) == (35, 35, 235, 275)


def test_a_film_without_frame_stays() -> None:
    assert CropFilmBorder().find(chest()) == (0, 0, 200, 240)


def test_a_letter_in_the_frame_ends_the_search() -> None:
    film = framed(chest(), (40, 0, 0, 0), 0.0)
    film[:, 10:20, 100:130] = 1.0  # an eighth of the row
    assert CropFilmBorder().find(film) == (10, 0, 240, 240)


def test_dust_does_not() -> None:
    film = framed(chest(), (40, 0, 0, 0), 0.0)
    film[:, 10:13, 100:103] = 1.0
    assert CropFilmBorder().find(film) == (40, 0, 240, 240)


def test_even_grey_is_no_border() -> None:
    """An abdomen without contrast is neither black nor white."""
    film = framed(chest(), (0, 0, 30, 0), 0.55)
    assert CropFilmBorder().find(film) == (0, 0, 230, 240)


def test_a_bright_side_of_the_chest_is_no_border() -> None:
    """A white hemithorax: its columns hold air above the shoulder and ribs below."""
    film = chest()
    film[:, 40:170, :50] = 1.0
    assert CropFilmBorder().find(film) == (0, 0, 200, 240)


def test_too_much_is_not_understood() -> None:
    film = framed(chest(), (10, 100, 0, 0), 0.0)
    assert CropFilmBorder(max_share=0.25).find(film) == (0, 0, 210, 340)
    assert CropFilmBorder(max_share=0.3).find(film) == (10, 100, 210, 340)


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_a_film_of_one_value_stays(value: float) -> None:
    assert CropFilmBorder().find(torch.full((1, 50, 60), value)) == (0, 0, 50, 60)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 30), (1, 3, 2)])
def test_tiny_films(shape: tuple[int, int, int]) -> None:
    film = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    top, left, bottom, right = CropFilmBorder().find(film)
    assert 0 <= top < bottom <= shape[1] and 0 <= left < right <= shape[2]


def test_the_film_says_what_was_cut_and_goes_back() -> None:
    film = framed(chest(), (20, 30, 10, 5), 0.0)
    affine = torch.diag(torch.tensor([0.2, 0.3, 1.0, 1.0], dtype=torch.float64))
    crop = CropFilmBorderd("image")
    done = crop({"image": MetaTensor(film, affine=affine)})["image"]
    assert done.meta["film_box"] == [20, 30, 220, 270]
    assert torch.equal(done.as_tensor(), film[:, 20:220, 30:270])
    np.testing.assert_allclose(done.affine[:2, 3], [20 * 0.2, 30 * 0.3])
    back = crop.inverse({"image": done})["image"]
    assert torch.equal(back.as_tensor(), film)
    np.testing.assert_allclose(back.affine, affine)


def test_a_film_of_the_other_size_has_the_other_border() -> None:
    """Lines are looked at in samples: a large film gives the same answer as a small one."""
    film = framed(chest(400, 480), (40, 60, 20, 10), 0.0)
    large = film.repeat_interleave(5, dim=1).repeat_interleave(5, dim=2)
    assert CropFilmBorder().find(large) == tuple(5 * number for number in (40, 60, 440, 540))


def test_plain_tensors() -> None:
    set_track_meta(False)
    try:
        done = CropFilmBorder()(framed(chest(), (9, 0, 0, 0), 0.0))
    finally:
        set_track_meta(True)
    assert type(done) is torch.Tensor and done.shape == (1, 200, 240)


def test_what_is_no_film() -> None:
    for film in (torch.ones(4, 4), torch.ones(3, 4, 4), torch.ones(1, 0, 4)):
        with pytest.raises(ValueError, match=r"not \(1, H, W\)"):
            CropFilmBorder()(film)
    with pytest.raises(ValueError, match="tolerance is -0.1"):
        CropFilmBorder(tolerance=-0.1)
    with pytest.raises(ValueError, match="max share is 0.5"):
        CropFilmBorder(max_share=0.5)


@pytest.mark.slow
def test_what_is_cut_off_real_films_is_a_frame(shared_data: Path) -> None:
    """Of 737 films about a third have frames; what goes is black or white all over, whatever the algorithm thinks."""
    files = sorted((shared_data / "cxr_nih_512").glob("*/*.jp*g"))
    if not files:
        pytest.skip(f"no cxr_nih_512 in {shared_data}")
    cut = 0
    for path in files[::3]:
        film = torch.from_numpy(np.array(Image.open(path).convert("L"), dtype=np.float32) / 255)[None]
        top, left, bottom, right = CropFilmBorder().find(film)
        cut += (top, left, bottom, right) != (0, 0, *film.shape[1:])
        outside = torch.ones(film.shape[1:], dtype=torch.bool)
        outside[top:bottom, left:right] = False
        lost = film[0, outside]
        grey = (lost > 0.15) & (lost < 0.85)
        assert not len(lost) or float(grey.to(torch.float32).mean()) < 0.03, path.name
        assert (bottom - top) * (right - left) > 0.4 * film.numel()
    assert 0.15 < cut / len(files[::3]) < 0.5
