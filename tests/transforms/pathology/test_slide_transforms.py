"""Subsets, turns and colours of whole slides, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_memvit.transforms.pathology import RandSlideTurnd, RandTileSubsetd, StandardizeSlideColoursd


def slide(rows: int = 3, columns: int = 5, side: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A picture, its tiles, and their centres with pixels of 10 µm."""
    picture = torch.rand(3, rows * side, columns * side)
    tiles = picture.unfold(1, side, side).unfold(2, side, side).permute(1, 2, 0, 3, 4).flatten(0, 1)
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    centres = (torch.stack([x, y], -1).flatten(0, 1).double() + 0.5) * side * 10
    return picture, tiles, centres


def painted(tiles: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Put every tile where its centre says."""
    side = tiles.shape[-1]
    corners = (centres / 10 - side / 2).round().long()
    width, height = (corners.amax(0) + side).tolist()
    out = torch.full((3, height, width), torch.nan)
    for tile, (x, y) in zip(tiles, corners.tolist()):
        out[:, y : y + side, x : x + side] = tile
    return out


def test_a_turned_slide_is_the_turned_picture(seed: int) -> None:
    picture, tiles, centres = slide()
    turn = RandSlideTurnd().set_random_state(seed)
    seen = set()
    for _ in range(60):
        done = turn({"image": tiles, "position_um": centres, "label": 1})
        wanted = picture.flip(-1) if turn.mirrored else picture
        assert torch.equal(painted(done["image"], done["position_um"]), torch.rot90(wanted, turn.quarters, (-2, -1)))
        seen.add((turn.quarters, turn.mirrored))
    assert len(seen) == 8 and done["label"] == 1


def test_features_keep_their_values_and_turn_their_places(seed: int) -> None:
    _, tiles, centres = slide()
    features = torch.randn(15, 4)
    pixels, alone = RandSlideTurnd().set_random_state(seed), RandSlideTurnd().set_random_state(seed)
    for _ in range(5):
        places = pixels({"image": tiles, "position_um": centres})["position_um"]
        done = alone({"image": features, "position_um": centres})
        assert done["image"] is features and torch.equal(done["position_um"], places)


def test_a_subset_keeps_rows_together_and_in_order(seed: int) -> None:
    item = {"image": torch.arange(40), "position_um": torch.arange(40)[:, None].expand(-1, 2), "label": 1}
    subset = RandTileSubsetd(["image", "position_um", "tile"], share=0.5, allow_missing_keys=True)
    subset.set_random_state(seed)
    counts = np.zeros(40)
    for _ in range(400):
        done = subset(item)
        assert len(done["image"]) == 20 and (done["image"].diff() > 0).all() and done["label"] == 1
        assert torch.equal(done["position_um"][:, 1], done["image"])
        counts[done["image"].numpy()] += 1
    assert np.abs(counts / 400 - 0.5).max() < 0.13  # five standard deviations


def test_a_subset_has_limits() -> None:
    item = {"image": torch.arange(10)}
    assert len(RandTileSubsetd("image", max_tiles=3)(item)["image"]) == 3
    assert torch.equal(RandTileSubsetd("image", max_tiles=30)(item)["image"], item["image"])
    assert len(RandTileSubsetd("image", share=0.01)(item)["image"]) == 1
    for wrong in ({"share": 0.0}, {"share": 1.1}, {"max_tiles": 0}):
        with pytest.raises(ValueError, match="give a share above 0 up to 1"):
            RandTileSubsetd("image", **wrong)
    with pytest.raises(ValueError, match="different numbers of tiles"):
        RandTileSubsetd(["image", "tile"])({"image": torch.zeros(3), "tile": torch.zeros(4)})


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_colours_have_mean_0_and_deviation_1_over_the_slide(kind: torch.dtype) -> None:
    tiles = torch.randint(0, 256, (6, 3, 4, 4), dtype=torch.uint8)
    tiles[:, 2] = 7  # one colour: nothing to divide by
    values = (tiles if kind == torch.uint8 else tiles / 255).numpy().astype(np.float64) / (
        255 if kind == torch.uint8 else 1
    )
    done = StandardizeSlideColoursd("image")({"image": tiles if kind == torch.uint8 else tiles / 255})["image"]
    wanted = (values - values.mean((0, 2, 3), keepdims=True))[:, :2] / values.std((0, 2, 3), keepdims=True)[:, :2]
    assert done.dtype == torch.float32 and done[:, 2].abs().max() < 1e-3
    np.testing.assert_allclose(done[:, :2].numpy(), wanted, atol=1e-5)
