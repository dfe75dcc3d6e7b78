"""The vision transformer with injected memory: against MONAI's own, in 2-D and 3-D, compiled and exported."""

from __future__ import annotations

import functools
import io

import pytest
import torch
from monai.networks.nets import ViT

from monai_memvit import CosineQueryKey, MemViT, SoftmaxAttention
from monai_memvit.memory import memory_layers, memory_off
from monai_memvit.networks.blocks import ConfidenceGate, FactLabelEmbedding, MemoryAttention
from monai_memvit.networks.layers import attention_fact, class_token_fact, mean_token_fact

SIZES = {"in_channels": 3, "img_size": 16, "patch_size": 4, "num_classes": 4, "hidden_size": 24, "mlp_dim": 48}
SIZES |= {"num_layers": 3, "num_heads": 3}
LABELS = functools.partial(FactLabelEmbedding, num_classes=4)
MEMORY = functools.partial(MemoryAttention, retrieval="cosine", gate=ConfidenceGate, fact_labels=LABELS)
SIMILAR = {"class_token_from": -1, "memory": MEMORY}


@pytest.fixture
def make_net():
    def make(**options) -> MemViT:
        torch.manual_seed(0)
        net = MemViT(**{**SIZES, "memory_layers": (-1,), **options}).eval()
        for block in net.blocks:
            getattr(block.attention, "local", block.attention).qkv.weight.data *= 20
        return net

    return make


@pytest.fixture
def images():
    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def _copy_of_monais_vit(theirs: ViT, **options) -> MemViT:
    names = {"patch_embedding.": "embedding.", "cls_token": "class_token", "classification_head": "head"}
    names |= {".attn.": ".attention.", "position_embeddings": "positions.table"}
    weights = {}
    for name, tensor in theirs.state_dict().items():
        if "norm_cross_attn" not in name:
            for old, new in names.items():
                name = name.replace(old, new)
            weights[name] = tensor
    ours = MemViT(**{**SIZES, **options}).eval()
    ours.load_state_dict(weights)
    return ours


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_equals_monais_vit_with_the_same_weights(spatial_dims):
    torch.manual_seed(0)
    theirs = ViT(
        3,
        (16,) * spatial_dims,
        (4,) * spatial_dims,
        hidden_size=24,
        mlp_dim=48,
        num_layers=3,
        num_heads=3,
        classification=True,
        num_classes=4,
        post_activation=None,
        qkv_bias=True,
        spatial_dims=spatial_dims,
    ).eval()
    theirs.cls_token.data.normal_()
    images = torch.rand(2, 3, *(16,) * spatial_dims)
    ours = _copy_of_monais_vit(theirs, spatial_dims=spatial_dims)
    torch.testing.assert_close(ours(images), theirs(images)[0])


@pytest.mark.parametrize(
    "options", [{"pool": "mean"}, {"spatial_dims": 3}, {"memory_layers": (0, 2)}, {"pos_embed": "sincos"}]
)
def test_shapes_and_gradients(make_net, options):
    net = make_net(**options).train()
    images = torch.rand(2, 3, *(16,) * options.get("spatial_dims", 2))
    logits = net(images, torch.tensor([1, 2]))
    logits.square().sum().backward()
    gates = {f"blocks.{i}.attention.gate_bias" for i in range(3)}
    assert logits.shape == (2, 4)
    assert {name for name, p in net.named_parameters() if p.requires_grad and p.grad is None} <= gates


def test_tokens_begin_with_the_class_token(make_net, images):
    net = make_net()
    tokens = net.forward_features(images)
    assert tokens.shape == (2, 17, 24)
    torch.testing.assert_close(net.head(tokens[:, 0]), net(images))


def test_mean_pooling_has_no_class_token(make_net, images):
    net = make_net(pool="mean")
    tokens = net.forward_features(images)
    assert tokens.shape == (2, 16, 24)
    torch.testing.assert_close(net.head(tokens.mean(1)), net(images))


def test_an_embedding_may_be_injected(images):
    embedding = torch.nn.Sequential(torch.nn.Flatten(2), torch.nn.Linear(256, 24))
    assert MemViT(**SIZES, embedding=embedding).forward_features(images).shape == (2, 4, 24)


@pytest.mark.parametrize("qk_norm", [None, CosineQueryKey])
def test_an_attention_may_be_injected(make_net, fill, images, qk_norm):
    net = fill(make_net(attention=functools.partial(SoftmaxAttention, qkv_bias=False, qk_norm=qk_norm)), 9)
    assert net.blocks[0].attention.qkv.bias is None
    assert torch.isfinite(net(images)).all()


# memory


def test_an_empty_memory_changes_nothing(make_net, images):
    with_memory, without = make_net(), make_net(memory_layers=())
    assert torch.equal(with_memory(images), without(images))


def test_memory_off_is_an_empty_memory(make_net, fill, images):
    net = make_net()
    empty = net(images)
    fill(net, 9)
    assert not torch.allclose(net(images), empty)
    with memory_off(net):
        assert torch.equal(net(images), empty)


def test_the_class_tokens_question_is_enough_in_the_last_block(make_net, fill, images):
    net = fill(make_net(), 40)
    short = net(images)
    net.blocks[-1].attention.query_tokens = None
    torch.testing.assert_close(net(images), short)


@pytest.mark.parametrize(
    ("options", "layer", "asking"), [({}, -1, 1), ({"memory_layers": (0,)}, 0, None), ({"pool": "mean"}, -1, None)]
)
def test_all_tokens_ask_where_they_reach_the_logits(make_net, options, layer, asking):
    assert make_net(**options).blocks[layer].attention.query_tokens == asking


def test_memory_options_are_injected(make_net):
    net = make_net(memory=functools.partial(MemoryAttention, num_neighbors=5, exclude="id"))
    layer = net.blocks[-1].attention
    assert (layer.num_neighbors, layer.exclude) == (5, "id")


def test_evaluation_needs_no_ids_but_training_with_a_filled_memory_does(make_net, fill, images):
    net = fill(make_net(), 9)
    net(images)
    with pytest.raises(ValueError, match="needs sample_ids"):
        net.train()(images)
    net(images, torch.tensor([0, 1]), torch.tensor([0, 0]))


def test_ids_do_not_outlive_the_forward_pass(make_net, images):
    net = make_net()
    net(images, torch.tensor([3, 4]), torch.tensor([5, 5]))
    assert net.cases.sample_ids is None and net.cases.group_ids is None
    assert net.blocks[-1].attention.latest.ids.tolist() == [3, 4]


def test_ids_leave_even_when_a_block_fails(make_net, fill, images):
    net = fill(make_net(), 9)
    net.blocks[1].mlp = torch.nn.Linear(5, 5)
    with pytest.raises(RuntimeError):
        net(images, torch.tensor([3, 4]), torch.tensor([5, 5]))
    assert net.cases.sample_ids is None and net.cases.group_ids is None


@pytest.mark.parametrize("distilled", [False, True])
def test_a_fresh_network_takes_the_whole_memory_from_a_file(make_net, fill, images, distilled):
    from monai_memvit.memory import PrototypicalAttentionLearning

    net = fill(make_net(), 9, [0, 1, 2] * 3)
    if distilled:
        layer = memory_layers(net)[0]
        layer.bank = layer.bank.distil(PrototypicalAttentionLearning(4))
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    fresh = MemViT(**SIZES, memory_layers=(-1,)).eval()
    fresh.load_state_dict(state)
    assert torch.equal(fresh(images), net(images))
    assert all(torch.equal(tensor, state[name]) for name, tensor in fresh.state_dict().items())


def test_bfloat16_autocast(make_net, fill, images):
    net = fill(make_net(memory=functools.partial(MemoryAttention, num_neighbors=9)), 9)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = net(images)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), net(images), atol=0.05, rtol=0.05)


# compilers


@pytest.mark.slow
@pytest.mark.parametrize("facts", [0, 40])
@pytest.mark.parametrize("options", [{}, {"memory_layers": (1,), "pool": "mean"}, SIMILAR])
def test_compiles_to_one_graph(make_net, fill, images, facts, options):
    net = make_net(**options)
    net = fill(net, facts) if facts else net
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(images), net(images))


@pytest.mark.slow
def test_compiled_network_follows_a_growing_memory(make_net, fill, images):
    net = make_net()
    compiled = torch.compile(net, backend="aot_eager")
    compiled(images)
    for facts in (9, 40, 300):
        fill(net, facts)
        torch.testing.assert_close(compiled(images), net(images))


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{}, {"pool": "mean", "memory": functools.partial(MemoryAttention, max_bytes=2**15)}, SIMILAR]
)
def test_compiled_training_step_has_the_same_gradients(make_net, fill, images, options):
    net = fill(make_net(**options), 40).train()
    ids = torch.tensor([0, 1])
    net(images, ids).square().sum().backward()
    expected = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    torch.compiler.reset()  # sizes of the tests before would make those of this one symbolic
    torch.compile(net, backend="aot_eager")(images, ids).square().sum().backward()
    for wanted, p in zip(expected, net.parameters()):
        torch.testing.assert_close(p.grad, wanted, atol=1e-4, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("facts", "options"), [(0, {}), (40, {}), (40, SIMILAR)])
def test_exports_to_torch_and_onnx(make_net, fill, images, facts, options, tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    from onnx.reference import ReferenceEvaluator

    net = make_net(**options)
    net = fill(net, facts) if facts else net
    expected = net(images).detach()
    exported = torch.export.export(net, (images,))
    torch.testing.assert_close(exported.module()(images), expected)
    torch.onnx.export(exported, (), tmp_path / "net.onnx", dynamo=True, verbose=False)
    model = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(model)
    (found,) = ReferenceEvaluator(model).run(None, {model.graph.input[0].name: images.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool": "max"}, "'max'"),
        ({"memory_layers": (3,)}, "layer 3 does not exist in a network of 3 blocks"),
        ({"memory_layers": (-4,)}, "layer -4"),
        ({"num_heads": 5}, "divisible"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        MemViT(**{**SIZES, **options})


def test_a_partial_keeps_its_own_fact_and_queries() -> None:
    memory = functools.partial(MemoryAttention, fact=attention_fact, query_tokens=None, num_neighbors=4)
    network = MemViT(3, 8, 4, 2, 12, 24, 2, 3, memory_layers=(-1,), memory=memory)
    attention = network.blocks[-1].attention
    assert (attention.fact, attention.query_tokens, attention.num_neighbors) == (attention_fact, None, 4)


# a class token that joins late


@pytest.mark.parametrize("late", [0, 1, 2, -1, -3])
def test_the_class_token_joins_before_its_block(make_net, fill, images, late):
    net = fill(make_net(class_token_from=late), 9)
    tokens = net.embedding(images)
    for number, block in enumerate(net.blocks):
        if number == late % 3:
            tokens = torch.cat([net.class_token.expand(2, -1, -1), tokens], dim=1)
        tokens = block(tokens)
    assert torch.equal(net(images), net.head(net.norm(tokens)[:, 0]))
    assert net.forward_features(images).shape == (2, 17, 24)


def test_a_late_class_token_takes_the_same_weights(make_net, images):
    early, late = make_net(), make_net(class_token_from=-1)
    late.load_state_dict(early.state_dict())
    assert not torch.allclose(late(images), early(images))


@pytest.mark.parametrize("late", [0, 2])
def test_padding_means_nothing_to_a_late_class_token(make_net, images, late):
    net = make_net(class_token_from=late)
    mask = torch.arange(16).expand(2, -1) < torch.tensor([[9], [16]])
    padded = net(images, mask=mask)
    images[0, :, 12:] = torch.nan  # patches 12 to 15
    torch.testing.assert_close(net(images, mask=mask), padded)
    torch.testing.assert_close(net(images[1:]), padded[1:])


@pytest.mark.parametrize(("layer", "asking"), [(0, None), (1, None), (2, 1)])
def test_a_memory_before_the_class_token_stores_the_mean(make_net, fill, images, layer, asking):
    net = fill(make_net(class_token_from=2, memory_layers=(layer,)), 9)
    found = net.blocks[layer].attention
    assert (found.fact is mean_token_fact, found.query_tokens) == (layer < 2, asking)
    net.train()(images, torch.tensor([100, 101])).square().sum().backward()
    assert found.gate_bias.grad.any() and torch.isfinite(net.class_token.grad).all()


@pytest.mark.parametrize("fact", [class_token_fact, attention_fact])
def test_a_memory_cannot_store_a_class_token_that_is_not_there(make_net, fact):
    memory = functools.partial(MemoryAttention, fact=fact)
    with pytest.raises(ValueError, match="memory layer 0 has no class token .* before block 2"):
        make_net(class_token_from=2, memory_layers=(0, 2), memory=memory)
    make_net(class_token_from=2, memory_layers=(2,), memory=memory)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_token_from": 3}, "class_token_from 3 does not exist in a network of 3 blocks"),
        ({"class_token_from": -4}, "class_token_from -4"),
        ({"class_token_from": 1, "pool": "mean"}, "needs a class token: pool='cls', not 'mean'"),
    ],
)
def test_bad_places_of_the_class_token(options, message):
    with pytest.raises(ValueError, match=message):
        MemViT(**{**SIZES, **options})
