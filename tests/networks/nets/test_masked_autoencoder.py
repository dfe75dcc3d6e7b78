"""The masked auto-encoder: against MONAI's with the same weights, what it sees and what it must not see."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from monai.networks.nets import MaskedAutoEncoderViT
from torch import Tensor

from monai_memvit.networks.blocks import (
    ChannelEmbedding,
    FeatureMapAttention,
    MaskedDecoder,
    SequenceNormAttention,
    SimaAttention,
    SoftmaxAttention,
)
from monai_memvit.networks.nets import MaskedAutoencoder, MemViT

SIZES = {"in_channels": 2, "img_size": 16, "patch_size": 4, "hidden_size": 24, "mlp_dim": 32, "num_layers": 2}
SIZES |= {"num_heads": 3}


def small(**options: Any) -> MaskedAutoencoder:
    torch.manual_seed(0)
    network = MaskedAutoencoder.from_preset("micro", **{**SIZES, **options}).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


def images(spatial_dims: int = 2, channels: int = 2) -> Tensor:
    return torch.rand(3, channels, *(16,) * spatial_dims, generator=torch.Generator().manual_seed(1))


def as_monai(theirs: MaskedAutoEncoderViT, layers: int) -> dict[str, Tensor]:
    """MONAI's weights under our names."""
    names = {
        "patch_embedding.patch_embeddings": "encoder.embedding.patch_embeddings",
        "cls_token": "encoder.class_token",
        f"decoder_blocks.{layers}.": "decoder.norm.",
        "decoder_blocks": "decoder.blocks",
        "decoder_embed": "decoder.embed",
        "decoder_pred": "decoder.to_pixels",
        "mask_tokens": "decoder.mask_token",
        ".attn.": ".attention.",
    }
    weights = {}
    for name, tensor in theirs.state_dict().items():
        if "norm_cross_attn" in name or "position" in name or "pos_embed" in name:
            continue
        if name.startswith("blocks."):
            name = name.replace(f"blocks.{layers}.", "norm.") if f"blocks.{layers}." in name else name
            name = f"encoder.{name}"
        for old, new in names.items():
            name = name.replace(old, new)
        weights[name] = tensor
    return weights


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_equals_monais_with_the_same_weights_and_patches(spatial_dims: int) -> None:
    torch.manual_seed(0)
    theirs = MaskedAutoEncoderViT(
        2, 16, 4, hidden_size=24, mlp_dim=32, num_layers=2, num_heads=3, decoder_hidden_size=36, decoder_mlp_dim=40,
        decoder_num_layers=2, decoder_num_heads=4, spatial_dims=spatial_dims,
    ).eval()  # fmt: skip
    for name, parameter in theirs.named_parameters():
        if "pos" not in name:
            torch.nn.init.normal_(parameter, std=0.2)
    attention = functools.partial(SoftmaxAttention, qkv_bias=False)
    encoder = MemViT(num_classes=1, pos_embed="sincos", attention=attention, spatial_dims=spatial_dims, **SIZES)
    decoder = MaskedDecoder(24, 2 * 4**spatial_dims, 36, 40, 2, 4, attention, spatial_dims=spatial_dims)
    ours = MaskedAutoencoder(encoder, decoder).eval()
    ours.load_state_dict(as_monai(theirs, 2))

    x, count = images(spatial_dims), 4**spatial_dims
    visible = torch.stack([torch.randperm(count)[:5] for _ in range(3)])
    seen = lambda tokens, masking_ratio: (  # noqa: E731
        torch.stack([t[v] for t, v in zip(tokens, visible)]),
        visible,
        torch.ones(3, count).scatter(1, visible, 0),
    )
    theirs._masking = seen
    with torch.no_grad():
        pixels, hidden = theirs(x)
        ours_says = ours(x, visible=visible)
    assert torch.equal(ours_says["hidden"][:, 0].flatten(1), hidden.bool())
    assert torch.equal(ours_says["hidden"][:, 0], ours_says["hidden"][:, 1])
    expected = torch.zeros_like(x)
    for n in range(count):  # patch by patch: channel first, then the pixels of the patch, last axis fastest
        cell = torch.unravel_index(torch.tensor(n), (4,) * spatial_dims)
        place = tuple(slice(4 * int(c), 4 * int(c) + 4) for c in cell)
        expected[(slice(None), slice(None), *place)] = pixels[:, n].view(3, 2, *(4,) * spatial_dims)
    torch.testing.assert_close(ours_says["reconstruction"], expected)


@pytest.mark.parametrize("attention", [SoftmaxAttention, SequenceNormAttention, SimaAttention, FeatureMapAttention])
@pytest.mark.parametrize(
    "options", [{}, {"pool": "mean"}, {"spatial_dims": 3}, {"embedding": ChannelEmbedding}, {"pos_embed": "learnable"}]
)
def test_everything_is_trained(attention: type[torch.nn.Module], options: dict[str, Any]) -> None:
    network = small(attention=attention, **options).train()
    x = images(options.get("spatial_dims", 2))
    pred = network(x)
    assert pred["reconstruction"].shape == x.shape
    assert pred["hidden"].shape == (3, 2, *(4,) * (x.ndim - 2))
    pred["reconstruction"].square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


@pytest.mark.parametrize(("size", "seen"), [(16, 2), (32, 6), (40, 10)])
def test_a_tenth_of_the_tokens_is_seen_by_sequence_norm_attention(size: int, seen: int) -> None:
    network = small(attention=SequenceNormAttention, img_size=size)
    counts = []
    network.encoder.blocks[0].attention.register_forward_pre_hook(lambda _, args: counts.append(args[0].shape[1]))
    pred = network(torch.rand(2, 2, size, size))
    assert counts == [seen + 1]  # and the class token
    assert pred["hidden"][:, 0].flatten(1).sum(1).tolist() == [(size // 4) ** 2 - seen] * 2
    assert pred["reconstruction"].isfinite().all()


@pytest.mark.parametrize("embedding", [None, ChannelEmbedding])
def test_what_is_hidden_has_no_influence(embedding: Any) -> None:
    network = small(mask_ratio=0.5, **({} if embedding is None else {"embedding": embedding}))
    x = images()
    pred = network(x)
    pixels = pred["hidden"].repeat_interleave(4, 2).repeat_interleave(4, 3)
    other = network(torch.where(pixels, torch.rand_like(x), x))
    assert torch.equal(other["reconstruction"], pred["reconstruction"])
    assert not torch.equal(network(torch.where(pixels, x, 0))["reconstruction"], pred["reconstruction"])


@pytest.mark.parametrize("options", [{}, {"embedding": ChannelEmbedding}, {"pool": "mean"}])
def test_with_nothing_hidden_the_encoder_is_the_plain_network(options: dict[str, Any]) -> None:
    network = small(mask_ratio=0.0, attention=SequenceNormAttention, **options).double()
    x = images().double()
    plain = MemViT(num_classes=3, pos_embed="sincos", attention=SequenceNormAttention, **SIZES, **options).double()
    plain.load_state_dict(network.encoder.state_dict(), strict=False)
    heard = []
    network.decoder.register_forward_pre_hook(lambda _, args: heard.extend(args[:2]))
    assert not network(x)["hidden"].any()
    leading = heard[0].shape[1] - heard[1].shape[1]
    tokens, back = heard[0][:, leading:], heard[1].argsort(1)
    tokens = tokens.gather(1, back[..., None].expand_as(tokens))
    expected = plain.eval().forward_features(x)
    torch.testing.assert_close(torch.cat([heard[0][:, :leading], tokens], 1), expected, rtol=1e-9, atol=1e-9)


class _Painter(torch.nn.Module):
    """Knows every token's pixels by heart."""

    def __init__(self, image: Tensor, channelwise: bool) -> None:
        super().__init__()
        patches = [image[:, :, r : r + 4, c : c + 4] for r in range(0, 16, 4) for c in range(0, 16, 4)]
        by_token = torch.stack(patches, 2 if channelwise else 1)  # (B, C, N, 4, 4) or (B, N, C, 4, 4)
        self.pixels = by_token.flatten(3).flatten(1, 2) if channelwise else by_token.flatten(2)

    def forward(self, *_: Any) -> Tensor:
        return self.pixels


@pytest.mark.parametrize("channelwise", [False, True])
def test_pixels_go_where_their_tokens_come_from(channelwise: bool) -> None:
    network, x = small(**({"embedding": ChannelEmbedding} if channelwise else {})), images()
    network.decoder = _Painter(x, channelwise)
    assert torch.equal(network(x)["reconstruction"], x)


@pytest.mark.parametrize("embedding", [None, ChannelEmbedding])
def test_missing_channels_are_neither_seen_nor_asked_for(embedding: Any) -> None:
    network = small(mask_ratio=0.5, **({} if embedding is None else {"embedding": embedding}))
    x, present = images(), torch.tensor([[True, True], [True, False], [False, True]])
    pred = network(x, present)
    x[1, 1], x[2, 0] = float("nan"), 1e30
    other = network(x, present)
    shown = present[:, :, None, None].repeat_interleave(16, 2).repeat_interleave(16, 3)
    assert torch.equal(other["reconstruction"][shown], pred["reconstruction"][shown])
    assert not pred["hidden"][~present].any() and pred["hidden"].any()


def test_training_draws_anew_and_evaluation_never() -> None:
    network, x = small(), images()
    first, alone = network(x)["hidden"], network(x[2:])["hidden"]
    assert torch.equal(first, network(x)["hidden"]) and torch.equal(first[2:], alone)
    assert not torch.equal(first, small(mask_seed=1)(x)["hidden"])
    network.train()
    drawn = network(x)["hidden"]
    assert not torch.equal(drawn, network(x)["hidden"]) and not torch.equal(drawn[0], drawn[1])
    torch.manual_seed(5)
    again = network(x)["hidden"]
    torch.manual_seed(5)
    assert torch.equal(again, network(x)["hidden"])


def test_every_patch_is_seen_equally_often() -> None:
    network = small(mask_ratio=0.75).train()
    hidden = torch.cat([network(images())["hidden"][:, 0] for _ in range(300)]).float().mean(0)
    assert (hidden - 0.75).abs().max() < 0.06  # 900 draws: 4 standard errors


def test_half_precision() -> None:
    network, x = small(attention=SequenceNormAttention), images()
    expected = network(x)["reconstruction"]
    with torch.autocast("cpu", torch.bfloat16):
        found = network(x)["reconstruction"]
    assert (found.float() - expected).norm() < 0.1 * expected.norm()


@pytest.mark.parametrize(
    ("preset", "axes", "width", "blocks"), [("micro", 2, 96, 2), ("small", 2, 512, 2), ("base", 2, 512, 8)]
    + [("small", 3, 480, 2)],
)  # fmt: skip
def test_presets(preset: str, axes: int, width: int, blocks: int) -> None:
    network = MaskedAutoencoder.from_preset(preset, in_channels=1, img_size=32, spatial_dims=axes)
    assert network.decoder.mask_token.shape[2] == width and len(network.decoder.blocks) == blocks
    assert network.mask_ratio == 0.9


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="mask_ratio"):
        small(mask_ratio=1.0)
    with pytest.raises(ValueError, match="without a memory"):
        small(memory_layers=(-1,))
    with pytest.raises(ValueError, match="Sequential has no grid_of"):
        small(embedding=torch.nn.Sequential(torch.nn.Flatten(2), torch.nn.Linear(256, 24)))
    with pytest.raises(ValueError, match="no multiple of patches"):
        small()(torch.rand(1, 2, 18, 16))


def test_a_late_class_token_joins_the_visible_tokens() -> None:
    network, x = small(class_token_from=1), images()
    visible = torch.tensor([[3, 7, 1]]).expand(3, -1)
    encoder = network.encoder
    tokens = encoder.blocks[0](encoder.embedding(x)[:, [3, 7, 1]])
    tokens = encoder.blocks[1](torch.cat([encoder.class_token.expand(3, -1, -1), tokens], dim=1))
    torch.testing.assert_close(network._encode(encoder.embedding(x), visible, None), encoder.norm(tokens))
