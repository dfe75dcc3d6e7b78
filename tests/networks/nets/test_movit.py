"""Presets of MoViT."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from monai_memvit import MemViT, MoViT
from monai_memvit.memory import CosineRetrieval, LogitRetrieval, memory_layers
from monai_memvit.networks.blocks import ConfidenceGate, HeadGate, MemoryAttention


@pytest.mark.parametrize(("preset", "millions"), [("tiny", 5.5), ("small", 21.7), ("base", 85.8)])
def test_presets_have_the_size_of_the_papers_networks(preset, millions):
    with torch.device("meta"):
        net = MoViT.from_preset(preset, in_channels=3, img_size=224, num_classes=9)
    body = sum(p.numel() for name, p in net.named_parameters() if not name.startswith("head"))
    assert body / 1e6 == pytest.approx(millions, abs=0.06)


def test_memory_costs_one_parameter_per_head():
    sizes = {"in_channels": 3, "img_size": 16, "patch_size": 4, "num_classes": 2}
    with_memory, without = (sum(p.numel() for p in net.parameters()) for net in (MoViT(**sizes), MemViT(**sizes)))
    assert with_memory - without == 3


def test_the_last_block_alone_has_a_memory_and_only_its_class_token_asks():
    net = MoViT.from_preset("micro", in_channels=3, img_size=16, num_classes=2)
    (layer,) = memory_layers(net)
    assert layer is net.blocks[-1].attention
    assert (layer.query_tokens, layer.num_neighbors, layer.exclude) == (1, 32, "group")
    assert torch.equal(layer.gate, torch.full((3,), 0.5))


def test_arguments_override_the_preset():
    net = MoViT.from_preset("micro", in_channels=1, img_size=16, num_classes=2, num_layers=2, memory_layers=(0, 1))
    assert len(net.blocks) == len(memory_layers(net)) == 2


def test_unknown_preset():
    with pytest.raises(ValueError, match=r"\['base', 'micro', 'small', 'tiny'\], got 'huge'"):
        MoViT.from_preset("huge", in_channels=3, img_size=224, num_classes=2)


SMALL = {"in_channels": 3, "img_size": 16, "patch_size": 4, "num_classes": 2, "num_layers": 3}


@pytest.mark.parametrize("options", [{}, {"preset_memory": "paper"}])
def test_the_papers_memory_is_the_default(options):
    net = MoViT(**SMALL, **options)
    (layer,) = memory_layers(net)
    assert (type(layer.retrieval), type(layer.gating), layer.fact_labels) == (LogitRetrieval, HeadGate, None)
    assert (net.class_token_from, layer is net.blocks[-1].attention) == (0, True)
    assert (layer.query_tokens, layer.num_neighbors, layer.exclude) == (1, 32, "group")


def test_a_memory_of_similar_cases():
    net = MoViT.from_preset("micro", in_channels=3, img_size=16, num_classes=2, preset_memory="similar")
    (layer,) = memory_layers(net)
    assert (type(layer.retrieval), type(layer.gating), layer.query_tokens) == (CosineRetrieval, ConfidenceGate, 1)
    assert layer.retrieval.temperature == 0.1 and net.class_token_from == 2


def test_arguments_stand_in_the_place_of_the_presets():
    memory = partial(MemoryAttention, num_neighbors=5)
    net = MoViT(**SMALL, preset_memory="similar", memory=memory, memory_layers=(1,), class_token_from=0)
    (layer,) = memory_layers(net)
    assert (layer.num_neighbors, type(layer.retrieval), net.class_token_from) == (5, LogitRetrieval, 0)
    assert layer is net.blocks[1].attention


def test_unknown_memory():
    with pytest.raises(ValueError, match=r"preset_memory must be one of \['paper', 'similar'\], got 'prints'"):
        MoViT(**SMALL, preset_memory="prints")
