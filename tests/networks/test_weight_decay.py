"""Which parameters decay."""

from __future__ import annotations

from monai_memvit.networks.blocks import ChannelEmbedding, SequenceNormAttention
from monai_memvit.networks.nets import MemViT
from monai_memvit.networks.weight_decay import weight_decay_groups


def test_projections_decay_and_nothing_else() -> None:
    network = MemViT(
        2, 8, 4, 3, hidden_size=24, num_layers=1, attention=SequenceNormAttention, embedding=ChannelEmbedding
    )
    network.head.weight.requires_grad_(False)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    decaying, others = weight_decay_groups(network, 0.05)
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.05, 0.0)
    assert {names[id(p)] for p in decaying["params"]} == {
        "embedding.patches.patch_embeddings.weight",
        "blocks.0.attention.qkv.weight",
        "blocks.0.attention.out_proj.weight",
        "blocks.0.mlp.linear1.weight",
        "blocks.0.mlp.linear2.weight",
    }
    known = {names[id(p)] for p in others["params"]}
    assert {"class_token", "embedding.channels", "embedding.patches.positions.table", "head.bias"} <= known
    assert {"blocks.0.attention.weight", "blocks.0.attention.bias", "norm.weight"} <= known
    assert len(known) + len(decaying["params"]) + 1 == len(names)
