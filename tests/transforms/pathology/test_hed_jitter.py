"""HED jitter against the formula in float64, stain by stain, and against itself without jitter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_memvit.transforms.pathology import RandHedJitter, RandHedJitterd

# Ruifrok and Johnston 2001
HED = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])


@pytest.fixture
def tile() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(3).uniform(0.05, 1, (3, 24, 20)).astype(np.float32))


def test_it_is_the_published_formula(tile: torch.Tensor) -> None:
    jitter = RandHedJitter(sigma=0.2, bias=0.05)
    jitter.set_random_state(1)
    found = jitter(tile)
    assert (jitter.factors != 1).all() and (jitter.shifts != 0).all()
    density = -np.log10(tile.numpy().astype(np.float64)).reshape(3, -1).T
    amounts = np.linalg.solve(HED.T, density.T).T * jitter.factors + jitter.shifts
    expected = np.clip(10.0 ** -(amounts @ HED), 0, 1).T.reshape(3, 24, 20)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_pure_haematoxylin_stays_pure() -> None:
    light = torch.as_tensor(10.0 ** -(0.8 * HED[0])).float()[:, None, None]
    jitter = RandHedJitter(sigma=0.3, bias=0)
    jitter.set_random_state(0)
    found = -torch.log10(jitter(light))[:, 0, 0]
    np.testing.assert_allclose(found, 0.8 * jitter.factors[0] * HED[0], atol=1e-5)


@pytest.mark.parametrize("prob", [0.0, 1.0])
def test_without_jitter_the_tile_comes_back(tile: torch.Tensor, prob: float) -> None:
    jitter = RandHedJitter(*((0.0, 0.0) if prob else (0.2, 0.1)), prob=prob)
    torch.testing.assert_close(jitter(tile), tile, atol=2e-6, rtol=0)
    grey = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8)
    assert torch.equal(jitter(grey), grey)


def test_draws_stay_in_their_range_and_fill_it(tile: torch.Tensor) -> None:
    jitter = RandHedJitter(sigma=0.1, bias=0.02)
    jitter.set_random_state(5)
    draws = []
    for _ in range(300):
        jitter.randomize()
        draws.append([*(jitter.factors - 1), *jitter.shifts])
    extremes = np.abs(draws).max(axis=0)
    assert (extremes[:3] <= 0.1).all() and (extremes[:3] > 0.09).all()
    assert (extremes[3:] <= 0.02).all() and (extremes[3:] > 0.018).all()


def test_type_and_metadata_are_kept(tile: torch.Tensor) -> None:
    bytes_ = MetaTensor((tile * 255).to(torch.uint8), meta={"slide": "a"})
    found = RandHedJitter()(bytes_)
    assert isinstance(found, MetaTensor) and found.meta["slide"] == "a" and found.dtype == torch.uint8
    assert RandHedJitter()(tile.half()).dtype == torch.float16


def test_tiles_of_an_item_change_alike_and_by_the_seed(tile: torch.Tensor) -> None:
    jitter = RandHedJitterd(["a", "b"], sigma=0.2)
    first = jitter.set_random_state(7)({"a": tile, "b": tile, "label": 1})
    assert torch.equal(first["a"], first["b"]) and first["label"] == 1 and not torch.equal(first["a"], tile)
    assert torch.equal(first["a"], jitter.set_random_state(7)({"a": tile, "b": tile})["a"])


@pytest.mark.parametrize("wrong", [{"sigma": -0.1}, {"bias": 1.0}, {"prob": 1.5}, {"sigma": float("nan")}])
def test_numbers_out_of_range_are_told(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="give a sigma and a bias"):
        RandHedJitter(**wrong)


@pytest.mark.parametrize(
    ("tile", "message"),
    [
        (torch.zeros(1, 8, 8), "not \\(3, H, W\\)"),
        (torch.full((3, 8, 8), 200.0), "values from 200 to 200"),
        (torch.full((3, 8, 8), float("nan")), "values from nan"),
        (torch.zeros(3, 8, 8, dtype=torch.int64), "torch.int64"),
    ],
)
def test_what_is_no_tile_is_told(tile: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandHedJitter()(tile)
