"""Patches as tokens: against MONAI's embedding, row by row, of any size."""

from __future__ import annotations

import pytest
import torch
from monai.networks.blocks import PatchEmbeddingBlock

from monai_memvit.networks.blocks import GridEmbedding, LearnedPositions, NoPositions, SinCosPositions


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_equals_monais_with_the_same_weights(spatial_dims):
    image, patch = (8, 12, 4)[:spatial_dims], (4, 2, 2)[:spatial_dims]
    theirs = PatchEmbeddingBlock(3, image, patch, 24, 3, spatial_dims=spatial_dims)
    ours = GridEmbedding(3, image, patch, 24, spatial_dims=spatial_dims)
    weights = theirs.state_dict()
    weights["positions.table"] = weights.pop("position_embeddings")
    ours.load_state_dict(weights)
    x = torch.rand(2, 3, *image)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("positions", [LearnedPositions, SinCosPositions, NoPositions])
@pytest.mark.parametrize("pixels", [(8, 8), (20, 12)])
def test_rows_are_slices_of_the_whole(positions, pixels):
    embedding, x = GridEmbedding(3, 8, 4, 24, positions), torch.rand(2, 3, *pixels)
    whole, columns = embedding(x), pixels[1] // 4
    assert whole.shape == (2, pixels[0] // 4 * columns, 24)
    for start, stop in ((0, 1), (1, 2), (0, pixels[0] // 4)):
        part = whole[:, start * columns : stop * columns]
        torch.testing.assert_close(embedding.rows(x, start, stop), part, atol=1e-6, rtol=1e-6)


def test_a_token_is_the_linear_map_of_its_patch():
    embedding, x = GridEmbedding(3, 8, 4, 24, NoPositions), torch.rand(2, 3, 8, 8)
    weight, bias = embedding.patch_embeddings.weight.flatten(1), embedding.patch_embeddings.bias
    for i, (row, column) in enumerate([(0, 0), (0, 4), (4, 0), (4, 4)]):
        patch = x[:, :, row : row + 4, column : column + 4].flatten(1)
        torch.testing.assert_close(embedding(x)[:, i], patch @ weight.mT + bias)


def test_whole_numbers_are_converted():
    embedding = GridEmbedding(3, 8, 4, 24)
    pixels = torch.randint(0, 255, (2, 3, 8, 8), dtype=torch.uint8)
    assert torch.equal(embedding(pixels), embedding(pixels.float()))


def test_dropout_only_while_training():
    embedding, x = GridEmbedding(3, 8, 4, 24, dropout_rate=0.5), torch.rand(2, 3, 8, 8)
    assert (embedding(x) == 0).any() and not (embedding.eval()(x) == 0).any()


@pytest.mark.parametrize("pixels", [(8, 9), (10, 8), (0, 8), (8,), (8, 8, 8)])
def test_an_image_that_the_patch_does_not_divide_is_refused(pixels):
    embedding = GridEmbedding(3, 8, 4, 24)
    with pytest.raises(ValueError, match=r"no multiple of patches of \(4, 4\)"):
        embedding(torch.rand(2, 3, *pixels))
    if len(pixels) == 2:
        with pytest.raises(ValueError, match="DivisiblePad"):
            GridEmbedding(3, pixels, 4, 24)
