"""Fine-tuning: what is filled in, what stays fresh, and what is refused."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_memvit.networks.blocks import (
    ChannelEmbedding,
    ConfidenceGate,
    FactLabelEmbedding,
    MemoryAttention,
    SequenceNormAttention,
)
from monai_memvit.networks.nets import MaskedAutoencoder, MemViT, MoViT
from monai_memvit.networks.pretrained import load_pretrained

SIZES = {"in_channels": 2, "img_size": 16, "patch_size": 4, "hidden_size": 24, "mlp_dim": 32, "num_layers": 2}
SIZES |= {"num_heads": 3, "attention": SequenceNormAttention, "pos_embed": "sincos"}


def autoencoder(**options: Any) -> MaskedAutoencoder:
    torch.manual_seed(0)
    return MaskedAutoencoder.from_preset("micro", **{**SIZES, **options})


def classifier(**options: Any) -> MemViT:
    torch.manual_seed(1)
    return MemViT(**{**SIZES, "num_classes": 3, **options}).eval()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.pt"


@pytest.mark.parametrize("options", [{}, {"pool": "mean"}, {"embedding": ChannelEmbedding}, {"pos_embed": "learnable"}])
@pytest.mark.parametrize("wrapped", ["plain", "checkpoint", "encoder", "distributed"])
def test_the_encoder_answers_as_in_pretraining(path: Path, options: dict[str, Any], wrapped: str) -> None:
    source, network = autoencoder(**options).eval(), classifier(**options)
    state = (source.encoder if wrapped == "encoder" else source).state_dict()
    kinds = {"checkpoint": {"network": state, "trainer": {"epoch": 3}}}
    kinds["distributed"] = {f"module.{name}": value for name, value in state.items()}
    torch.save(kinds.get(wrapped, state), path)
    head = network.head.weight.clone()
    found = load_pretrained(network, path)
    x = torch.rand(2, 2, 16, 16)
    assert torch.equal(network.forward_features(x), source.encoder.forward_features(x))
    assert torch.equal(network.head.weight, head)
    assert found.fresh == ("head.bias", "head.weight")
    assert set(found.loaded) == set(source.encoder.state_dict())
    assert all(name.startswith("decoder.") for name in found.left) and bool(found.left) is (wrapped != "encoder")


def test_a_memory_stays_empty_and_its_attention_is_filled(path: Path) -> None:
    source, network = autoencoder().eval(), classifier(memory_layers=(0, -1))
    torch.save(source.state_dict(), path)
    found = load_pretrained(network, path)
    x = torch.rand(2, 2, 16, 16)
    assert torch.equal(network.forward_features(x), source.encoder.forward_features(x))
    assert "blocks.1.attention.local.qkv.weight" in found.loaded
    assert all("head." in n or ".bank." in n or n.endswith("gate_bias") for n in found.fresh)
    assert sum(n.endswith("gate_bias") for n in found.fresh) == 2


def test_a_classifier_with_a_memory_may_be_the_source(path: Path, fill: Any) -> None:
    source = fill(MoViT(**SIZES, num_classes=5).eval(), 7)
    torch.save(source.state_dict(), path)
    network = classifier()
    found = load_pretrained(network, path)
    assert {"head.weight", "head.bias", "blocks.1.attention.bank.keys", "blocks.1.attention.gate_bias"} <= {*found.left}
    assert torch.equal(network.blocks[1].attention.qkv.weight, source.blocks[1].attention.local.qkv.weight)


def test_gates_and_labels_of_a_memory_are_its_own(path: Path, fill: Any) -> None:
    labels = functools.partial(FactLabelEmbedding, num_classes=3)
    memory = functools.partial(MemoryAttention, gate=ConfidenceGate, fact_labels=labels)
    source = fill(MoViT(**SIZES, num_classes=5, memory=memory).eval(), 7)
    source.blocks[1].attention.fact_labels.weight.data.fill_(1.0)
    torch.save(source.state_dict(), path)
    own = {"blocks.1.attention.gating.slope", "blocks.1.attention.fact_labels.weight"}
    assert own <= {*load_pretrained(classifier(), path).left}
    network = classifier(memory_layers=(-1,), memory=memory)
    found = load_pretrained(network, path)
    assert own <= {*found.fresh} & {*found.left} and not network.blocks[1].attention.fact_labels.weight.any()


@pytest.mark.parametrize("size", [8, 24])
def test_learned_positions_are_resampled(path: Path, size: int) -> None:
    source, network = autoencoder(pos_embed="learnable"), classifier(pos_embed="learnable", img_size=size)
    torch.save(source.state_dict(), path)
    load_pretrained(network, path)
    cells = size // 4
    expected = source.encoder.embedding.positions((cells, cells), 0, cells)
    torch.testing.assert_close(network.embedding.positions.table, expected)


def test_learned_positions_of_an_oblong_are_refused_for_another(path: Path) -> None:
    torch.save(autoencoder(pos_embed="learnable", img_size=(16, 32)).state_dict(), path)
    with pytest.raises(ValueError, match="32 positions, which are no square"):
        load_pretrained(classifier(pos_embed="learnable"), path)


@pytest.mark.parametrize("embedding", [None, ChannelEmbedding])
def test_other_channels_only_on_demand(path: Path, embedding: Any) -> None:
    options = {} if embedding is None else {"embedding": embedding}
    source, network = autoencoder(**options), classifier(in_channels=5, **options)
    torch.save(source.state_dict(), path)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(ValueError, match="made for 2 channels, the network has 5.*average_channels=True"):
        load_pretrained(network, path)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    load_pretrained(network, path, average_channels=True)
    if embedding is None:  # an image of equal channels gives the tokens that it gave before
        image = torch.rand(1, 1, 16, 16)
        tokens, known = (
            network.embedding(image.expand(1, 5, 16, 16)),
            source.encoder.embedding(image.expand(1, 2, 16, 16)),
        )
        torch.testing.assert_close(tokens, known)
    else:
        mean = source.encoder.embedding.channels.mean(0)
        torch.testing.assert_close(network.embedding.channels, mean.expand(5, -1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool": "mean"}, "It has class_token, which the network has not"),
        ({"pos_embed": "learnable"}, "It lacks embedding.positions.table"),
        ({"num_layers": 3}, "It lacks blocks.2.attention.bias, .* more"),
        ({"num_layers": 1}, "It has blocks.1.attention.bias"),
        ({"embedding": ChannelEmbedding}, "It lacks embedding.channels"),
        ({"hidden_size": 48}, "has shape"),
        ({"patch_size": 8}, "embedding.patch_embeddings.weight has shape .* the same preset and patch_size"),
        ({"attention": functools.partial(SequenceNormAttention)}, None),
    ],
)
def test_another_shape_is_refused_by_name(path: Path, options: dict[str, Any], message: str | None) -> None:
    torch.save(autoencoder().state_dict(), path)
    network = classifier(**options)
    if message is None:
        load_pretrained(network, path)
        return
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(ValueError, match=message) as error:
        load_pretrained(network, path)
    assert str(path) in str(error.value)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_files_that_are_no_weights_are_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        load_pretrained(classifier(), path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="no file of weights"):
        load_pretrained(classifier(), path)
    torch.save({"weights": [1, 2]}, path)
    with pytest.raises(ValueError, match="something else than tensors"):
        load_pretrained(classifier(), path)
    torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(ValueError, match="no transformer blocks"):
        load_pretrained(classifier(), path)
