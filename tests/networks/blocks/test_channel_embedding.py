"""Tokens per channel and patch: against the plain formula, with missing channels, of any size."""

from __future__ import annotations

import pytest
import torch

from monai_memvit.networks.blocks import ChannelEmbedding, GridEmbedding, LearnedPositions, NoPositions, SinCosPositions

SOME = torch.tensor([[True, False, True], [False, True, True]])


def _by_hand(embedding: ChannelEmbedding, x: torch.Tensor, patch: int) -> torch.Tensor:
    """``W patch_i(x_c) + b + e_c + pos_i``, one token after the other, in two dimensions."""
    convolution, table = embedding.patches.patch_embeddings, embedding.patches.positions.table[0]
    weight, tokens = convolution.weight.flatten(1), []
    columns = x.shape[3] // patch
    for c in range(x.shape[1]):
        for i in range(len(table)):
            row, column = patch * (i // columns), patch * (i % columns)
            pixels = x[:, c, row : row + patch, column : column + patch].flatten(1)
            tokens.append(pixels @ weight.mT + convolution.bias + embedding.channels[c] + table[i])
    return torch.stack(tokens, 1)


def test_a_token_is_the_map_of_its_patch_plus_channel_plus_position():
    embedding, x = ChannelEmbedding(3, (8, 12), 4, 24).double(), torch.rand(2, 3, 8, 12).double()
    found = embedding(x)
    assert found.shape == (2, 3 * 6, 24)
    torch.testing.assert_close(found, _by_hand(embedding, x, 4))


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("positions", [LearnedPositions, SinCosPositions, NoPositions])
@pytest.mark.parametrize("pixels", [8, 12])
def test_every_channel_is_a_grey_image_plus_a_constant(spatial_dims, positions, pixels):
    embedding = ChannelEmbedding(3, 8, 4, 24, positions, spatial_dims=spatial_dims)
    grey = GridEmbedding(1, 8, 4, 24, positions, spatial_dims=spatial_dims)
    grey.load_state_dict(embedding.patches.state_dict())
    x = torch.rand(2, 3, *(pixels,) * spatial_dims)
    expected = [grey(x[:, c : c + 1]) + embedding.channels[c] for c in range(3)]
    torch.testing.assert_close(embedding(x), torch.cat(expected, 1))


def test_only_one_projection_and_one_table():
    shapes = {name: tuple(p.shape) for name, p in ChannelEmbedding(5, 8, 4, 24).named_parameters()}
    assert shapes == {
        "channels": (5, 24),
        "patches.patch_embeddings.weight": (24, 1, 4, 4),
        "patches.patch_embeddings.bias": (24,),
        "patches.positions.table": (1, 4, 24),
    }


def test_channel_vectors_begin_small():
    torch.manual_seed(0)
    channels = ChannelEmbedding(50, 8, 4, 400).channels.detach()
    assert float(channels.std()) == pytest.approx(0.02, rel=0.05) and float(channels.mean().abs()) < 1e-3


@pytest.mark.parametrize("content", [float("nan"), float("inf"), 1e30])
def test_what_missing_channels_hold_is_irrelevant(content):
    embedding, x = ChannelEmbedding(3, 8, 4, 24), torch.rand(2, 3, 8, 8)
    clean, spoilt = x.clone(), x.clone()
    clean[~SOME], spoilt[~SOME] = 0, content
    gradients = []
    for images in (clean, spoilt):
        embedding.zero_grad()
        found = embedding(images, channel_mask=SOME)
        found.square().sum().backward()
        gradients.append([p.grad.clone() for p in embedding.parameters()])
    whole = embedding(x).unflatten(1, (3, 4))
    torch.testing.assert_close(found.unflatten(1, (3, 4)), torch.where(SOME[:, :, None, None], whole, 0))
    assert all(torch.equal(a, b) for a, b in zip(*gradients))


def test_token_mask_is_channel_and_patch():
    embedding, x = ChannelEmbedding(3, 8, 4, 24), torch.rand(2, 3, 8, 12)
    patches = torch.rand(2, 6) > 0.4
    for mask, channels in ((patches, SOME), (None, SOME), (patches, None)):
        expected = [
            [
                (channels is None or bool(channels[b, c])) and (mask is None or bool(mask[b, i]))
                for c in range(3)
                for i in range(6)
            ]
            for b in range(2)
        ]
        assert embedding.token_mask(x, mask, channels).tolist() == expected
        tokens = embedding(x, mask, channels)
        assert (tokens.abs().sum(-1) > 0).tolist() == expected
    assert embedding.token_mask(x) is None


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    embedding = ChannelEmbedding(2, 4, 2, 4).double()
    names, values = zip(*embedding.named_parameters())
    x = torch.rand(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, False], [True, True]])

    def run(x, *values):
        return torch.func.functional_call(embedding, dict(zip(names, values)), (x,), {"channel_mask": mask})

    assert torch.autograd.gradcheck(run, (x, *values))


def test_whole_numbers_are_converted():
    embedding = ChannelEmbedding(3, 8, 4, 24)
    pixels = torch.randint(0, 255, (2, 3, 8, 8), dtype=torch.uint8)
    for mask in (None, SOME):
        assert torch.equal(embedding(pixels, channel_mask=mask), embedding(pixels.float(), channel_mask=mask))


def test_dropout_only_while_training():
    embedding, x = ChannelEmbedding(3, 8, 4, 24, dropout_rate=0.5), torch.rand(2, 3, 8, 8)
    assert (embedding(x) == 0).any() and not (embedding.eval()(x) == 0).any()


@pytest.mark.parametrize(
    ("shape", "mask", "message"),
    [
        ((2, 4, 8, 8), None, "4 channels came, the embedding knows 3"),
        ((2, 3, 8, 9), None, "DivisiblePad"),
        ((2, 3, 8, 8), torch.ones(2, 4, dtype=torch.bool), r"channel_mask \(2, 4\)"),
        ((2, 3, 8, 8), torch.ones(3, dtype=torch.bool), r"channel_mask \(3,\)"),
        ((2, 3, 8, 8), torch.ones(2, 3), "torch.float32"),
    ],
)
def test_bad_input(shape, mask, message):
    with pytest.raises(ValueError, match=message):
        ChannelEmbedding(3, 8, 4, 24)(torch.rand(shape), channel_mask=mask)
