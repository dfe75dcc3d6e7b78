"""Tokens of tiles that answer to filters: their definition, their places, errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_memvit.networks.blocks import TileFilterEmbedding
from monai_memvit.networks.blocks.micrometre_positions import MicrometrePositions


@pytest.fixture
def embedding(seed: int) -> TileFilterEmbedding:
    return TileFilterEmbedding(3, 8, filters=5, filter_size=4, unit_um=16.0).double().eval()


def test_answers_are_mean_strong_correlations_of_either_sign(embedding: TileFilterEmbedding) -> None:
    tile = 3 * torch.randn(3, 8, 10).double()
    kernels, offsets = (p.detach().numpy() for p in embedding.filters.parameters())
    found = np.array(
        [
            [(tile[:, y : y + 4, x : x + 4].numpy() * kernel).sum() + offset for y in (0, 2, 4) for x in (0, 2, 4, 6)]
            for kernel, offset in zip(kernels, offsets)
        ]
    )
    wanted = np.concatenate([np.maximum(found - 0.5, 0).mean(1), np.maximum(-found - 0.5, 0).mean(1)])
    np.testing.assert_allclose(embedding.answers(tile[None])[0].detach().numpy(), wanted, atol=1e-12)


def test_a_token_is_its_answers_and_its_place(embedding: TileFilterEmbedding) -> None:
    tiles, places = torch.randn(2, 5, 3, 8, 8).double(), torch.rand(2, 5, 2).double() * 1000
    wanted = embedding.projection(embedding.answers(tiles[1])) + MicrometrePositions(8, 16.0).double()(places[1])
    torch.testing.assert_close(embedding(tiles, places)[1], wanted)


def test_bytes_are_shares_of_255(embedding: TileFilterEmbedding) -> None:
    tiles, places = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8), torch.zeros(4, 2).double()
    torch.testing.assert_close(embedding.of_slide(tiles, places), embedding.of_slide(tiles.double() / 255, places))


@pytest.mark.parametrize("shape", [(2, 4, 8, 8), (2, 3, 3, 8), (3, 8, 8)])
def test_other_channels_and_small_tiles_are_told(embedding: TileFilterEmbedding, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be \(N, 3, P, P\)"):
        embedding.tokens_per_tile(torch.rand(shape))
