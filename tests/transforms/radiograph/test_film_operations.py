"""What every operation does to a film, against plain NumPy; none mirrors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_memvit.transforms.radiograph.film_operations import GEOMETRIC, TONAL

AMOUNTS = (-1.0, -0.6, 0.0, 0.3, 1.0)


def film_of(shape: tuple[int, int] = (40, 50)) -> torch.Tensor:
    """Every grey value, at random places."""
    return torch.from_numpy(np.random.default_rng(3).random((1, *shape), dtype=np.float32))


@pytest.mark.parametrize("amount", AMOUNTS)
@pytest.mark.parametrize("name", GEOMETRIC)
def test_no_operation_mirrors(name: str, amount: float) -> None:
    matrix = GEOMETRIC[name](amount)
    assert matrix.shape == (3, 3) and np.linalg.det(matrix) > 0
    assert np.allclose(matrix[2], (0, 0, 1)) and (np.diag(matrix) > 0).all()


@pytest.mark.parametrize("name", GEOMETRIC)
def test_nothing_is_nothing_and_the_signs_are_opposites(name: str) -> None:
    assert np.array_equal(GEOMETRIC[name](0.0), np.eye(3))
    assert np.allclose(GEOMETRIC[name](0.7) @ GEOMETRIC[name](-0.7), np.eye(3))


def test_how_far_they_go() -> None:
    assert np.allclose(GEOMETRIC["rotate"](1.0)[:2, 0], (np.sqrt(3) / 2, 0.5))
    assert np.allclose(GEOMETRIC["scale"](1.0)[0, 0], 1 / 1.5)
    assert GEOMETRIC["move_columns"](-1.0)[1, 2] == -0.2


@pytest.mark.parametrize("name", TONAL)
@pytest.mark.parametrize("amount", AMOUNTS)
def test_the_given_film_is_left_as_it_is(name: str, amount: float) -> None:
    film = film_of()
    before = film.clone()
    done = TONAL[name](film, amount, 1)
    assert torch.equal(film, before) and done.shape == film.shape and done.dtype == torch.float32
    assert bool(torch.isfinite(done).all())
    if amount == 0:
        torch.testing.assert_close(done, film, atol=1e-3, rtol=0)


@pytest.mark.parametrize("amount", AMOUNTS)
def test_tones_against_numpy(amount: float) -> None:
    film = film_of()
    plain = film.numpy().astype(np.float64)
    mean = plain.mean()
    expected = {
        "contrast": mean + (plain - mean) * (1 + 0.9 * amount),
        "brightness": plain * (1 + 0.9 * amount),
        "gamma": plain ** (2.0**amount),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(TONAL[name](film, amount, 0), values, atol=1e-5)


def test_sharpness_and_blur_change_details_only() -> None:
    film = film_of((64, 64))
    spread = film.std()
    assert TONAL["blur"](film, 1.0, 0).std() < 0.6 * spread
    assert torch.equal(TONAL["blur"](film, 1.0, 0), TONAL["blur"](film, -1.0, 0))
    assert (
        TONAL["sharpness"](film, -1.0, 0).std() < 0.7 * spread < 1.2 * spread < TONAL["sharpness"](film, 1.0, 0).std()
    )
    even = torch.full((1, 33, 47), 0.3)
    for name in ("blur", "sharpness"):
        torch.testing.assert_close(TONAL[name](even, 0.8, 0), even)


def test_noise_has_its_strength_and_its_seed() -> None:
    film = torch.full((1, 200, 200), 0.5)
    done = TONAL["noise"](film, -0.6, 5)
    assert float((done - film).std()) == pytest.approx(0.06, rel=0.03)
    assert torch.equal(done, TONAL["noise"](film, -0.6, 5)) and not torch.equal(done, TONAL["noise"](film, -0.6, 6))


def test_equalize_makes_shares_equal_and_leaves_black() -> None:
    film = film_of((64, 64)) ** 2
    film[:, :32] = 0
    done = TONAL["equalize"](film, 1.0, 0)
    assert bool((done[:, :32] == 0).all())
    lit = done[:, 32:].flatten().sort().values
    assert float((lit - torch.linspace(0, 1, len(lit))).abs().max()) < 0.04
    order = film[0, 32:].flatten().argsort()
    assert bool((done[0, 32:].flatten()[order].diff() >= 0).all())


def test_equalize_of_a_large_film_counts_a_part_and_of_a_black_one_nothing() -> None:
    film = film_of((300, 280)) ** 2
    done = TONAL["equalize"](film, 1.0, 0)
    assert float((done.flatten().sort().values - torch.linspace(0, 1, done.numel())).abs().max()) < 0.04
    assert bool((TONAL["equalize"](torch.zeros(1, 8, 8), 1.0, 0) == 0).all())
