"""The slide network: ragged bags, places in micrometres, pooling, MONAI's engines."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from monai.engines import PrepareBatchExtraInput, SupervisedTrainer
from monai.networks.nets import MILModel

from monai_memvit.memory import memory_layers
from monai_memvit.networks.blocks import SequenceNormAttention, TilePatchEmbedding
from monai_memvit.networks.nets import SeqNormViT, SlideViT

SIZES = {"in_features": 5, "num_classes": 3, "hidden_size": 24, "mlp_dim": 32, "num_layers": 3, "num_heads": 3}
PIXELS = {"in_features": 2, "embedding": partial(TilePatchEmbedding, patch_size=4, mpp=0.5)}
POOLS = ["cls", "mean", "gated", "peak"]


def _network(**changes) -> SlideViT:
    torch.manual_seed(0)
    network = SlideViT(**(SIZES | changes)).eval().double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


def _slide(tiles: int, *shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(tiles, *shape or (5,)).double(), 1000 * torch.rand(tiles, 2).double()


def _ragged(slides: list, poison: float = float("nan")) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    most = max(len(places) for _, places in slides)
    features = torch.full((len(slides), most, *slides[0][0].shape[1:]), poison).double()
    coordinates, mask = torch.full((len(slides), most, 2), poison).double(), torch.zeros(len(slides), most).bool()
    for i, (tiles, places) in enumerate(slides):
        features[i, : len(tiles)], coordinates[i, : len(tiles)], mask[i, : len(tiles)] = tiles, places, True
    return features, coordinates, mask


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("poison", [float("nan"), 1e30])
@pytest.mark.parametrize("pixels", [False, True])
def test_ragged_slides_are_classified_as_alone(pool, poison, pixels):
    network = _network(pool=pool, **(PIXELS if pixels else {}))
    slides = [_slide(n, *((2, 8, 8) if pixels else ())) for n in (7, 1, 90)]
    features, coordinates, mask = _ragged(slides, poison)
    features.requires_grad_()
    logits = network(features, coordinates, mask)
    alone = [network(tiles[None], places[None]) for tiles, places in slides]
    torch.testing.assert_close(logits, torch.cat(alone), atol=1e-10, rtol=1e-8)
    logits.sum().backward()
    assert features.grad[mask].abs().max() > 0 and not features.grad[~mask].any()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize("pool", POOLS)
def test_the_order_of_the_tiles_is_irrelevant_and_their_places_are_not(pool):
    network, (tiles, places), order = _network(pool=pool), _slide(30), torch.randperm(30)
    logits = network(tiles[None], places[None])
    torch.testing.assert_close(network(tiles[None, order], places[None, order]), logits, atol=1e-10, rtol=1e-8)
    assert (network(tiles[None], places[None, order]) - logits).abs().max() > 1e-3
    tokens = network.forward_features(tiles[None], places[None])[:, -30:]
    moved = network.forward_features(tiles[None, order], places[None, order])[:, -30:]
    torch.testing.assert_close(moved, tokens[:, order], atol=1e-10, rtol=1e-8)


@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_tiles_that_make_up_an_image_are_the_image(pool):
    """A grid of tiles, first patch centred at (0, 0): the network for images, which takes its angles in float32."""
    slide = _network(pool=pool, **PIXELS).double()
    sizes = {name: SIZES[name] for name in SIZES if name != "in_features"}
    image_network = SeqNormViT(in_channels=2, img_size=(16, 24), patch_size=4, pool=pool, **sizes).double().eval()
    image_network.load_state_dict(slide.state_dict())
    image = torch.randn(1, 2, 16, 24).double()
    tiles = image[0].unfold(1, 8, 8).unfold(2, 8, 8).permute(1, 2, 0, 3, 4).flatten(0, 1)
    rows, columns = torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")
    # sines and cosines count patches of 2 µm; the middle of a tile of 2 x 2 patches lies 1 µm from its first centre
    places = torch.stack([columns.flatten() * 4 + 1, rows.flatten() * 4 + 1], 1).double()
    torch.testing.assert_close(slide(tiles[None], places[None]), image_network(image), atol=1e-5, rtol=1e-5)


def test_bytes_are_shares_of_255():
    network, places = _network(**PIXELS), 100 * torch.rand(1, 6, 2)
    tiles = torch.randint(0, 256, (1, 6, 2, 8, 8), dtype=torch.uint8)
    torch.testing.assert_close(network(tiles, places), network(tiles.double() / 255, places))


def test_a_memory_is_read_and_left_a_fact_and_needs_a_class_token(fill):
    network, (tiles, places) = fill(_network(memory_layers=[-1], pool="cls"), facts=40), _slide(20)
    layer = memory_layers(network)[0]
    read = network(tiles[None], places[None], None, torch.tensor([3]), torch.tensor([1]))
    assert layer.latest.ids.tolist() == [3] and layer.latest.groups.tolist() == [1]
    layer.reading = False
    assert (network(tiles[None], places[None]) - read).abs().max() > 1e-3
    with pytest.raises(ValueError, match="pool='cls'"):
        _network(memory_layers=[-1], pool="gated")


@pytest.mark.parametrize("pool", POOLS)
def test_monais_trainer_hands_over_places_and_masks(pool):
    network = _network(pool=pool).float().train()
    features, coordinates, mask = (t.float() if t.is_floating_point() else t for t in _ragged([_slide(4), _slide(9)]))
    batch = {"image": features, "label": torch.tensor([0, 2]), "position_um": coordinates, "mask": mask}
    before = [p.detach().clone() for p in network.parameters()]
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=[batch],
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
        loss_function=torch.nn.CrossEntropyLoss(),
        prepare_batch=PrepareBatchExtraInput({"coordinates": "position_um", "mask": "mask"}),
    )
    trainer.run()
    assert all(p.isfinite().all() for p in network.parameters())
    assert sum(not torch.equal(p, q) for p, q in zip(network.parameters(), before)) > 10


def test_gated_pooling_without_blocks_is_monais_attention_mil():
    """With tanh alone, the gate open, both are the softmax-weighted mean of features."""
    network = _network(pool="gated", num_layers=0)
    theirs = MILModel(3, "att", pretrained=False, backbone=torch.nn.Identity(), backbone_num_features=24).double()
    pooling = network.pooling
    theirs.attention = torch.nn.Sequential(pooling.value, torch.nn.Tanh(), pooling.weight)
    theirs.myfc = network.head
    torch.nn.init.zeros_(pooling.gate.weight)
    torch.nn.init.constant_(pooling.gate.bias, 1e3)
    tiles, places = _slide(9)
    tokens = network.forward_features(tiles[None], places[None])
    torch.testing.assert_close(network(tiles[None], places[None]), theirs.calc_head(tokens), atol=1e-10, rtol=1e-8)


def test_peak_pooling_weighs_every_channel_by_its_own_height():
    network, (tiles, places) = _network(pool="peak", num_layers=0), _slide(9)
    network.pooling.sharpness.data.fill_(2.5)
    tokens = network.forward_features(tiles[None], places[None])[0].detach().numpy()
    odds = np.exp(2.5 * tokens)
    wanted = network.head(torch.from_numpy((odds * tokens).sum(0) / odds.sum(0)))
    torch.testing.assert_close(network(tiles[None], places[None])[0], wanted, atol=1e-10, rtol=1e-8)


def test_presets_have_sequence_norm_attention_and_the_embeddings_own_patches():
    network = SlideViT.from_preset("micro", in_features=7, num_classes=2)
    assert [type(block.attention) for block in network.blocks] == [SequenceNormAttention] * 4
    assert network(torch.rand(2, 3, 7), torch.rand(2, 3, 2)).shape == (2, 2)
    with pytest.raises(ValueError, match="preset must be one of"):
        SlideViT.from_preset("huge", in_features=7, num_classes=2)


def test_loads_with_weights_only(tmp_path):
    network, other, (tiles, places) = _network(), _network(), _slide(5)
    torch.nn.init.zeros_(other.head.weight)
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert torch.equal(other(tiles[None], places[None]), network(tiles[None], places[None]))


@pytest.mark.parametrize(
    ("features", "coordinates", "mask", "message"),
    [
        (torch.zeros(2, 0, 5), torch.zeros(2, 0, 2), None, "no tile"),
        (torch.zeros(2, 4, 5), torch.zeros(2, 4, 2), torch.tensor([[True] * 4, [False] * 4]), r"slides \[1\] of the"),
        (torch.zeros(2, 4, 5), torch.zeros(2, 4, 3), None, r"coordinates must be floating point \(2, 4, 2\)"),
        (torch.zeros(2, 4, 5), torch.zeros(2, 3, 2), None, r"coordinates must be floating point \(2, 4, 2\)"),
        (torch.zeros(2, 4, 5), torch.zeros(2, 4, 2).long(), None, "floating point"),
        (torch.zeros(2, 4, 5), torch.full((2, 4, 2), float("nan")), None, "NaN or infinity"),
        (torch.zeros(2, 4, 6), torch.zeros(2, 4, 2), None, "made for 5 per tile"),
        (torch.zeros(2, 4, 5), torch.zeros(2, 4, 2), torch.ones(2, 3).bool(), "does not fit tiles"),
        (torch.zeros(2, 4, 5), torch.zeros(2, 4, 2), torch.ones(2, 4), "does not fit tiles"),
    ],
)
def test_what_does_not_fit_is_refused(features, coordinates, mask, message):
    with pytest.raises(ValueError, match=message):
        _network()(features, coordinates, mask)


def test_tiles_and_sizes_that_do_not_fit_are_refused():
    network = _network(**PIXELS)
    for shape in ((1, 3, 2, 8, 6), (1, 3, 3, 8, 8), (1, 3, 2, 6, 6), (3, 2, 8)):
        with pytest.raises(ValueError, match="must be"):
            network(torch.zeros(shape), torch.zeros(1, 3, 2))
    with pytest.raises(ValueError, match="multiple of 4 channels"):
        _network(hidden_size=18)
    with pytest.raises(ValueError, match="unit_um must be a positive"):
        _network(embedding=partial(TilePatchEmbedding, mpp=0.0))
    with pytest.raises(ValueError, match="pool must be one of"):
        _network(pool="max")
