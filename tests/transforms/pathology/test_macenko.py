"""Macenko's normalisation against the paper's steps in float64, and against stains that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_memvit.transforms.pathology import MacenkoNormalize, MacenkoNormalized, StainError

HE = np.array([[0.5626, 0.2159], [0.7201, 0.8012], [0.4062, 0.5581]])  # the paper's reference slide
REFERENCE = np.array([1.9705, 1.0308])


def stained(stains: np.ndarray, strength: float = 1.0, side: int = 64) -> np.ndarray:
    """Pixels of haematoxylin, of eosin and of both, in amounts that differ; ``(side, side, 3)`` uint8."""
    random = np.random.default_rng(0)
    amounts = random.uniform(0.3, 1.8, (side * side, 2)) * random.choice([0, 1], (side * side, 2), p=[0.35, 0.65])
    light = 240 * np.exp(-strength * amounts @ stains.T)
    return np.clip(light, 0, 255).astype(np.uint8).reshape(side, side, 3)


def macenko(image: np.ndarray) -> np.ndarray:
    """The paper's steps, by the singular value decomposition, with the directions' signs set by hand."""
    density = -np.log(np.minimum(image.reshape(-1, 3).astype(np.float64) + 1, 240) / 240)
    tissue = density[(density > 0.15).all(axis=1)]
    plane = np.linalg.svd(tissue - tissue.mean(axis=0), full_matrices=False)[2][:2]
    plane *= np.sign(plane @ tissue.mean(axis=0))[:, None]
    if abs(plane[0] @ tissue.mean(axis=0)) < abs(plane[1] @ tissue.mean(axis=0)):
        plane = plane[::-1]
    along, across = (tissue @ plane.T).T  # "along" is positive for all tissue, so that angles do not wrap
    low, high = np.percentile(np.arctan2(across, along), [1, 99])
    ends = np.array([np.cos([low, high]), np.sin([low, high])]).T @ plane
    ratio = ends[:, 0] / ends[:, 2]  # of red to blue; MONAI's order is by it
    he = ends[np.argsort(ratio)].T
    amounts = np.linalg.pinv(he) @ density.T
    amounts *= (REFERENCE / np.percentile(amounts, 99, axis=1))[:, None]
    return np.clip(240 * np.exp(-HE @ amounts), 0, 255).T.reshape(image.shape)


def channels_first(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)


def test_it_does_the_papers_steps() -> None:
    stains = np.array([[0.65, 0.15], [0.70, 0.95], [0.29, 0.27]])
    image = stained(stains / np.linalg.norm(stains, axis=0))
    found = MacenkoNormalize()(channels_first(image)).permute(1, 2, 0).numpy().astype(int)
    expected = macenko(image)
    inside = (expected < 254).all(axis=2)  # MONAI sets what is brighter than white to 254
    assert inside.mean() > 0.8
    assert np.abs(found - expected)[inside].max() <= 2


def test_two_laboratories_become_alike() -> None:
    other = np.array([[0.65, 0.15], [0.70, 0.95], [0.29, 0.27]])
    other /= np.linalg.norm(other, axis=0)
    ours, theirs = channels_first(stained(HE)), channels_first(stained(other, 0.7))
    before = (ours.float() - theirs.float()).abs().mean()
    after = (MacenkoNormalize()(ours).float() - MacenkoNormalize()(theirs).float()).abs().mean()
    assert after < 0.2 * before


def test_a_real_tile_as_the_papers_steps(shared_data: Path) -> None:
    path = shared_data / "wsi" / "qc_tiles" / "medium-nuclei-score-level0.png"
    image = np.asarray(Image.open(path).convert("RGB"))[:256, :256]
    found = MacenkoNormalize()(channels_first(image)).permute(1, 2, 0).numpy().astype(int)
    expected = macenko(image)
    inside = (expected < 254).all(axis=2)
    assert np.abs(found - expected)[inside].mean() < 1.5


def test_floats_stay_floats_and_items_keep_the_rest() -> None:
    tile = channels_first(stained(HE))
    bytes_, floats = MacenkoNormalize()(tile), MacenkoNormalize()(tile.float() / 255)
    assert floats.dtype == torch.float32 and bytes_.dtype == torch.uint8
    torch.testing.assert_close(floats * 255, bytes_.float())
    item = MacenkoNormalized("image")({"image": tile, "label": 1})
    assert torch.equal(item["image"], bytes_) and item["label"] == 1


@pytest.mark.parametrize(
    ("tile", "message"),
    [
        (torch.full((3, 32, 32), 243, dtype=torch.uint8), "only 0.0% of the tile is stained"),
        (torch.full((3, 32, 32), 120, dtype=torch.uint8), "a single colour"),
    ],
)
def test_a_tile_without_two_stains_is_told_or_kept(tile: torch.Tensor, message: str) -> None:
    with pytest.raises(StainError, match=message):
        MacenkoNormalize()(tile)
    assert torch.equal(MacenkoNormalize(on_white="keep")(tile), tile)


def test_a_real_tile_that_is_nearly_white_is_told(shared_data: Path) -> None:
    path = shared_data / "wsi" / "qc_tiles" / "almost-white-2.png"
    image = np.asarray(Image.open(path).convert("RGB"))
    with pytest.raises(StainError, match="too little to tell its stains"):
        MacenkoNormalize(least_stained=0.5)(channels_first(image))


def test_wrong_arguments_are_told() -> None:
    with pytest.raises(ValueError, match="on_white='leave'"):
        MacenkoNormalize(on_white="leave")
    with pytest.raises(ValueError, match="not \\(3, H, W\\)"):
        MacenkoNormalize()(torch.zeros(32, 32, 3))
